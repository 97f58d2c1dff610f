/* SPDX-License-Identifier: MIT */
/*
 * The one way to sleep.
 *
 * Everything that waits looks like this:
 *
 *     r = bly_enter(t, site);            the check: cut already?
 *     if (r < 0) return r;
 *     bly_lock(&object->lock);
 *     if (it can be done now) { do it; unlock; return; }
 *     bly_waiter_init(&w, t, &kind, object, site);
 *     bly_list_push(&object->waiters, &w.link);
 *     bly_unlock(&object->lock);
 *     r = bly_wait(&w);
 *
 * and whoever makes it possible takes the waiter out of the object's queue
 * under the object's lock, does the work of the sleeper (a channel copies the
 * value into *w.data), and calls bly_wake(&w, result) once, after or before
 * the unlock.  Taking it out of the queue *is* the claim: exactly one side
 * does so.  A waiter may be published, and woken, before its task has left
 * its stack: a started task resumes only on its own worker, and a wake from
 * elsewhere only queues it there.
 *
 * A cut, a deadline or a stop ends a sleep through kind->abort, which runs on
 * the sleeper's own worker, always: it takes the object's lock and answers
 * BLY_ABORT_DONE if the waiter was still queued and has been removed (the
 * caller then resumes the task with the cut's code), or BLY_ABORT_PENDING if
 * somebody else has it: the wake-up is coming and its result stands.
 *
 * A select puts one waiter into several queues.  They share a claim: a waker
 * that finds w->claim != NULL must win bly_claim(w) before it touches *data;
 * if it loses, it leaves that waiter unlinked and looks at the next one.
 */
#ifndef BLY_CORE_WAIT_H
#define BLY_CORE_WAIT_H

#include "base/atomic.h"
#include "base/list.h"
#include "base/lock.h"
#include "core/gate.h"
#include "core/rt.h"

enum bly_abort { BLY_ABORT_DONE, BLY_ABORT_PENDING };

struct bly_scope;
struct bly_waiter;

struct bly_wait_kind {
    const char *verb; /* "recv", "lock": for people */
    /* NULL: cannot be cut (joins). */
    enum bly_abort (*abort)(struct bly_waiter *w);
    bool stoppable; /* a gentle stop ends it with -ESHUTDOWN */
    /* For diagnosis, on the sleeper's worker.  Who alone could end this wait:
     * the next candidate after `prev' (NULL: the first), or NULL: no more.
     * Absent: not known.  Takes the object's lock itself. */
    struct bly_task *(*waker)(struct bly_waiter *w, struct bly_task *prev);
    /* Likewise: the children of this scope alone could, which are so many. */
    struct bly_scope *(*children)(struct bly_waiter *w, int64_t *count);
    /* Names the object: "channel 'jobs'".  NULL: the verb says it all.  Waits
     * for no lock: a timeline asks while others stand still (bly_hush). */
    void (*describe)(struct bly_waiter *w, char *buf, size_t size);
};

/* Shared by the cases of one select: 0, or 1 + index of the case that won,
 * or BLY_CLAIM_ABORTED. */
struct bly_claim {
    uint32_t word;
};
enum { BLY_CLAIM_ABORTED = UINT32_MAX };

struct bly_waiter {
    struct bly_link link; /* in the object's queue, under its lock */
    struct bly_task *task;
    const struct bly_wait_kind *kind;
    void *object;
    const belay_site *site;
    void *data;
    struct bly_claim *claim; /* NULL: alone */
    uint32_t index;          /* of the case, for the claim */
    int result;
};

BLY_INLINE void
bly_waiter_init(struct bly_waiter *w, struct bly_task *t,
    const struct bly_wait_kind *kind, void *object, const belay_site *site)
{
    w->link.next = w->link.prev = NULL;
    w->task = t;
    w->kind = kind;
    w->object = object;
    w->site = site;
    w->data = NULL;
    w->claim = NULL;
    w->index = 0;
    w->result = 0;
}

int bly_enter_slow(struct bly_task *t, const char *what,
    const belay_site *site) BLY_MUST_CHECK;

/*
 * The check with which each operation that may wait begins: finds the calling
 * task (aborts if there is none) and answers 0, or the cut's code if it is
 * cut.  Spends budget, so it may let others run first; aborts under
 * BELAY_NOWAIT.  what is the name of the public call.
 */
BLY_MUST_CHECK BLY_INLINE int
bly_enter(struct bly_task **self, const char *what, const belay_site *site)
{
    struct bly_worker *w = bly_worker_here;
    struct bly_task *t = w != NULL ? w->current : NULL;

    *self = t;
    /* The epoch moves at each cut; a stale answer is corrected by the message
     * that this worker handles before the task can sleep on. */
    if (BLY_LIKELY(!BLY_SIM && t != NULL && --w->slice != 0 &&
            t->slow == 0 && t->cut == 0 &&
            t->seen == bly_load_relaxed(&w->rt->epoch)))
        return 0;
    return bly_enter_slow(t, what, site);
}

/* For a t that has BLY_SLOW_NOWAIT: stops the program and names the block. */
void bly_wait_check_nowait(struct bly_task *t, const char *what,
    const belay_site *site);

/* Sleeps until bly_wake or a cut; returns w->result. */
int bly_wait(struct bly_waiter *w);

/* Ends the sleep.  The caller has taken the waiter out of its queue (and won
 * its claim).  The waiter is gone when this returns.  Any thread. */
void bly_wake(struct bly_waiter *w, int result);

/* True if the caller may complete w: always, but for a select that somebody
 * else has completed or cut. */
BLY_INLINE bool
bly_claim(struct bly_waiter *w)
{
    uint32_t none = 0;

    /* pairs with bly_claim on another case, and with select_abort */
    return w->claim == NULL ||
        bly_cas(&w->claim->word, &none, w->index + 1);
}

/* The abort of every wait in one queue: object begins with a gate. */
enum bly_abort bly_gate_abort(struct bly_waiter *w);

/* Without a wait, and without spending anything: the calling task, or abort. */
struct bly_task *bly_must_self(const char *what, const belay_site *site);

/* The cut in force for t on its own worker: 0 or the code; refreshes. */
int bly_cut_now(struct bly_task *t);

#endif
