/* SPDX-License-Identifier: MIT */
/*
 * What the tests of waits and cuts between workers share.
 *
 * Of the events, `never' is never set, so that only a cut ends the wait for it.
 * Who is asleep when something happens has said so by `up' first.
 */
#ifndef EXPLORE_STAGE_H
#define EXPLORE_STAGE_H

#include <belay/sync.h>

#include "closeup.h"

#include <errno.h>

enum { NOTHING_YET = 12345, THERE = 2, HERE = 1 };

struct stage {
    belay_event never, e, up;
    belay_scope *outer;
    int got[3];
};

static inline void
stage_open(struct stage *st)
{
    *st = (struct stage){.never = BELAY_EVENT_INIT, .e = BELAY_EVENT_INIT,
        .up = BELAY_EVENT_INIT, .got = {NOTHING_YET, NOTHING_YET, NOTHING_YET}};
}

BELAY_TASK(only_a_cut, (struct stage *, st), (int, i))
{
    return st->got[i] = belay_event_wait(&st->never);
}

BELAY_TASK(cancels, (belay_scope *, s))
{
    belay_cancel(s, "a test");
    return 0;
}

BELAY_TASK(sets, (struct stage *, st))
{
    belay_event_set(&st->e);
    return 0;
}

#endif
