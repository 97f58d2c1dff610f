/* SPDX-License-Identifier: MIT */
/*
 * Sleeping, waking and cutting between two workers, at atomic depth.  A cut
 * that is lost leaves somebody asleep for ever, which is a deadlock; a wake-up
 * that comes twice, or for a wait that is over, breaks an assertion.
 *
 * Of the events, `never' is never set, so that only a cut ends the wait for it.
 * Who is asleep `there' when something happens has said so by `up' first.
 */
#include <belay/chan.h>
#include <belay/select.h>
#include <belay/sync.h>
#include <belay/test.h>
#include <belay/timer.h>

#include "core/rt.h"

#include "closeup.h"

#include <errno.h>

enum { NOTHING_YET = 12345, THERE = 2, HERE = 1 };

typedef BELAY_CHAN(int) int_chan;

struct stage {
    belay_event never, e, up;
    belay_scope *outer;
    int got[3];
};

static void
stage_open(struct stage *st)
{
    *st = (struct stage){.never = BELAY_EVENT_INIT, .e = BELAY_EVENT_INIT,
        .up = BELAY_EVENT_INIT, .got = {NOTHING_YET, NOTHING_YET, NOTHING_YET}};
}

BELAY_TASK(only_a_cut, (struct stage *, st), (int, i))
{
    return st->got[i] = belay_event_wait(&st->never);
}

BELAY_TASK(cancels, (belay_scope *, s))
{
    belay_cancel(s, "a test");
    return 0;
}

BELAY_TASK(sets, (struct stage *, st))
{
    belay_event_set(&st->e);
    return 0;
}

/* ---- a cut against the first sleep -------------------------------------- */

/* The sleeper makes the list in which the cut has to find it. */
BELAY_TEST(a_cut_against_a_first_sleep, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), only_a_cut, &st, 0);
        belay_cancel(s, "a test");
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(st.got[0], -ECANCELED);
}

BELAY_TEST(a_cut_from_there_against_a_first_sleep,
    .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = HERE), only_a_cut, &st, 0);
        belay_spawn_with(s, (.worker = THERE), cancels, s);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(st.got[0], -ECANCELED);
}

/* The owner itself sleeps inside the scope that is cut from there. */
BELAY_TEST(a_cut_from_there_against_the_owner, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), cancels, s);
        BELAY_CHECK_EQ(belay_event_wait(&st.never), -ECANCELED);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
}

/* Several sleepers on each side, of whom some have slept before. */
BELAY_TASK(sleeps_again, (struct stage *, st), (int, i))
{
    BELAY_TRY(belay_yield());
    return st->got[i] = belay_event_wait(&st->never);
}

BELAY_TEST(a_cut_against_three, .schedules = 6000, .workers = 2)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), only_a_cut, &st, 0);
        belay_spawn_with(s, (.worker = THERE), sleeps_again, &st, 1);
        belay_spawn_with(s, (.worker = HERE), sleeps_again, &st, 2);
        belay_spawn(s, cancels, s);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(st.got[0], -ECANCELED);
}

/* ---- a cut against a wake-up -------------------------------------------- */

/* A wait that was ended by the one is not touched by the other, and the next
 * one fails. */
BELAY_TASK(wait_twice, (struct stage *, st))
{
    belay_event_set(&st->up);
    st->got[0] = belay_event_wait(&st->e);
    return st->got[1] = belay_event_wait(&st->never);
}

static void
cut_and_wake(bool wake_first, bool asleep)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), wait_twice, &st);
        if (asleep)
            BELAY_CHECK_EQ(belay_event_wait(&st.up), 0);
        if (wake_first)
            belay_event_set(&st.e);
        belay_cancel(s, "a test");
        if (!wake_first)
            belay_event_set(&st.e);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK(st.got[0] == 0 || st.got[0] == -ECANCELED);
    BELAY_CHECK_EQ(st.got[1], -ECANCELED);
}

BELAY_TEST(a_wake_up_then_a_cut, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    cut_and_wake(true, false);
}

BELAY_TEST(a_cut_then_a_wake_up, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    cut_and_wake(false, false);
}

BELAY_TEST(a_wake_up_then_a_cut_of_a_sleeper, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    cut_and_wake(true, true);
}

BELAY_TEST(a_cut_then_a_wake_up_of_a_sleeper, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    cut_and_wake(false, true);
}

/* A wait is over, and its task is ready when the cut comes. */
BELAY_TASK(wakes_and_yields, (struct stage *, st))
{
    st->got[0] = belay_event_wait(&st->e);
    if (st->got[0] == 0)
        st->got[1] = belay_yield();
    return belay_event_wait(&st->never);
}

