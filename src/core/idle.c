/* SPDX-License-Identifier: MIT */
/*
 * Idle workers: stealing, sleeping, waking late.
 *
 * On a virtual machine a wake across cores costs 10-20 us, as much as two
 * thousand spawns.  So a push does not wake anybody for a small backlog: the
 * owner will have run it before the other worker is up.  What is left to
 * stand longer is found in three ways:
 *
 *   - a push that makes the queue BLY_BACKLOG long wakes one worker;
 *   - one worker at a time is awake and searching, for IDLE_SPIN_NS, and takes
 *     what it sees unmoved for IDLE_AGE_NS; but only while there is something
 *     in a queue, or was for it to take a moment ago: tasks that sleep and wake
 *     leave nothing to steal, and nobody spins for them;
 *   - the monitor looks every millisecond, and wakes a worker for a queue
 *     that has not moved since its last look.
 *
 * A thief takes up to half of the entries, oldest first.
 *
 * Going to sleep: sleep = 1, then look at everything once more, then park.
 * Whoever brings work does so first and reads sleep afterwards.  One of the
 * two sees the other, so no wake-up is lost.  Messages always wake, at once.
 *
 * Global deadlock: the last worker to go to sleep without a timer, while no
 * source outside is left, knows that nothing can ever happen again.  It looks
 * under rt->lock: all workers are quiet and all inboxes empty.  A worker
 * leaves the quiet state under the same lock before it takes in messages; one
 * that was sent a message shows it in its inbox.
 */
#include "core/idle.h"

#include "arch/cpu.h"
#include "core/deadlock.h"
#include "core/monitor.h"
#include "core/sched.h"

enum {
    IDLE_AGE_NS = 50000,  /* unmoved for that long: may be taken */
    IDLE_SPIN_NS = 80000, /* one searcher stays awake that long */
    IDLE_WARM_NS = 500000, /* so long after it has found something */
    IDLE_STARVED_NS = 1000000,
    IDLE_SLACK_NS = 100000, /* a sleep for many timers may be so much longer */
    IDLE_LONG_NS = 2000000  /* a sleep for which memory is given back first */
};

void
bly_idle_wake(struct bly_worker *w)
{
    /* pairs with idle_sleep */
    if (bly_load(&w->sleep) != 0 && bly_xchg(&w->sleep, 0u) != 0)
        w->rt->driver->wake(w);
}

void
bly_idle_wake_one(struct bly_rt *rt)
{
    uint32_t i;

    if (bly_load_relaxed(&rt->searching) != 0)
        return; /* somebody looks already, or the monitor comes again */
    for (i = 0; i < rt->count; i++) {
        struct bly_worker *w = &rt->workers[i];

        /* pairs with idle_sleep */
        if (bly_load(&w->sleep) == 0 || bly_xchg(&w->sleep, 0u) == 0)
            continue;
        bly_store_relaxed(&w->searcher, 1u);
        rt->driver->wake(w);
        return;
    }
}

void
bly_send_msg(struct bly_worker *w, struct bly_msg *m)
{
    struct bly_msg *head = bly_load_relaxed(&w->inbox);

    do
        m->next = head;
    while (!bly_cas(&w->inbox, &head, m)); /* pairs with bly_sched_drain */
    bly_idle_wake(w);
}

/* ---- stealing ----------------------------------------------------------- */

static bool
idle_steal_from(struct bly_worker *w, struct bly_worker *victim)
{
    int64_t n = (bly_runq_count(&victim->runq) + 1) / 2;
    bool any = false;

    while (n-- > 0) {
        struct bly_task *t = bly_runq_steal(&victim->runq);

        if (t == NULL)
            break;
        any = true;
        if (bly_runq_push(&w->runq, t) < 0) {
            bly_store_relaxed(&t->worker, w);
            bly_sched_ready(t); /* no room: into the list */
        }
    }
    return any;
}

/* One look at everybody: takes what has not moved since `since'. */
static bool
idle_search(struct bly_worker *w, int64_t now, bool aged)
{
    struct bly_rt *rt = w->rt;
    uint32_t i, first;

    if (BLY_SIM)
        first = w->index + 1 + bly_choose(BLY_CHOOSE_VICTIM, rt->count - 1);
    else
        first = bly_rng_next(&w->rng) % rt->count;
    for (i = 0; i < rt->count; i++) {
        uint32_t k = (first + i) % rt->count;
        struct bly_worker *v = &rt->workers[k];
        struct bly_look *look = &w->looks[k];
        int64_t top;

        if (v == w || bly_runq_count(&v->runq) == 0)
            continue;
        top = bly_load_relaxed(&v->runq.top);
        if (!aged && (top != look->top || look->when == 0)) {
            look->top = top;
            look->when = now;
            continue;
        }
        if (!aged && now - look->when < IDLE_AGE_NS)
            continue;
        look->when = 0;
        if (idle_steal_from(w, v)) {
            w->stole_at = now;
            return true;
        }
    }
    return false;
}

