/* SPDX-License-Identifier: MIT */
/*
 * Policies in their one order.
 *
 *     total deadline
 *       retry: attempts, back-off, budget
 *         breaker: refused, then not before it may be tried
 *           rate, limit: wait for a turn
 *             deadline of the attempt
 *               the call
 *
 * Other orders are traps.  A retry outside the deadline outlives its caller; a
 * breaker around the retries sees one failure where there were four; a limit
 * inside the attempt's deadline makes a queue look like a slow server, and
 * opens the breaker for it.  So who waited for his turn in vain leaves the
 * breaker as one who was cancelled.
 */
#include <belay/policy.h>

#include "policy/attempt.h"
#include "policy/retry.h"

#include <errno.h>

struct call {
    const belay_plan *plan;
    belay_task_type *type;
    const void *args;
    belay_dur timeout;
    const belay_site *site;
};

/* Waits for a turn; the permit of the limit is then the caller's. */
static int
call_queue(struct call *c, bool *last)
{
    const belay_plan *p = c->plan;
    int r = 0;

    if (p->rate != NULL) {
        r = belay_rate_wait_at(p->rate, 1, c->site);
        *last = r < 0; /* it would be too late for another, too */
    }
    if (r == 0 && p->limit != NULL)
        r = belay_sem_acquire_at(p->limit, 1, c->site);
    return r;
}

static int
call_attempt(void *arg, bool *last)
{
    struct call *c = arg;
    const belay_plan *p = c->plan;
    int pass = 0, r;

    if (p->breaker != NULL)
        pass = belay_breaker_enter_at(p->breaker, c->site);
    if (pass < 0)
        return pass;
    r = call_queue(c, last);
    if (r < 0) {
        if (p->breaker != NULL)
            belay_breaker_leave(p->breaker, pass, -ECANCELED);
        return r;
    }
    r = bly_attempt_run(c->type, c->args, c->timeout, c->site);
    if (p->limit != NULL)
        belay_sem_release(p->limit, 1);
    if (p->breaker != NULL)
        belay_breaker_leave(p->breaker, pass, r);
    return r;
}

int
belay_call_at(const belay_plan *plan, belay_task_type *type, const void *args,
    const belay_site *site)
{
    static const belay_retry once = {.size = sizeof once, .attempts = 1};
    const belay_retry *retry = plan->retry != NULL ? plan->retry : &once;
    struct call c = {.plan = plan, .type = type, .args = args, .site = site,
        .timeout = plan->attempt > 0 ? plan->attempt : retry->timeout};
    belay_block total;
    int r;

    if (plan->timeout > 0)
        belay_deadline_open(&total, plan->timeout, site);
    r = bly_retry_run(retry, call_attempt, &c, site);
    if (plan->timeout > 0)
        belay_block_close(&total);
    return r;
}
