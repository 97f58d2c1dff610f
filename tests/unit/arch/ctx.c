/* SPDX-License-Identifier: MIT */
/* The contract of arch/ctx.h, on whatever processor this is. */
#include "arch/ctx.h"

#include <check.h>
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unwind.h>

enum { STACK_SIZE = 256 * 1024, SWITCHES = 10 * 1000 * 1000 };

static struct bly_ctx home;

static char *
stack_new(void)
{
    char *p = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert(p != MAP_FAILED);
    return p;
}

static void
stack_free(char *stack)
{
    bly_sanitize_retire(stack, STACK_SIZE);
    munmap(stack, STACK_SIZE);
}

static void
adopt(void)
{
    bly_ctx_adopt(&home);
}

struct fiber {
    struct bly_ctx ctx;
    struct bly_ctx *back;
    char *stack;
    unsigned known; /* to Valgrind */
    uint64_t n;
    double x;
    uint64_t seed;
    jmp_buf jump;
};

static void
fiber_start(struct fiber *f, bly_ctx_entry *entry)
{
    f->back = &home;
    f->stack = stack_new();
    f->known = VALGRIND_STACK_REGISTER(f->stack, f->stack + STACK_SIZE - 1);
    bly_ctx_make(&f->ctx, f->stack, STACK_SIZE, entry, f);
}

static void
fiber_end(struct fiber *f)
{
    bly_ctx_drop(&f->ctx);
    VALGRIND_STACK_DEREGISTER(f->known);
    stack_free(f->stack);
}

static void
look_around(void *arg)
{
    struct fiber *f = arg;
    char here[16] __attribute__((aligned(16)));
    char *volatile p = here;

    f->n = (uint64_t)(uintptr_t)__builtin_frame_address(0);
    f->seed = (uintptr_t)p % 16;
    bly_ctx_exit_to(&f->ctx, f->back);
}

START_TEST(begins_on_its_stack)
{
    struct fiber f = {.seed = 1};

    fiber_start(&f, look_around);
    /* Odd sizes are rounded down. */
    bly_ctx_make(&f.ctx, f.stack, STACK_SIZE - 8, look_around, &f);
    bly_ctx_switch(&home, &f.ctx);
    ck_assert_uint_ge(f.n, (uintptr_t)f.stack);
    ck_assert_uint_lt(f.n, (uintptr_t)f.stack + STACK_SIZE);
    ck_assert_uint_gt(f.n, (uintptr_t)f.stack + STACK_SIZE - 4096);
    ck_assert_uint_eq(f.seed, 0);
    fiber_end(&f);
}
END_TEST

static uint64_t
lcg(uint64_t x)
{
    return x * 6364136223846793005u + 1442695040888963407u;
}

static void
count_for_ever(void *arg)
{
    struct fiber *f = arg;
    uint64_t a = f->seed;
    double x = (double)f->seed;

    for (;;) {
        a = lcg(a);
        x = x * 0.5 + 1.0;
        f->n++;
        f->seed = a;
        f->x = x;
        bly_ctx_switch(&f->ctx, f->back);
    }
}

START_TEST(ten_million_switches)
{
    struct fiber f[2] = {{.seed = 7}, {.seed = 1000}};
    uint64_t a = 7, b = 1000;
    double x = 7, y = 1000;

    fiber_start(&f[0], count_for_ever);
    fiber_start(&f[1], count_for_ever);
    for (int i = 0; i < SWITCHES / 4; i++) {
        bly_ctx_switch(&home, &f[0].ctx);
        bly_ctx_switch(&home, &f[1].ctx);
        a = lcg(a);
        b = lcg(b);
        x = x * 0.5 + 1.0;
        y = y * 0.5 + 1.0;
        if (f[0].seed != a || f[1].seed != b)
            ck_abort_msg("a register was lost at switch %d", i);
    }
    ck_assert_uint_eq(f[0].n, SWITCHES / 4);
    ck_assert_double_eq(f[0].x, x);
    ck_assert_double_eq(f[1].x, y);
    fiber_end(&f[0]);
    fiber_end(&f[1]);
}
END_TEST

static void
set_errno(void *arg)
{
    struct fiber *f = arg;

    f->n = (uint64_t)errno;
    errno = ENOTTY;
    bly_ctx_exit_to(&f->ctx, f->back);
}

START_TEST(errno_is_the_threads)
{
    struct fiber f = {.n = 0};

    fiber_start(&f, set_errno);
    errno = EPIPE;
    bly_ctx_switch(&home, &f.ctx);
    ck_assert_int_eq(errno, ENOTTY);
    ck_assert_uint_eq(f.n, EPIPE);
    fiber_end(&f);
}
END_TEST

enum { RING = 500 };

static struct fiber ring[RING];

static void
ring_member(void *arg)
{
    struct fiber *f = arg;
    struct fiber *next = f + 1 == ring + RING ? ring : f + 1;

    for (int round = 0; round < 100; round++) {
        f->n++;
        bly_ctx_switch(&f->ctx, &next->ctx);
    }
    bly_ctx_exit_to(&f->ctx, f == ring + RING - 1 ? &home : &next->ctx);
}

START_TEST(contexts_resume_each_other)
{
    for (int i = 0; i < RING; i++)
        fiber_start(&ring[i], ring_member);
    bly_ctx_switch(&home, &ring[0].ctx);
    for (int i = 0; i < RING; i++) {
        ck_assert_uint_eq(ring[i].n, 100);
        fiber_end(&ring[i]);
    }
}
END_TEST

