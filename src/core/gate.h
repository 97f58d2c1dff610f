/* SPDX-License-Identifier: MIT */
/*
 * The lock of an object that tasks wait for, and the order in which a select
 * takes several.
 *
 * A locked exchange costs 3 ns alone, and 7 ns between the stores of a
 * hand-over, which is more than half of a rendezvous.  A runtime of one worker
 * has nobody to exclude but foreign threads, which are rare.  So a gate may
 * lean to one worker: that worker says "I am inside" with a plain store and
 * then looks whether anybody holds the lock.  Everybody else takes the lock,
 * then makes each running thread of the process pass a memory barrier, and
 * waits until the worker is outside.  The barrier is what makes a plain store
 * enough: after it, either the worker's store is seen here, or the worker will
 * see the lock.
 */
#ifndef BLY_CORE_GATE_H
#define BLY_CORE_GATE_H

#include "base/atomic.h"
#include "base/lock.h"
#include "core/rt.h"

/* In a gate's id: it is the first member of a struct bly_leaning. */
#define BLY_GATE_LEANS (UINT32_C(1) << 31)

struct bly_gate {
    struct bly_lock lock;
    uint32_t id; /* order of creation: locks of a select go by it */
};

struct bly_leaning {
    struct bly_gate gate;
    uint32_t inside;           /* atomic; written by the worker only */
    struct bly_worker *worker; /* with BLY_GATE_LEANS */
};

void bly_gate_lock_slow(struct bly_leaning *l);
/* Lets l lean to the calling worker, if that is the only one of its runtime
 * and the system has such a barrier.  Before anybody else knows l. */
void bly_gate_lean(struct bly_leaning *l);

BLY_INLINE void
bly_gate_lock(struct bly_gate *g)
{
    struct bly_leaning *l = BLY_CONTAINER(g, struct bly_leaning, gate);

    if (!(g->id & BLY_GATE_LEANS)) {
        bly_lock(&g->lock);
        return;
    }
    if (BLY_LIKELY(l->worker == bly_worker_here)) {
        bly_store_relaxed(&l->inside, 1u);
        bly_compiler_barrier();
        /* pairs with bly_unlock */
        if (BLY_LIKELY(bly_load_acquire(&g->lock.held) == 0))
            return;
    }
    bly_gate_lock_slow(l);
}

BLY_INLINE void
bly_gate_unlock(struct bly_gate *g)
{
    struct bly_leaning *l = BLY_CONTAINER(g, struct bly_leaning, gate);

    if (BLY_LIKELY(g->id & BLY_GATE_LEANS) && l->worker == bly_worker_here &&
        l->inside)
        bly_store_release(&l->inside, 0u); /* pairs with bly_gate_lock_slow */
    else
        bly_unlock(&g->lock);
}

#endif
