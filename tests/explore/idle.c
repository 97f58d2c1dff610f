/* SPDX-License-Identifier: MIT */
/*
 * Workers that go to sleep and are woken, at atomic depth: no wake-up is lost,
 * and a deadlock is found if and only if there is one.  A lost wake-up leaves
 * all workers asleep, which the runtime takes for a deadlock, or the machine
 * does.
 */
#include <belay/chan.h>
#include <belay/run.h>
#include <belay/sync.h>
#include <belay/test.h>

#include "core/idle.h"
#include "os/os.h"

#include "closeup.h"

#include <errno.h>

typedef BELAY_CHAN(int) int_chan;

BELAY_TASK(nothing)
{
    return 0;
}

BELAY_TASK(counts, (uint32_t *, n))
{
    (void)bly_fetch_add(n, 1u);
    return 0;
}

/* ---- a runtime begins and ends ------------------------------------------ */

/* The other worker is anywhere between its start and its sleep. */
BELAY_TEST(the_end_finds_the_other_asleep_or_not, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 2, .threads = true, .atomic = true)
{
    BELAY_CHECK_EQ(belay_run_with((.workers = 2), nothing), 0);
}

BELAY_TEST(three_workers_end, .schedules = 5000, .threads = true,
    .atomic = true)
{
    BELAY_CHECK_EQ(belay_run_with((.workers = 3), nothing), 0);
}

/* ---- a message to one who goes to sleep --------------------------------- */

/* Out to the other worker, and back. */
BELAY_TEST(a_message_out_and_one_back, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 2, .workers = 2, .atomic = true)
{
    uint32_t n = 0;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 2), counts, &n);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(n, 1);
}

BELAY_TASK(answers, (int_chan *, in), (int_chan *, out), (int, times))
{
    for (; times > 0; times--) {
        int v;

        if (BELAY_TRY(belay_recv(in, &v)) == 1)
            BELAY_TRY(belay_send(out, v + 1));
    }
    return 0;
}

/* Each goes to sleep again and again while the other writes to it. */
BELAY_TEST(messages_to_and_fro, .schedules = 6000, .workers = 2,
    .atomic = true)
{
    int_chan there, back;
    int i, v = 0, err;

    BELAY_CHECK_EQ(belay_chan_open(&there, 0), 0);
    BELAY_CHECK_EQ(belay_chan_open(&back, 0), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 2), answers, &there, &back, 2);
        for (i = 0; i < 2; i++) {
            BELAY_CHECK_EQ(belay_send(&there, 2 * i), 0);
            BELAY_CHECK_EQ(belay_recv(&back, &v), 1);
            BELAY_CHECK_EQ(v, 2 * i + 1);
        }
    }
    BELAY_CHECK_EQ(err, 0);
    belay_chan_free(&there);
    belay_chan_free(&back);
}

/* Several messages, from several senders, to one who wakes for the first. */
BELAY_TASK(sets, (belay_latch *, l))
{
    belay_latch_count_down(l, 1);
    return 0;
}

BELAY_TEST(messages_from_two_sides, .schedules = 5000, .workers = 3,
    .atomic = true)
{
    belay_latch both = BELAY_LATCH_INIT(2);
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 2), sets, &both);
        belay_spawn_with(s, (.worker = 3), sets, &both);
        BELAY_CHECK_EQ(belay_latch_wait(&both), 0);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* Each sends a task to the first, which may take them in at the same time. */
BELAY_TASK(brings_one, (belay_scope *, s), (uint32_t *, n))
{
    return belay_spawn_with(s, (.worker = 1), counts, n);
}

BELAY_TEST(tasks_from_two_sides, .schedules = 8000, .workers = 3)
{
    uint32_t n = 0;
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 2), brings_one, s, &n);
        belay_spawn_with(s, (.worker = 3), brings_one, s, &n);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(n, 2);
}

/* ---- a message handler's order ------------------------------------------ */

/* They are handled oldest first. */
struct note {
    struct bly_msg msg;
    uint32_t number;
    uint32_t *last;
    belay_event *read;
};

static void
note_read(struct bly_msg *m, struct bly_worker *w)
{
    struct note *n = BLY_CONTAINER(m, struct note, msg);

    BELAY_CHECK_EQ(w->index, 1);
    BELAY_CHECK_EQ(*n->last, n->number - 1);
    *n->last = n->number;
    if (n->number == 3)
        belay_event_set(n->read);
}

