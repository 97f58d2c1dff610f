/* SPDX-License-Identifier: MIT */
/* The rare ways through a gate that leans to a worker. */
#include "core/gate.h"

#include "arch/cpu.h"

void
bly_gate_lean(struct bly_leaning *l)
{
    struct bly_worker *w = bly_worker_here;

    l->inside = 0;
    l->worker = NULL;
    if (w == NULL || w->rt->count != 1 || !bly_os_barrier_ready())
        return;
    l->worker = w;
    l->gate.id |= BLY_GATE_LEANS;
}

void
bly_gate_lock_slow(struct bly_leaning *l)
{
    if (l->worker == bly_worker_here) {
        /* Somebody holds the lock and may wait for us to be outside. */
        bly_store_release(&l->inside, 0u); /* pairs with itself, below */
        bly_lock(&l->gate.lock);
        return;
    }
    bly_lock(&l->gate.lock);
    bly_os_barrier();
    /* pairs with bly_gate_unlock */
    while (bly_load_acquire(&l->inside) != 0) {
        bly_cpu_pause();
        bly_spin();
    }
}
