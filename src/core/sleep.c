/* SPDX-License-Identifier: MIT */
/*
 * Sleeping: a timer in the sleeper's frame, on its worker, and a wait that has
 * no other waker.  Nobody else touches either, so there is no lock: the timer
 * fires and the abort runs between tasks of the same worker.  Who is first
 * wins; a timer that has fired makes the abort say that the wake-up is coming.
 */
#include "core/rt.h"
#include "core/sched.h"
#include "core/wait.h"

struct sleep_waiter {
    struct bly_waiter base;
    struct bly_timer timer;
};

static void
sleep_fire(struct bly_timer *timer)
{
    struct sleep_waiter *w = BLY_CONTAINER(timer, struct sleep_waiter, timer);

    bly_wake(&w->base, 0);
}

static enum bly_abort
sleep_abort(struct bly_waiter *waiter)
{
    struct sleep_waiter *w = BLY_CONTAINER(waiter, struct sleep_waiter, base);

    if (!bly_timer_armed(&w->timer))
        return BLY_ABORT_PENDING;
    bly_timer_disarm(&waiter->task->worker->timers, &w->timer);
    return BLY_ABORT_DONE;
}

static const struct bly_wait_kind sleep_kind = {
    .verb = "sleep",
    .abort = sleep_abort,
};

static int
sleep_until(struct bly_task *t, int64_t when)
{
    struct sleep_waiter w;
    int r;

    bly_waiter_init(&w.base, t, &sleep_kind, NULL, NULL);
    w.timer.place = 0;
    w.timer.fire = sleep_fire;
    r = bly_timer_arm(&t->worker->timers, &w.timer, when);
    if (r < 0)
        return r;
    return bly_wait(&w.base);
}

int
belay_sleep(belay_dur d)
{
    struct bly_task *t;
    int r = bly_enter(&t, "belay_sleep", NULL);

    if (r < 0)
        return r;
    if (d <= 0) {
        bly_sched_yield(t->worker);
        return 0;
    }
    return sleep_until(t, bly_time_add(bly_os_now(), d));
}

int
belay_sleep_until(belay_time when)
{
    struct bly_task *t;
    int r = bly_enter(&t, "belay_sleep_until", NULL);

    if (r < 0)
        return r;
    if (when <= bly_os_now()) {
        bly_sched_yield(t->worker);
        return 0;
    }
    return sleep_until(t, when);
}
