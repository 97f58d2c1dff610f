/* SPDX-License-Identifier: MIT */
/* The worker's loop, and going to sleep in it.  See sched.c. */
#ifndef BLY_CORE_SCHED_H
#define BLY_CORE_SCHED_H

#include "core/rt.h"

/* Sleeps until the task is made ready; runs something else meanwhile. */
void bly_sched_park(struct bly_worker *w);
/* Lets the others that are ready run first. */
void bly_sched_yield(struct bly_worker *w);
/* The same, and the newest that nobody has started, too. */
void bly_sched_give_way(struct bly_worker *w);
/* The same when the slice is used up: then the loop looks outside, too. */
void bly_sched_slice_end(struct bly_worker *w);
/* Queues a started or pinned task on its worker.  Any thread. */
void bly_sched_ready(struct bly_task *t);
/* The same for one whose sleep has ended. */
void bly_sched_wake(struct bly_task *t);
/* t belongs to w from now on. */
BLY_INLINE void
bly_sched_adopt(struct bly_worker *w, struct bly_task *t)
{
    bly_store_relaxed(&t->worker, w);
    t->flags |= BLY_TASK_STARTED;
}

/* Runs tasks until rt->done; the body of every worker's thread. */
void bly_sched_loop(struct bly_worker *w);
/* Takes in messages, timers and completions. */
void bly_sched_poll(struct bly_worker *w);
/* Handles the messages that have come. */
void bly_sched_drain(struct bly_worker *w);
/* One pick: runs one task; false if there was nothing to run. */
bool bly_sched_turn(struct bly_worker *w);

#endif