static bool
idle_has_work(struct bly_worker *w)
{
    return w->ready_head != NULL || bly_load_relaxed(&w->inbox) != NULL ||
        bly_runq_count(&w->runq) != 0 || bly_load_relaxed(&w->rt->done) != 0;
}

/* Work that only a thief can see: somebody should look at it now or soon. */
static bool
idle_anything_to_steal(struct bly_rt *rt)
{
    uint32_t i;

    for (i = 0; i < rt->count; i++)
        if (bly_runq_count(&rt->workers[i].runq) != 0)
            return true;
    return false;
}

/* As the only searcher.  True: found something. */
static bool
idle_spin(struct bly_worker *w)
{
    int64_t start = bly_os_now(), now = start;

    if (now - w->stole_at > IDLE_WARM_NS && !idle_anything_to_steal(w->rt))
        return false;
    do {
        unsigned i;

        if (idle_search(w, now, BLY_SIM))
            return true;
        if (idle_has_work(w) || bly_timers_next(&w->timers) <= now)
            return true;
        if (w->rt->driver->poll != NULL) {
            w->rt->driver->poll(w);
            if (w->ready_head != NULL)
                return true;
        }
        if (BLY_SIM)
            return false;
        for (i = 0; i < 32; i++)
            bly_cpu_pause();
        now = bly_os_now();
    } while (now - start < IDLE_SPIN_NS);
    return false;
}

/* ---- sleeping ----------------------------------------------------------- */

/* A wake costs some 8 us, so timers that are close together share one. */
static int64_t
idle_with_slack(const struct bly_timers *h, int64_t deadline)
{
    int64_t until = bly_time_add(deadline, IDLE_SLACK_NS);

    return !BLY_SIM && bly_timers_crowded(h, until) ? until : deadline;
}

static void
idle_sleep(struct bly_worker *w)
{
    struct bly_rt *rt = w->rt;
    int64_t deadline = bly_timers_next(&w->timers);

    (void)bly_xchg(&w->sleep, 1u); /* pairs with bly_idle_wake */
    (void)bly_fetch_add(&rt->idle, 1u); /* pairs with bly_idle_pushed */
    /* pairs with bly_send_msg, with bly_runq_push */
    if (bly_load(&w->inbox) == NULL && !bly_load(&rt->done) &&
        !(BLY_SIM && rt->count > 1 && idle_anything_to_steal(rt))) {
        bool quiet = deadline == BLY_NEVER && bly_deadlock_quiet(w);

        if (rt->driver->park != NULL)
            rt->driver->park(w, idle_with_slack(&w->timers, deadline));
        if (quiet)
            bly_deadlock_unquiet(w);
    } else {
        bly_spin(); /* somebody else has to move first */
    }
    (void)bly_fetch_add(&rt->idle, UINT32_MAX); /* pairs with bly_idle_pushed */
    bly_store_relaxed(&w->sleep, 0u);
}

void
bly_idle(struct bly_worker *w)
{
    struct bly_rt *rt = w->rt;
    uint32_t none = 0;

    /* The claim only saves the others the trouble; pairs with itself. */
    if (rt->count > 1 && bly_cas(&rt->searching, &none, 1u)) {
        bool found;

        w->spinning = true;
        found = idle_spin(w);
        w->spinning = false;
        bly_store_relaxed(&rt->searching, 0u);
        if (found)
            return;
    }
    if (bly_timers_next(&w->timers) > w->now + IDLE_LONG_NS &&
        bly_stacks_tend(&w->stacks, false))
        return; /* once more around, until there is nothing to do */
    bly_monitor_idle(rt);
    idle_sleep(w);
    bly_monitor_active(rt);
    if (bly_load_relaxed(&w->searcher) != 0) {
        bly_store_relaxed(&w->searcher, 0u);
        (void)idle_search(w, bly_os_now(), true);
    }
}

void
bly_idle_starved(struct bly_worker *w)
{
    int64_t until = bly_os_now() + IDLE_STARVED_NS;

    (void)bly_xchg(&w->sleep, 1u); /* pairs with bly_idle_wake */
    w->rt->driver->park(w, until);
    bly_store_relaxed(&w->sleep, 0u);
}

/* ---- the driver without I/O --------------------------------------------- */

static int
idle_futex_open(struct bly_worker *w)
{
    (void)w;
    return 0;
}

static void
idle_futex_close(struct bly_worker *w)
{
    (void)w;
}

static void
idle_futex_park(struct bly_worker *w, int64_t deadline)
{
    bly_os_futex_wait(&w->sleep, 1, deadline);
}

static void
idle_futex_wake(struct bly_worker *w)
{
    bly_os_futex_wake(&w->sleep, 1);
}

const struct bly_driver bly_driver_futex = {
    .name = "futex",
    .open = idle_futex_open,
    .close = idle_futex_close,
    .park = idle_futex_park,
    .wake = idle_futex_wake,
};
