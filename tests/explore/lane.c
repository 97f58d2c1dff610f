/* SPDX-License-Identifier: MIT */
/*
 * Calls on the threads of a lane, at atomic depth where it matters: they end,
 * are cut, queue, are left behind, and the threads come and go.
 */
#include <belay/run.h>
#include <belay/sync.h>

#include "closeup.h"
#include "core/lane.h"
#include "os/os.h"

#include <errno.h>

enum { NOTHING_YET = 12345, FINE = 7, THERE = 2 };

/* A call that can be watched. */
struct call {
    uint32_t begun, dropped; /* atomic, futexes */
    uint32_t gate;           /* futex: the call waits while it is 0 */
    uint64_t thread;
    int got;
    int order;
};

static void
call_init(struct call *c, uint32_t gate)
{
    *c = (struct call){.gate = gate, .got = NOTHING_YET};
}

static void
call_open_gate(struct call *c)
{
    bly_store_release(&c->gate, 1u); /* pairs with call_fn */
    bly_os_futex_wake(&c->gate, 1);
}

static int call_count;

static int
call_fn(void *arg)
{
    struct call *c = arg;

    c->thread = bly_os_thread_self();
    c->order = ++call_count;
    (void)bly_fetch_add(&c->begun, 1u); /* pairs with the tests */
    bly_os_futex_wake(&c->begun, 1);
    while (bly_load(&c->gate) == 0) /* pairs with call_open_gate */
        bly_os_futex_wait(&c->gate, 0, BLY_NEVER);
    return FINE;
}

static void
call_drop(void *arg)
{
    struct call *c = arg;

    (void)bly_fetch_add(&c->dropped, 1u); /* pairs with the tests */
    bly_os_futex_wake(&c->dropped, 1);
}

static const belay_site here = {__FILE__, 1, "test", "call"};

BELAY_TASK(calls, (struct call *, c))
{
    return c->got = bly_lane_run(BLY_LANE_FILE, call_fn, c, &here);
}

BELAY_TASK(may_leave, (struct call *, c))
{
    return c->got = bly_lane_run_abandonable(
               BLY_LANE_DNS, call_fn, c, call_drop, &here);
}

BELAY_TASK(cuts, (belay_scope *, s))
{
    belay_cancel(s, "a test");
    return 0;
}

/* Either it never began, or its result stands. */
static void
call_is_whole(struct call *c)
{
    if (c->got == FINE)
        BELAY_CHECK_EQ(c->begun, 1);
    else
        BELAY_CHECK_EQ(c->begun, 0);
    BELAY_CHECK(c->got == FINE || c->got == -ECANCELED);
}

/* ---- one call ----------------------------------------------------------- */

BELAY_TEST(a_result_passes_through, .strategy = BELAY_EXHAUSTIVE,
    .atomic = true, .cancel_everywhere = true)
{
    struct call c;
    int r;

    call_init(&c, 1);
    r = bly_lane_run(BLY_LANE_CPU, call_fn, &c, &here);
    if (r != FINE)
        BELAY_CHECK(belay_test_disturbed() && r == -ECANCELED);
    else
        BELAY_CHECK(c.thread != bly_os_thread_self());
    BELAY_CHECK_EQ(c.begun, r == FINE);
}

BELAY_TEST(a_cut_against_a_call, .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    struct call c;
    int err;

    call_init(&c, 1);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), calls, &c);
        belay_cancel(s, "a test");
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
    call_is_whole(&c);
}

/* It has begun: the cut waits for it, and its result stands. */
BELAY_TEST(a_call_that_runs_is_waited_for, .schedules = 4000, .workers = 2,
    .atomic = true)
{
    struct call c;
    int err;

    call_init(&c, 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), calls, &c);
        while (bly_load(&c.begun) == 0)
            BELAY_CHECK_EQ(belay_sleep(1), 0);
        belay_cancel(s, "a test");
        BELAY_CHECK_EQ(c.got, NOTHING_YET);
        call_open_gate(&c);
    }
    BELAY_CHECK_EQ(c.got, FINE);
}

BELAY_TEST(a_deadline_against_a_call, .strategy = BELAY_EXHAUSTIVE,
    .atomic = true)
{
    struct call c;
    int r;

    call_init(&c, 1);
    r = BELAY_WITHIN(BELAY_MS(1),
        bly_lane_run(BLY_LANE_FILE, call_fn, &c, &here));
    BELAY_CHECK(r == FINE || r == -ETIME);
    BELAY_CHECK_EQ(c.begun, r == FINE);
}

