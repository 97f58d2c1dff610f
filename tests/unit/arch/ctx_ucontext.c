/* SPDX-License-Identifier: MIT */
/*
 * The contexts of other processors, tried on this one: the sources are built
 * once more with that choice, in place of those of the library.
 */
#define BLY_CTX_UCONTEXT 1
#include "base/compiler.h"

#if !BLY_TSAN
#include "../../../src/arch/ctx.c"
#include "../../../src/arch/ctx_ucontext.c"
#endif

#include <check.h>
#include <stdio.h>

#if !BLY_TSAN

static struct bly_ctx home, fiber;
static char stack[256 * 1024] __attribute__((aligned(64)));

struct counter {
    int n;
    double x;
};

static void
count(void *arg)
{
    struct counter *c = arg;
    double x = 0.5;

    while (c->n < 10000) {
        c->n++;
        c->x = x += 1.0;
        bly_ctx_switch(&fiber, &home);
    }
    bly_ctx_exit_to(&fiber, &home);
}

START_TEST(takes_turns)
{
    struct counter c = {0, 0};

    bly_ctx_adopt(&home);
    bly_ctx_make(&fiber, stack, sizeof(stack), count, &c);
    for (int i = 1; i <= 10000; i++) {
        bly_ctx_switch(&home, &fiber);
        ck_assert_int_eq(c.n, i);
        ck_assert_double_eq(c.x, i + 0.5);
    }
    bly_ctx_switch(&home, &fiber);
    bly_ctx_drop(&fiber);
    ck_assert_int_eq(c.n, 10000);
}
END_TEST

static void
look(void *arg)
{
    *(uintptr_t *)arg = (uintptr_t)__builtin_frame_address(0);
    bly_ctx_exit_to(&fiber, &home);
}

START_TEST(begins_on_its_stack)
{
    uintptr_t at = 0;

    bly_ctx_adopt(&home);
    bly_ctx_make(&fiber, stack, sizeof(stack), look, &at);
    bly_ctx_switch(&home, &fiber);
    ck_assert_uint_ge(at, (uintptr_t)stack + sizeof(stack) - 4096);
    ck_assert_uint_lt(at, (uintptr_t)stack + sizeof(stack));
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("ctx_ucontext");
    TCase *t = tcase_create("ctx_ucontext");
    SRunner *r = srunner_create(s);

    tcase_add_test(t, takes_turns);
    tcase_add_test(t, begins_on_its_stack);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

#else

int
main(void)
{
    printf("1..0 # SKIP no ThreadSanitizer with ucontext.h\n");
    return 0;
}

#endif
