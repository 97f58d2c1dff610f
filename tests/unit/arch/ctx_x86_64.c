/* SPDX-License-Identifier: MIT */
/* What a switch on x86-64 preserves, register by register. */
#include "arch/ctx.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#if !BLY_CTX_UCONTEXT && defined(__x86_64__)

/*
 * Loads rbx, rbp, r12, r13, r14, r15 from in, switches, and stores what they
 * are then to out.
 */
void switch_with(struct bly_ctx *from, struct bly_ctx *to,
    const uint64_t in[6], uint64_t out[6]);

__asm__(".text\n"
        ".globl switch_with\n"
        ".type switch_with, @function\n"
        "switch_with:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    pushq %rcx\n"
        "    movq 0(%rdx), %rbx\n"
        "    movq 8(%rdx), %rbp\n"
        "    movq 16(%rdx), %r12\n"
        "    movq 24(%rdx), %r13\n"
        "    movq 32(%rdx), %r14\n"
        "    movq 40(%rdx), %r15\n"
        "    call bly_ctx_switch\n"
        "    popq %rcx\n"
        "    movq %rbx, 0(%rcx)\n"
        "    movq %rbp, 8(%rcx)\n"
        "    movq %r12, 16(%rcx)\n"
        "    movq %r13, 24(%rcx)\n"
        "    movq %r14, 32(%rcx)\n"
        "    movq %r15, 40(%rcx)\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size switch_with, . - switch_with\n");

static struct bly_ctx home, fiber;
static char stack[256 * 1024] __attribute__((aligned(64)));
static uint64_t seen[3][6];

static const uint64_t mine[6] = {0x1111111111111111u, 0x2222222222222222u,
    0x3333333333333333u, 0x4444444444444444u, 0x5555555555555555u,
    0x6666666666666666u};
static const uint64_t its[6] = {~0u, 2, 0x8000000000000000u, 4, 5, 6};

static void
other(void *arg)
{
    (void)arg;
    for (int i = 1;; i++)
        switch_with(&fiber, &home, its, seen[i]);
}

START_TEST(callee_saved_registers)
{
    uint64_t out[6];

    bly_ctx_adopt(&home);
    bly_ctx_make(&fiber, stack, sizeof(stack), other, NULL);
    for (int i = 0; i < 3; i++) {
        switch_with(&home, &fiber, mine, out);
        for (int k = 0; k < 6; k++)
            ck_assert_uint_eq(out[k], mine[k]);
    }
    for (int k = 0; k < 6; k++) {
        ck_assert_uint_eq(seen[1][k], its[k]);
        ck_assert_uint_eq(seen[2][k], its[k]);
    }
}
END_TEST

/* The layout that debuggers' scripts rely on. */
START_TEST(parked_frame)
{
    uint64_t out[6];

    bly_ctx_adopt(&home);
    bly_ctx_make(&fiber, stack, sizeof(stack), other, NULL);
    switch_with(&home, &fiber, mine, out);
    const uint64_t *sp = fiber.sp;
    ck_assert_uint_eq(sp[0], its[5]);
    ck_assert_uint_eq(sp[1], its[4]);
    ck_assert_uint_eq(sp[2], its[3]);
    ck_assert_uint_eq(sp[3], its[2]);
    ck_assert_uint_eq(sp[4], its[0]);
    ck_assert_uint_eq(sp[5], its[1]);
}
END_TEST

static void
count_bits(void *arg)
{
    unsigned *control = arg;

    *control = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(*control | 0x8000); /* flush to zero */
    bly_ctx_exit_to(&fiber, &home);
}

START_TEST(float_control_is_the_threads)
{
    unsigned before = __builtin_ia32_stmxcsr();
    unsigned control = 0;

    bly_ctx_adopt(&home);
    __builtin_ia32_ldmxcsr(before | 0x40);
    bly_ctx_make(&fiber, stack, sizeof(stack), count_bits, &control);
    bly_ctx_switch(&home, &fiber);
    ck_assert_uint_eq(control, before | 0x40);
    ck_assert_uint_eq(__builtin_ia32_stmxcsr(), before | 0x8040);
    __builtin_ia32_ldmxcsr(before);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("ctx_x86_64");
    TCase *t = tcase_create("ctx_x86_64");
    SRunner *r = srunner_create(s);

    /* With a sanitizer it is a C function that may use registers. */
    if (!BLY_SANITIZE) {
        tcase_add_test(t, callee_saved_registers);
        tcase_add_test(t, parked_frame);
    }
    tcase_add_test(t, float_control_is_the_threads);
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
    printf("1..0 # SKIP not x86-64\n");
    return 0;
}

#endif
