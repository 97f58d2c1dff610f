/* SPDX-License-Identifier: MIT */
/*
 * A condition: a queue of tasks that have given up one mutex.
 *
 * The waiter enters the queue while it still has the mutex, so a signal by
 * whoever takes the mutex next finds it.  It then sleeps as in any wait; a cut
 * takes it out of the queue, and a signal that came first stands: a signal is
 * never spent on somebody who is leaving.  In both cases the mutex is locked
 * again, and that sleep cannot be cut, since the caller could not tell
 * otherwise whether it may touch the data.  It lasts as long as the sections
 * of the others, which is why sections are to be short.
 */
#include "sync/batch.h"
#include "sync/mutex.h"

struct bly_cond {
    struct bly_gate gate;
    struct bly_list queue;   /* under the gate */
    struct bly_mutex *mutex; /* what all in the queue gave up */
};

_Static_assert(sizeof(struct bly_cond) <= sizeof(belay_cond), "ABI");

static struct bly_cond *
cond_of(belay_cond *c)
{
    return (struct bly_cond *)(void *)c;
}

static const struct bly_wait_kind cond_kind = {
    .verb = "wait for a condition",
    .abort = bly_gate_abort,
};

static void
cond_enqueue(struct bly_cond *c, struct bly_mutex *m, struct bly_waiter *w)
{
    struct bly_waiter *first;
    bool other;

    bly_lock(&c->gate.lock);
    first = bly_sync_first(&c->queue);
    other = first != NULL && c->mutex != m;
    if (!other) {
        c->mutex = m;
        bly_list_push(&c->queue, &w->link);
    }
    bly_unlock(&c->gate.lock);
    if (other)
        bly_misuse(w->site, "wait with a mutex that is not the one of %s:%d",
            bly_site_file(first->site), bly_site_line(first->site));
}

int
belay_cond_wait_at(belay_cond *cond, belay_mutex *mutex,
    const belay_site *site)
{
    struct bly_mutex *m = bly_mutex_of(mutex);
    struct bly_waiter w;
    struct bly_task *t;
    int r = bly_enter(&t, "belay_cond_wait", site);

    if (!bly_mutex_held_by(m, t))
        bly_misuse(site, "wait with a mutex that this task has not locked");
    if (r < 0)
        return r;
    bly_waiter_init(&w, t, &cond_kind, cond_of(cond), site);
    cond_enqueue(cond_of(cond), m, &w);
    bly_mutex_release(m, t);
    r = bly_wait(&w);
    bly_mutex_retake(m, t, site);
    return r;
}

void
belay_cond_signal(belay_cond *cond)
{
    struct bly_cond *c = cond_of(cond);
    struct bly_waiter *w;

    bly_lock(&c->gate.lock);
    w = bly_sync_first(&c->queue);
    if (w != NULL)
        bly_list_remove(&w->link);
    bly_unlock(&c->gate.lock);
    if (w != NULL)
        bly_wake(w, 0);
}

void
belay_cond_broadcast(belay_cond *cond)
{
    struct bly_cond *c = cond_of(cond);
    struct bly_batch all;
    struct bly_waiter *w;

    bly_batch_init(&all);
    bly_lock(&c->gate.lock);
    while ((w = bly_sync_first(&c->queue)) != NULL)
        bly_batch_add(&all, w, 0);
    bly_unlock(&c->gate.lock);
    bly_batch_wake(&all);
}

void
belay_cond_fini_at(belay_cond *cond, const belay_site *site)
{
    struct bly_cond *c = cond_of(cond);

    bly_sync_check_idle(&c->gate, &c->queue, "fini of a condition", site);
}
