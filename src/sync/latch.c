/* SPDX-License-Identifier: MIT */
/*
 * A count that goes down to 0 and stays there.  It is read without the gate;
 * it reaches 0, and the queue is emptied, under it.
 */
#include <belay/sync.h>

#include "sync/batch.h"

struct bly_latch {
    struct bly_gate gate;
    uint32_t count; /* atomic: written under the gate */
    uint32_t pad;
    struct bly_list queue;
};

_Static_assert(sizeof(struct bly_latch) <= sizeof(belay_latch), "ABI");
_Static_assert(offsetof(struct bly_latch, count) ==
        offsetof(belay_latch, belay_count_), "BELAY_LATCH_INIT");

static struct bly_latch *
latch_of(belay_latch *l)
{
    return (struct bly_latch *)(void *)l;
}

static const struct bly_wait_kind latch_kind = {
    .verb = "wait for a latch",
    .abort = bly_gate_abort,
};

int
belay_latch_wait_at(belay_latch *latch, const belay_site *site)
{
    struct bly_latch *l = latch_of(latch);
    struct bly_waiter w;
    struct bly_task *t;
    int r = bly_enter(&t, "belay_latch_wait", site);

    if (r < 0)
        return r;
    /* pairs with belay_latch_count_down_at */
    if (bly_load_acquire(&l->count) == 0)
        return 0;
    bly_lock(&l->gate.lock);
    if (l->count == 0) {
        bly_unlock(&l->gate.lock);
        return 0;
    }
    bly_waiter_init(&w, t, &latch_kind, l, site);
    bly_list_push(bly_sync_queue(&l->queue), &w.link);
    bly_unlock(&l->gate.lock);
    return bly_wait(&w);
}

void
belay_latch_count_down_at(belay_latch *latch, unsigned n,
    const belay_site *site)
{
    struct bly_latch *l = latch_of(latch);
    struct bly_batch all;
    struct bly_waiter *w;
    uint32_t left;

    bly_batch_init(&all);
    bly_lock(&l->gate.lock);
    left = l->count;
    if (left >= n) {
        /* pairs with belay_latch_wait_at */
        bly_store_release(&l->count, left - n);
        while (left == n && (w = bly_sync_first(&l->queue)) != NULL)
            bly_batch_add(&all, w, 0);
    }
    bly_unlock(&l->gate.lock);
    if (left < n)
        bly_misuse(site, "a latch at %u is counted down by %u", left, n);
    bly_batch_wake(&all);
}

unsigned
belay_latch_left(belay_latch *latch)
{
    /* pairs with belay_latch_count_down_at */
    return bly_load_acquire(&latch_of(latch)->count);
}

void
belay_latch_fini_at(belay_latch *latch, const belay_site *site)
{
    struct bly_latch *l = latch_of(latch);

    bly_sync_check_idle(&l->gate, &l->queue, "fini of a latch", site);
}
