/* SPDX-License-Identifier: MIT */
/*
 * What AddressSanitizer, ThreadSanitizer and Valgrind must be told about
 * stacks.  In other builds all of it is empty.
 *
 * AddressSanitizer has to know the bounds of the stack that comes next, and
 * keeps a fake stack per context, freed at the context's last switch.  What
 * the last user of a stack left poisoned is cleared when the stack is made
 * into a context again.
 *
 * ThreadSanitizer has a fiber per stack.  To make one costs 1.5 ms with gcc's
 * runtime, so it is made once per stack and found again in the topmost words
 * of it; bly_sanitize_retire() must be called before a stack is unmapped or
 * its top is cleared.  All switches are edges of happens-before (flag 0): the
 * contexts of one thread take turns, so their accesses really are ordered,
 * both in the scheduler's own lists and in user data that two tasks of one
 * worker share.  A race needs two workers, and those are two threads, between
 * which no switch makes an edge.
 */
#ifndef BLY_ARCH_SANITIZE_H
#define BLY_ARCH_SANITIZE_H

#include "base/compiler.h"

#include <stdbool.h>

#define BLY_SANITIZE (BLY_ASAN || BLY_TSAN)

#if BLY_SANITIZE

struct bly_sanitize {
    void (*entry)(void *arg);
    void *arg;
    void *low; /* bounds of the stack */
    size_t size;
    void *fiber;          /* ThreadSanitizer's name of this stack */
    void *fake;           /* AddressSanitizer's, while it does not run */
    struct ctx_end *end;  /* in the outermost frame; see ctx.c */
    bool ended;
};

void bly_sanitize_retire(void *stack_low, size_t size);

#else

BLY_INLINE void
bly_sanitize_retire(void *stack_low, size_t size)
{
    (void)stack_low;
    (void)size;
}

#endif

#if defined(__has_include) && !defined(BLY_NO_VALGRIND)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define BLY_VALGRIND 1
#endif
#endif

#ifndef BLY_VALGRIND
#define BLY_VALGRIND 0
#define VALGRIND_STACK_REGISTER(start, end) ((void)(start), (void)(end), 0u)
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#define RUNNING_ON_VALGRIND 0u
#endif

#endif