static BLY_NOINLINE void
end_from_below(struct fiber *f, int depth)
{
    char block[64];
    char *volatile p = block;

    p[0] = (char)depth;
    if (depth > 0)
        end_from_below(f, depth - 1);
    if (p[0] == 0) {
        f->n++;
        bly_ctx_exit_to(&f->ctx, f->back);
    }
}

static void
end_deep(void *arg)
{
    end_from_below(arg, 5);
    abort();
}

/* More lives than a sanitizer's list of calls has room for. */
START_TEST(stack_serves_many_contexts)
{
    struct fiber f = {.n = 0};
    const uint64_t lives = 200 * 1000;

    fiber_start(&f, end_deep);
    for (uint64_t i = 0; i < lives; i++) {
        bly_ctx_switch(&home, &f.ctx);
        bly_ctx_drop(&f.ctx);
        bly_ctx_make(&f.ctx, f.stack, STACK_SIZE, end_deep, &f);
    }
    ck_assert_uint_eq(f.n, lives);
    fiber_end(&f);
}
END_TEST

/* The end of a run may leave contexts in the middle; their stacks serve on. */
START_TEST(abandoned_context)
{
    struct fiber f = {.seed = 3};

    fiber_start(&f, count_for_ever);
    bly_ctx_switch(&home, &f.ctx);
    bly_ctx_drop(&f.ctx);
    f.n = 0;
    bly_ctx_make(&f.ctx, f.stack, STACK_SIZE, end_deep, &f);
    bly_ctx_switch(&home, &f.ctx);
    ck_assert_uint_eq(f.n, 1);
    fiber_end(&f);
}
END_TEST

static struct bly_ctx moved;

static void
move_and_end(void *arg)
{
    struct fiber *f = arg;

    bly_ctx_switch(&f->ctx, f->back);
    moved = f->ctx;
    memset(&f->ctx, 0xff, sizeof(f->ctx));
    f->n++;
    bly_ctx_switch(&moved, f->back);
    bly_ctx_exit_to(&moved, f->back);
}

START_TEST(description_moves)
{
    struct fiber f = {.n = 0};

    fiber_start(&f, move_and_end);
    for (uint64_t i = 0; i < 10; i++) {
        bly_ctx_switch(&home, &f.ctx);
        bly_ctx_switch(&home, &f.ctx);
        bly_ctx_switch(&home, &moved);
        bly_ctx_drop(&moved);
        ck_assert_uint_eq(f.n, i + 1);
        bly_ctx_make(&f.ctx, f.stack, STACK_SIZE, move_and_end, &f);
    }
    fiber_end(&f);
}
END_TEST

static BLY_NOINLINE void
jump_back(struct fiber *f)
{
    longjmp(f->jump, 5);
}

static void
jump_inside(void *arg)
{
    struct fiber *f = arg;
    int got = setjmp(f->jump);

    if (got == 0) {
        bly_ctx_switch(&f->ctx, f->back);
        jump_back(f);
    }
    f->n = (uint64_t)got;
    bly_ctx_exit_to(&f->ctx, f->back);
}

START_TEST(longjmp_inside_a_context)
{
    struct fiber f = {.n = 0};

    fiber_start(&f, jump_inside);
    bly_ctx_switch(&home, &f.ctx);
    bly_ctx_switch(&home, &f.ctx);
    ck_assert_uint_eq(f.n, 5);
    fiber_end(&f);
}
END_TEST

static _Unwind_Reason_Code
count_frame(struct _Unwind_Context *uc, void *arg)
{
    struct fiber *f = arg;
    uintptr_t cfa = _Unwind_GetCFA(uc);

    f->n++;
    if (cfa < (uintptr_t)f->stack || cfa > (uintptr_t)f->stack + STACK_SIZE)
        f->seed = 1;
    return f->n > 100 ? _URC_END_OF_STACK : _URC_NO_REASON;
}

static void
unwind_all(void *arg)
{
    struct fiber *f = arg;

    bly_ctx_switch(&f->ctx, f->back);
    _Unwind_Backtrace(count_frame, f);
    bly_ctx_exit_to(&f->ctx, f->back);
}

START_TEST(backtrace_ends)
{
    struct fiber f = {.n = 0};

    fiber_start(&f, unwind_all);
    bly_ctx_switch(&home, &f.ctx);
    bly_ctx_switch(&home, &f.ctx);
    ck_assert_uint_ge(f.n, 2);
    ck_assert_uint_le(f.n, 6);
    ck_assert_uint_eq(f.seed, 0);
    fiber_end(&f);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("ctx");
    TCase *t = tcase_create("ctx");
    SRunner *r = srunner_create(s);

    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, adopt, NULL);
    tcase_add_test(t, begins_on_its_stack);
    tcase_add_test(t, ten_million_switches);
    tcase_add_test(t, errno_is_the_threads);
    tcase_add_test(t, contexts_resume_each_other);
    tcase_add_test(t, stack_serves_many_contexts);
    tcase_add_test(t, abandoned_context);
    tcase_add_test(t, description_moves);
    tcase_add_test(t, longjmp_inside_a_context);
    tcase_add_test(t, backtrace_ends);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
