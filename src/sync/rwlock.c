/* SPDX-License-Identifier: MIT */
/*
 * Many readers or one writer.  All of the state lies under the gate.
 *
 * Readers are let in together: whenever readers stand at the head of the queue
 * and no writer is inside, they are let in by whoever brought that about.  A
 * writer at the head of a lock that has become free is woken to try, and a
 * running task may be quicker, as with the mutex; after 1 ms it is given the
 * lock instead.  A task that arrives to read passes the queue as long as its
 * head has waited less than 1 ms; the head is then a writer, or a reader that
 * is being let in.
 *
 * What must hold: if the head of the queue could be let in, it is a writer and
 * another one is on its way (`woken').  That one gets in, and lets others in
 * when it leaves; or it finds somebody inside, who will.  So rwlock_admit is
 * called wherever the head may have changed or the lock become freer: by an
 * unlock, by a reader that got in, and by one who is cut in the queue.
 */
#include <belay/sync.h>

#include "sync/batch.h"

#include <errno.h>
#include <stdio.h>

/* How a sleep ended, if not by a cut. */
enum { RWLOCK_TRY_AGAIN = 0, RWLOCK_YOURS = 1 };

struct bly_rwlock {
    struct bly_gate gate;
    uint32_t readers;        /* that are inside */
    bool woken;              /* a writer is on its way to try again */
    struct bly_task *writer; /* that is inside */
    struct bly_task *reader; /* one that is inside, as far as it is known */
    const belay_site *site;  /* where the last one got in */
    struct bly_list queue;
};

struct rwlock_waiter {
    struct bly_waiter base;
    int64_t since;
    bool write;
};

_Static_assert(sizeof(struct bly_rwlock) <= sizeof(belay_rwlock), "ABI");

static struct bly_rwlock *
rwlock_of(belay_rwlock *l)
{
    return (struct bly_rwlock *)(void *)l;
}

static struct rwlock_waiter *
rwlock_first(struct bly_rwlock *l)
{
    struct bly_waiter *w = bly_sync_first(&l->queue);

    return w == NULL ? NULL : BLY_CONTAINER(w, struct rwlock_waiter, base);
}

/* ---- under the gate ----------------------------------------------------- */

static bool
rwlock_is_free_for(struct bly_rwlock *l, bool write)
{
    return l->writer == NULL && (!write || l->readers == 0);
}

static void
rwlock_put_in(struct bly_rwlock *l, struct bly_task *t, bool write,
    const belay_site *site)
{
    if (write)
        l->writer = t;
    else if (l->readers++ == 0)
        l->reader = t;
    l->site = site;
}

/* Lets in, or wakes, whoever is at the head and can go on. */
static void
rwlock_admit(struct bly_rwlock *l, int64_t now, struct bly_batch *woken)
{
    struct rwlock_waiter *w;

    while ((w = rwlock_first(l)) != NULL && rwlock_is_free_for(l, w->write)) {
        bool late = now - w->since >= BLY_SYNC_PATIENCE;

        if (w->write && !late) {
            if (!l->woken)
                bly_batch_add(woken, &w->base, RWLOCK_TRY_AGAIN);
            l->woken = true;
            return;
        }
        rwlock_put_in(l, w->base.task, w->write, w->base.site);
        bly_batch_add(woken, &w->base, RWLOCK_YOURS);
    }
}

/* A running task takes it if that is fair. */
static bool
rwlock_take(struct bly_rwlock *l, struct bly_task *t, bool write,
    const belay_site *site)
{
    struct rwlock_waiter *first = rwlock_first(l);

    if (!rwlock_is_free_for(l, write))
        return false;
    if (first != NULL && !write &&
        t->worker->now - first->since >= BLY_SYNC_PATIENCE)
        return false;
    rwlock_put_in(l, t, write, site);
    return true;
}

