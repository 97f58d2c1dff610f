/* SPDX-License-Identifier: MIT */
/*
 * Something that is to be done once.  The word says whose turn it is:
 *
 *   0      nobody has tried, or all who tried have failed
 *   task   that task is in the function
 *   DONE   it has been done
 *
 * When the function fails, the turn goes to the first of the queue directly,
 * under the gate; so a failure never leaves sleepers without somebody who
 * tries.  One who is cut after he was given the turn takes it all the same:
 * the waits of the function then fail, and the turn goes on.
 */
#include <belay/sync.h>

#include "sync/batch.h"

#include <errno.h>
#include <stdio.h>

enum { ONCE_DONE = 1 };

/* How a sleep ended, if not by a cut. */
enum { ONCE_OVER = 0, ONCE_YOURS = 1 };

struct bly_once {
    struct bly_gate gate;
    uintptr_t word;         /* atomic: written under the gate */
    const belay_site *site; /* where the one whose turn it is asked */
    struct bly_list queue;
};

_Static_assert(sizeof(struct bly_once) <= sizeof(belay_once), "ABI");

static struct bly_once *
once_of(belay_once *o)
{
    return (struct bly_once *)(void *)o;
}

static struct bly_task *
once_waker(struct bly_waiter *w, struct bly_task *prev)
{
    struct bly_once *o = w->object;
    uintptr_t v = bly_load_relaxed(&o->word);

    return prev != NULL || v == ONCE_DONE ? NULL : (struct bly_task *)v;
}

static void
once_describe(struct bly_waiter *w, char *buf, size_t size)
{
    struct bly_once *o = w->object;
    const belay_site *site = bly_load_relaxed(&o->site);

    (void)snprintf(buf, size, "once, begun at %s:%d", bly_site_file(site),
        bly_site_line(site));
}

static const struct bly_wait_kind once_kind = {
    .verb = "wait for once",
    .abort = bly_gate_abort,
    .waker = once_waker,
    .describe = once_describe,
};

/* Under the gate: gives the turn to t. */
static void
once_turn(struct bly_once *o, struct bly_task *t, const belay_site *site)
{
    bly_store_relaxed(&o->site, site);
    bly_store_relaxed(&o->word, (uintptr_t)t);
}

/* It is the caller's turn. */
static int
once_call(struct bly_once *o, belay_fn *fn, void *arg)
{
    int r = fn(arg);
    struct bly_batch woken;
    struct bly_waiter *w;

    bly_batch_init(&woken);
    bly_lock(&o->gate.lock);
    w = bly_sync_first(&o->queue);
    if (r >= 0) {
        /* pairs with belay_once_run_at */
        bly_store_release(&o->word, (uintptr_t)ONCE_DONE);
        for (; w != NULL; w = bly_sync_first(&o->queue))
            bly_batch_add(&woken, w, ONCE_OVER);
    } else if (w != NULL) {
        once_turn(o, w->task, w->site);
        bly_batch_add(&woken, w, ONCE_YOURS);
    } else {
        bly_store_relaxed(&o->word, (uintptr_t)0);
    }
    bly_unlock(&o->gate.lock);
    bly_batch_wake(&woken);
    return r < 0 ? r : 0;
}

/* Under the gate, which it gives up: 0: it has been done; 1: it is the
 * caller's turn; or the code of a cut. */
static int
once_wait(struct bly_once *o, struct bly_task *t, const belay_site *site)
{
    uintptr_t v = bly_load_relaxed(&o->word);
    struct bly_waiter w;

    if (v == ONCE_DONE) {
        bly_unlock(&o->gate.lock);
        return ONCE_OVER;
    }
    if (v == 0) {
        once_turn(o, t, site);
        bly_unlock(&o->gate.lock);
        return ONCE_YOURS;
    }
    bly_waiter_init(&w, t, &once_kind, o, site);
    bly_list_push(bly_sync_queue(&o->queue), &w.link);
    bly_unlock(&o->gate.lock);
    return bly_wait(&w);
}

int
belay_once_run_at(belay_once *once, belay_fn *fn, void *arg,
    const belay_site *site)
{
    struct bly_once *o = once_of(once);
    const belay_site *there;
    struct bly_task *t;
    int r = bly_enter(&t, "belay_once_run", site);

    if (r < 0)
        return r;
    /* pairs with once_call */
    if (bly_load_acquire(&o->word) == ONCE_DONE)
        return 0;
    bly_lock(&o->gate.lock);
    if (bly_load_relaxed(&o->word) == (uintptr_t)t) {
        there = o->site;
        bly_unlock(&o->gate.lock);
        return belay_fail_at(-EDEADLK, site,
            "this task is in the function already, since %s:%d",
            bly_site_file(there), bly_site_line(there));
    }
    r = once_wait(o, t, site);
    return r == ONCE_YOURS ? once_call(o, fn, arg) : r;
}

bool
belay_once_is_done(belay_once *once)
{
    /* pairs with once_call */
    return bly_load_acquire(&once_of(once)->word) == ONCE_DONE;
}
