/* SPDX-License-Identifier: MIT */
/*
 * Tickers.  A ticker is a few numbers in its owner's frame: the period and the
 * instant of the next tick, on its own clock.  Only while somebody waits for
 * it is there a timer, in the frame of that wait, so that a ticker needs no
 * closing.
 *
 * Slack moves a wake-up to the last multiple, within the slack, of the largest
 * power of two that fits into it: tickers whose slacks allow it then wake
 * together, whatever their periods.
 *
 * Timers run on the monotonic clock, which stands still in suspend.  A ticker
 * on the boot clock looks at that clock whenever its timer fires, and arms it
 * for at most EVERY_LOOK; so a tick that fell into a suspend is noticed that
 * long after it at the latest.
 *
 * A stop is looked for at each call: one who is always behind never sleeps,
 * and has to be told all the same.
 */
#include <belay/timer.h>

#include "core/cancel.h"
#include "sync/batch.h"

#include <errno.h>

#define EVERY_LOOK INT64_C(1000000000)

struct every_waiter {
    struct bly_waiter base;
    struct bly_timer timer;
    belay_every *every;
    int64_t when; /* on the ticker's clock */
};

static int64_t
every_now(const belay_every *e)
{
    return e->belay_clock_ == BELAY_CLOCK_BOOT ? bly_os_now_boot()
                                               : bly_os_now();
}

/* Where to set the timer for an instant of the ticker's clock. */
static int64_t
every_timer_at(const belay_every *e, int64_t when)
{
    int64_t left;

    if (e->belay_clock_ != BELAY_CLOCK_BOOT)
        return when;
    left = when - bly_os_now_boot();
    return bly_time_add(bly_os_now(), left < EVERY_LOOK ? left : EVERY_LOOK);
}

static void
every_fire(struct bly_timer *timer)
{
    struct every_waiter *w = BLY_CONTAINER(timer, struct every_waiter, timer);
    struct bly_worker *worker = w->base.task->worker;
    int r = 0;

    if (every_now(w->every) < w->when) {
        r = bly_timer_arm(&worker->timers, timer,
            every_timer_at(w->every, w->when));
        if (r == 0)
            return;
    }
    bly_wake(&w->base, r);
}

static enum bly_abort
every_abort(struct bly_waiter *waiter)
{
    struct every_waiter *w = BLY_CONTAINER(waiter, struct every_waiter, base);

    if (!bly_timer_armed(&w->timer))
        return BLY_ABORT_PENDING;
    bly_timer_disarm(&waiter->task->worker->timers, &w->timer);
    return BLY_ABORT_DONE;
}

static const struct bly_wait_kind every_kind = {
    .verb = "wait for a tick",
    .abort = every_abort,
    .stoppable = true,
};

/* The instant at which to wake for `next'. */
static int64_t
every_with_slack(int64_t next, int64_t slack)
{
    int64_t last = bly_time_add(next, slack);
    int64_t unit;

    if (slack <= 0)
        return next;
    unit = INT64_C(1) << (63 - __builtin_clzll((uint64_t)slack));
    return last - last % unit;
}

void
belay_every_start_at(belay_every *e, belay_dur period,
    const belay_every_opts *opts, const belay_site *site)
{
    if (period <= 0)
        bly_misuse(site, "a ticker without a period");
    e->belay_period_ = period;
    e->belay_slack_ = opts == NULL ? 0 : opts->slack;
    e->belay_missed_ = opts == NULL ? BELAY_SKIP : (int)opts->missed;
    e->belay_clock_ = opts == NULL ? BELAY_CLOCK_MONOTONIC : (int)opts->clock;
    e->belay_next_ = every_now(e);
    if (opts == NULL || !opts->now)
        e->belay_next_ = bly_time_add(e->belay_next_, period);
}

/* Sleeps until the tick is due. */
static int
every_wait(belay_every *e, struct bly_task *t, const belay_site *site)
{
    struct every_waiter w;
    int r;

    bly_waiter_init(&w.base, t, &every_kind, e, site);
    w.every = e;
    w.when = every_with_slack(e->belay_next_, e->belay_slack_);
    w.timer.place = 0;
    w.timer.fire = every_fire;
    r = bly_timer_arm(&t->worker->timers, &w.timer,
        every_timer_at(e, w.when));
    if (r < 0)
        return r;
    return bly_wait(&w.base);
}

/* Moves the ticker on; returns how many ticks that was. */
static int
every_advance(belay_every *e, int64_t now)
{
    int64_t passed = 1 + (now - e->belay_next_) / e->belay_period_;

    if (e->belay_missed_ == BELAY_BURST)
        passed = 1;
    if (e->belay_missed_ == BELAY_DELAY)
        e->belay_next_ = bly_time_add(now, e->belay_period_);
    else
        e->belay_next_ += passed * e->belay_period_;
    return passed > INT32_MAX ? INT32_MAX : (int)passed;
}

int
belay_tick_at(belay_every *e, const belay_site *site)
{
    struct bly_task *t;
    int64_t now;
    int r = bly_enter(&t, "belay_tick", site);

    if (r < 0)
        return r;
    if (e->belay_period_ <= 0)
        bly_misuse(site, "a ticker that was not started");
    if (bly_node_stopped(t->node))
        return -ESHUTDOWN;
    now = every_now(e);
    if (now < e->belay_next_) {
        r = every_wait(e, t, site);
        if (r < 0)
            return r;
        now = every_now(e);
    }
    return every_advance(e, now);
}