/* What t has inside would keep it waiting for itself. */
static bool
rwlock_is_own(struct bly_rwlock *l, struct bly_task *t, bool write)
{
    return l->writer == t || (write && l->readers == 1 && l->reader == t);
}

/* ---- sleeping ----------------------------------------------------------- */

static enum bly_abort
rwlock_abort(struct bly_waiter *w)
{
    struct bly_rwlock *l = w->object;
    enum bly_abort answer = BLY_ABORT_PENDING;
    struct bly_batch woken;

    bly_batch_init(&woken);
    bly_lock(&l->gate.lock);
    if (bly_linked(&w->link)) {
        bly_list_remove(&w->link);
        rwlock_admit(l, w->task->worker->now, &woken);
        answer = BLY_ABORT_DONE;
    }
    bly_unlock(&l->gate.lock);
    bly_batch_wake(&woken);
    return answer;
}

static struct bly_task *
rwlock_waker(struct bly_waiter *w, struct bly_task *prev)
{
    struct bly_rwlock *l = w->object;
    struct bly_task *holder;

    if (prev != NULL)
        return NULL;
    bly_lock(&l->gate.lock);
    holder = l->writer;
    if (holder == NULL && l->readers == 1)
        holder = l->reader;
    bly_unlock(&l->gate.lock);
    return holder;
}

static void
rwlock_describe(struct bly_waiter *w, char *buf, size_t size)
{
    struct bly_rwlock *l = w->object;
    const belay_site *site;
    uint32_t readers;

    if (!bly_trylock(&l->gate.lock)) { /* pairs with bly_unlock */
        (void)snprintf(buf, size, "rwlock");
        return;
    }
    site = l->site;
    readers = l->readers;
    bly_unlock(&l->gate.lock);
    if (readers > 0)
        (void)snprintf(buf, size, "rwlock with %u readers, last at %s:%d",
            readers, bly_site_file(site), bly_site_line(site));
    else
        (void)snprintf(buf, size, "rwlock with a writer, at %s:%d",
            bly_site_file(site), bly_site_line(site));
}

static const struct bly_wait_kind rwlock_read_kind = {
    .verb = "lock to read",
    .abort = rwlock_abort,
    .waker = rwlock_waker,
    .describe = rwlock_describe,
};

static const struct bly_wait_kind rwlock_write_kind = {
    .verb = "lock to write",
    .abort = rwlock_abort,
    .waker = rwlock_waker,
    .describe = rwlock_describe,
};

/* A writer that was woken: gets in, or leaves with the code of its cut, or
 * goes back to the head of the queue (RWLOCK_TRY_AGAIN). */
static int
rwlock_retry(struct bly_rwlock *l, struct bly_task *t, struct rwlock_waiter *w)
{
    int r = bly_cut_now(t);

    bly_lock(&l->gate.lock);
    l->woken = false;
    if (rwlock_is_free_for(l, true)) {
        rwlock_put_in(l, t, true, w->base.site);
        r = RWLOCK_YOURS;
    } else if (r >= 0) {
        bly_list_push_front(&l->queue, &w->base.link);
    }
    bly_unlock(&l->gate.lock);
    return r;
}

/* Enters and leaves with the gate held and given up. */
static int
rwlock_wait(struct bly_rwlock *l, struct bly_task *t, bool write,
    const belay_site *site)
{
    struct rwlock_waiter w;
    int r;

    bly_waiter_init(&w.base, t, write ? &rwlock_write_kind : &rwlock_read_kind,
        l, site);
    w.since = t->worker->now;
    w.write = write;
    bly_list_push(&l->queue, &w.base.link);
    bly_unlock(&l->gate.lock);
    do {
        r = bly_wait(&w.base);
        if (r == RWLOCK_TRY_AGAIN)
            r = rwlock_retry(l, t, &w);
    } while (r == RWLOCK_TRY_AGAIN);
    return r < 0 ? r : 0;
}

/* ---- the calls ---------------------------------------------------------- */

