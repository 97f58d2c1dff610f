/* SPDX-License-Identifier: MIT */
/* Mistakes with the frames of the C stack.  See frames.c. */
#ifndef BLY_CORE_FRAMES_H
#define BLY_CORE_FRAMES_H

#include "core/rt.h"
#include "core/scope.h"
#include "core/stack.h"

/* Where the frame of the function that contains this ends: what its caller has
 * on the stack lies at this address or above, what its caller's callees have
 * lies below. */
#define BLY_FRAME_END() ((const char *)__builtin_dwarf_cfa())

/* The calling thread is a worker from now on, or no longer. */
void bly_frames_thread(bool on);

BLY_COLD BLY_NORETURN void bly_frames_left_fatal_(struct bly_task *t,
    const belay_site *site);

/*
 * Aborts if the innermost block of t, which runs, lies in a frame that has
 * been left: a longjmp went over its end.  Anything below the frame of a
 * function of ours has been left.
 */
BLY_INLINE void
bly_frames_left(struct bly_task *t, const belay_site *site)
{
    const char *node = (const char *)t->node;

    if (BLY_UNLIKELY(node < (const char *)__builtin_frame_address(0) &&
            node >= t->stack->low))
        bly_frames_left_fatal_(t, site);
}

void bly_frames_check_(struct bly_scope *s, const void *args, size_t n,
    const belay_site *site, const char *end);

/*
 * Looks among the n bytes of arguments, but for the first skip, for pointers
 * into frames that go before s ends, and complains.  To be called from the
 * function that the user spawns with, or inline in it.  A spawn in the function
 * that opened s has no such frames, which is the common case.
 */
BLY_INLINE void
bly_frames_check(struct bly_scope *s, const void *args, size_t n, size_t skip,
    const belay_site *site)
{
    if (BLY_UNLIKELY(site->func != s->node.site->func) && n > skip)
        bly_frames_check_(s, (const char *)args + skip, n - skip, site,
            BLY_FRAME_END());
}

#endif
