/* SPDX-License-Identifier: MIT */
/* Rules 11 and 12: daemons, and children that say when they are ready. */
#include "rules.h"

/* ---- rule 11 ------------------------------------------------------------ */

BELAY_TASK(serves, (belay_dur *, until), (int *, got))
{
    *got = belay_sleep(BELAY_S(10000));
    *until = belay_test_elapsed();
    return *got;
}

BELAY_TEST(rule_11_daemons_end_with_the_last_child,
    .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;
    belay_dur until = 0;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_daemon(s, serves, &until, &got);
        belay_spawn(s, naps_then, BELAY_MS(3), 0);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(until, BELAY_MS(3));
}

BELAY_TEST(rule_11_daemons_end_with_the_body, .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;
    belay_dur until = 0;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_daemon(s, serves, &until, &got);
        belay_spawn(s, naps_then, BELAY_MS(1), 0);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(3)), 0);
        BELAY_CHECK_EQ(got, RULES_UNSET);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(until, BELAY_MS(3));
}

BELAY_TEST(rule_11_the_brace_joins_them, .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_daemon(s, stubborn, BELAY_MS(5), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(5));
}

BELAY_TEST(rule_11_their_failures_count, .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err) { /* while the scope is open */
        belay_spawn_daemon(s, naps_then, BELAY_MS(1), -EIO);
        belay_spawn(s, until_cut, &got);
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_SCOPE_CATCH(s, &err) { /* and when they are cut */
        belay_spawn_daemon(s, breaks_when_cut, -EPIPE);
    }
    BELAY_CHECK_EQ(err, -EPIPE);
}

/* One that has children of its own, which are cut with it: no failure. */
BELAY_TASK(serves_with_children, (int *, got))
{
    BELAY_SCOPE(s) {
        belay_spawn(s, until_cut, got);
        belay_spawn_daemon(s, until_cut, got + 1);
    }
    return 0;
}

BELAY_TEST(rule_11_a_tree_of_daemons_is_cut_without_failure,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1,
    .cancel_everywhere = true)
{
    int got[2] = {RULES_UNSET, RULES_UNSET}, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_daemon(s, serves_with_children, got);
        belay_ignore(belay_sleep(1), "a cancel may come");
    }
    BELAY_CHECK(err == 0 || (belay_test_disturbed() && err == -ECANCELED));
    BELAY_CHECK(got[0] == -ECANCELED || belay_test_disturbed());
    BELAY_CHECK(got[1] == -ECANCELED || belay_test_disturbed());
}

/* A failure of one that nobody was told of, at an early leave. */
BELAY_TASK(leaves_a_daemon)
{
    BELAY_SCOPE(s) {
        belay_spawn_daemon(s, breaks_when_cut, -EIO);
        return 0;
    }
    return 0;
}

BELAY_TEST(rule_11_a_daemons_failure_is_not_lost_by_leaving,
    .strategy = BELAY_EXHAUSTIVE, .fail_allocs = true)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, leaves_a_daemon);
    }
    BELAY_CHECK(err < 0);
    BELAY_CHECK(err == -EIO || belay_test_disturbed());
}

/* They may start others, until they are cut themselves (rule 9). */
BELAY_TASK(starts_daemons, (belay_scope *, s), (int *, got))
{
    BELAY_CHECK_EQ(belay_spawn_daemon(s, until_cut, &got[0]), 0);
    (void)!belay_sleep(BELAY_S(10000));
    got[1] = belay_spawn_daemon(s, until_cut, &got[2]);
    return 0;
}

BELAY_TEST(rule_11_no_new_ones_at_the_end, .strategy = BELAY_EXHAUSTIVE)
{
    int got[3] = {RULES_UNSET, RULES_UNSET, RULES_UNSET}, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_daemon(s, starts_daemons, s, got);
        BELAY_CHECK_EQ(belay_sleep(1), 0);
    }
    BELAY_CHECK_EQ(got[0], -ECANCELED);
    BELAY_CHECK_EQ(got[1], -ECANCELED);
    BELAY_CHECK_EQ(got[2], RULES_UNSET);
    BELAY_CHECK_EQ(err, -ECANCELED); /* a child that never ran: rule 7 */
}

BELAY_TEST(rule_11_over_two_workers, .workers = 2, .atomic = true,
    .schedules = 3000)
{
    int got[2] = {RULES_UNSET, RULES_UNSET}, err;
    belay_event never = BELAY_EVENT_INIT;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(
            s, (.daemon = true, .worker = 1), awaits, &never, &got[0]);
        belay_spawn_with(
            s, (.daemon = true, .worker = 2), awaits, &never, &got[1]);
        belay_spawn_with(s, (.worker = 2), returns, 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got[0], -ECANCELED);
    BELAY_CHECK_EQ(got[1], -ECANCELED);
}

/* ---- rule 12 ------------------------------------------------------------ */

BELAY_TASK(ready_after, (belay_dur, d), (int, value), (int, result))
{
    BELAY_TRY(belay_sleep(d));
    belay_ready(value);
    BELAY_TRY(belay_sleep(d));
    return result;
}

BELAY_TEST(rule_12_the_value_comes_from_the_child,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(
            belay_spawn_ready(s, ready_after, BELAY_MS(1), 17, 0), 17);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(1));
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(2));
}

/* Once it was ready, it is a child like others. */
BELAY_TEST(rule_12_a_failure_after_ready_is_the_scopes,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(
            belay_spawn_ready(s, ready_after, BELAY_MS(1), 17, -EIO), 17);
    }
    BELAY_CHECK_EQ(err, -EIO);
}

