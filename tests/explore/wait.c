/* SPDX-License-Identifier: MIT */
/*
 * Sleeping, waking and cutting between two workers, at atomic depth.  A cut
 * that is lost leaves somebody asleep for ever, which is a deadlock; a wake-up
 * that comes twice, or for a wait that is over, breaks an assertion.
 */
#include <belay/chan.h>
#include <belay/select.h>
#include <belay/timer.h>

#include "stage.h"

typedef BELAY_CHAN(int) int_chan;

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