static int
rwlock_lock(struct bly_rwlock *l, struct bly_task *t, bool write, bool try,
    const belay_site *site)
{
    struct bly_batch woken;
    int r = 0;

    bly_batch_init(&woken);
    bly_lock(&l->gate.lock);
    if (rwlock_is_own(l, t, write))
        r = -EDEADLK;
    else if (rwlock_take(l, t, write, site))
        rwlock_admit(l, t->worker->now, &woken);
    else if (try)
        r = -EBUSY;
    else
        return rwlock_wait(l, t, write, site);
    bly_unlock(&l->gate.lock);
    bly_batch_wake(&woken);
    if (r == -EDEADLK)
        (void)belay_fail_at(r, site, "this task has the lock already");
    return r;
}

int
belay_rwlock_read_at(belay_rwlock *l, const belay_site *site)
{
    struct bly_task *t;
    int r = bly_enter(&t, "belay_rwlock_read", site);

    if (r < 0)
        return r;
    return rwlock_lock(rwlock_of(l), t, false, false, site);
}

int
belay_rwlock_write_at(belay_rwlock *l, const belay_site *site)
{
    struct bly_task *t;
    int r = bly_enter(&t, "belay_rwlock_write", site);

    if (r < 0)
        return r;
    return rwlock_lock(rwlock_of(l), t, true, false, site);
}

int
belay_rwlock_try_read_at(belay_rwlock *l, const belay_site *site)
{
    struct bly_task *t = bly_must_self("belay_rwlock_try_read", site);

    return rwlock_lock(rwlock_of(l), t, false, true, site);
}

int
belay_rwlock_try_write_at(belay_rwlock *l, const belay_site *site)
{
    struct bly_task *t = bly_must_self("belay_rwlock_try_write", site);

    return rwlock_lock(rwlock_of(l), t, true, true, site);
}

/* Under the gate.  False: t has nothing inside. */
static bool
rwlock_take_out(struct bly_rwlock *l, struct bly_task *t)
{
    if (l->writer != NULL) {
        if (l->writer != t)
            return false;
        l->writer = NULL;
        return true;
    }
    if (l->readers == 0 ||
        (l->readers == 1 && l->reader != NULL && l->reader != t))
        return false;
    l->readers--;
    if (l->reader == t || l->readers == 0)
        l->reader = NULL;
    return true;
}

void
belay_rwlock_unlock_at(belay_rwlock *rwlock, const belay_site *site)
{
    struct bly_rwlock *l = rwlock_of(rwlock);
    struct bly_task *t = bly_must_self("belay_rwlock_unlock", site);
    struct bly_batch woken;
    const belay_site *there;
    bool mine;

    bly_batch_init(&woken);
    bly_lock(&l->gate.lock);
    there = l->site;
    mine = rwlock_take_out(l, t);
    if (mine)
        rwlock_admit(l, t->worker->now, &woken);
    bly_unlock(&l->gate.lock);
    if (!mine && there == NULL)
        bly_misuse(site, "unlock of an rwlock that nobody has");
    if (!mine)
        bly_misuse(site,
            "unlock of an rwlock that this task does not have; the last to "
            "lock it did so at %s:%d",
            bly_site_file(there), bly_site_line(there));
    bly_batch_wake(&woken);
}

void
belay_rwlock_leave(belay_held *h)
{
    if (h->lock != NULL)
        belay_rwlock_unlock_at(h->lock, h->site);
}

void
belay_rwlock_fini_at(belay_rwlock *rwlock, const belay_site *site)
{
    struct bly_rwlock *l = rwlock_of(rwlock);

    bly_sync_check_idle(&l->gate, &l->queue, "fini of an rwlock", site);
    if (l->writer != NULL || l->readers != 0)
        bly_misuse(site, "fini of an rwlock that is locked, at %s:%d",
            bly_site_file(l->site), bly_site_line(l->site));
}
