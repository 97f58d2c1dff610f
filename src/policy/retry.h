/* SPDX-License-Identifier: MIT */
/* The loop of attempts, for whatever an attempt consists of. */
#ifndef BLY_POLICY_RETRY_H
#define BLY_POLICY_RETRY_H

#include <belay/policy.h>

#include "base/compiler.h"

#include <stdbool.h>

/* One attempt of something: returns its result.  *last: no other one would
 * fare better. */
typedef int bly_retry_fn(void *arg, bool *last);

/* As belay_retrying_at(), but that .timeout is left to fn. */
int bly_retry_run(const belay_retry *policy, bly_retry_fn *fn, void *arg,
    const belay_site *site) BLY_MUST_CHECK;

#endif
