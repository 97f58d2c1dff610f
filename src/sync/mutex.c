/* SPDX-License-Identifier: MIT */
/*
 * A mutex whose word says nearly everything: the address of the task that owns
 * it, 0 if it is free, and two bits.
 *
 *   QUEUED  somebody is in the queue; set and cleared under the gate
 *   WOKEN   somebody who was in the queue has been woken and will try again
 *
 * Locking 0 and unlocking without bits is one operation each.  Everything else
 * goes the slow way:
 *
 *   lock        spins while the owner runs on another worker, for a moment;
 *               then, under the gate, sets QUEUED (if it is still owned) and
 *               goes to sleep
 *   unlock      WOKEN: only frees it, the one on its way will see to the rest.
 *               QUEUED: under the gate, takes the first of the queue; frees
 *               the mutex, with WOKEN set, and wakes him
 *   the woken   tries again.  If he loses he clears WOKEN and goes back to
 *               the head of the queue, in one step against an unlock
 *
 * So a running task may get in ahead of a sleeper, which is what makes a busy
 * mutex fast: a hand-over for each section would cost a switch each time, and
 * a wake-up of another processor takes a thousand times as long as a section.
 * The bound: if the first of the queue has waited 1 ms, by the workers' coarse
 * clocks, unlock makes him the owner before it wakes him, whether or not
 * somebody is on his way.
 *
 * What must hold: if the mutex is free and QUEUED is set, WOKEN is set too, or
 * somebody has the gate.  Then no wake-up is lost: an unlock that sees QUEUED
 * without WOKEN wakes somebody; he who carries WOKEN takes the mutex (and will
 * unlock it), or puts WOKEN back while it is owned (and the owner will unlock
 * it).  That second step is a compare and swap on a word that says "owned", so
 * an unlock in between makes it fail and he tries again.
 *
 * A cut takes a sleeper out of the queue, which costs nobody anything.  One
 * who has been given the mutex has it, cut or not.  One who was woken and is
 * cut tries once more, and leaves only if it is owned.
 *
 * A runtime of one worker needs no locked instructions for the two common
 * steps: its tasks do not interrupt each other, and nobody else may come in
 * between.  That is why a mutex belongs to one runtime at a time.  It is also
 * the only thing that makes sense, since a runtime whose tasks all wait for
 * those of another would take itself for deadlocked.  The mutex notes the
 * runtime, and a free one changes hands.
 */
#include "sync/mutex.h"

#include "base/check.h"
#include "sync/batch.h"

#include <errno.h>
#include <stdio.h>

_Static_assert(sizeof(struct bly_mutex) <= sizeof(belay_mutex), "ABI");

enum { MUTEX_QUEUED = 1, MUTEX_WOKEN = 2, MUTEX_BITS = 3 };

/* How a sleep ended, if not by a cut. */
enum { MUTEX_TRY_AGAIN = 0, MUTEX_YOURS = 1 };

struct mutex_waiter {
    struct bly_waiter base;
    int64_t since;
};

static struct bly_task *
mutex_owner(uintptr_t v)
{
    return (struct bly_task *)(v & ~(uintptr_t)MUTEX_BITS);
}

/* ---- diagnosis ---------------------------------------------------------- */

static struct bly_task *
mutex_waker(struct bly_waiter *w, struct bly_task *prev)
{
    struct bly_mutex *m = w->object;

    if (prev != NULL)
        return NULL;
    return mutex_owner(bly_load_relaxed(&m->word));
}

static void
mutex_describe(struct bly_waiter *w, char *buf, size_t size)
{
    struct bly_mutex *m = w->object;
    const belay_site *site = bly_load_relaxed(&m->site);

    (void)snprintf(buf, size, "mutex locked at %s:%d", bly_site_file(site),
        bly_site_line(site));
}

/* ---- the queue ---------------------------------------------------------- */

/* Under the gate, after each change of the queue. */
static void
mutex_note_oldest(struct bly_mutex *m)
{
    struct bly_waiter *w = bly_sync_first(&m->queue);

    if (w != NULL)
        bly_store_relaxed(&m->oldest,
            BLY_CONTAINER(w, struct mutex_waiter, base)->since);
}

/* Under the gate. */
static void
mutex_clear_queued(struct bly_mutex *m)
{
    uintptr_t v = bly_load_relaxed(&m->word);

    /* pairs with bly_mutex_release */
    while (!bly_cas(&m->word, &v, v & ~(uintptr_t)MUTEX_QUEUED))
        continue;
}

