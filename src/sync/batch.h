/* SPDX-License-Identifier: MIT */
/*
 * What the primitives of this directory share: queues that start as zero
 * bytes, and waking several sleepers after the lock has been released.
 */
#ifndef BLY_SYNC_BATCH_H
#define BLY_SYNC_BATCH_H

#include "arch/cpu.h"
#include "base/check.h"
#include "core/rt.h"
#include "core/wait.h"

/* A sleeper that has waited so long is served before anybody else. */
#define BLY_SYNC_PATIENCE INT64_C(1000000)

/* The queue, made ready if it still is the zero bytes it started as. */
BLY_INLINE struct bly_list *
bly_sync_queue(struct bly_list *l)
{
    if (BLY_UNLIKELY(l->head.next == NULL))
        bly_list_init(l);
    return l;
}

BLY_INLINE struct bly_waiter *
bly_sync_first(struct bly_list *l)
{
    struct bly_link *e = bly_list_first(bly_sync_queue(l));

    return e == NULL ? NULL : BLY_CONTAINER(e, struct bly_waiter, link);
}

/* For messages: callers of the function layer may leave the site out. */
BLY_INLINE const char *
bly_site_file(const belay_site *site)
{
    return site == NULL ? "?" : site->file;
}

BLY_INLINE int
bly_site_line(const belay_site *site)
{
    return site == NULL ? 0 : site->line;
}

/* Waiters that have been taken out of their queue, under its lock; linked by
 * link.prev, since link.next == NULL says that they are in no queue. */
struct bly_batch {
    struct bly_waiter *first, *last;
};

BLY_INLINE void
bly_batch_init(struct bly_batch *b)
{
    b->first = b->last = NULL;
}

BLY_INLINE void
bly_batch_add(struct bly_batch *b, struct bly_waiter *w, int result)
{
    bly_list_remove(&w->link);
    w->result = result;
    if (b->first == NULL)
        b->first = w;
    else
        b->last->link.prev = &w->link;
    b->last = w;
}

/* Without the lock. */
BLY_INLINE void
bly_batch_wake(struct bly_batch *b)
{
    struct bly_waiter *w = b->first;

    while (w != NULL) {
        struct bly_link *next = w->link.prev;

        bly_wake(w, w->result);
        w = next == NULL ? NULL : BLY_CONTAINER(next, struct bly_waiter, link);
    }
}

/* Without the lock: nobody may be waiting when an object goes. */
void bly_sync_check_idle(struct bly_gate *g, struct bly_list *l,
    const char *what, const belay_site *site);

#if BLY_SIM
enum { BLY_SYNC_SPINS = 2 };

BLY_INLINE void
bly_sync_pause(void)
{
    bly_spin();
}
#else
enum { BLY_SYNC_SPINS = 40 };

BLY_INLINE void
bly_sync_pause(void)
{
    bly_cpu_pause();
}
#endif

#endif