BELAY_TEST(a_cut_when_a_wait_is_over, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = HERE), wakes_and_yields, &st);
        BELAY_CHECK_EQ(belay_yield(), 0);
        belay_event_set(&st.e);
        BELAY_CHECK_EQ(belay_yield(), 0);
        belay_cancel(s, "a test");
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
}

/* The cut comes from there, the wake-up from here, the sleeper is here. */
BELAY_TEST(a_cut_and_a_wake_up_from_two_sides, .schedules = 6000, .workers = 3)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = HERE), wait_twice, &st);
        belay_spawn_with(s, (.worker = 2), cancels, s);
        belay_spawn_with(s, (.worker = 3), sets, &st);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK(st.got[0] == 0 || st.got[0] == -ECANCELED);
    BELAY_CHECK_EQ(st.got[1], -ECANCELED);
}

/* Both find the claim of a select: the value is there or was not taken. */
BELAY_TASK(select_twice, (struct stage *, st), (int_chan *, in),
    (int_chan *, silent))
{
    int r, v = 0, w = 0;

    belay_event_set(&st->up);
    st->got[0] = belay_select(&r, [1] = BELAY_RECV(in, &v),
        [2] = BELAY_RECV(silent, &w));
    if (st->got[0] == 1)
        BELAY_CHECK(r == 1 && v == 7);
    else
        BELAY_CHECK(st->got[0] == -ECANCELED && v == 0);
    st->got[2] = v;
    return st->got[1] = belay_select(&r, [1] = BELAY_RECV(silent, &w));
}

static void
cut_and_select(size_t cap, bool cut_first)
{
    int_chan in, silent;
    struct stage st;
    int err, sent = 0, left = 0;

    stage_open(&st);
    BELAY_CHECK_EQ(belay_chan_open(&in, cap), 0);
    BELAY_CHECK_EQ(belay_chan_open(&silent, 0), 0);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), select_twice, &st, &in,
            &silent);
        BELAY_CHECK_EQ(belay_event_wait(&st.up), 0);
        if (cut_first)
            belay_cancel(s, "a test");
        sent = belay_try_send(&in, 7);
        if (!cut_first)
            belay_cancel(s, "a test");
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(st.got[1], -ECANCELED);
    BELAY_CHECK(belay_try_recv(&in, &left) != 0);
    BELAY_CHECK_EQ(st.got[2] + left, sent == 0 ? 7 : 0);
    belay_chan_free(&in);
    belay_chan_free(&silent);
}

BELAY_TEST(a_value_and_a_cut_for_a_select, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    cut_and_select(1, false);
}

BELAY_TEST(a_cut_and_a_value_for_a_select, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    cut_and_select(1, true);
}

BELAY_TEST(a_hand_over_and_a_cut_for_a_select, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    cut_and_select(0, false);
}

BELAY_TEST(a_cut_and_a_hand_over_for_a_select, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    cut_and_select(0, true);
}

/* ---- a cut against a deadline ------------------------------------------- */

/* One node, one code: whoever marks it first, everybody gets the same. */
BELAY_TEST(a_cut_from_there_against_a_deadline_here,
    .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_MS(1)) {
        belay_spawn_with(s, (.worker = THERE), cancels, s);
        st.got[0] = belay_event_wait(&st.never);
    }
    closeup_end();
    BELAY_CHECK(err == -ECANCELED || err == -ETIME);
    BELAY_CHECK_EQ(st.got[0], err);
}

BELAY_TASK(sleeps_there, (struct stage *, st), (int, i))
{
    return st->got[i] = belay_sleep(BELAY_S(1));
}

BELAY_TEST(a_deadline_here_for_sleepers_there, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_MS(1)) {
        belay_spawn_with(s, (.worker = THERE), only_a_cut, &st, 0);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ETIME);
    BELAY_CHECK_EQ(st.got[0], -ETIME);
}

/* A timer that has fired and a cut that comes: the sleep ends once. */
BELAY_TEST(a_cut_against_a_sleep_that_ends, .schedules = 6000, .workers = 2)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), sleeps_there, &st, 0);
        if (belay_sleep(BELAY_S(1)) == 0)
            belay_cancel(s, "a test");
    }
    closeup_end();
    BELAY_CHECK(st.got[0] == 0 || st.got[0] == -ECANCELED);
    BELAY_CHECK_EQ(err, -ECANCELED);
}

/* ---- two cuts ----------------------------------------------------------- */

BELAY_TASK(says_so_and_waits, (struct stage *, st))
{
    belay_event_set(&st->up);
    return st->got[0] = belay_event_wait(&st->never);
}

/* The first asks for something that ends no wait; its message may still be
 * handled when the second comes. */
BELAY_TEST(a_stop_and_a_cut, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err, .grace = INT64_MAX) {
        belay_spawn_with(s, (.worker = THERE), says_so_and_waits, &st);
        BELAY_CHECK_EQ(belay_event_wait(&st.up), 0);
        belay_stop(s, "a test");
        belay_cancel(s, "a test");
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(st.got[0], -ECANCELED);
}

