/* SPDX-License-Identifier: MIT */
/*
 * See runq.h.  Indices only grow: the entries are those from top up to, and
 * without, bottom, each in slot[index & mask].
 *
 * Only the last entry is fought over.  The owner writes the lower bottom and
 * then reads top; a thief reads top and then bottom, and takes by moving top.
 * All four are sequentially consistent, so of two who want the same entry at
 * least one sees the other: the owner sees top == bottom and must win the cas
 * too, or the thief sees that the queue is empty.
 *
 * A ring that is too small is copied, never changed, so a thief that still
 * reads the old one reads the same entries.  Old rings are kept until fini;
 * together they are smaller than the newest.
 */
#include "core/runq.h"

#include "base/alloc.h"
#include "base/check.h"

#include <errno.h>

static struct bly_runq_ring *
runq_ring_new(int64_t size, struct bly_runq_ring *older)
{
    struct bly_runq_ring *r;

    r = bly_alloc(sizeof(*r) + (size_t)size * sizeof(r->slot[0]));
    if (r != NULL) {
        r->mask = size - 1;
        r->older = older;
    }
    return r;
}

int
bly_runq_init(struct bly_runq *q, int64_t size, bool solo)
{
    bly_assert(size > 0 && (size & (size - 1)) == 0);
    q->bottom = 0;
    q->top = 0;
    q->solo = solo;
    q->ring = runq_ring_new(size, NULL);
    return q->ring == NULL ? -ENOMEM : 0;
}

void
bly_runq_fini(struct bly_runq *q)
{
    while (q->ring != NULL) {
        struct bly_runq_ring *older = q->ring->older;

        bly_free(q->ring);
        q->ring = older;
    }
}

struct bly_runq_ring *
bly_runq_grow_(struct bly_runq *q, int64_t top, int64_t bottom)
{
    struct bly_runq_ring *old = q->ring;
    struct bly_runq_ring *r = runq_ring_new((old->mask + 1) * 2, old);

    if (r == NULL)
        return NULL;
    for (int64_t i = top; i < bottom; i++)
        *bly_runq_slot(r, i) = bly_load_relaxed(bly_runq_slot(old, i));
    bly_store_release(&q->ring, r); /* pairs with bly_runq_steal */
    return r;
}

struct bly_task *
bly_runq_steal(struct bly_runq *q)
{
    int64_t top = bly_load(&q->top);       /* pairs with bly_runq_pop */
    int64_t bottom = bly_load(&q->bottom); /* with bly_runq_push and _pop */
    struct bly_task *t;

    if (top >= bottom)
        return NULL;
    /* After bottom: a ring that holds this index.  pairs with bly_runq_grow_ */
    t = bly_load_relaxed(bly_runq_slot(bly_load_acquire(&q->ring), top));
    if (q->solo) {
        bly_store_relaxed(&q->top, top + 1);
        return t;
    }
    /* pairs with bly_runq_pop and bly_runq_push */
    return bly_cas(&q->top, &top, top + 1) ? t : NULL;
}
