/* SPDX-License-Identifier: MIT */
/* Tasks that the tests of the rules share. */
#ifndef EXPLORE_RULES_H
#define EXPLORE_RULES_H

#include <belay/sync.h>
#include <belay/test.h>

enum { RULES_UNSET = 12345 };

BELAY_TASK(returns, (int, code))
{
    return code;
}

/* Sleeps in the open: a cut's code is what it returns. */
BELAY_TASK(naps_then, (belay_dur, d), (int, code))
{
    BELAY_TRY(belay_sleep(d));
    return code;
}

/* Heeds no cut. */
BELAY_TASK(stubborn, (belay_dur, d), (int, code))
{
    BELAY_SHIELD(BELAY_S(1000));
    BELAY_TRY(belay_sleep(d));
    return code;
}

/* Sleeps until a cut, tells its code and passes it on. */
BELAY_TASK(until_cut, (int *, got))
{
    *got = belay_sleep(BELAY_S(10000));
    return *got;
}

/* The same, for tests in which time may pass at any moment. */
BELAY_TASK(awaits, (belay_event *, e), (int *, got))
{
    *got = belay_event_wait(e);
    return *got;
}

/* Sleeps until a cut, and then fails by itself. */
BELAY_TASK(breaks_when_cut, (int, code))
{
    int r = belay_sleep(BELAY_S(10000));

    return r < 0 ? code : 0;
}

/* One more of them has run. */
BELAY_TASK(counts, (int *, n))
{
    ++*n;
    return 0;
}

#endif
