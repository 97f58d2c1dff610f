/* SPDX-License-Identifier: MIT */
/*
 * Hooks of the timeline.  While nothing is recorded a hook is a load of the
 * worker's own line and a branch that is never taken.  See timeline.c.
 */
#ifndef BLY_CORE_TIMELINE_H
#define BLY_CORE_TIMELINE_H

#include "base/atomic.h"
#include "core/rt.h"

struct bly_node;
struct bly_scope;
struct bly_waiter;

BLY_INLINE bool
bly_timeline_is_on(const struct bly_worker *w)
{
    return BLY_UNLIKELY(bly_stat_load(&w->ring) != NULL);
}

/* The calls behind the hooks. */
void bly_timeline_put_spawn(struct bly_worker *w, struct bly_task *child);
void bly_timeline_put_first(struct bly_worker *w, struct bly_task *t,
    struct bly_task *owner);
void bly_timeline_put_park(struct bly_worker *w, struct bly_waiter *waiter);
void bly_timeline_put_yield(struct bly_worker *w, struct bly_task *t);
void bly_timeline_put_run(struct bly_worker *w, struct bly_task *t);
void bly_timeline_put_wake(struct bly_worker *w, struct bly_task *t);
void bly_timeline_put_abort(struct bly_worker *w, struct bly_task *t);
void bly_timeline_put_finish(struct bly_worker *w, struct bly_task *t, int r);
void bly_timeline_put_cut(struct bly_worker *w, struct bly_node *n, int code);
void bly_timeline_put_open(struct bly_worker *w, struct bly_scope *s);
void bly_timeline_put_close(struct bly_worker *w, struct bly_scope *s, int r);
void bly_timeline_put_between(struct bly_worker *w);

/* The task that runs on w has spawned child, which nobody can take yet. */
BLY_INLINE void
bly_timeline_spawn(struct bly_worker *w, struct bly_task *child)
{
    if (bly_timeline_is_on(w))
        bly_timeline_put_spawn(w, child);
}

/* t is about to run for the first time, on its owner's stack or (NULL) its
 * own. */
BLY_INLINE void
bly_timeline_first(struct bly_worker *w, struct bly_task *t,
    struct bly_task *owner)
{
    if (bly_timeline_is_on(w))
        bly_timeline_put_first(w, t, owner);
}

/* The running task is about to sleep, and could be woken already. */
BLY_INLINE void
bly_timeline_park(struct bly_worker *w, struct bly_waiter *waiter)
{
    if (bly_timeline_is_on(w))
        bly_timeline_put_park(w, waiter);
}

BLY_INLINE void
bly_timeline_yield(struct bly_worker *w, struct bly_task *t)
{
    if (bly_timeline_is_on(w))
        bly_timeline_put_yield(w, t);
}

/* t goes on. */
BLY_INLINE void
bly_timeline_run(struct bly_worker *w, struct bly_task *t)
{
    if (bly_timeline_is_on(w))
        bly_timeline_put_run(w, t);
}

/* t is about to be queued again by the thread of w. */
BLY_INLINE void
bly_timeline_wake(struct bly_worker *w, struct bly_task *t)
{
    if (bly_timeline_is_on(w))
        bly_timeline_put_wake(w, t);
}

/* The same because of a cut, or a stop. */
BLY_INLINE void
bly_timeline_abort(struct bly_worker *w, struct bly_task *t)
{
    if (bly_timeline_is_on(w))
        bly_timeline_put_abort(w, t);
}

BLY_INLINE void
bly_timeline_finish(struct bly_worker *w, struct bly_task *t, int r)
{
    if (bly_timeline_is_on(w))
        bly_timeline_put_finish(w, t, r);
}

/* n has been cut; here is the caller's worker, or NULL. */
BLY_INLINE void
bly_timeline_cut(struct bly_worker *here, struct bly_node *n, int code)
{
    if (here != NULL && bly_timeline_is_on(here))
        bly_timeline_put_cut(here, n, code);
}

BLY_INLINE void
bly_timeline_open_scope(struct bly_worker *w, struct bly_scope *s)
{
    if (bly_timeline_is_on(w))
        bly_timeline_put_open(w, s);
}

BLY_INLINE void
bly_timeline_close_scope(struct bly_worker *w, struct bly_scope *s, int r)
{
    if (bly_timeline_is_on(w))
        bly_timeline_put_close(w, s, r);
}

/* w looks outside: what happens now, no task does. */
BLY_INLINE void
bly_timeline_between(struct bly_worker *w)
{
    if (bly_timeline_is_on(w))
        bly_timeline_put_between(w);
}

/* Before the threads of rt run, and after they have ended. */
void bly_timeline_opened(struct bly_rt *rt);
void bly_timeline_closed(struct bly_rt *rt);

#if BLY_SIM
/* Before each run: nothing is recorded, nobody has a ring. */
void bly_timeline_reset(void);
#endif

#endif
