/* SPDX-License-Identifier: MIT */
/*
 * A circuit breaker.
 *
 *     closed -- failures >= ratio of >= volume outcomes --> open
 *     open   -- open_for is over, somebody comes ---------> half-open
 *     half-open -- a probe fails -------------------------> open
 *     half-open -- `probes' probes succeed ---------------> closed
 *
 * Outcomes are counted in BREAKER_SLOTS slots, each a part of the window; a
 * slot that the clock has left behind is emptied when it is needed again.
 *
 * A pass carries the number of the period (from one change of state to the
 * next) in which it was given out.  An outcome that belongs to an earlier
 * period is old news: a call that hung through a whole outage must not open
 * the breaker anew, nor close it.
 *
 * In half-open, probes that are out and probes that have succeeded are
 * together never more than `probes'.  One that is cancelled tells nothing, and
 * its place is free again.
 */
#include <belay/policy.h>

#include "base/check.h"
#include "base/lock.h"
#include "policy/attempt.h"

#include <errno.h>

enum { BREAKER_SLOTS = 8, BREAKER_PERIODS = 0x40000000 };

struct breaker_slot {
    int64_t number; /* since when: a multiple of the slot's length */
    uint32_t good, bad;
};

struct bly_breaker {
    belay_breaker_opts opts;
    struct bly_lock lock;
    uint32_t state;
    uint32_t period; /* changes with the state; below BREAKER_PERIODS */
    uint32_t out;    /* half-open: probes on their way */
    uint32_t good;   /* half-open: probes that have succeeded */
    belay_time until; /* open: until then */
    struct breaker_slot slots[BREAKER_SLOTS];
};

_Static_assert(sizeof(struct bly_breaker) <= sizeof(belay_breaker), "ABI");

static struct bly_breaker *
breaker_of(belay_breaker *b)
{
    return (struct bly_breaker *)(void *)b;
}

static unsigned
breaker_probes(const struct bly_breaker *b)
{
    return b->opts.probes > 0 ? b->opts.probes : 1;
}

static const char *
breaker_name(const struct bly_breaker *b)
{
    return b->opts.name != NULL ? b->opts.name : "?";
}

/* ---- under the lock ------------------------------------------------- */

static void
breaker_become(struct bly_breaker *b, belay_breaker_state state)
{
    b->state = state;
    b->period = (b->period + 1) % BREAKER_PERIODS;
    b->out = b->good = 0;
}

static void
breaker_open(struct bly_breaker *b, belay_time now)
{
    breaker_become(b, BELAY_BREAKER_OPEN);
    b->until = now + (b->opts.open_for > 0 ? b->opts.open_for : BELAY_S(5));
}

static void
breaker_close(struct bly_breaker *b)
{
    breaker_become(b, BELAY_BREAKER_CLOSED);
    for (int i = 0; i < BREAKER_SLOTS; i++)
        b->slots[i] = (struct breaker_slot){0};
}

/* Counts one outcome; true if that was one failure too many. */
static bool
breaker_count(struct bly_breaker *b, bool bad, belay_time now)
{
    belay_dur window = b->opts.window > 0 ? b->opts.window : BELAY_S(10);
    belay_dur length = window / BREAKER_SLOTS > 0 ? window / BREAKER_SLOTS : 1;
    double ratio = b->opts.ratio > 0 ? b->opts.ratio : 0.5;
    unsigned volume = b->opts.volume > 0 ? b->opts.volume : 10;
    int64_t number = now / length;
    struct breaker_slot *s = &b->slots[number % BREAKER_SLOTS];
    uint64_t all = 0, failed = 0;

    if (s->number != number)
        *s = (struct breaker_slot){.number = number};
    s->bad += bad;
    s->good += !bad;
    for (int i = 0; i < BREAKER_SLOTS; i++) {
        s = &b->slots[i];
        if (s->number <= number - BREAKER_SLOTS)
            continue;
        all += s->good + s->bad;
        failed += s->bad;
    }
    return bad && all >= volume && (double)failed >= ratio * (double)all;
}

static void
breaker_probed(struct bly_breaker *b, bool bad, belay_time now)
{
    if (bad)
        breaker_open(b, now);
    else if (++b->good >= breaker_probes(b))
        breaker_close(b);
}

/* ---- the calls ------------------------------------------------------ */

int
belay_breaker_enter_at(belay_breaker *p, const belay_site *site)
{
    struct bly_breaker *b = breaker_of(p);
    belay_time now = belay_now();
    belay_dur left = 0;
    int pass = BELAY_EOPEN;

    bly_lock(&b->lock);
    if (b->state == BELAY_BREAKER_OPEN) {
        left = b->until - now;
        if (left <= 0)
            breaker_become(b, BELAY_BREAKER_HALF_OPEN);
    }
    if (b->state == BELAY_BREAKER_CLOSED)
        pass = (int)b->period;
    if (b->state == BELAY_BREAKER_HALF_OPEN &&
        b->out + b->good < breaker_probes(b)) {
        b->out++;
        pass = (int)b->period;
    }
    bly_unlock(&b->lock);
    if (pass >= 0)
        return pass;
    if (left <= 0)
        return belay_fail_at(pass, site,
            "breaker '%s' is being tried by others", breaker_name(b));
    belay_retry_after(left);
    return belay_fail_at(pass, site,
        "breaker '%s' is open for another %.3f s", breaker_name(b),
        (double)left * 1e-9);
}

void
belay_breaker_leave(belay_breaker *p, int pass, int result)
{
    struct bly_breaker *b = breaker_of(p);
    bool bad = result < 0, counts = result != -ECANCELED;
    belay_time now = belay_now();

    if (pass < 0)
        bly_misuse(NULL, "breaker '%s' is left by a call that it refused",
            breaker_name(b));
    if (counts && b->opts.failed != NULL)
        bad = b->opts.failed(b->opts.failed_arg, result);
    bly_lock(&b->lock);
    if ((uint32_t)pass == b->period) {
        if (b->state == BELAY_BREAKER_HALF_OPEN)
            b->out--;
        if (counts && b->state == BELAY_BREAKER_HALF_OPEN)
            breaker_probed(b, bad, now);
        else if (counts && breaker_count(b, bad, now))
            breaker_open(b, now);
    }
    bly_unlock(&b->lock);
}

belay_breaker_state
belay_breaker_look(belay_breaker *p)
{
    struct bly_breaker *b = breaker_of(p);
    belay_time now = belay_now();
    belay_breaker_state state;

    bly_lock(&b->lock);
    state = (belay_breaker_state)b->state;
    if (state == BELAY_BREAKER_OPEN && b->until <= now)
        state = BELAY_BREAKER_HALF_OPEN;
    bly_unlock(&b->lock);
    return state;
}

int
belay_breaking_at(belay_breaker *b, belay_task_type *type, const void *args,
    const belay_site *site)
{
    int r = belay_checkpoint(), pass;

    if (r < 0)
        return r;
    pass = belay_breaker_enter_at(b, site);
    if (pass < 0)
        return pass;
    r = bly_attempt_run(type, args, 0, site);
    belay_breaker_leave(b, pass, r);
    return r;
}
