/* SPDX-License-Identifier: MIT */
/*
 * Rule 6: what a shield hides, from whom, and for how long.  Times are exact,
 * because virtual time passes only while nothing can run.
 */
#include "rules.h"

/* Cancels s at the time d from now. */
BELAY_TASK(cancels_after, (belay_scope *, s), (belay_dur, d))
{
    BELAY_SHIELD(BELAY_S(1000));
    BELAY_TRY(belay_sleep(d));
    belay_cancel(s, "test");
    return 0;
}

/* ---- what it hides ------------------------------------------------------ */

BELAY_TEST(rule_6_hides_a_cut_from_outside, .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_MS(1)) {
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(2)), -ETIME);
        {
            BELAY_SHIELD(BELAY_MS(9));
            BELAY_CHECK_EQ(belay_cancelled(), 0);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(3)), 0);
            BELAY_CHECK(belay_cancel_cause() == NULL);
            belay_cancel(s, "test"); /* of what is outside */
            BELAY_CHECK_EQ(belay_checkpoint(), 0);
        }
        BELAY_CHECK_EQ(belay_checkpoint(), -ETIME);
    }
    BELAY_CHECK_EQ(err, -ETIME);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(4));
}

/* From a sleeper too, and it does not end the sleep. */
BELAY_TEST(rule_6_hides_a_cut_that_comes_meanwhile,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, cancels_after, s, BELAY_MS(1));
        {
            BELAY_SHIELD(BELAY_MS(9));
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(5)), 0);
        }
        BELAY_CHECK_EQ(belay_checkpoint(), -ECANCELED);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(5));
}

BELAY_TEST(rule_6_does_not_hide_what_is_made_inside,
    .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err, inner;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_SHIELD(BELAY_S(1));
        belay_cancel(s, "test");
        BELAY_CHECK_EQ(
            BELAY_WITHIN(BELAY_MS(1), belay_sleep(BELAY_MS(5))), -ETIME);
        BELAY_SCOPE_CATCH(i, &inner) {
            belay_spawn(i, until_cut, &got);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
            belay_cancel(i, "test");
            BELAY_CHECK_EQ(belay_sleep(1), -ECANCELED);
        }
        BELAY_CHECK_EQ(inner, -ECANCELED);
        BELAY_CHECK_EQ(got, -ECANCELED);
        BELAY_CHECK_EQ(belay_checkpoint(), 0);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(2));
}

BELAY_TEST(rule_6_does_not_hide_the_limit_of_an_enclosing_one,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_cancel(s, "test");
        {
            BELAY_SHIELD(BELAY_MS(2));
            {
                BELAY_SHIELD(BELAY_MS(9));
                BELAY_CHECK_EQ(belay_sleep(BELAY_MS(5)), -ETIME);
                BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(2));
            }
            BELAY_CHECK_EQ(belay_checkpoint(), -ETIME);
        }
        BELAY_CHECK_EQ(belay_checkpoint(), -ECANCELED);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
}

BELAY_TEST(rule_6_scopes_opened_inside_are_hidden,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err, inner;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, cancels_after, s, BELAY_MS(1));
        {
            BELAY_SHIELD(BELAY_MS(9));
            BELAY_SCOPE_CATCH(i, &inner) {
                belay_spawn(i, naps_then, BELAY_MS(3), 0);
                BELAY_CHECK_EQ(belay_sleep(BELAY_MS(2)), 0);
                BELAY_CHECK_EQ(belay_spawn(i, naps_then, BELAY_MS(2), 0), 0);
            }
            BELAY_CHECK_EQ(inner, 0);
        }
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(4));
}

BELAY_TEST(rule_6_tasks_spawned_outwards_are_not_hidden,
    .strategy = BELAY_EXHAUSTIVE)
{
    int got[2] = {RULES_UNSET, RULES_UNSET}, err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_SHIELD(BELAY_MS(9));
        belay_spawn(s, until_cut, &got[0]);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_spawn(s, until_cut, &got[1]);
        belay_cancel(s, "test");
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        BELAY_CHECK_EQ(got[0], -ECANCELED);
        BELAY_CHECK_EQ(got[1], -ECANCELED);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
}

/* ---- how long ----------------------------------------------------------- */

