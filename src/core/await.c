/* SPDX-License-Identifier: MIT */
/*
 * From a task to a callback of somebody else's code.
 *
 * The object lies in the frame of the wait, which is not left before the
 * callback has come, or cannot come any more.  Three can end the wait, and
 * a->lock decides between them: the callback, which may be on any thread and
 * may come before the task sleeps; and a cut, whose abort asks the user's
 * cancel.  That is called without the lock, because it may well call the
 * callback itself.  If cancel promises that no callback will come, the waiter
 * is taken out of the queue, so that the cut's code stands; a callback that
 * has come nevertheless keeps its result, as everywhere.
 *
 * Who calls back may be a thread that outlives the runtime; see bly_rt_visit.
 */
#include <belay/loop.h>

#include "base/check.h"
#include "core/deadlock.h"
#include "core/wait.h"

#include <errno.h>

enum { AWAIT_MAGIC = 0x0a3a171e };

struct belay_await {
    struct bly_gate gate;
    struct bly_list sleeper;
    uint32_t magic;
    bool done;
    bool asked; /* cancel has been called; the task's worker only */
    int result;
    struct bly_rt *rt;
    const belay_site *site;
    int (*cancel)(void *arg);
    void *arg;
};

static enum bly_abort
await_abort(struct bly_waiter *w)
{
    belay_await *a = w->object;

    if (a->asked || a->cancel == NULL)
        return BLY_ABORT_PENDING;
    a->asked = true;
    if (a->cancel(a->arg) != 0)
        return BLY_ABORT_PENDING;
    return bly_gate_abort(w);
}

static const struct bly_wait_kind await_kind = {
    .verb = "a callback", .abort = await_abort};

static int
await_sleep(belay_await *a, struct bly_task *t)
{
    struct bly_waiter w;

    bly_lock(&a->gate.lock);
    if (a->done) {
        bly_unlock(&a->gate.lock);
        return a->result;
    }
    bly_waiter_init(&w, t, &await_kind, a, a->site);
    bly_list_push(&a->sleeper, &w.link);
    bly_unlock(&a->gate.lock);
    return bly_wait(&w);
}

int
belay_await_callback_at(int (*start)(void *arg, belay_await *await),
    int (*cancel)(void *arg), void *arg, const belay_site *site)
{
    belay_await a = {.magic = AWAIT_MAGIC, .site = site, .cancel = cancel,
        .arg = arg};
    struct bly_task *t;
    int r = bly_enter(&t, "belay_await_callback", site);

    if (r < 0)
        return r;
    a.rt = t->worker->rt;
    bly_list_init(&a.sleeper);
    bly_source_add(a.rt);
    r = start(arg, &a);
    if (r >= 0)
        r = await_sleep(&a, t);
    else if (a.done)
        bly_misuse(site, "the start of a callback failed, and it came");
    a.magic = 0;
    bly_source_drop(a.rt);
    return r;
}

void
belay_await_done(belay_await *a, int result)
{
    struct bly_rt *rt = a->rt;
    struct bly_link *l;

    if (a->magic != AWAIT_MAGIC)
        bly_misuse(NULL, "belay_await_done for a wait that has ended");
    bly_rt_visit(rt);
    bly_lock(&a->gate.lock);
    if (a->done)
        bly_misuse(a->site, "belay_await_done twice for the wait");
    a->done = true;
    a->result = result;
    l = bly_list_pop(&a->sleeper);
    bly_unlock(&a->gate.lock);
    if (l != NULL)
        bly_wake(BLY_CONTAINER(l, struct bly_waiter, link), result);
    bly_rt_leave(rt);
}
