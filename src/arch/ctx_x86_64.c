/* SPDX-License-Identifier: MIT */
/*
 * Contexts on x86-64, System V ABI.
 *
 * A context that does not run has, from its saved stack pointer upwards:
 *
 *      r15  r14  r13  r12  rbx  rbp  address to go on at
 *
 * Three details are worth their nanoseconds, each measured:
 *
 * The routine leaves by ret.  In a loop of two bare contexts a jump is 5 ns
 * cheaper, because the processor predicts a ret from the calls it has seen.
 * But in the runtime every switch stands at the bottom of the same calls: the
 * entry that our own call has pushed predicts this ret, and the ones below
 * predict the returns that follow.  A jump would leave its entry behind and
 * shift them all: a yield took 22 ns with the jump and 8 ns with the ret.
 *
 * It restores by mov, not by pop.  When the frame of the next context is not
 * in the nearest cache, popping it costs three times as much (17 ns against
 * 5.6 in a ring of 1,024 contexts); when it is, both are equal.
 *
 * It leaves mxcsr and the x87 control word alone: 3 ns.
 *
 * The unwind information is exact at every instruction.  At bly_ctx_parked the
 * stack pointer is what was saved, so a debugger shows a parked context if it
 * is told that rip is bly_ctx_parked and rsp the saved stack pointer.  The
 * first frame has an undefined return address: there a backtrace ends.
 */
#include "arch/ctx.h"

#if !BLY_CTX_UCONTEXT && defined(__x86_64__)

__asm__(".text\n"
        ".p2align 6\n"
        ".globl " BLY_CTX_ROUTINE "\n"
        ".hidden " BLY_CTX_ROUTINE "\n"
        ".type " BLY_CTX_ROUTINE ", @function\n"
        BLY_CTX_ROUTINE ":\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    pushq %rbp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset rbp, 0\n"
        "    pushq %rbx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset rbx, 0\n"
        "    pushq %r12\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset r12, 0\n"
        "    pushq %r13\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset r13, 0\n"
        "    pushq %r14\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset r14, 0\n"
        "    pushq %r15\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset r15, 0\n"
        "    movq %rsp, (%rdi)\n"
        ".globl bly_ctx_parked\n"
        ".hidden bly_ctx_parked\n"
        "bly_ctx_parked:\n"
        "    movq (%rsi), %rsi\n"
        "    movq 0(%rsi), %r15\n"
        "    movq 8(%rsi), %r14\n"
        "    movq 16(%rsi), %r13\n"
        "    movq 24(%rsi), %r12\n"
        "    movq 32(%rsi), %rbx\n"
        "    movq 40(%rsi), %rbp\n"
        "    leaq 48(%rsi), %rsp\n"
        "    .cfi_def_cfa rsp, 8\n"
        "    .cfi_restore rbp\n"
        "    .cfi_restore rbx\n"
        "    .cfi_restore r12\n"
        "    .cfi_restore r13\n"
        "    .cfi_restore r14\n"
        "    .cfi_restore r15\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size " BLY_CTX_ROUTINE ", . - " BLY_CTX_ROUTINE "\n"
        /* The outermost frame of a context: r12 is arg, r13 is entry. */
        ".p2align 4\n"
        ".globl bly_ctx_start\n"
        ".hidden bly_ctx_start\n"
        ".type bly_ctx_start, @function\n"
        "bly_ctx_start:\n"
        "    .cfi_startproc\n"
        "    .cfi_def_cfa rsp, 16\n"
        "    .cfi_undefined rip\n"
        "    endbr64\n"
        "    movq %r12, %rdi\n"
        "    call *%r13\n"
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size bly_ctx_start, . - bly_ctx_start\n");

extern char bly_ctx_start[] __attribute__((visibility("hidden")));

/* Two words are left above, so that the first frame has an extent. */
enum { CTX_R13 = 2, CTX_R12 = 3, CTX_RBP = 5, CTX_RIP = 6, CTX_WORDS = 9 };

void *
bly_ctx_frame(void *stack_low, size_t size, bly_ctx_entry *entry, void *arg)
{
    uintptr_t top = ((uintptr_t)stack_low + size) & ~(uintptr_t)15;
    uintptr_t *sp = (uintptr_t *)top - CTX_WORDS;

    sp[CTX_R13] = (uintptr_t)entry;
    sp[CTX_R12] = (uintptr_t)arg;
    sp[CTX_RBP] = 0; /* the end, for who follows frame pointers */
    sp[CTX_RIP] = (uintptr_t)bly_ctx_start;
    return sp;
}

#endif
