/* SPDX-License-Identifier: MIT */
/* A call that somebody outside its scope can cut. */
#ifndef BLY_POLICY_CUTOFF_H
#define BLY_POLICY_CUTOFF_H

#include <belay/sync.h>

#include "base/compiler.h"

/*
 * Calls fn(arg) in a scope of its own, which is cut when the event is set.
 * Returns what fn did, or the failure of the calling task that arose inside,
 * or -ENOMEM, -ECANCELED, and then fn was not called.  For tasks that do
 * nothing else.
 */
int bly_cutoff_run(int (*fn)(void *arg), void *arg, belay_event *off,
    const char *why, const belay_site *site) BLY_MUST_CHECK;

#endif
