/* SPDX-License-Identifier: MIT */
/*
 * Tickers: something to do every so often.
 *
 *     BELAY_EVERY(beat, BELAY_S(1), .missed = BELAY_SKIP);
 *
 *     while (BELAY_TRY(belay_tick(&beat)) > 0)
 *         send_heartbeat();
 *
 * A ticker belongs to the task that made it; it holds nothing and need not be
 * closed.  A gentle stop ends it with -ESHUTDOWN.  For a single delay there
 * is belay_sleep().
 */
#ifndef BELAY_TIMER_H
#define BELAY_TIMER_H

#include <belay/base.h>
#include <belay/error.h>

BELAY_BEGIN_DECLS

/* What to do about ticks that came while nobody waited for them. */
typedef enum belay_missed {
    BELAY_SKIP,  /* report them with the next one, keep the rhythm */
    BELAY_BURST, /* deliver each, one after the other, without waiting */
    BELAY_DELAY, /* report them; the next tick is a period from now */
} belay_missed;

typedef enum belay_clock {
    BELAY_CLOCK_MONOTONIC, /* stands still while the system is suspended */
    BELAY_CLOCK_BOOT,      /* counts that time too */
} belay_clock;

typedef struct belay_every_opts {
    size_t size;         /* sizeof(belay_every_opts) */
    belay_missed missed; /* BELAY_SKIP */
    belay_clock clock;   /* BELAY_CLOCK_MONOTONIC */
    belay_dur slack;     /* a tick may be so much late, so that wake-ups of
                          * several tickers can fall together */
    bool now;            /* the first tick comes at once, not in a period */
    void *reserved[4];
} belay_every_opts;

typedef struct belay_every {
    belay_dur belay_period_, belay_slack_;
    belay_time belay_next_;
    int belay_missed_, belay_clock_;
    void *belay_[3];
} belay_every;

/* Starts a ticker with a period > 0.  opts may be NULL. */
BELAY_API void belay_every_start_at(belay_every *e, belay_dur period,
    const belay_every_opts *opts, const belay_site *site);

/*
 * Waits for the next tick.  Returns the number of ticks that have passed, 1 or
 * more (1 with BELAY_BURST); or the code of a cut, -ESHUTDOWN after a gentle
 * stop, -ENOMEM.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_tick_at(belay_every *e,
    const belay_site *site);

BELAY_END_DECLS

#if !defined(__cplusplus)

/* Declares and starts the ticker e. */
#define BELAY_EVERY(e, period, ...)                                            \
    belay_every e;                                                             \
    belay_every_start_at(&e, (period),                                         \
        &(const belay_every_opts){                                             \
            .size = sizeof(belay_every_opts) __VA_OPT__(, ) __VA_ARGS__},      \
        BELAY_SITE_(#e))
#define belay_tick(e) belay_tick_at((e), BELAY_SITE_(#e))

#endif
#endif
