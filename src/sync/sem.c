/* SPDX-License-Identifier: MIT */
/*
 * A semaphore of weighted permits, strictly first come, first served.
 *
 * Permits that are free lie in `count'; those that a release gives to a
 * sleeper are taken from it at once, under the gate, so a permit is always
 * either in the count or somebody's.  Nobody takes permits while others are in
 * the queue: one who asks for many cannot be starved by those who ask for few.
 * The price is that permits may lie idle while the first of the queue waits
 * for more.
 *
 * Whatever makes the first of the queue another one must look whether that one
 * can be served: a release, and also a cut of the first, who may have blocked
 * smaller ones behind it.
 */
#include <belay/sync.h>

#include "sync/batch.h"

#include <errno.h>

struct bly_sem {
    struct bly_gate gate;
    uint32_t count; /* atomic: written under the gate */
    uint32_t pad;
    struct bly_list queue;
};

struct sem_waiter {
    struct bly_waiter base;
    uint32_t need;
};

_Static_assert(sizeof(struct bly_sem) <= sizeof(belay_sem), "ABI");
_Static_assert(offsetof(struct bly_sem, count) ==
        offsetof(belay_sem, belay_count_), "BELAY_SEM_INIT");

static struct bly_sem *
sem_of(belay_sem *s)
{
    return (struct bly_sem *)(void *)s;
}

/* Under the gate: serves whom it can from the head of the queue. */
static void
sem_serve(struct bly_sem *s, struct bly_batch *served)
{
    struct bly_waiter *w;

    while ((w = bly_sync_first(&s->queue)) != NULL) {
        uint32_t need = BLY_CONTAINER(w, struct sem_waiter, base)->need;

        if (need > s->count)
            return;
        bly_store_relaxed(&s->count, s->count - need);
        bly_batch_add(served, w, 0);
    }
}

static enum bly_abort
sem_abort(struct bly_waiter *w)
{
    struct bly_sem *s = w->object;
    enum bly_abort answer = BLY_ABORT_PENDING;
    struct bly_batch served;

    bly_batch_init(&served);
    bly_lock(&s->gate.lock);
    if (bly_linked(&w->link)) {
        bly_list_remove(&w->link);
        sem_serve(s, &served);
        answer = BLY_ABORT_DONE;
    }
    bly_unlock(&s->gate.lock);
    bly_batch_wake(&served);
    return answer;
}

static const struct bly_wait_kind sem_kind = {
    .verb = "acquire",
    .abort = sem_abort,
};

/* Under the gate. */
static bool
sem_take(struct bly_sem *s, uint32_t n)
{
    if (s->count < n || bly_sync_first(&s->queue) != NULL)
        return false;
    bly_store_relaxed(&s->count, s->count - n);
    return true;
}

int
belay_sem_acquire_at(belay_sem *sem, unsigned n, const belay_site *site)
{
    struct bly_sem *s = sem_of(sem);
    struct sem_waiter w;
    struct bly_task *t;
    int r = bly_enter(&t, "belay_sem_acquire", site);

    if (r < 0 || n == 0)
        return r;
    bly_lock(&s->gate.lock);
    if (sem_take(s, n)) {
        bly_unlock(&s->gate.lock);
        return 0;
    }
    bly_waiter_init(&w.base, t, &sem_kind, s, site);
    w.need = n;
    bly_list_push(bly_sync_queue(&s->queue), &w.base.link);
    bly_unlock(&s->gate.lock);
    return bly_wait(&w.base);
}

int
belay_sem_try_acquire(belay_sem *sem, unsigned n)
{
    struct bly_sem *s = sem_of(sem);
    bool taken;

    if (n == 0)
        return 0;
    bly_lock(&s->gate.lock);
    taken = sem_take(s, n);
    bly_unlock(&s->gate.lock);
    return taken ? 0 : -EBUSY;
}

void
belay_sem_release(belay_sem *sem, unsigned n)
{
    struct bly_sem *s = sem_of(sem);
    struct bly_batch served;
    bool fits;

    bly_batch_init(&served);
    bly_lock(&s->gate.lock);
    fits = n <= UINT32_MAX - s->count;
    if (fits)
        bly_store_relaxed(&s->count, s->count + n);
    sem_serve(s, &served);
    bly_unlock(&s->gate.lock);
    if (!fits)
        bly_misuse(NULL, "release of %u permits overflows a semaphore", n);
    bly_batch_wake(&served);
}

unsigned
belay_sem_available(belay_sem *sem)
{
    return bly_load_relaxed(&sem_of(sem)->count);
}

void
belay_sem_fini_at(belay_sem *sem, const belay_site *site)
{
    struct bly_sem *s = sem_of(sem);

    bly_sync_check_idle(&s->gate, &s->queue, "fini of a semaphore", site);
}
