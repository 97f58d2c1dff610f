/* SPDX-License-Identifier: MIT */
/*
 * Calls that block: on threads made for them, so that no worker stands still.
 *
 *     BELAY_TASK(hash, (const char *, password), (struct digest *, out))
 *     {
 *         ...  takes half a second, or sits in somebody's library
 *     }
 *
 *     BELAY_TRY(belay_blocking(hash, password, &digest));
 */
#ifndef BELAY_BLOCKING_H
#define BELAY_BLOCKING_H

#include <belay/base.h>
#include <belay/task.h>

BELAY_BEGIN_DECLS

/*
 * Calls the task as a function, on another thread, and sleeps until it has
 * returned; returns its result.  A failure keeps its message and trace.  A
 * call that has not begun when the caller is cut never begins, and the code of
 * the cut is returned; one that has begun is waited for, and its result
 * stands: it may ask belay_cancelled() or belay_checkpoint().  Belay calls
 * that would sleep abort there.  -EAGAIN, -ENOMEM: there is no thread.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_blocking_at(
    belay_task_type *type, const void *args, const belay_site *site);
/* The same for any function; site->what is its name in dumps. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_blocking_call(belay_fn *fn,
    void *arg, const belay_site *site);

BELAY_END_DECLS

#if !defined(__cplusplus)

/* belay_blocking(task, args...) */
#define belay_blocking(task, ...)                                              \
    belay_blocking_at(BELAY_TYPE_(task),                                       \
        BELAY_ARGS_(task __VA_OPT__(, ) __VA_ARGS__),                          \
        BELAY_SITE_(#task))

#endif
#endif