/* Two calls and a lane of one thread: the second one waits in the queue, or is
 * cut there. */
BELAY_TEST(calls_queue_up, .schedules = 6000, .workers = 2, .atomic = true)
{
    struct call c[3];
    int err, i;

    bly_worker_here->rt->lane_max[BLY_LANE_FILE] = 1;
    for (i = 0; i < 3; i++)
        call_init(&c[i], 1);
    call_count = 0;
    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < 3; i++)
            belay_spawn_with(s, (.worker = THERE), calls, &c[i]);
        belay_spawn(s, cuts, s);
    }
    for (i = 0; i < 3; i++)
        call_is_whole(&c[i]);
}

BELAY_TEST(calls_run_in_order_on_one_thread, .schedules = 2000)
{
    struct call c[3];
    int err, i;

    bly_worker_here->rt->lane_max[BLY_LANE_FILE] = 1;
    call_count = 0;
    for (i = 0; i < 3; i++)
        call_init(&c[i], i != 0);
    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < 3; i++) {
            belay_spawn(s, calls, &c[i]);
            while (i == 0 && bly_load(&c[0].begun) == 0)
                BELAY_CHECK_EQ(belay_sleep(1), 0);
            /* It is in the queue. */
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        }
        call_open_gate(&c[0]);
    }
    BELAY_CHECK_EQ(err, 0);
    for (i = 0; i < 3; i++) {
        BELAY_CHECK_EQ(c[i].got, FINE);
        BELAY_CHECK_EQ(c[i].order, i + 1);
        BELAY_CHECK(c[i].thread == c[0].thread);
    }
}

/* ---- calls that are left behind ----------------------------------------- */

static void
wait_for_drop(struct call *c)
{
    while (bly_load(&c->dropped) == 0)
        bly_os_futex_wait(&c->dropped, 0, BLY_NEVER);
}

BELAY_TEST(a_cut_against_a_call_that_may_be_left,
    .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    struct call c;
    int err;

    call_init(&c, 1);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), may_leave, &c);
        belay_cancel(s, "a test");
    }
    if (c.got != FINE) {
        BELAY_CHECK_EQ(c.got, -ECANCELED);
        wait_for_drop(&c);
    }
    closeup_end();
    BELAY_CHECK_EQ(c.dropped, c.got != FINE);
}

BELAY_TEST(a_hanging_call_is_left_at_once, .schedules = 4000, .workers = 2,
    .atomic = true)
{
    struct call c, other;
    int err;

    bly_worker_here->rt->lane_max[BLY_LANE_DNS] = 1;
    call_init(&c, 0);
    call_init(&other, 1);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), may_leave, &c);
        while (bly_load(&c.begun) == 0)
            BELAY_CHECK_EQ(belay_sleep(1), 0);
        belay_cancel(s, "a test");
    }
    BELAY_CHECK_EQ(c.got, -ECANCELED);
    BELAY_CHECK_EQ(c.dropped, 0);
    /* Its thread does not count as working. */
    BELAY_CHECK_EQ(bly_lane_run_abandonable(BLY_LANE_DNS, call_fn, &other,
                       call_drop, &here), FINE);
    call_open_gate(&c);
    wait_for_drop(&c);
    BELAY_CHECK_EQ(c.dropped, 1);
    BELAY_CHECK_EQ(other.dropped, 0);
}

BELAY_TASK(leaves_one_behind, (struct call *, c))
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, may_leave, c);
        while (bly_load(&c->begun) == 0)
            BELAY_TRY(belay_sleep(1));
        belay_cancel(s, "a test");
    }
    BELAY_CHECK_EQ(c->got, -ECANCELED);
    return 0;
}

BELAY_TEST(a_hanging_call_outlives_its_runtime, .schedules = 3000,
    .threads = true, .atomic = true)
{
    struct call c;

    call_init(&c, 0);
    BELAY_CHECK_EQ(belay_run(leaves_one_behind, &c), 0);
    BELAY_CHECK_EQ(c.dropped, 0);
    call_open_gate(&c);
    wait_for_drop(&c);
    BELAY_CHECK_EQ(c.dropped, 1);
}

/* Opens the gate while the runtime is closed. */
static void
opens_gate(void *arg)
{
    struct call *c = arg;

    while (bly_load(&c->begun) == 0)
        bly_spin();
    call_open_gate(c);
}

BELAY_TASK(leaves_one_in_a_race, (struct call *, c))
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, may_leave, c);
        belay_cancel(s, "a test");
    }
    return 0;
}

