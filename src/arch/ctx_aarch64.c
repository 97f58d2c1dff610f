/* SPDX-License-Identifier: MIT */
/*
 * Contexts on aarch64, AAPCS64.
 *
 * A context that does not run has, from its saved stack pointer upwards,
 * x19 to x30 and d8 to d15 in order: 160 bytes.  x30 is the address to go on
 * at.  The upper halves of v8 to v15 need not be preserved, nor need fpcr.
 *
 * The routine leaves by ret: an indirect jump to the middle of a function
 * would be refused where branch targets are checked.  It does not sign x30,
 * since it spills it only into the frame above; its callers sign theirs.
 * "hint 34" is bti c, spelled so that any assembler and any core takes it.
 *
 * As on x86-64, at bly_ctx_parked sp is what was saved, and a backtrace ends
 * at bly_ctx_start.
 */
#include "arch/ctx.h"

#if !BLY_CTX_UCONTEXT && defined(__aarch64__)

__asm__(".text\n"
        ".p2align 6\n"
        ".globl " BLY_CTX_ROUTINE "\n"
        ".hidden " BLY_CTX_ROUTINE "\n"
        ".type " BLY_CTX_ROUTINE ", %function\n"
        BLY_CTX_ROUTINE ":\n"
        "    .cfi_startproc\n"
        "    hint 34\n"
        "    stp x19, x20, [sp, #-160]!\n"
        "    .cfi_adjust_cfa_offset 160\n"
        "    .cfi_rel_offset x19, 0\n"
        "    .cfi_rel_offset x20, 8\n"
        "    stp x21, x22, [sp, #16]\n"
        "    .cfi_rel_offset x21, 16\n"
        "    .cfi_rel_offset x22, 24\n"
        "    stp x23, x24, [sp, #32]\n"
        "    .cfi_rel_offset x23, 32\n"
        "    .cfi_rel_offset x24, 40\n"
        "    stp x25, x26, [sp, #48]\n"
        "    .cfi_rel_offset x25, 48\n"
        "    .cfi_rel_offset x26, 56\n"
        "    stp x27, x28, [sp, #64]\n"
        "    .cfi_rel_offset x27, 64\n"
        "    .cfi_rel_offset x28, 72\n"
        "    stp x29, x30, [sp, #80]\n"
        "    .cfi_rel_offset x29, 80\n"
        "    .cfi_rel_offset x30, 88\n"
        "    stp d8, d9, [sp, #96]\n"
        "    .cfi_rel_offset 72, 96\n"
        "    .cfi_rel_offset 73, 104\n"
        "    stp d10, d11, [sp, #112]\n"
        "    .cfi_rel_offset 74, 112\n"
        "    .cfi_rel_offset 75, 120\n"
        "    stp d12, d13, [sp, #128]\n"
        "    .cfi_rel_offset 76, 128\n"
        "    .cfi_rel_offset 77, 136\n"
        "    stp d14, d15, [sp, #144]\n"
        "    .cfi_rel_offset 78, 144\n"
        "    .cfi_rel_offset 79, 152\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        ".globl bly_ctx_parked\n"
        ".hidden bly_ctx_parked\n"
        "bly_ctx_parked:\n"
        "    ldr x9, [x1]\n"
        "    mov sp, x9\n"
        /* From here on the same offsets describe the context to come. */
        "    ldp x19, x20, [sp]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    .cfi_def_cfa sp, 0\n"
        "    .cfi_restore x19\n"
        "    .cfi_restore x20\n"
        "    .cfi_restore x21\n"
        "    .cfi_restore x22\n"
        "    .cfi_restore x23\n"
        "    .cfi_restore x24\n"
        "    .cfi_restore x25\n"
        "    .cfi_restore x26\n"
        "    .cfi_restore x27\n"
        "    .cfi_restore x28\n"
        "    .cfi_restore x29\n"
        "    .cfi_restore x30\n"
        "    .cfi_restore 72\n"
        "    .cfi_restore 73\n"
        "    .cfi_restore 74\n"
        "    .cfi_restore 75\n"
        "    .cfi_restore 76\n"
        "    .cfi_restore 77\n"
        "    .cfi_restore 78\n"
        "    .cfi_restore 79\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size " BLY_CTX_ROUTINE ", . - " BLY_CTX_ROUTINE "\n"
        /* The outermost frame of a context: x19 is arg, x20 is entry. */
        ".p2align 4\n"
        ".globl bly_ctx_start\n"
        ".hidden bly_ctx_start\n"
        ".type bly_ctx_start, %function\n"
        "bly_ctx_start:\n"
        "    .cfi_startproc\n"
        "    .cfi_def_cfa sp, 16\n"
        "    .cfi_undefined x30\n"
        "    hint 36\n"
        "    mov x0, x19\n"
        "    blr x20\n"
        "    brk #1\n"
        "    .cfi_endproc\n"
        ".size bly_ctx_start, . - bly_ctx_start\n");

extern char bly_ctx_start[] __attribute__((visibility("hidden")));

/* Two words are left above, so that the first frame has an extent. */
enum { CTX_X19 = 0, CTX_X20 = 1, CTX_X29 = 10, CTX_X30 = 11, CTX_WORDS = 22 };

void *
bly_ctx_frame(void *stack_low, size_t size, bly_ctx_entry *entry, void *arg)
{
    uintptr_t top = ((uintptr_t)stack_low + size) & ~(uintptr_t)15;
    uintptr_t *sp = (uintptr_t *)top - CTX_WORDS;

    sp[CTX_X19] = (uintptr_t)arg;
    sp[CTX_X20] = (uintptr_t)entry;
    sp[CTX_X29] = 0; /* the end, for who follows frame pointers */
    sp[CTX_X30] = (uintptr_t)bly_ctx_start;
    return sp;
}

#endif