BELAY_TEST(rule_12_a_failure_before_ready_is_captured,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(
            belay_spawn_ready(s, naps_then, BELAY_MS(1), -EIO), -EIO);
        BELAY_CHECK_EQ(belay_checkpoint(), 0);
    }
    BELAY_CHECK_EQ(err, 0);
}

BELAY_TEST(rule_12_an_end_without_ready_is_eproto,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(belay_spawn_ready(s, returns, 0), -EPROTO);
        BELAY_CHECK_EQ(
            belay_spawn_ready(s, naps_then, BELAY_MS(1), 5), -EPROTO);
        BELAY_CHECK_EQ(belay_checkpoint(), 0);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* What the child does when it is cut before it was ready. */
enum cut_child { PASSES_ON, BREAKS, IS_READY, SUCCEEDS };

struct start {
    int child_saw, spawner_saw;
    belay_dur spawner_back;
    bool ready_first;
};

BELAY_TASK(starts, (struct start *, st), (enum cut_child, how))
{
    st->child_saw = belay_sleep(BELAY_S(10000));
    BELAY_SHIELD(BELAY_S(1));
    BELAY_CHECK_EQ(belay_sleep(BELAY_MS(2)), 0); /* its clean-up */
    switch (how) {
    case BREAKS:
        return -EIO;
    case IS_READY:
        belay_ready(3);
        return 0;
    case SUCCEEDS:
        return 0;
    default:
        return st->child_saw;
    }
}

/* The spawner is cut by a deadline of its own, so the scope is not. */
static int
start_cut(struct start *st, enum cut_child how)
{
    int err;

    *st = (struct start){RULES_UNSET, RULES_UNSET, 0, false};
    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT) {
        belay_dur before = belay_test_elapsed();

        st->spawner_saw = BELAY_WITHIN(
            BELAY_MS(1), belay_spawn_ready(s, starts, st, how));
        st->spawner_back = belay_test_elapsed() - before;
        BELAY_CHECK_EQ(belay_checkpoint(), 0);
    }
    BELAY_CHECK_EQ(st->child_saw, -ECANCELED);
    BELAY_CHECK_EQ(st->spawner_saw, -ETIME);
    BELAY_CHECK_EQ(st->spawner_back, BELAY_MS(3));
    return err;
}

BELAY_TEST(rule_12_a_cut_spawner_cuts_the_child_and_waits_for_it,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct start st;

    BELAY_CHECK_EQ(start_cut(&st, PASSES_ON), 0);
    BELAY_CHECK_EQ(start_cut(&st, SUCCEEDS), 0);
}

BELAY_TEST(rule_12_ready_after_the_cut_comes_too_late,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct start st;

    BELAY_CHECK_EQ(start_cut(&st, IS_READY), 0);
}

/* The spawner returns the cut, so nobody is told of this failure. */
BELAY_TEST(rule_12_a_failure_after_the_cut_is_not_lost,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct start st;

    BELAY_CHECK_EQ(start_cut(&st, BREAKS), -EIO);
}

/* Neither is one that the child has not returned (rule 2). */
BELAY_TASK(fails_when_cut)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, breaks_when_cut, -EIO);
        belay_ignore(belay_sleep(BELAY_S(10000)), "until the cut");
        break;
    }
    BELAY_CHECK_EQ(belay_checkpoint(), -EIO);
    return 0;
}

BELAY_TEST(rule_12_nor_is_a_failure_of_the_cut_child_itself,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err, r = RULES_UNSET;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT) {
        r = BELAY_WITHIN(BELAY_MS(1), belay_spawn_ready(s, fails_when_cut));
    }
    BELAY_CHECK_EQ(r, -ETIME);
    BELAY_CHECK_EQ(err, -EIO);
}

/* At the same instant: whichever is first, the two sides agree. */
BELAY_TASK(ready_at_the_deadline, (struct start *, st))
{
    st->child_saw = belay_sleep(BELAY_MS(1));
    if (st->child_saw == 0)
        belay_ready(17);
    st->child_saw = belay_sleep(BELAY_MS(1));
    return st->child_saw;
}

BELAY_TEST(rule_12_ready_or_cut_but_not_both, .strategy = BELAY_EXHAUSTIVE)
{
    struct start st = {RULES_UNSET, RULES_UNSET, 0, false};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        st.spawner_saw = BELAY_WITHIN(
            BELAY_MS(1), belay_spawn_ready(s, ready_at_the_deadline, &st));
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK(st.spawner_saw == 17 ? st.child_saw == 0
                                     : st.spawner_saw == -ETIME &&
                                         st.child_saw == -ECANCELED);
}

BELAY_TEST(rule_12_cancelled_at_every_point, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .cancel_everywhere = true, .fail_allocs = true)
{
    int err, r = RULES_UNSET;

    BELAY_SCOPE_CATCH(s, &err) {
        r = belay_spawn_ready(s, ready_after, 1, 17, 0);
        BELAY_CHECK(r == 17 || r == -ENOMEM || r == -ECANCELED);
        BELAY_CHECK(r == 17 || belay_test_disturbed());
    }
    BELAY_CHECK(err == 0 || belay_test_disturbed());
}

/* A server that others may use as soon as it says so, until all is done. */
BELAY_TASK(server, (bool *, up))
{
    *up = true;
    belay_ready(0);
    return belay_sleep(BELAY_S(10000));
}

BELAY_TASK(client, (bool *, up))
{
    BELAY_CHECK(*up);
    return 0;
}

BELAY_TEST(rule_12_a_daemon_may_be_ready, .strategy = BELAY_EXHAUSTIVE)
{
    bool up = false;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(belay_spawn_with(
                           s, (.daemon = true, .ready = true), server, &up),
            0);
        belay_spawn(s, client, &up);
    }
    BELAY_CHECK_EQ(err, 0);
}