static enum bly_abort
mutex_abort(struct bly_waiter *w)
{
    struct bly_mutex *m = w->object;
    enum bly_abort answer = BLY_ABORT_PENDING;

    bly_lock(&m->gate.lock);
    if (bly_linked(&w->link)) {
        bly_list_remove(&w->link);
        if (bly_list_empty(&m->queue))
            mutex_clear_queued(m);
        mutex_note_oldest(m);
        answer = BLY_ABORT_DONE;
    }
    bly_unlock(&m->gate.lock);
    return answer;
}

static const struct bly_wait_kind mutex_kind = {
    .verb = "lock",
    .abort = mutex_abort,
    .waker = mutex_waker,
    .describe = mutex_describe,
};

/* After a wait for a condition: not to be cut. */
static const struct bly_wait_kind mutex_retake_kind = {
    .verb = "lock again",
    .waker = mutex_waker,
    .describe = mutex_describe,
};

/* False: it is free again. */
static bool
mutex_enqueue(struct bly_mutex *m, struct mutex_waiter *w, uintptr_t mine)
{
    uintptr_t v;

    bly_lock(&m->gate.lock);
    v = bly_load_relaxed(&m->word);
    do {
        if (mutex_owner(v) == NULL) {
            bly_unlock(&m->gate.lock);
            return false;
        }
        /* pairs with bly_mutex_release */
    } while (!bly_cas(&m->word, &v, (v & ~mine) | MUTEX_QUEUED));
    if (mine != 0)
        bly_list_push_front(bly_sync_queue(&m->queue), &w->base.link);
    else
        bly_list_push(bly_sync_queue(&m->queue), &w->base.link);
    mutex_note_oldest(m);
    bly_unlock(&m->gate.lock);
    return true;
}

/* ---- locking ------------------------------------------------------------ */

/* Takes it if it is free; mine are bits that go with the caller. */
static bool
mutex_take(struct bly_mutex *m, struct bly_task *t, uintptr_t mine)
{
    uintptr_t v = bly_load_relaxed(&m->word);

    while (mutex_owner(v) == NULL)
        /* pairs with bly_mutex_release */
        if (bly_cas(&m->word, &v,
                (uintptr_t)t | (v & (uintptr_t)MUTEX_BITS & ~mine)))
            return true;
    return false;
}

/* Waits a moment for an owner that is running on another worker. */
static void
mutex_spin(struct bly_mutex *m, struct bly_task *t)
{
    struct bly_rt *rt = t->worker->rt;
    int i;

    if (rt->count == 1)
        return;
    for (i = 0; i < BLY_SYNC_SPINS; i++) {
        struct bly_task *owner = mutex_owner(bly_load_relaxed(&m->word));
        uint32_t where = bly_load_relaxed(&m->where);

        if (owner == NULL || where == t->worker->index || where >= rt->count ||
            bly_load_relaxed(&rt->workers[where].current) != owner)
            return;
        bly_sync_pause();
    }
}

/* One who was woken will not lock after all.  False: it is free. */
static bool
mutex_give_up(struct bly_mutex *m)
{
    uintptr_t v = bly_load_relaxed(&m->word);

    while (mutex_owner(v) != NULL)
        /* pairs with bly_mutex_release */
        if (bly_cas(&m->word, &v, v & ~(uintptr_t)MUTEX_WOKEN))
            return true;
    return false;
}

/* Sleeps until t has m, or is cut. */
static int
mutex_wait(struct bly_mutex *m, struct bly_task *t,
    const struct bly_wait_kind *kind, const belay_site *site)
{
    struct mutex_waiter w;
    uintptr_t mine = 0;
    int r;

    w.since = t->worker->now;
    for (;;) {
        mutex_spin(m, t);
        if (mutex_take(m, t, mine))
            return 0;
        if (mine != 0 && kind->abort != NULL) {
            r = bly_cut_now(t);
            if (r < 0) {
                if (mutex_give_up(m))
                    return r;
                continue;
            }
        }
        bly_waiter_init(&w.base, t, kind, m, site);
        if (!mutex_enqueue(m, &w, mine))
            continue;
        r = bly_wait(&w.base);
        if (r != MUTEX_TRY_AGAIN)
            return r < 0 ? r : 0;
        mine = MUTEX_WOKEN;
    }
}

