/* SPDX-License-Identifier: MIT */
/*
 * Inlets: how a thread that belay knows nothing of starts tasks.
 *
 * The owner of a scope opens an inlet on it and gives it away.  What is posted
 * there becomes a child of the scope, like any other.  The inlet does not keep
 * the scope open: once its last child has ended, or once it is cut, posts are
 * answered with -ESHUTDOWN, for as long as somebody has the handle.
 */
#ifndef BELAY_INLET_H
#define BELAY_INLET_H

#include <belay/task.h>

BELAY_BEGIN_DECLS

typedef struct belay_inlet belay_inlet;

/*
 * Opens an inlet on s, which the calling task owns.  While handles are left
 * and s is open, a program in which everybody sleeps is not a deadlock: a
 * post may come.  Returns 0, -ENOMEM, or -ESHUTDOWN in a deferred call of s,
 * which is over then.  Cancellation point: no.
 */
BELAY_API BELAY_MUST_CHECK int belay_inlet_open_at(belay_inlet **in,
    belay_scope *s, const belay_site *site);

/* One more handle, for another thread; each is given back.  Any thread. */
BELAY_API belay_inlet *belay_inlet_ref(belay_inlet *in);
BELAY_API void belay_inlet_unref(belay_inlet *in); /* NULL: nothing */
/* For BELAY_AUTO(belay_inlet, in). */
BELAY_API void belay_inlet_closep(belay_inlet **in);

/*
 * Starts a child of the scope with a copy of the arguments, and does not wait
 * for it.  Any thread, tasks included.  Returns 0: the child runs, and the
 * scope joins it; or -ESHUTDOWN: the scope is over or cut; -EAGAIN: it has
 * reached its .limit; -ENOMEM.  Then nothing was taken.  A failure of the
 * child is one of the scope.  Cancellation point: no.
 */
BELAY_API BELAY_MUST_CHECK int belay_post_at(belay_inlet *in,
    belay_task_type *type, const void *args, const belay_site *site);

/*
 * The same, but blocks the calling thread until the child has ended, and
 * returns its result.  A failure is the caller's and does not disturb the
 * scope.  Not for tasks: it would stop their worker.  Cancellation point: no.
 */
BELAY_API BELAY_MUST_CHECK int belay_enter_at(belay_inlet *in,
    belay_task_type *type, const void *args, const belay_site *site);

BELAY_END_DECLS

#if !defined(__cplusplus)
#define belay_inlet_open(in, s)                                                \
    belay_inlet_open_at((in), (s), BELAY_SITE_(#s))
#define belay_post(in, task, ...)                                              \
    belay_post_at((in), BELAY_TYPE_(task),                                     \
        BELAY_ARGS_(task __VA_OPT__(, ) __VA_ARGS__),                          \
        BELAY_SITE_(#task))
#define belay_enter(in, task, ...)                                             \
    belay_enter_at((in), BELAY_TYPE_(task),                                    \
        BELAY_ARGS_(task __VA_OPT__(, ) __VA_ARGS__),                          \
        BELAY_SITE_(#task))
#endif
#endif
