/* SPDX-License-Identifier: MIT */
/*
 * Sleeping and waking; the protocol is in wait.h.
 *
 * The states of a sleep, all seen from the sleeper's worker W:
 *
 *   t->waiter == NULL                    not asleep, or already ended by abort
 *   t->waiter, linked in the object      asleep; anybody may end it
 *   t->waiter, not linked                a waker has it: bly_wake has been or
 *                                        will be called; abort says PENDING
 *
 * and whatever ends it, exactly once, puts t into W's ready queue: directly on
 * W, through W's inbox from elsewhere.  A wake-up from elsewhere may arrive
 * while t is still on its way to sleep: it stays in the inbox until t has
 * left its stack, because only W's loop empties the inbox.  A wake-up or an
 * abort on W itself may come between linking and parking too (a cut that t
 * makes itself, a recheck); then t finds itself at the head of the ready queue
 * and bly_sched_park returns at once.
 */
#include "core/wait.h"

#include "base/check.h"
#include "core/cancel.h"
#include "core/errand.h"
#include "core/frames.h"
#include "core/sched.h"
#include "core/scope.h"
#include "core/timeline.h"

struct bly_task *
bly_must_self(const char *what, const belay_site *site)
{
    struct bly_task *t = bly_self();

    if (t == NULL)
        bly_errand_no_task(what, site);
    bly_frames_left(t, site);
    return t;
}

#if BLY_SIM
/* A place where a cancel of everything may arrive: the explorer decides. */
static void
wait_sim_cancel(struct bly_task *t)
{
    struct bly_scope *root = t->worker->rt->root_scope;

    if (bly_choose(BLY_CHOOSE_CANCEL, 2) != 0 && root != NULL)
        bly_cut(&root->node, -ECANCELED);
}
#else
static void
wait_sim_cancel(struct bly_task *t)
{
    (void)t;
}
#endif

void
bly_wait_check_nowait(struct bly_task *t, const char *what,
    const belay_site *site)
{
    struct bly_node *n;

    for (n = t->node; n != &t->base; n = n->up)
        if (n->kind == BLY_NODE_NOWAIT)
            bly_misuse(site, "%s may wait, under the BELAY_NOWAIT of %s:%d",
                what, n->site->file, n->site->line);
}

int
bly_enter_slow(struct bly_task *t, const char *what, const belay_site *site)
{
    struct bly_worker *w;

    if (t == NULL)
        bly_errand_no_task(what, site);
    bly_frames_left(t, site);
    w = t->worker;
    if (t->slow & BLY_SLOW_NOWAIT)
        bly_wait_check_nowait(t, what, site);
    if (BLY_SIM) {
        wait_sim_cancel(t);
        if (w->ready_count + bly_runq_count(&w->runq) > 0 &&
            bly_choose(BLY_CHOOSE_PREEMPT, 2) != 0)
            bly_sched_yield(w);
    } else if (w->slice == 0 || w->slice > BLY_SLICE) {
        bly_sched_slice_end(w);
    }
    return bly_cut_now(t);
}

int
bly_wait(struct bly_waiter *w)
{
    struct bly_task *t = w->task;

    t->waiter = w;
    if (BLY_UNLIKELY(t->shard == NULL) && bly_task_link(t))
        bly_cancel_recheck(t);
    if (BLY_SIM)
        wait_sim_cancel(t);
    bly_timeline_park(t->worker, w);
    bly_sched_park(t->worker);
    t->waiter = NULL;
    return w->result;
}

void
bly_wake(struct bly_waiter *w, int result)
{
    struct bly_task *t = w->task;

    bly_assert(!bly_linked(&w->link));
    w->result = result;
    bly_sched_wake(t);
}

enum bly_abort
bly_gate_abort(struct bly_waiter *w)
{
    struct bly_gate *g = w->object;
    enum bly_abort answer = BLY_ABORT_PENDING;

    bly_gate_lock(g);
    if (bly_linked(&w->link)) {
        bly_list_remove(&w->link);
        answer = BLY_ABORT_DONE;
    }
    bly_gate_unlock(g);
    return answer;
}
