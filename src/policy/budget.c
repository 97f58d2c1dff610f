/* SPDX-License-Identifier: MIT */
/*
 * Retries in proportion to calls.
 *
 * When a dependency is down every call fails, and each that tries again makes
 * it worse.  So the calls count themselves, those that are retrying count
 * themselves too, and nobody begins to retry who would be one too many.  A
 * retry counts from the decision on: one that waits in its back-off will come
 * for sure.  Counting what is in progress, and not what happened lately, needs
 * no clock and follows the load at once.
 */
#include "policy/budget.h"

#include "base/lock.h"

static struct bly_lock *
budget_lock(belay_budget *b)
{
    return (struct bly_lock *)(void *)&b->belay_lock_;
}

void
bly_retries_enter(belay_budget *b)
{
    if (b == NULL)
        return;
    bly_lock(budget_lock(b));
    b->belay_calls_++;
    bly_unlock(budget_lock(b));
}

void
bly_retries_leave(belay_budget *b)
{
    if (b == NULL)
        return;
    bly_lock(budget_lock(b));
    b->belay_calls_--;
    bly_unlock(budget_lock(b));
}

bool
bly_retries_take(belay_budget *b)
{
    double share;
    bool yes;

    if (b == NULL)
        return true;
    bly_lock(budget_lock(b));
    share = b->ratio * b->belay_calls_;
    yes = b->belay_retries_ < b->floor || b->belay_retries_ + 1.0 <= share;
    if (yes)
        b->belay_retries_++;
    bly_unlock(budget_lock(b));
    return yes;
}

void
bly_retries_give(belay_budget *b)
{
    if (b == NULL)
        return;
    bly_lock(budget_lock(b));
    b->belay_retries_--;
    bly_unlock(budget_lock(b));
}
