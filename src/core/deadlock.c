/* SPDX-License-Identifier: MIT */
/*
 * Global deadlock: every worker sleeps without a timer, no message is on its
 * way, and nothing outside can bring work.
 *
 * That is exact, because a worker counts itself as quiet and as awake again
 * under rt->lock, before it takes in messages: while the lock is held and all
 * are quiet, nobody runs.  Work that somebody sent before going quiet shows
 * in the receiver's inbox.  Who is left to change anything is a source (an
 * open inlet, a call on a lane thread), and the last source to go wakes a
 * worker, which then goes quiet once more and looks again.
 *
 * The one that declares a deadlock reads the tasks of the others for its
 * report.  They may be woken meanwhile (by the monitor, or for no reason),
 * but there is no task that they could run until the message that cuts the
 * root has been sent; and rt->deadlocked keeps the monitor's questions from
 * touching the lists.
 */
#include "core/deadlock.h"

#include "base/check.h"
#include "core/idle.h"
#include "core/report.h"
#include "core/scope.h"

#include <errno.h>

/* Under rt->lock. */
static bool
deadlock_is_here(struct bly_rt *rt)
{
    uint32_t i;

    if (rt->quiet != rt->count || rt->deadlocked ||
        bly_load(&rt->sources) != 0 || /* pairs with bly_source_drop */
        bly_load(&rt->done) != 0)      /* pairs with bly_sched_loop */
        return false;
    for (i = 0; i < rt->count; i++) {
        struct bly_worker *w = &rt->workers[i];

        /* pairs with bly_send_msg */
        if (bly_load(&w->inbox) != NULL || bly_runq_count(&w->runq) != 0)
            return false;
    }
    return true;
}

/* On worker 0, the root's: the cut that makes everybody come home. */
static void
deadlock_cut(struct bly_msg *m, struct bly_worker *w)
{
    static const belay_site here = {__FILE__, __LINE__, __func__, "deadlock"};
    struct bly_rt *rt = w->rt;

    (void)m;
    bly_lock(&rt->lock);
    rt->deadlocked = false;
    bly_unlock(&rt->lock);
    bly_scope_cut(rt->root_scope, -ECANCELED, &here, "deadlock");
}

static void
deadlock_declare(struct bly_rt *rt)
{
    bly_report_deadlock(rt);
    if (rt->deadlocks > 1)
        bly_misuse(rt->root_scope->node.site,
            "deadlock again, while the tasks ended that the first had cut");
    rt->deadlock_msg.run = deadlock_cut;
    bly_send_msg(rt->root_scope->home.worker, &rt->deadlock_msg);
}

bool
bly_deadlock_quiet(struct bly_worker *w)
{
    struct bly_rt *rt = w->rt;
    bool found;

    if (rt->driver->busy != NULL && rt->driver->busy(w))
        return false;
    bly_lock(&rt->lock);
    w->quiet = true;
    rt->quiet++;
    found = deadlock_is_here(rt);
    if (found) {
        rt->deadlocked = true;
        rt->deadlocks++;
    }
    bly_unlock(&rt->lock);
    if (found)
        deadlock_declare(rt);
    return true;
}

void
bly_deadlock_unquiet(struct bly_worker *w)
{
    struct bly_rt *rt = w->rt;

    bly_lock(&rt->lock);
    w->quiet = false;
    rt->quiet--;
    bly_unlock(&rt->lock);
}

void
bly_source_add(struct bly_rt *rt)
{
    (void)bly_fetch_add(&rt->sources, 1u); /* pairs with deadlock_is_here */
}

void
bly_source_drop(struct bly_rt *rt)
{
    /* pairs with deadlock_is_here */
    if (bly_fetch_add(&rt->sources, UINT32_MAX) == 1)
        bly_idle_wake(&rt->workers[0]);
}
