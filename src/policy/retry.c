/* SPDX-License-Identifier: MIT */
/*
 * Trying again.
 *
 * After each failed attempt, in this order: is the caller cut, then its result
 * stands; was that a cancel, or the last attempt, or not worth another; when
 * would the next one begin, and is that before the caller's deadline; does the
 * budget allow it.  The deadline comes before the sleep: who cannot make it
 * says so at once, with the failure that he has, and not later with -ETIME.
 *
 * The back-off is "full jitter": any time from 0 to the bound.  Clients that
 * failed together would otherwise come back together.
 */
#include "policy/retry.h"

#include "base/time.h"
#include "policy/attempt.h"
#include "policy/budget.h"

#include <errno.h>
#include <stdio.h>

enum { RETRY_ATTEMPTS = 3, RETRY_TEXT = 128 };

struct retry {
    const belay_retry *policy;
    const belay_site *site;
    unsigned attempts; /* allowed in all */
    unsigned made;
    int64_t after;     /* atomic: what the attempt asked for */
    char why[RETRY_TEXT]; /* of the last attempt that failed */
};

static const belay_retry retry_default = {.size = sizeof(belay_retry)};

static belay_dur
retry_delay(struct retry *x)
{
    belay_dur bound = x->policy->base > 0 ? x->policy->base : BELAY_MS(100);
    belay_dur cap = x->policy->cap > 0 ? x->policy->cap : BELAY_S(10);
    belay_dur after = x->after;
    belay_dur d;
    unsigned i;

    for (i = 1; i < x->made && bound < cap; i++)
        bound = bly_time_add(bound, bound);
    d = bly_attempt_jitter(bound < cap ? bound : cap);
    return d > after ? d : after;
}

static bool
retry_is_late(belay_dur delay)
{
    belay_time deadline = belay_deadline_now();

    return deadline != 0 && bly_time_add(belay_now(), delay) >= deadline;
}

/* Gives up, and tells the story if it is longer than one attempt. */
static int
retry_give_up(struct retry *x, int r, const char *reason)
{
    char why[RETRY_TEXT];

    if (reason == NULL && x->made == 1)
        return belay_trace(r, x->site);
    bly_attempt_why(why, sizeof why);
    return belay_fail_at(r, x->site, "gave up after %u attempt%s%s%s: %s",
        x->made, x->made == 1 ? "" : "s", reason != NULL ? ", " : "",
        reason != NULL ? reason : "", why);
}

/* The caller is cut, at attempt made or in front of the next one. */
static int
retry_cut(struct retry *x, int r, const char *when)
{
    if (x->why[0] == '\0')
        return belay_trace(r, x->site);
    return belay_fail_at(r, x->site, "ended %s attempt %u: %s; before: %s",
        when, x->made, belay_strerror(r), x->why);
}

/* After a failed attempt: 1 try again, or how it ends. */
static int
retry_next(struct retry *x, int r, bool last)
{
    const belay_retry *p = x->policy;
    belay_dur delay;
    int slept;

    if (belay_cancelled() != 0)
        return retry_cut(x, r, "in");
    if (last || r == -ECANCELED || x->made >= x->attempts ||
        (p->retryable != NULL && !p->retryable(p->retryable_arg, r)))
        return retry_give_up(x, r, NULL);
    delay = retry_delay(x);
    if (retry_is_late(delay))
        return retry_give_up(x, r, "the deadline is too near for another");
    if (!bly_retries_take(p->budget))
        return retry_give_up(x, r, "the retry budget allows no other");
    bly_attempt_why(x->why, sizeof x->why);
    slept = belay_sleep(delay);
    if (slept == 0)
        return 1;
    bly_retries_give(p->budget);
    return retry_cut(x, slept, "after");
}

static int
retry_attempt(struct retry *x, bly_retry_fn *fn, void *arg, bool *last)
{
    struct bly_attempt a = {.number = ++x->made, .after = &x->after};
    belay_block b;
    int r;

    x->after = 0;
    *last = false;
    bly_attempt_open(&b, &a, x->site);
    r = fn(arg, last);
    belay_block_close(&b);
    if (x->made > 1)
        bly_retries_give(x->policy->budget);
    return r;
}

int
bly_retry_run(const belay_retry *policy, bly_retry_fn *fn, void *arg,
    const belay_site *site)
{
    struct retry x = {.policy = policy != NULL ? policy : &retry_default,
        .site = site};
    int r = belay_checkpoint(), next, before = 0;
    bool last;

    if (r < 0)
        return r;
    x.attempts = x.policy->attempts > 0 ? x.policy->attempts : RETRY_ATTEMPTS;
    bly_retries_enter(x.policy->budget);
    do {
        r = retry_attempt(&x, fn, arg, &last);
        next = r < 0 ? retry_next(&x, r, last) : r;
        if (r >= 0 && before < 0)
            belay_ignore(before, "a later attempt succeeded");
        before = r;
    } while (r < 0 && next > 0);
    bly_retries_leave(x.policy->budget);
    return next;
}

/* ---- an attempt that is just a task --------------------------------- */

struct retry_task {
    belay_task_type *type;
    const void *args;
    belay_dur timeout;
    const belay_site *site;
};

static int
retry_call(void *arg, bool *last)
{
    struct retry_task *t = arg;

    (void)last;
    return bly_attempt_run(t->type, t->args, t->timeout, t->site);
}

int
belay_retrying_at(const belay_retry *policy, belay_task_type *type,
    const void *args, const belay_site *site)
{
    struct retry_task t = {.type = type, .args = args, .site = site,
        .timeout = policy != NULL ? policy->timeout : 0};

    return bly_retry_run(policy, retry_call, &t, site);
}
