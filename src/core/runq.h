/* SPDX-License-Identifier: MIT */
/*
 * The queue of tasks that one worker spawned and nobody has started: the
 * owner pushes and pops at the bottom (newest first), thieves take from the
 * top (oldest first).  Chase and Lev, "Dynamic Circular Work-Stealing Deque",
 * SPAA 2005; memory orders after Lê et al., PPoPP 2013, with exchanges in
 * place of fences, because ThreadSanitizer does not follow fences.
 *
 * A runtime of one worker has no thieves and needs no exchange: solo.
 */
#ifndef BLY_CORE_RUNQ_H
#define BLY_CORE_RUNQ_H

#include "base/atomic.h"

#include <errno.h>

struct bly_task;

struct bly_runq_ring {
    int64_t mask; /* size - 1 */
    struct bly_runq_ring *older; /* thieves may still read it */
    struct bly_task *slot[];
};

struct bly_runq {
    int64_t bottom; /* written by the owner */
    struct bly_runq_ring *ring;
    bool solo;
    int64_t top BLY_LINE_ALIGNED; /* moved by cas */
};

int bly_runq_init(struct bly_runq *q, int64_t size, bool solo) BLY_MUST_CHECK;
void bly_runq_fini(struct bly_runq *q);

/* The oldest entry; any thread.  NULL: none, or somebody was quicker. */
struct bly_task *bly_runq_steal(struct bly_runq *q);
struct bly_runq_ring *bly_runq_grow_(struct bly_runq *q, int64_t top,
    int64_t bottom);

BLY_INLINE struct bly_task **
bly_runq_slot(struct bly_runq_ring *r, int64_t index)
{
    return &r->slot[index & r->mask];
}

/* Owner.  0, or -ENOMEM. */
BLY_MUST_CHECK BLY_INLINE int
bly_runq_push(struct bly_runq *q, struct bly_task *t)
{
    struct bly_runq_ring *r = q->ring;
    int64_t bottom = q->bottom;
    /* pairs with bly_runq_steal: it has read the slot that we reuse */
    int64_t top = bly_load_acquire(&q->top);

    if (BLY_UNLIKELY(bottom - top > r->mask)) {
        r = bly_runq_grow_(q, top, bottom);
        if (r == NULL)
            return -ENOMEM;
    }
    bly_store_relaxed(bly_runq_slot(r, bottom), t);
    bly_store_release(&q->bottom, bottom + 1); /* pairs with bly_runq_steal */
    return 0;
}

/* Owner.  The newest entry, or NULL. */
BLY_INLINE struct bly_task *
bly_runq_pop(struct bly_runq *q)
{
    int64_t bottom = q->bottom - 1, top;
    struct bly_task *t;

    /* top only grows, so an old value that says "empty" is right. */
    if (bly_load_relaxed(&q->top) > bottom)
        return NULL;
    if (q->solo) {
        bly_store_relaxed(&q->bottom, bottom);
        return *bly_runq_slot(q->ring, bottom);
    }
    (void)bly_xchg(&q->bottom, bottom); /* pairs with bly_runq_steal */
    /* Index bottom is announced as taken; is it ours? */
    top = bly_load(&q->top); /* pairs with bly_runq_steal */
    t = bly_load_relaxed(bly_runq_slot(q->ring, bottom));
    if (BLY_LIKELY(top < bottom))
        return t;
    /* pairs with bly_runq_steal */
    if (top > bottom || !bly_cas(&q->top, &top, top + 1))
        t = NULL;
    bly_store_relaxed(&q->bottom, bottom + 1);
    return t;
}

/* Any thread; a guess. */
BLY_INLINE int64_t
bly_runq_count(struct bly_runq *q)
{
    int64_t n = bly_load_relaxed(&q->bottom) - bly_load_relaxed(&q->top);

    return n > 0 ? n : 0;
}

#endif
