/* SPDX-License-Identifier: MIT */
/*
 * Contexts: the part of a task that the processor knows.
 *
 * A context that does not run is a stack pointer; the registers that a callee
 * must preserve, and the address to go on at, lie on its stack.  The control
 * bits of the floating-point units (rounding, traps) are not switched: they
 * belong to the thread.  errno is not touched.
 *
 * A struct bly_ctx may be copied while its context runs; the copy stands for
 * it from then on.  A context is resumed only by the thread that it was saved
 * on, or before its first switch by any thread.
 */
#ifndef BLY_ARCH_CTX_H
#define BLY_ARCH_CTX_H

#include "arch/sanitize.h"
#include "base/compiler.h"

#ifndef BLY_CTX_UCONTEXT
#if defined(__x86_64__) && defined(__LP64__)
#define BLY_CTX_UCONTEXT 0
#elif defined(__aarch64__)
#define BLY_CTX_UCONTEXT 0
#else
#define BLY_CTX_UCONTEXT 1
#endif
#endif

typedef void bly_ctx_entry(void *arg); /* never returns */

struct bly_ctx {
    void *sp; /* valid while the context does not run */
#if BLY_SANITIZE
    struct bly_sanitize san;
#endif
};

/* The context will begin by entry(arg) on the stack [stack_low, + size). */
void bly_ctx_make(struct bly_ctx *c, void *stack_low, size_t size,
    bly_ctx_entry *entry, void *arg);

/*
 * Saves into from, resumes to, and returns when somebody resumes from.  In a
 * build without sanitizers this is the machine routine itself.
 */
void bly_ctx_switch(struct bly_ctx *from, struct bly_ctx *to)
    __attribute__((visibility("hidden")));

#if BLY_SANITIZE

/* Describes the calling thread's own stack, which nobody made. */
void bly_ctx_adopt(struct bly_ctx *c);

/* The context never runs again and its stack may be given to another. */
void bly_ctx_drop(struct bly_ctx *c);

/* The last switch of from, which must not be on an adopted stack. */
BLY_NORETURN void bly_ctx_exit_to(struct bly_ctx *from, struct bly_ctx *to);

#else

BLY_INLINE void
bly_ctx_adopt(struct bly_ctx *c)
{
    c->sp = NULL;
}

BLY_INLINE void
bly_ctx_drop(struct bly_ctx *c)
{
    (void)c;
}

BLY_NORETURN BLY_INLINE void
bly_ctx_exit_to(struct bly_ctx *from, struct bly_ctx *to)
{
    bly_ctx_switch(from, to);
    __builtin_unreachable();
}

#endif

/*
 * What the files of one architecture offer to the code above: the routine
 * that switches, and the frame that makes the first switch call entry(arg).
 */
#if BLY_SANITIZE
void bly_ctx_jump(struct bly_ctx *from, struct bly_ctx *to)
    __attribute__((visibility("hidden")));
#define BLY_CTX_ROUTINE "bly_ctx_jump"
#else
#define BLY_CTX_ROUTINE "bly_ctx_switch"
#endif
void *bly_ctx_frame(void *stack_low, size_t size, bly_ctx_entry *entry,
    void *arg);

#endif