/* What the owner notes about itself. */
static void
mutex_note_owner(struct bly_mutex *m, struct bly_task *t,
    const belay_site *site)
{
    bly_store_relaxed(&m->site, site);
    bly_store_relaxed(&m->where, t->worker->index);
}

/* Makes it the runtime's of t, if it is nobody's or free. */
static void
mutex_bind(struct bly_mutex *m, struct bly_task *t, const belay_site *site)
{
    struct bly_rt *was = bly_load_relaxed(&m->rt);
    const belay_site *there = bly_load_relaxed(&m->site);

    if (was == t->worker->rt)
        return;
    if (was != NULL && bly_load_relaxed(&m->word) != 0)
        bly_misuse(site,
            "a mutex that a task of another runtime has, locked at %s:%d",
            bly_site_file(there), bly_site_line(there));
    /* pairs with mutex_bind in another worker of this runtime */
    (void)bly_cas(&m->rt, &was, t->worker->rt);
}

static BLY_NOINLINE int
mutex_lock_slow(struct bly_mutex *m, struct bly_task *t,
    const belay_site *site)
{
    const belay_site *there = bly_load_relaxed(&m->site);
    int r;

    mutex_bind(m, t, site);
    if (bly_mutex_held_by(m, t))
        return belay_fail_at(-EDEADLK, site,
            "this task has the mutex already, locked at %s:%d",
            bly_site_file(there), bly_site_line(there));
    r = mutex_wait(m, t, &mutex_kind, site);
    if (r == 0)
        mutex_note_owner(m, t, site);
    return r;
}

/* The common case: it is free and nobody has anything to do with it. */
BLY_INLINE bool
mutex_take_quick(struct bly_mutex *m, struct bly_task *t)
{
    uintptr_t none = 0;

    if (BLY_UNLIKELY(bly_load_relaxed(&m->rt) != t->worker->rt))
        return false;
    if (!BLY_TSAN && t->worker->runq.solo) {
        if (BLY_UNLIKELY(bly_load_relaxed(&m->word) != 0))
            return false;
        bly_store_relaxed(&m->word, (uintptr_t)t);
        return true;
    }
    /* pairs with bly_mutex_release */
    return bly_cas(&m->word, &none, (uintptr_t)t);
}

int
belay_mutex_lock_at(belay_mutex *mutex, const belay_site *site)
{
    struct bly_mutex *m = bly_mutex_of(mutex);
    struct bly_task *t;
    int r = bly_enter(&t, "belay_mutex_lock", site);

    if (BLY_UNLIKELY(r < 0))
        return r;
    if (BLY_UNLIKELY(!mutex_take_quick(m, t)))
        return mutex_lock_slow(m, t, site);
    mutex_note_owner(m, t, site);
    return 0;
}

int
belay_mutex_try_lock_at(belay_mutex *mutex, const belay_site *site)
{
    struct bly_mutex *m = bly_mutex_of(mutex);
    struct bly_task *t = bly_must_self("belay_mutex_try_lock", site);

    mutex_bind(m, t, site);
    if (bly_mutex_held_by(m, t))
        return -EDEADLK;
    if (!mutex_take(m, t, 0))
        return -EBUSY;
    mutex_note_owner(m, t, site);
    return 0;
}

void
bly_mutex_retake(struct bly_mutex *m, struct bly_task *t,
    const belay_site *site)
{
    if (!mutex_take_quick(m, t))
        (void)mutex_wait(m, t, &mutex_retake_kind, site);
    mutex_note_owner(m, t, site);
}

/* ---- unlocking ---------------------------------------------------------- */

bool
bly_mutex_held_by(struct bly_mutex *m, struct bly_task *t)
{
    return mutex_owner(bly_load_relaxed(&m->word)) == t;
}

/* The first of the queue has waited for too long, as seen from w. */
static bool
mutex_is_late(struct bly_mutex *m, struct bly_worker *w)
{
    return w->now - bly_load_relaxed(&m->oldest) >= BLY_SYNC_PATIENCE;
}

/* Under the gate: wakes the first of the queue, with the mutex or without.
 * NULL: there is nobody to wake. */