BELAY_TEST(messages_are_handled_in_order, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 2, .workers = 2, .atomic = true)
{
    struct bly_worker *other = &bly_worker_here->rt->workers[1];
    belay_event read = BELAY_EVENT_INIT;
    struct note notes[3];
    uint32_t i, last = 0;

    for (i = 0; i < 3; i++) {
        notes[i].msg.run = note_read;
        notes[i].number = i + 1;
        notes[i].last = &last;
        notes[i].read = &read;
        bly_send_msg(other, &notes[i].msg);
    }
    BELAY_CHECK_EQ(belay_event_wait(&read), 0);
    BELAY_CHECK_EQ(last, 3);
}

/* ---- work in a queue ---------------------------------------------------- */

/* Whoever is awake runs it; a thief takes some of it. */
BELAY_TEST(a_spawn_while_the_other_goes_to_sleep,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 2, .workers = 2,
    .atomic = true)
{
    uint32_t n = 0;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, counts, &n);
        belay_spawn(s, counts, &n);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(n, 2);
}

BELAY_TASK(waits_for_sibling, (belay_event *, mine), (belay_event *, other))
{
    belay_event_set(other);
    return belay_event_wait(mine);
}

/* Each needs the other to run, wherever that is. */
BELAY_TEST(spawns_that_need_each_other, .schedules = 6000, .workers = 2,
    .atomic = true)
{
    belay_event a = BELAY_EVENT_INIT, b = BELAY_EVENT_INIT;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, waits_for_sibling, &a, &b);
        belay_spawn(s, waits_for_sibling, &b, &a);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* Started tasks stay where they are: also those that a thief has started. */
BELAY_TASK(stays, (uint32_t *, n))
{
    struct bly_worker *w = bly_worker_here;
    int i;

    for (i = 0; i < 2; i++) {
        BELAY_TRY(belay_yield());
        BELAY_CHECK(bly_worker_here == w);
    }
    (void)bly_fetch_add(n, 1u);
    return 0;
}

BELAY_TEST(rule_20_started_tasks_stay, .schedules = 5000, .workers = 2,
    .atomic = true)
{
    uint32_t n = 0;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        for (int i = 0; i < 3; i++)
            belay_spawn(s, stays, &n);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(n, 3);
}

/* ---- deadlock: found exactly where there is one ------------------------- */

/* In each run, by whichever worker is the last to go to sleep. */
BELAY_TASK(waits_for_ever)
{
    belay_event never = BELAY_EVENT_INIT;

    return belay_event_wait(&never);
}

BELAY_TEST(rule_18_a_deadlock_is_always_found, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 2, .threads = true, .atomic = true)
{
    BELAY_CHECK_EQ(belay_run_with((.workers = 2), waits_for_ever), -EDEADLK);
}

BELAY_TASK(one_waits_there)
{
    BELAY_SCOPE(s) {
        belay_spawn_with(s, (.worker = 2), waits_for_ever);
    }
    return 0;
}

BELAY_TEST(rule_18_a_deadlock_elsewhere_is_always_found,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 2, .threads = true,
    .atomic = true)
{
    BELAY_CHECK_EQ(belay_run_with((.workers = 2), one_waits_there), -EDEADLK);
}

/* The message that ends the wait is under way when the last one goes to sleep;
 * nobody is cut. */
BELAY_TASK(sets_event, (belay_event *, e))
{
    belay_event_set(e);
    return 0;
}

BELAY_TASK(waits_for_there)
{
    belay_event e = BELAY_EVENT_INIT;

    BELAY_SCOPE(s) {
        belay_spawn_with(s, (.worker = 2), sets_event, &e);
        BELAY_CHECK_EQ(belay_event_wait(&e), 0);
    }
    return 7;
}

BELAY_TEST(rule_18_a_message_under_way_is_no_deadlock,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 2, .threads = true,
    .atomic = true)
{
    BELAY_CHECK_EQ(belay_run_with((.workers = 2), waits_for_there), 7);
}

/* A timer on one worker, while the other has nothing left. */
BELAY_TASK(sleeps_there, (belay_event *, e))
{
    BELAY_TRY(belay_sleep(BELAY_MS(1)));
    belay_event_set(e);
    return 0;
}

BELAY_TASK(waits_for_time)
{
    belay_event e = BELAY_EVENT_INIT;

    BELAY_SCOPE(s) {
        belay_spawn_with(s, (.worker = 2), sleeps_there, &e);
        BELAY_CHECK_EQ(belay_event_wait(&e), 0);
    }
    return 7;
}

BELAY_TEST(rule_18_a_timer_elsewhere_is_no_deadlock,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 2, .threads = true,
    .atomic = true)
{
    BELAY_CHECK_EQ(belay_run_with((.workers = 2), waits_for_time), 7);
}
