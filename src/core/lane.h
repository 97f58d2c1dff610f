/* SPDX-License-Identifier: MIT */
/*
 * Threads for calls that would stop a worker: a lane per purpose, so that none
 * can starve another.  See lane.c.
 */
#ifndef BLY_CORE_LANE_H
#define BLY_CORE_LANE_H

#include "core/rt.h"

enum bly_lane_kind {
    BLY_LANE_FILE,
    BLY_LANE_DNS,
    BLY_LANE_BLOCKING,
    BLY_LANE_CPU,
    BLY_LANE_COUNT_ /* is BLY_LANES */
};

/*
 * Calls fn(arg) on a thread of the lane and sleeps until it has returned;
 * returns its result.  A call that has not begun when the task is cut never
 * begins, and the code of the cut is returned; one that has begun is waited
 * for, and its result stands.  -EAGAIN, -ENOMEM: there is no thread, and none
 * could be started.  Cancellation point, on entry.
 */
int bly_lane_run(enum bly_lane_kind kind, int (*fn)(void *arg), void *arg,
    const belay_site *site) BLY_MUST_CHECK;

/*
 * The same for a call that may be left behind: fn returns >= 0, and if the
 * task is cut meanwhile, then the code of the cut is returned at once.  After
 * >= 0, arg is the caller's.  After a negative result it is not: drop(arg) has
 * been called, or will be on the lane's thread when fn returns, perhaps after
 * the runtime has been closed.  The thread counts until then.
 */
int bly_lane_run_abandonable(enum bly_lane_kind kind, int (*fn)(void *arg),
    void *arg, void (*drop)(void *arg), const belay_site *site) BLY_MUST_CHECK;

/* Ends all threads of rt but those with a call that was left behind.  No task
 * runs any more. */
void bly_lanes_close(struct bly_rt *rt);

/* So long an idle thread stays.  Tests change it. */
extern int64_t bly_lane_keep_ns;

#endif