static struct bly_waiter *
mutex_pass(struct bly_mutex *m, struct bly_task *t, int *how)
{
    struct bly_waiter *first = bly_sync_first(&m->queue);
    bool late = first != NULL && mutex_is_late(m, t->worker);
    uintptr_t v = bly_load_relaxed(&m->word);
    uintptr_t next;
    bool pick;

    bly_assert((first != NULL) == ((v & MUTEX_QUEUED) != 0));
    do {
        /* Anew each time: one who was woken may have given up. */
        pick = first != NULL && (late || (v & MUTEX_WOKEN) == 0);
        next = v & MUTEX_BITS;
        if (pick && first->link.next == &m->queue.head)
            next &= ~(uintptr_t)MUTEX_QUEUED;
        if (pick)
            next |= late ? (uintptr_t)first->task : (uintptr_t)MUTEX_WOKEN;
    } while (!bly_cas(&m->word, &v, next)); /* pairs with mutex_take */
    if (!pick)
        return NULL;
    bly_list_remove(&first->link);
    mutex_note_oldest(m);
    *how = late ? MUTEX_YOURS : MUTEX_TRY_AGAIN;
    if (late)
        mutex_note_owner(m, first->task, first->site);
    return first;
}

static BLY_NOINLINE void
mutex_release_slow(struct bly_mutex *m, struct bly_task *t)
{
    uintptr_t v = bly_load_relaxed(&m->word);
    struct bly_waiter *w;
    int how = 0;

    /* The queue may become empty, or another become its first, meanwhile. */
    while (!(v & MUTEX_QUEUED) ||
        ((v & MUTEX_WOKEN) && !mutex_is_late(m, t->worker)))
        /* pairs with mutex_take */
        if (bly_cas(&m->word, &v, v & MUTEX_BITS))
            return;
    bly_lock(&m->gate.lock);
    w = mutex_pass(m, t, &how);
    bly_unlock(&m->gate.lock);
    if (w != NULL)
        bly_wake(w, how);
}

/* The common case: nobody waits and nobody is on his way. */
BLY_INLINE bool
mutex_release_quick(struct bly_mutex *m, struct bly_task *t)
{
    uintptr_t v = (uintptr_t)t;

    if (!BLY_TSAN && t->worker->runq.solo) {
        if (BLY_UNLIKELY(bly_load_relaxed(&m->word) != v))
            return false;
        bly_store_release(&m->word, (uintptr_t)0); /* pairs with mutex_take */
        return true;
    }
    return bly_cas(&m->word, &v, (uintptr_t)0); /* pairs with mutex_take */
}

void
bly_mutex_release(struct bly_mutex *m, struct bly_task *t)
{
    if (!mutex_release_quick(m, t))
        mutex_release_slow(m, t);
}

BLY_COLD static void
mutex_not_yours(struct bly_mutex *m, const belay_site *site)
{
    const belay_site *there = bly_load_relaxed(&m->site);

    if (mutex_owner(bly_load_relaxed(&m->word)) == NULL)
        bly_misuse(site, "unlock of a mutex that nobody has");
    bly_misuse(site, "unlock of a mutex that another task locked at %s:%d",
        bly_site_file(there), bly_site_line(there));
}

void
belay_mutex_unlock_at(belay_mutex *mutex, const belay_site *site)
{
    struct bly_mutex *m = bly_mutex_of(mutex);
    struct bly_worker *w = bly_worker_here;
    struct bly_task *t = w != NULL ? w->current : NULL;

    if (BLY_LIKELY(t != NULL) && BLY_LIKELY(mutex_release_quick(m, t)))
        return;
    t = bly_must_self("belay_mutex_unlock", site);
    if (!bly_mutex_held_by(m, t))
        mutex_not_yours(m, site);
    mutex_release_slow(m, t);
}

void
belay_mutex_leave(belay_held *h)
{
    if (h->lock != NULL)
        belay_mutex_unlock_at(h->lock, h->site);
}

void
belay_mutex_fini_at(belay_mutex *mutex, const belay_site *site)
{
    struct bly_mutex *m = bly_mutex_of(mutex);
    const belay_site *there = bly_load_relaxed(&m->site);

    bly_sync_check_idle(&m->gate, &m->queue, "fini of a mutex", site);
    if (mutex_owner(bly_load_relaxed(&m->word)) != NULL)
        bly_misuse(site, "fini of a mutex that is locked, at %s:%d",
            bly_site_file(there), bly_site_line(there));
}
