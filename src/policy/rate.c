/* SPDX-License-Identifier: MIT */
/*
 * A token bucket that one can wait for, kept as one instant (GCRA).
 *
 * `full' is when the bucket will be full; each token taken moves it by one
 * interval into the future, and n tokens are there once it is no further away
 * than what burst - n tokens take.
 *
 * Waiting is a queue for one permit, `turn'.  Who has it is the head, and alone
 * sleeps for time to pass; all others sleep in the fair queue of the
 * semaphore.  So nobody has a turn in advance, and there is nothing to take
 * back from one who is cut: those behind just come sooner.  (Giving each a
 * reservation instead, and letting all sleep by the clock, needs a way to tell
 * those behind that they may come sooner.)
 *
 * `queued' counts the tokens that are waited for.  With it, who comes knows
 * when his turn will be, and need not begin to wait if that is too late.
 *
 * A change of the rate wakes the head by an event, which only the head resets:
 * it does so before it looks at the rate, so that no change is missed.
 */
#include <belay/policy.h>

#include "base/check.h"
#include "base/lock.h"
#include "base/time.h"

#include <errno.h>

static struct bly_lock *
rate_lock(belay_rate *r)
{
    return (struct bly_lock *)(void *)&r->belay_lock_;
}

/* n intervals, which may be negative. */
static belay_dur
rate_span(const belay_rate *r, int64_t n)
{
    belay_dur d;

    if (__builtin_mul_overflow(r->belay_interval_, n, &d))
        return n > 0 ? BLY_NEVER : -BLY_NEVER;
    return d;
}

/* Under the lock: when so many tokens will be there, which may be past. */
static belay_time
rate_when(const belay_rate *r, uint64_t n, belay_time now)
{
    belay_time full = r->belay_full_ > now ? r->belay_full_ : now;

    return bly_time_add(full, rate_span(r, (int64_t)n - r->belay_burst_));
}

/* Under the lock: takes n tokens if they are there. */
static bool
rate_take(belay_rate *r, unsigned n, belay_time now)
{
    belay_time full = r->belay_full_ > now ? r->belay_full_ : now;

    if (rate_when(r, n, now) > now)
        return false;
    r->belay_full_ = bly_time_add(full, rate_span(r, n));
    return true;
}

/* 0 taken, 1 to be waited for, or why not. */
static int
rate_enter(belay_rate *r, unsigned n, belay_time deadline,
    const belay_site *site)
{
    belay_time now = belay_now(), when = 0;
    int answer = 1;

    bly_lock(rate_lock(r));
    if (n > r->belay_burst_)
        answer = -EINVAL;
    else if (r->belay_queued_ == 0 && rate_take(r, n, now))
        answer = 0;
    else
        when = rate_when(r, (uint64_t)r->belay_queued_ + n, now);
    if (answer == 1 && deadline != 0 && when >= deadline)
        answer = -ETIME;
    if (answer == 1)
        r->belay_queued_ += n;
    bly_unlock(rate_lock(r));
    if (answer == -EINVAL)
        return belay_fail_at(answer, site,
            "%u tokens are more than the rate limit's burst", n);
    if (answer == -ETIME)
        return belay_fail_at(answer, site,
            "the rate limit allows it in %.3f s, past the deadline in %.3f s",
            (double)(when - now) * 1e-9, (double)(deadline - now) * 1e-9);
    return answer;
}

static void
rate_leave(belay_rate *r, unsigned n)
{
    bly_lock(rate_lock(r));
    r->belay_queued_ -= n;
    bly_unlock(rate_lock(r));
}

/* By the head: 1 taken, 0 not yet, and in how long, or -EINVAL: the burst has
 * become smaller. */
static int
rate_head(belay_rate *r, unsigned n, belay_dur *wait)
{
    belay_time now;
    int taken;

    belay_event_reset(&r->belay_changed_);
    now = belay_now();
    bly_lock(rate_lock(r));
    taken = n > r->belay_burst_ ? -EINVAL : rate_take(r, n, now);
    if (taken != 0)
        r->belay_queued_ -= n;
    else
        *wait = rate_when(r, n, now) - now;
    bly_unlock(rate_lock(r));
    return taken;
}

/* The turn is the caller's. */
static int
rate_wait_as_head(belay_rate *r, unsigned n, const belay_site *site)
{
    belay_case_room room[2];
    belay_case cases[2];
    belay_dur wait;
    int taken, which;

    while ((taken = rate_head(r, n, &wait)) == 0) {
        cases[0] = belay_case_event(&r->belay_changed_);
        cases[1] = belay_case_after(wait);
        which = belay_select_at(NULL, cases, room, 2, site);
        if (which < 0) {
            rate_leave(r, n);
            return which;
        }
    }
    return taken < 0 ? taken : 0;
}

int
belay_rate_wait_at(belay_rate *r, unsigned n, const belay_site *site)
{
    int e = belay_checkpoint();

    if (e < 0)
        return e;
    e = rate_enter(r, n, belay_deadline_now(), site);
    if (e <= 0)
        return e;
    e = belay_sem_acquire_at(&r->belay_turn_, 1, site);
    if (e < 0) {
        rate_leave(r, n);
        return e;
    }
    e = rate_wait_as_head(r, n, site);
    belay_sem_release(&r->belay_turn_, 1);
    return e;
}

int
belay_rate_try(belay_rate *r, unsigned n)
{
    belay_time now = belay_now();
    int answer = -EAGAIN;

    bly_lock(rate_lock(r));
    if (n > r->belay_burst_)
        answer = -EINVAL;
    else if (r->belay_queued_ == 0 && rate_take(r, n, now))
        answer = 0;
    bly_unlock(rate_lock(r));
    return answer;
}

void
belay_rate_set(belay_rate *r, unsigned n, belay_dur per, unsigned burst)
{
    belay_time now = belay_now();
    double missing;

    if (n == 0 || per <= 0 || burst == 0)
        bly_misuse(NULL, "belay_rate_set to no tokens");
    bly_lock(rate_lock(r));
    missing = r->belay_full_ > now
        ? (double)(r->belay_full_ - now) / (double)r->belay_interval_
        : 0;
    r->belay_interval_ = BELAY_RATE_INTERVAL_(n, per);
    r->belay_burst_ = burst;
    missing *= (double)r->belay_interval_;
    r->belay_full_ = missing < (double)BLY_NEVER / 2
        ? bly_time_add(now, (belay_dur)missing)
        : BLY_NEVER;
    bly_unlock(rate_lock(r));
    belay_event_set(&r->belay_changed_);
}

void
belay_rate_pause(belay_rate *r, belay_dur d)
{
    belay_time now = belay_now(), full;

    bly_lock(rate_lock(r));
    full = bly_time_add(bly_time_add(now, d),
        rate_span(r, (int64_t)r->belay_burst_ - 1));
    if (r->belay_full_ < full)
        r->belay_full_ = full;
    bly_unlock(rate_lock(r));
}
