/* SPDX-License-Identifier: MIT */
/* The share of calls that may be retrying; see budget.c. */
#ifndef BLY_POLICY_BUDGET_H
#define BLY_POLICY_BUDGET_H

#include <belay/policy.h>

#include <stdbool.h>

/* Each of these accepts NULL: no budget. */
void bly_retries_enter(belay_budget *b); /* a call begins */
void bly_retries_leave(belay_budget *b);
bool bly_retries_take(belay_budget *b); /* it may retry, and does from now on */
void bly_retries_give(belay_budget *b); /* its retry is over */

#endif