BELAY_TEST(rule_6_the_clock_starts_at_entry_if_something_is_hidden,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_cancel(s, "test");
        BELAY_SHIELD(BELAY_MS(3));
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(9)), -ETIME);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(3));
        BELAY_CHECK_EQ(belay_cancelled(), -ETIME);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
}

BELAY_TEST(rule_6_the_clock_starts_at_the_first_hidden_cut,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(o, &err) {
        BELAY_SCOPE_CATCH(s, &err) {
            belay_spawn(o, cancels_after, s, BELAY_MS(5));
            belay_spawn(o, cancels_after, o, BELAY_MS(6));
            {
                BELAY_SHIELD(BELAY_MS(3));
                BELAY_CHECK_EQ(belay_sleep(BELAY_MS(99)), -ETIME);
                BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(8));
            }
        }
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
}

BELAY_TEST(rule_6_a_limit_without_a_cut_is_none, .strategy = BELAY_EXHAUSTIVE)
{
    BELAY_SHIELD(BELAY_MS(1));
    BELAY_CHECK_EQ(belay_sleep(BELAY_MS(50)), 0);
    BELAY_CHECK_EQ(belay_cancelled(), 0);
}

BELAY_TEST(rule_6_at_the_limit_all_inside_is_cut,
    .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err, inner;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_cancel(s, "test");
        BELAY_SHIELD(BELAY_MS(3));
        BELAY_SCOPE_CATCH(i, &inner) {
            belay_spawn(i, until_cut, &got);
        }
        BELAY_CHECK_EQ(inner, -ETIME);
        BELAY_CHECK_EQ(got, -ETIME);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(3));
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
}

/* The failure of the task is one more cut that starts the clock. */
BELAY_TASK(fails_in_a_shield)
{
    BELAY_SHIELD(BELAY_MS(3));
    BELAY_SCOPE(s) {
        belay_spawn(s, breaks_when_cut, -EIO);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(2)), 0);
        break;
    }
    BELAY_CHECK_EQ(belay_sleep(BELAY_MS(99)), -ETIME);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(5));
    return 0;
}

BELAY_TEST(rule_6_a_failure_waits_outside, .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, fails_in_a_shield);
    }
    BELAY_CHECK_EQ(err, -EIO);
}

/* A task that has never slept before is found by the cut as well. */
BELAY_TASK(shielded_from_the_start, (belay_scope *, s), (bool, itself))
{
    belay_dur start;

    BELAY_SHIELD(BELAY_MS(3));
    if (itself)
        belay_cancel(s, "test");
    start = belay_test_elapsed();
    BELAY_CHECK_EQ(belay_sleep(BELAY_S(99)), -ETIME);
    BELAY_CHECK(belay_test_elapsed() - start <= BELAY_MS(4));
    return 0;
}

BELAY_TEST(rule_6_the_first_thing_that_a_task_does,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, shielded_from_the_start, s, true);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(3));
}

BELAY_TEST(rule_6_two_workers, .workers = 2, .schedules = 3000)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(
            s, (.worker = 2), shielded_from_the_start, s, false);
        belay_spawn_with(s, (.worker = 1), cancels_after, s, 0);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
}

/* What a shield protects is done, wherever a cancel comes. */
BELAY_TEST(rule_6_cancelled_at_every_point, .strategy = BELAY_EXHAUSTIVE,
    .cancel_everywhere = true)
{
    int err, inner;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_ignore(belay_sleep(1), "a cancel may come");
        {
            BELAY_SHIELD(BELAY_S(1));
            BELAY_SCOPE_CATCH(i, &inner) {
                belay_spawn(i, naps_then, BELAY_MS(1), 0);
            }
            BELAY_CHECK_EQ(inner, 0);
        }
    }
}

/* Without memory for its clock a shield ends at once, but it never holds
 * longer than it was told to. */
BELAY_TEST(rule_6_without_memory, .strategy = BELAY_EXHAUSTIVE,
    .fail_allocs = true)
{
    int err, inner;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_cancel(s, "test");
        {
            BELAY_SHIELD(BELAY_MS(2));
            BELAY_SCOPE_CATCH(i, &inner) {
                belay_spawn(i, naps_then, BELAY_MS(9), 0);
            }
            BELAY_CHECK(inner == -ETIME ||
                (belay_test_disturbed() && inner == -ENOMEM));
            BELAY_CHECK(belay_test_elapsed() <= BELAY_MS(2));
        }
    }
}
