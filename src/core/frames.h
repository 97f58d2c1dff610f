/* SPDX-License-Identifier: MIT */
/* Mistakes with the frames of the C stack.  See frames.c. */
#ifndef BLY_CORE_FRAMES_H
#define BLY_CORE_FRAMES_H

#include "core/rt.h"
#include "core/stack.h"

struct bly_scope;

/* The calling thread is a worker from now on, or no longer. */
void bly_frames_thread(bool on);

BLY_COLD BLY_NORETURN void bly_frames_left_fatal_(struct bly_task *t,
    const belay_site *site);

/*
 * Aborts if the innermost block of t, which runs, lies in a frame that has
 * been left: a longjmp went over its end.  To be called from a function that
 * the user calls.
 */
BLY_INLINE void
bly_frames_left(struct bly_task *t, const belay_site *site)
{
    const char *node = (const char *)t->node;

    if (BLY_UNLIKELY(node < (const char *)__builtin_frame_address(0) &&
            node >= t->stack->low))
        bly_frames_left_fatal_(t, site);
}

/*
 * Looks among the n bytes of arguments for pointers into frames that go before
 * s ends, and complains.  From a function that the spawning one calls; frame
 * is the __builtin_frame_address(0) of it.  skip: the first word is no
 * argument.
 */
void bly_frames_check(struct bly_scope *s, const void *args, size_t n,
    const belay_site *site, const void *frame, bool skip);

#endif