BELAY_TEST(a_call_returns_while_its_runtime_closes, .schedules = 4000,
    .threads = true, .atomic = true)
{
    struct bly_thread opener;
    struct call c;

    call_init(&c, 0);
    BELAY_CHECK_EQ(bly_os_thread_start(&opener, opens_gate, &c, "opener"), 0);
    BELAY_CHECK_EQ(belay_run(leaves_one_in_a_race, &c), 0);
    if (c.begun == 0) /* it was cut before it began */
        (void)bly_fetch_add(&c.begun, 1u);
    bly_os_thread_join(&opener);
    if (c.got != FINE)
        wait_for_drop(&c);
    BELAY_CHECK_EQ(c.dropped, c.got != FINE);
}

/* ---- threads ------------------------------------------------------------ */

BELAY_TEST(an_idle_thread_is_used_again, .strategy = BELAY_EXHAUSTIVE)
{
    struct call a, b;

    call_init(&a, 1);
    call_init(&b, 1);
    BELAY_CHECK_EQ(bly_lane_run(BLY_LANE_FILE, call_fn, &a, &here), FINE);
    BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
    BELAY_CHECK_EQ(bly_lane_run(BLY_LANE_FILE, call_fn, &b, &here), FINE);
    BELAY_CHECK(a.thread == b.thread);
}

/* Threads end by themselves; a call comes before, meanwhile, after. */
BELAY_TEST(idle_threads_end, .schedules = 6000, .workers = 2, .atomic = true)
{
    struct call c[3];
    int err, i;

    bly_lane_keep_ns = BELAY_MS(1);
    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < 3; i++) {
            call_init(&c[i], 1);
            belay_spawn_with(s, (.worker = THERE), calls, &c[i]);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        }
    }
    bly_lane_keep_ns = BLY_NEVER;
    BELAY_CHECK_EQ(err, 0);
    for (i = 0; i < 3; i++)
        BELAY_CHECK_EQ(c[i].got, FINE);
}

/* Without a thread, or the memory for one, a call fails if there is no other
 * that will come; all who queued are told. */
BELAY_TEST(no_thread_can_be_started, .schedules = 2000, .workers = 2,
    .atomic = true, .fail_allocs = true)
{
    struct call c[2];
    int err, i;

    call_init(&c[0], 1);
    call_init(&c[1], 1);
    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT) {
        belay_spawn_with(s, (.worker = THERE), calls, &c[0]);
        c[1].got = bly_lane_run(BLY_LANE_FILE, call_fn, &c[1], &here);
    }
    for (i = 0; i < 2; i++) {
        if (c[i].got == FINE)
            continue;
        BELAY_CHECK(belay_test_disturbed());
        BELAY_CHECK(c[i].got == NOTHING_YET || c[i].got == -ENOMEM ||
            c[i].got == -EAGAIN);
        BELAY_CHECK_EQ(c[i].begun, 0);
    }
}

/* ---- deadlock ----------------------------------------------------------- */

BELAY_TASK(waits_for, (belay_event *, e))
{
    return belay_event_wait(e);
}

static int
sleeps_a_while(void *arg)
{
    uint32_t nobody = 0;

    (void)arg;
    bly_os_futex_wait(&nobody, 0, bly_os_now() + BELAY_MS(1));
    return FINE;
}

BELAY_TASK(calls_then_sets, (belay_event *, e))
{
    BELAY_CHECK_EQ(bly_lane_run(BLY_LANE_FILE, sleeps_a_while, NULL, &here),
        FINE);
    belay_event_set(e);
    return 0;
}

/* A call that goes on may bring work: that is no deadlock. */
BELAY_TEST(a_call_is_no_deadlock, .schedules = 3000, .workers = 2,
    .atomic = true)
{
    belay_event e = BELAY_EVENT_INIT;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, waits_for, &e);
        belay_spawn_with(s, (.worker = THERE), calls_then_sets, &e);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* Nor do idle threads hide one. */
BELAY_TEST(an_idle_thread_hides_no_deadlock, .strategy = BELAY_EXHAUSTIVE,
    .expect = BELAY_FINDS_DEADLOCK)
{
    belay_event e = BELAY_EVENT_INIT;
    struct call c;

    call_init(&c, 1);
    BELAY_CHECK_EQ(bly_lane_run(BLY_LANE_FILE, call_fn, &c, &here), FINE);
    BELAY_CHECK_EQ(belay_event_wait(&e), -ECANCELED);
}
