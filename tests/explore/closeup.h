/* SPDX-License-Identifier: MIT */
/*
 * A look from nearby at a part of a test: at atomic depth, while what comes
 * before and after is explored at task depth.  So the few accesses that matter
 * can be interleaved with more preemptions than a whole run could.
 */
#ifndef EXPLORE_CLOSEUP_H
#define EXPLORE_CLOSEUP_H

#include <belay/test.h>

#include "core/rt.h"
#include "sim/sim.h"

BELAY_TASK(closeup_nothing)
{
    return 0;
}

/* From here on.  First everybody else has come up and gone to sleep. */
static inline void
closeup_begin(void)
{
    unsigned i, n = bly_worker_here->rt->count;
    int err;

    for (i = 1; i < n; i++) {
        BELAY_SCOPE_CATCH(s, &err) {
            belay_spawn_with(s, (.worker = i + 1), closeup_nothing);
        }
        BELAY_CHECK_EQ(err, 0);
    }
    bly_sim_now.atomic = true;
}

/* What is called next has a frame of junk, not of what it left there before. */
static __attribute__((noinline, unused)) void
closeup_scribble(void)
{
    volatile char junk[4096];
    size_t i;

    for (i = 0; i < sizeof junk; i++)
        junk[i] = (char)0xa5;
}

static inline void
closeup_end(void)
{
    bly_sim_now.atomic = false;
}

#endif
