/* SPDX-License-Identifier: MIT */
/* What a switch on x86-64 preserves, register by register. */
#include "arch/ctx.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#if !BLY_CTX_UCONTEXT && defined(__aarch64__)

/*
 * Loads x19 to x29 and d8 to d15 from in, switches, and stores what they are
 * then to out.
 */
void switch_with(struct bly_ctx *from, struct bly_ctx *to,
    const uint64_t in[19], uint64_t out[19]);

__asm__(".text\n"
        ".globl switch_with\n"
        ".type switch_with, %function\n"
        "switch_with:\n"
        "    sub sp, sp, #176\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    str x3, [sp, #160]\n"
        "    ldp x19, x20, [x2, #0]\n"
        "    ldp x21, x22, [x2, #16]\n"
        "    ldp x23, x24, [x2, #32]\n"
        "    ldp x25, x26, [x2, #48]\n"
        "    ldp x27, x28, [x2, #64]\n"
        "    ldr x29, [x2, #80]\n"
        "    ldp d8, d9, [x2, #88]\n"
        "    ldp d10, d11, [x2, #104]\n"
        "    ldp d12, d13, [x2, #120]\n"
        "    ldp d14, d15, [x2, #136]\n"
        "    bl bly_ctx_switch\n"
        "    ldr x3, [sp, #160]\n"
        "    stp x19, x20, [x3, #0]\n"
        "    stp x21, x22, [x3, #16]\n"
        "    stp x23, x24, [x3, #32]\n"
        "    stp x25, x26, [x3, #48]\n"
        "    stp x27, x28, [x3, #64]\n"
        "    str x29, [x3, #80]\n"
        "    stp d8, d9, [x3, #88]\n"
        "    stp d10, d11, [x3, #104]\n"
        "    stp d12, d13, [x3, #120]\n"
        "    stp d14, d15, [x3, #136]\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #176\n"
        "    ret\n"
        ".size switch_with, . - switch_with\n");

static struct bly_ctx home, fiber;
static char stack[256 * 1024] __attribute__((aligned(64)));
static uint64_t mine[19], its[19], seen[3][19];

static void
other(void *arg)
{
    (void)arg;
    for (int i = 1;; i++)
        switch_with(&fiber, &home, its, seen[i]);
}

START_TEST(callee_saved_registers)
{
    uint64_t out[19];

    for (uint64_t k = 0; k < 19; k++) {
        mine[k] = (k + 1) * 0x0101010101010101u;
        its[k] = ~mine[k] << 7;
    }
    bly_ctx_adopt(&home);
    bly_ctx_make(&fiber, stack, sizeof(stack), other, NULL);
    for (int i = 0; i < 3; i++) {
        switch_with(&home, &fiber, mine, out);
        for (int k = 0; k < 19; k++)
            ck_assert_uint_eq(out[k], mine[k]);
    }
    for (int k = 0; k < 19; k++) {
        ck_assert_uint_eq(seen[1][k], its[k]);
        ck_assert_uint_eq(seen[2][k], its[k]);
    }
    /* The layout that debuggers' scripts rely on: x29 is the eleventh. */
    ck_assert_uint_eq(((uint64_t *)fiber.sp)[10], its[10]);
    ck_assert_uint_eq(((uint64_t *)fiber.sp)[12], its[11]);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("ctx_aarch64");
    TCase *t = tcase_create("ctx_aarch64");
    SRunner *r = srunner_create(s);

    if (!BLY_SANITIZE)
        tcase_add_test(t, callee_saved_registers);
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
    printf("1..0 # SKIP not aarch64\n");
    return 0;
}

#endif
