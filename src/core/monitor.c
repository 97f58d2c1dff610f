/* SPDX-License-Identifier: MIT */
/*
 * One thread per runtime that looks at the workers from outside, every
 * millisecond while something moves and less often while nothing does.
 *
 *   late wakes   a queue that nobody has taken from since the last tick,
 *                while a worker sleeps: wake one (idle.c)
 *   watchdog     a task that does not let go of its worker
 *   patrol       tasks that wait for each other, tasks that ignore a cut
 *
 * When all workers have been asleep for a while it sleeps as well, without a
 * timeout: an idle program causes no wake-ups.  The first worker that gets up
 * wakes it.  The monitor says that it sleeps and then looks whether all are
 * idle; a worker says that it is not idle and then looks whether the monitor
 * sleeps: one of the two sees the other.
 *
 * A runtime of one worker in a foreign program has no such thread: there is
 * nobody to wake late, and who embeds a runtime did not ask for reports.
 */
#include "core/monitor.h"

#include "base/alloc.h"
#include "core/frames.h"
#include "core/idle.h"
#include "core/patrol.h"
#include "core/report.h"
#include "core/watchdog.h"
#include "os/native.h"

#include <errno.h>

#define MONITOR_MS INT64_C(1000000)

enum {
    MONITOR_FAST_MS = 1,
    MONITOR_SLOW_MS = 10,
    MONITOR_AWAKE_MS = 1500 /* after the last thing that moved */
};

struct bly_monitor {
    struct bly_rt *rt;
    struct bly_thread thread;
    uint32_t wake;   /* atomic, futex: 1 ends the sleep */
    uint32_t asleep; /* atomic: it sleeps until it is woken */
    uint32_t stop;   /* atomic */
    int64_t *tops;   /* of the run queues, at the last tick */
    struct bly_watchdog watchdog;
    struct bly_patrol patrol;
};

static void
monitor_wake(struct bly_monitor *m)
{
    (void)bly_xchg(&m->wake, 1u); /* pairs with monitor_sleep */
    bly_os_futex_wake(&m->wake, 1);
}

/* ---- one tick ----------------------------------------------------------- */

static void
monitor_late_wakes(struct bly_monitor *m)
{
    struct bly_rt *rt = m->rt;
    bool due = false;
    uint32_t i;

    for (i = 0; i < rt->count; i++) {
        struct bly_runq *q = &rt->workers[i].runq;
        int64_t top = bly_load_relaxed(&q->top);

        due |= top == m->tops[i] && bly_runq_count(q) != 0;
        m->tops[i] = top;
    }
    if (due && bly_load_relaxed(&rt->idle) != 0)
        bly_idle_wake_one(rt);
}

/* True: something moves, so come back soon. */
static bool
monitor_tick(struct bly_monitor *m, int64_t now)
{
    bool moved = bly_watchdog_tick(&m->watchdog, now);

    monitor_late_wakes(m);
    bly_patrol_tick(&m->patrol, now);
    return moved;
}

static bool
monitor_all_idle(struct bly_rt *rt)
{
    return bly_load(&rt->idle) == rt->count; /* pairs with idle_sleep */
}

static void
monitor_sleep(struct bly_monitor *m, int64_t until)
{
    bool deep = until == BLY_NEVER;

    if (deep)
        (void)bly_xchg(&m->asleep, 1u); /* pairs with bly_monitor_active */
    if (!deep || monitor_all_idle(m->rt))
        bly_os_futex_wait(&m->wake, 0, until);
    if (deep)
        bly_store_relaxed(&m->asleep, 0u);
    (void)bly_xchg(&m->wake, 0u); /* pairs with monitor_wake */
}

