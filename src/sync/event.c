/* SPDX-License-Identifier: MIT */
/*
 * A flag that one can wait for.  It is read without the gate; it is set, and
 * the queue emptied, under it, so nobody enters the queue of an event that is
 * set.  A select may have a case here: it is told like any sleeper, unless
 * another of its cases was quicker.
 */
#include <belay/sync.h>

#include "sync/batch.h"
#include "sync/select.h"

struct bly_event {
    struct bly_gate gate;
    uint32_t set; /* atomic: written under the gate */
    uint32_t pad;
    struct bly_list queue;
};

_Static_assert(sizeof(struct bly_event) <= sizeof(belay_event), "ABI");

static struct bly_event *
event_of(belay_event *e)
{
    return (struct bly_event *)(void *)e;
}

static const struct bly_wait_kind event_kind = {
    .verb = "wait for an event",
    .abort = bly_gate_abort,
};

/* ---- a case of a select ------------------------------------------------- */

/* An event is made of zero bytes; it gets its number when first asked. */
static struct bly_gate *
event_gate(const belay_case *c)
{
    struct bly_event *e = event_of(c->belay_on);
    uint32_t none = 0;

    if (bly_load_relaxed(&e->gate.id) == 0)
        /* pairs with event_gate in another select */
        (void)bly_cas(&e->gate.id, &none, bly_gate_number());
    return &e->gate;
}

static bool
event_ready(struct bly_arm *a)
{
    return event_of(a->c->belay_on)->set != 0;
}

static int
event_take(struct bly_arm *a, struct bly_batch *b)
{
    (void)b;
    return event_ready(a) ? 0 : BLY_CASE_WAIT;
}

static void
event_enqueue(struct bly_arm *a)
{
    struct bly_event *e = event_of(a->c->belay_on);

    bly_list_push(bly_sync_queue(&e->queue), &a->w.link);
}

static const struct bly_case_ops event_case = {
    .verb = "wait for an event",
    .gate = event_gate,
    .ready = event_ready,
    .take = event_take,
    .enqueue = event_enqueue,
};

belay_case
belay_case_event(belay_event *event)
{
    return (belay_case){.belay_ops = event != NULL ? &event_case : NULL,
        .belay_on = event};
}

/* ---- the calls ---------------------------------------------------------- */

int
belay_event_wait_at(belay_event *event, const belay_site *site)
{
    struct bly_event *e = event_of(event);
    struct bly_waiter w;
    struct bly_task *t;
    int r = bly_enter(&t, "belay_event_wait", site);

    if (r < 0)
        return r;
    if (bly_load_acquire(&e->set)) /* pairs with belay_event_set */
        return 0;
    bly_lock(&e->gate.lock);
    if (e->set) {
        bly_unlock(&e->gate.lock);
        return 0;
    }
    bly_waiter_init(&w, t, &event_kind, e, site);
    bly_list_push(bly_sync_queue(&e->queue), &w.link);
    bly_unlock(&e->gate.lock);
    return bly_wait(&w);
}

void
belay_event_set(belay_event *event)
{
    struct bly_event *e = event_of(event);
    struct bly_batch all;
    struct bly_waiter *w;

    bly_batch_init(&all);
    bly_lock(&e->gate.lock);
    bly_store_release(&e->set, 1u); /* pairs with belay_event_wait_at */
    while ((w = bly_sync_first(&e->queue)) != NULL) {
        if (bly_claim(w))
            bly_batch_add(&all, w, 0);
        else
            bly_list_remove(&w->link);
    }
    bly_unlock(&e->gate.lock);
    bly_batch_wake(&all);
}

void
belay_event_reset(belay_event *event)
{
    struct bly_event *e = event_of(event);

    bly_lock(&e->gate.lock);
    bly_store_relaxed(&e->set, 0u);
    bly_unlock(&e->gate.lock);
}

bool
belay_event_is_set(belay_event *event)
{
    /* pairs with belay_event_set */
    return bly_load_acquire(&event_of(event)->set) != 0;
}

void
belay_event_fini_at(belay_event *event, const belay_site *site)
{
    struct bly_event *e = event_of(event);

    bly_sync_check_idle(&e->gate, &e->queue, "fini of an event", site);
}
