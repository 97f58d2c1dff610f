/* SPDX-License-Identifier: MIT */
/*
 * Contexts on any other processor, by way of ucontext.h.  A switch saves and
 * sets the signal mask and so costs system calls.
 *
 * The saved state lies on the stack of the context itself: in the frame of
 * the switch that it waits in, or above its first frame.
 *
 * These functions are compiled code, on one side of a switch when entered and
 * on the other when they return.  ThreadSanitizer's list of calls would tear
 * there, so it is refused.
 */
#include "arch/ctx.h"

#if BLY_CTX_UCONTEXT

#include <ucontext.h>

#if BLY_TSAN
#error "no ThreadSanitizer with contexts by ucontext.h"
#endif

#if BLY_SANITIZE
#define CTX_SWITCH bly_ctx_jump
#else
#define CTX_SWITCH bly_ctx_switch
#endif

/* makecontext passes ints: two make a pointer. */
static void
ctx_ucontext_start(unsigned entry_high, unsigned entry_low, unsigned arg_high,
    unsigned arg_low)
{
    uint64_t entry = (uint64_t)entry_high << 32 | entry_low;
    uint64_t arg = (uint64_t)arg_high << 32 | arg_low;

    ((bly_ctx_entry *)(uintptr_t)entry)((void *)(uintptr_t)arg);
    __builtin_trap();
}

void *
bly_ctx_frame(void *stack_low, size_t size, bly_ctx_entry *entry, void *arg)
{
    uintptr_t top = (uintptr_t)stack_low + size - sizeof(ucontext_t);
    ucontext_t *uc = (ucontext_t *)(top & ~(uintptr_t)63);
    uint64_t e = (uintptr_t)entry;
    uint64_t a = (uintptr_t)arg;

    getcontext(uc);
    uc->uc_link = NULL;
    uc->uc_stack.ss_sp = stack_low;
    uc->uc_stack.ss_size = (size_t)((char *)uc - (char *)stack_low);
    makecontext(uc, (void (*)(void))ctx_ucontext_start, 4, (unsigned)(e >> 32),
        (unsigned)e, (unsigned)(a >> 32), (unsigned)a);
    return uc;
}

void
CTX_SWITCH(struct bly_ctx *from, struct bly_ctx *to)
{
    ucontext_t here;

    from->sp = &here;
    swapcontext(&here, to->sp);
}

#endif
