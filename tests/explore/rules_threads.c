/* SPDX-License-Identifier: MIT */
/*
 * Rule 18, what a run that is stuck returns, and rule 20: tasks and the
 * workers that they run on.
 */
#include <belay/chan.h>
#include <belay/run.h>

#include "rules.h"

typedef BELAY_CHAN(int) int_chan;

/* ---- rule 20 ------------------------------------------------------------ */

/* Sleeps in several ways, and wakes where it went to sleep. */
BELAY_TASK(stays, (int_chan *, in), (int_chan *, out), (int, n))
{
    unsigned home = belay_worker_index();
    int v;

    while (n-- > 0) {
        BELAY_TRY(belay_yield());
        BELAY_CHECK_EQ(belay_worker_index(), home);
        BELAY_TRY(belay_recv(in, &v));
        BELAY_CHECK_EQ(belay_worker_index(), home);
        BELAY_TRY(belay_send(out, v));
        BELAY_CHECK_EQ(belay_worker_index(), home);
        BELAY_TRY(belay_sleep(1));
        BELAY_CHECK_EQ(belay_worker_index(), home);
    }
    return 0;
}

static void
ping_pong(bool apart)
{
    int_chan a, b;
    int err, v;

    BELAY_CHECK_EQ(belay_chan_open(&a, 1), 0);
    BELAY_CHECK_EQ(belay_chan_open(&b, 1), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(belay_send(&a, 3), 0);
        belay_spawn_with(s, (.worker = apart ? 1 : 0), stays, &a, &b, 2);
        belay_spawn_with(s, (.worker = apart ? 2 : 0), stays, &b, &a, 2);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(belay_try_recv(&a, &v), 1);
    BELAY_CHECK_EQ(v, 3);
    belay_chan_free(&a);
    belay_chan_free(&b);
}

BELAY_TEST(rule_20_a_started_task_stays_on_its_worker, .workers = 2,
    .atomic = true, .schedules = 2000)
{
    ping_pong(true);
}

BELAY_TEST(rule_20_wherever_it_started, .workers = 2, .atomic = true,
    .schedules = 2000)
{
    ping_pong(false);
}

/* .worker and .local say where; without them any worker may take it. */
BELAY_TASK(where, (unsigned *, at))
{
    *at = belay_worker_index();
    return 0;
}

BELAY_TEST(rule_20_a_worker_that_was_asked_for, .workers = 2, .atomic = true,
    .schedules = 1000)
{
    unsigned at[4] = {0, 0, 0, 0}, home = belay_worker_index();
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 1), where, &at[0]);
        belay_spawn_with(s, (.worker = 2), where, &at[1]);
        belay_spawn(s, where, &at[2]);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(at[0], 1);
    BELAY_CHECK_EQ(at[1], 2);
    BELAY_CHECK(at[2] == 1 || at[2] == 2);
    BELAY_SCOPE_CATCH(s, &err, .local = true) {
        belay_spawn(s, where, &at[3]);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(at[3], home);
}

/* A wake from elsewhere only queues: the woken one never runs beside another
 * task of its worker. */
struct alone {
    int inside;
    belay_event go;
};

BELAY_TASK(is_alone, (struct alone *, a))
{
    BELAY_TRY(belay_event_wait(&a->go));
    BELAY_CHECK_EQ(a->inside, 0);
    a->inside = 1;
    belay_event_reset(&a->go); /* something that others could come between */
    belay_event_set(&a->go);
    BELAY_CHECK_EQ(a->inside, 1);
    a->inside = 0;
    return 0;
}

BELAY_TASK(lets_go, (struct alone *, a))
{
    belay_event_set(&a->go);
    return 0;
}

BELAY_TEST(rule_20_a_wake_from_elsewhere_only_queues, .workers = 2,
    .atomic = true, .schedules = 3000)
{
    struct alone a = {0, BELAY_EVENT_INIT};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 1), is_alone, &a);
        belay_spawn_with(s, (.worker = 1), is_alone, &a);
        belay_spawn_with(s, (.worker = 2), lets_go, &a);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* ---- rule 18 ------------------------------------------------------------ */

BELAY_TASK(never_ends, (int *, got))
{
    belay_event never = BELAY_EVENT_INIT;

    *got = belay_event_wait(&never);
    return 0; /* the run fails all the same */
}

BELAY_TEST(rule_18_the_run_returns_edeadlk, .threads = true,
    .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET;

    BELAY_CHECK_EQ(belay_run(never_ends, &got), -EDEADLK);
    BELAY_CHECK_EQ(got, -ECANCELED);
}

BELAY_TASK(ends_well, (int *, got))
{
    *got = belay_sleep(BELAY_MS(1));
    return 4;
}

BELAY_TEST(rule_18_and_else_what_the_root_returns, .threads = true,
    .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET;

    BELAY_CHECK_EQ(belay_run(ends_well, &got), 4);
    BELAY_CHECK_EQ(got, 0);
    BELAY_CHECK_EQ(belay_run(returns, -EIO), -EIO);
}

/* No thread of the process is ready, but a join is no deadlock while what it
 * waits for sleeps on a timer. */
BELAY_TEST(rule_18_a_sleeper_is_not_stuck, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2, .preemptions = 1, .max_runs = 20000)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 2), naps_then, BELAY_MS(1), 0);
    }
    BELAY_CHECK_EQ(err, 0);
}
