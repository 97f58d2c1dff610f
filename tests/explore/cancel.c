/* SPDX-License-Identifier: MIT */
/*
 * Cuts that come together, and cuts of what hangs below on other workers, at
 * atomic depth.
 */
#include "stage.h"

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