static void
monitor_main(void *arg)
{
    struct bly_monitor *m = arg;
    int64_t now = bly_os_now(), moved_at = now;
    int64_t every = MONITOR_FAST_MS * MONITOR_MS;

    while (bly_load_acquire(&m->stop) == 0) { /* pairs with bly_monitor_stop */
        if (monitor_tick(m, now)) {
            moved_at = now;
            every = MONITOR_FAST_MS * MONITOR_MS;
        } else if (every < MONITOR_SLOW_MS * MONITOR_MS) {
            every *= 2;
        }
        if (now - moved_at > MONITOR_AWAKE_MS * MONITOR_MS &&
            monitor_all_idle(m->rt) && bly_patrol_resting(&m->patrol)) {
            monitor_sleep(m, BLY_NEVER);
            now = moved_at = bly_os_now();
        } else {
            monitor_sleep(m, now + every);
            now = bly_os_now();
        }
    }
}

/* ---- the workers' side -------------------------------------------------- */

void
bly_monitor_idle(struct bly_rt *rt)
{
    (void)rt; /* it sees that by itself */
}

void
bly_monitor_active(struct bly_rt *rt)
{
    struct bly_monitor *m = bly_load_relaxed(&rt->monitor);

    /* pairs with monitor_sleep */
    if (m != NULL && bly_load(&m->asleep) != 0 &&
        bly_xchg(&m->asleep, 0u) != 0)
        monitor_wake(m);
}

void
bly_monitor_thread(struct bly_worker *w, bool on)
{
    /* So that nobody goes to sleep at the time 0. */
    w->now = bly_os_now();
    bly_store_relaxed(&w->coarse, (uint32_t)(w->now / MONITOR_MS));
    if (BLY_SIM)
        return;
    bly_diag_thread(w, on);
    bly_frames_thread(on);
    if (on && w->rt->main)
        bly_native_allow();
}

/* ---- starting ----------------------------------------------------------- */

static struct bly_monitor *
monitor_new(struct bly_rt *rt)
{
    struct bly_monitor *m = bly_zalloc(sizeof(*m));

    if (m == NULL)
        return NULL;
    m->rt = rt;
    m->tops = bly_zalloc(rt->count * sizeof(*m->tops));
    if (m->tops == NULL)
        goto fail_tops;
    if (bly_watchdog_init(&m->watchdog, rt) < 0)
        goto fail_watchdog;
    bly_patrol_init(&m->patrol, rt);
    return m;

fail_watchdog:
    bly_free(m->tops);
fail_tops:
    bly_free(m);
    return NULL;
}

static void
monitor_free(struct bly_monitor *m)
{
    bly_patrol_fini(&m->patrol);
    bly_watchdog_fini(&m->watchdog);
    bly_free(m->tops);
    bly_free(m);
}

int
bly_monitor_start(struct bly_rt *rt)
{
    struct bly_monitor *m;
    int r;

    bly_report_hooks();
    r = bly_diag_open(rt);
    if (r < 0 || BLY_SIM || (rt->count == 1 && !rt->main))
        return r;
    r = -ENOMEM;
    m = monitor_new(rt);
    if (m == NULL)
        goto fail_new;
    if (rt->main)
        bly_native_open();
    bly_store_relaxed(&rt->monitor, m);
    r = bly_os_thread_start(&m->thread, monitor_main, m, "belay-monitor");
    if (r < 0)
        goto fail_thread;
    return 0;

fail_thread:
    bly_store_relaxed(&rt->monitor, (struct bly_monitor *)NULL);
    if (rt->main)
        bly_native_close();
    monitor_free(m);
fail_new:
    bly_diag_close(rt);
    return r;
}

void
bly_monitor_stop(struct bly_rt *rt)
{
    struct bly_monitor *m = bly_load_relaxed(&rt->monitor);

    if (m == NULL)
        return;
    bly_store_release(&m->stop, 1u); /* pairs with monitor_main */
    monitor_wake(m);
    bly_os_thread_join(&m->thread);
    if (rt->main)
        bly_native_close();
}

void
bly_monitor_free(struct bly_rt *rt)
{
    struct bly_monitor *m = rt->monitor;

    rt->monitor = NULL;
    if (m != NULL)
        monitor_free(m);
    bly_diag_close(rt);
}
