/* SPDX-License-Identifier: MIT */
/*
 * A place where `count' tasks meet.  Those that have come are the queue, so
 * one that is cut and leaves the queue has never come, and the others wait for
 * another one in its place.  The one that completes the number takes all out
 * of the queue at once; those that come later form the next meeting.
 */
#include <belay/sync.h>

#include "sync/batch.h"

struct bly_barrier {
    struct bly_gate gate;
    uint32_t count; /* fixed */
    uint32_t here;  /* length of the queue; under the gate */
    struct bly_list queue;
};

_Static_assert(sizeof(struct bly_barrier) <= sizeof(belay_barrier), "ABI");
_Static_assert(offsetof(struct bly_barrier, count) ==
        offsetof(belay_barrier, belay_count_), "BELAY_BARRIER_INIT");

static struct bly_barrier *
barrier_of(belay_barrier *b)
{
    return (struct bly_barrier *)(void *)b;
}

static enum bly_abort
barrier_abort(struct bly_waiter *w)
{
    struct bly_barrier *b = w->object;
    enum bly_abort answer = BLY_ABORT_PENDING;

    bly_lock(&b->gate.lock);
    if (bly_linked(&w->link)) {
        bly_list_remove(&w->link);
        b->here--;
        answer = BLY_ABORT_DONE;
    }
    bly_unlock(&b->gate.lock);
    return answer;
}

static const struct bly_wait_kind barrier_kind = {
    .verb = "meet at a barrier",
    .abort = barrier_abort,
};

int
belay_barrier_wait_at(belay_barrier *barrier, const belay_site *site)
{
    struct bly_barrier *b = barrier_of(barrier);
    struct bly_waiter w, *other;
    struct bly_batch all;
    struct bly_task *t;
    int r = bly_enter(&t, "belay_barrier_wait", site);

    if (b->count == 0)
        bly_misuse(site, "a barrier for no tasks");
    if (r < 0)
        return r;
    bly_lock(&b->gate.lock);
    if (b->here + 1 < b->count) {
        b->here++;
        bly_waiter_init(&w, t, &barrier_kind, b, site);
        bly_list_push(bly_sync_queue(&b->queue), &w.link);
        bly_unlock(&b->gate.lock);
        return bly_wait(&w);
    }
    bly_batch_init(&all);
    while ((other = bly_sync_first(&b->queue)) != NULL)
        bly_batch_add(&all, other, 0);
    b->here = 0;
    bly_unlock(&b->gate.lock);
    bly_batch_wake(&all);
    return 1;
}

void
belay_barrier_fini_at(belay_barrier *barrier, const belay_site *site)
{
    struct bly_barrier *b = barrier_of(barrier);

    bly_sync_check_idle(&b->gate, &b->queue, "fini of a barrier", site);
}
