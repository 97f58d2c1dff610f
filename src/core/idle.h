/* SPDX-License-Identifier: MIT */
/* What a worker does when it has nothing to do.  See idle.c. */
#ifndef BLY_CORE_IDLE_H
#define BLY_CORE_IDLE_H

#include "core/rt.h"

/* Looks for work elsewhere, sleeps if there is none; returns to the loop. */
void bly_idle(struct bly_worker *w);
/* There is work but no stack to run it on: waits a little. */
void bly_idle_starved(struct bly_worker *w);
/* Wakes one parked worker to look for work, if nobody does already. */
void bly_idle_wake_one(struct bly_rt *rt);
/* Ends the sleep of w, if it sleeps.  Any thread. */
void bly_idle_wake(struct bly_worker *w);

enum { BLY_BACKLOG = 4096 }; /* unstarted tasks that are worth a wake at once */

/* After a push to w's run queue. */
BLY_INLINE void
bly_idle_pushed(struct bly_worker *w)
{
    struct bly_rt *rt = w->rt;

    if (BLY_UNLIKELY(bly_load_relaxed(&rt->idle) != 0) &&
        (BLY_SIM || bly_runq_count(&w->runq) == BLY_BACKLOG))
        bly_idle_wake_one(rt);
}

#endif