BELAY_TEST(two_cuts_at_once, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = HERE), only_a_cut, &st, 0);
        belay_spawn_with(s, (.worker = THERE), cancels, s);
        belay_cancel(s, "a test");
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(st.got[0], -ECANCELED);
}

/* ---- over several levels ------------------------------------------------ */

/* There a task has a scope with a child here: the cut goes to and fro. */
BELAY_TASK(has_a_child, (struct stage *, st), (int, i), (unsigned, where))
{
    int r;

    BELAY_SCOPE_CATCH(s, &r) {
        belay_spawn_with(s, (.worker = where), only_a_cut, st, i);
        belay_event_set(&st->e);
    }
    return r;
}

static void
cut_to_and_fro(bool at_once)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), has_a_child, &st, 0, HERE);
        if (!at_once)
            BELAY_CHECK_EQ(belay_event_wait(&st.e), 0);
        belay_cancel(s, "a test");
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK(st.got[0] == -ECANCELED || (at_once && st.got[0] ==
        NOTHING_YET));
}

BELAY_TEST(a_cut_against_a_scope_that_opens, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    cut_to_and_fro(true);
}

BELAY_TEST(a_cut_there_and_back, .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    cut_to_and_fro(false);
}

/* Several scopes are to be told on one worker. */
BELAY_TEST(a_cut_against_several_scopes_here, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    struct stage st;
    int err, i;

    stage_open(&st);
    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < 2; i++)
            belay_spawn(s, has_a_child, &st, i, 0);
        BELAY_CHECK_EQ(belay_yield(), 0);
        belay_cancel(s, "a test");
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
}

/* The two others add their lists at the same time. */
BELAY_TEST(a_cut_against_sleepers_on_two_workers, .schedules = 8000,
    .workers = 3)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 2), only_a_cut, &st, 0);
        belay_spawn_with(s, (.worker = 3), only_a_cut, &st, 1);
        BELAY_CHECK_EQ(belay_sleep(1), 0);
        belay_cancel(s, "a test");
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(st.got[0], -ECANCELED);
    BELAY_CHECK_EQ(st.got[1], -ECANCELED);
}

/* A shield there begins to hide when the message comes, and its limit counts
 * from then on. */
BELAY_TASK(shields, (struct stage *, st))
{
    BELAY_SHIELD(BELAY_S(1));

    return st->got[0] = belay_event_wait(&st->never);
}

BELAY_TEST(a_cut_against_a_shield_there, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), shields, &st);
        belay_cancel(s, "a test");
    }
    closeup_end();
    BELAY_CHECK_EQ(st.got[0], -ETIME);
    BELAY_CHECK(belay_test_elapsed() >= BELAY_S(1));
    BELAY_CHECK_EQ(err, -ETIME);
}

/* ---- daemons ------------------------------------------------------------ */

BELAY_TASK(brings_a_daemon, (struct stage *, st))
{
    belay_spawn_daemon(st->outer, only_a_cut, st, 0);
    return 0;
}

/* The scope in which daemons live is made by the first one. */
BELAY_TEST(a_cut_against_the_first_daemon, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        st.outer = s;
        belay_spawn_with(s, (.worker = THERE), brings_a_daemon, &st);
        belay_spawn_with(s, (.worker = THERE), only_a_cut, &st, 1);
        belay_cancel(s, "a test");
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(st.got[1], -ECANCELED);
}

/* A child waits until the daemon has heard of the cut. */
BELAY_TASK(passes_on, (struct stage *, st))
{
    int r = belay_event_wait(&st->never);

    belay_event_set(&st->e);
    return r;
}

BELAY_TASK(waits_for_the_daemon, (struct stage *, st))
{
    BELAY_SHIELD(INT64_MAX);

    return belay_event_wait(&st->e);
}

BELAY_TEST(a_cut_against_a_daemon, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .workers = 2)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE, .daemon = true), passes_on,
            &st);
        belay_spawn_with(s, (.worker = HERE), waits_for_the_daemon, &st);
        belay_cancel(s, "a test");
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
}

/* Daemons everywhere are told when the last child has ended. */
BELAY_TEST(rule_11_daemons_of_both_workers_end, .schedules = 5000, .workers = 2)
{
    struct stage st;
    int err;

    stage_open(&st);
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE, .daemon = true), only_a_cut,
            &st, 0);
        belay_spawn_with(s, (.worker = HERE, .daemon = true), only_a_cut,
            &st, 1);
        belay_spawn_with(s, (.worker = THERE), sets, &st);
        BELAY_CHECK_EQ(belay_event_wait(&st.e), 0);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.got[0], -ECANCELED);
    BELAY_CHECK_EQ(st.got[1], -ECANCELED);
}
