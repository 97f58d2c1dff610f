/* SPDX-License-Identifier: MIT */
/*
 * Calls into code that needs more stack than a task has: 128 KiB, less
 * what its callers have taken.
 */
#ifndef BELAY_DEEP_H
#define BELAY_DEEP_H

#include <belay/base.h>
#include <belay/task.h>

BELAY_BEGIN_DECLS

/* What a deep call has at least. */
#define BELAY_DEEP_STACK (512 * 1024)

/*
 * Calls fn(arg) on a stack that the worker keeps for such calls, whatever the
 * caller has left of its own, and returns what fn returned.  fn runs in the
 * calling task and may do all that does not wait: what may sleep aborts, as
 * under BELAY_NOWAIT, which is why one stack will do for all tasks of a
 * worker.  It must return.  From within such a call, and outside a task, fn is
 * called as it is.  -ENOMEM: there is no such stack, and fn has not run.
 * Cancellation point: no.
 */
BELAY_API BELAY_MUST_CHECK int belay_deep_call_at(belay_fn *fn, void *arg,
    const belay_site *site);

BELAY_END_DECLS

#if !defined(__cplusplus)

#define belay_deep_call(fn, arg)                                               \
    belay_deep_call_at((fn), (arg), BELAY_SITE_(#fn))

#endif
#endif
