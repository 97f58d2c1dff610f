/* SPDX-License-Identifier: MIT */
/*
 * Rule 3, what a scope answers at its brace, and rule 5, a cut from outside
 * during a close.
 */
#include "rules.h"

#include <string.h>

/* ---- rule 3: at the brace ----------------------------------------------- */

/* The order in which tasks ended; nothing is between the entry and the end. */
struct ends {
    int n, codes[4];
};

BELAY_TASK(ends_with, (struct ends *, e), (int, code), (int, turns))
{
    while (turns-- > 0)
        BELAY_TRY(belay_yield());
    e->codes[e->n++] = code;
    return code;
}

static int
ends_first_failure(const struct ends *e)
{
    int i;

    for (i = 0; i < e->n; i++)
        if (e->codes[i] < 0)
            return e->codes[i];
    return 0;
}

BELAY_TEST(rule_3_collect_tells_the_first_failure_in_time,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct ends e = {0, {0}};
    int err;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT) {
        belay_spawn(s, ends_with, &e, 2, 0);
        belay_spawn(s, ends_with, &e, -EIO, 1);
        belay_spawn(s, ends_with, &e, -EPIPE, 1);
    }
    BELAY_CHECK_EQ(e.n, 3);
    BELAY_CHECK_EQ(err, ends_first_failure(&e));
}

BELAY_TEST(rule_3_fail_fast_tells_the_first_failure_in_time,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct ends e = {0, {0}};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, ends_with, &e, -EIO, 1);
        belay_spawn(s, ends_with, &e, -EPIPE, 1);
        belay_spawn(s, breaks_when_cut, -ENOENT);
    }
    BELAY_CHECK_EQ(err, ends_first_failure(&e));
}

BELAY_TEST(rule_3_first_in_time_holds_for_tags_too,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct ends e = {0, {0}};
    int err;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT) {
        belay_spawn_tagged(s, 1, ends_with, &e, -EIO, 1);
        belay_spawn(s, ends_with, &e, -EPIPE, 1);
        belay_spawn_tagged(s, 2, ends_with, &e, -ENOENT, 1);
    }
    BELAY_CHECK_EQ(e.n, 3);
    BELAY_CHECK_EQ(err, ends_first_failure(&e));
}

BELAY_TEST(rule_3_a_real_failure_beats_any_cut, .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, until_cut, &got);
        belay_spawn(s, breaks_when_cut, -EIO);
        BELAY_CHECK_EQ(belay_sleep(1), 0);
        belay_cancel(s, "test");
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_MS(1)) {
        belay_spawn(s, until_cut, &got);
        belay_spawn(s, breaks_when_cut, -EIO);
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK_EQ(got, -ETIME);
}

/* Its own deadline, not one that it was told of from outside. */
BELAY_TASK(times_out)
{
    return BELAY_WITHIN(BELAY_MS(1), belay_sleep(BELAY_S(1)));
}

BELAY_TASK(cancels_itself)
{
    BELAY_SCOPE(s) {
        belay_cancel(s, "test");
    }
    return 0;
}

BELAY_TEST(rule_3_a_cut_that_a_task_made_for_itself_is_a_failure,
    .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, times_out);
        belay_spawn(s, until_cut, &got);
    }
    BELAY_CHECK_EQ(err, -ETIME);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, cancels_itself);
        belay_spawn(s, until_cut, &got);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(got, -ECANCELED);
}

/* A code that looks like a cut's, but nobody has cut anything. */
BELAY_TEST(rule_3_ecanceled_from_nowhere_is_a_failure,
    .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, naps_then, 1, -ECANCELED);
        belay_spawn(s, until_cut, &got);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(belay_test_elapsed(), 1);
}

/* Nor does one cut excuse the code of another. */
BELAY_TASK(cleans_up_too_long)
{
    BELAY_CHECK_EQ(belay_sleep(BELAY_S(1)), -ECANCELED);
    BELAY_SHIELD(BELAY_S(1));
    return BELAY_WITHIN(BELAY_MS(1), belay_sleep(BELAY_MS(2)));
}

BELAY_TEST(rule_3_the_code_of_another_cut_is_a_failure,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, cleans_up_too_long);
        belay_cancel(s, "test");
    }
    BELAY_CHECK_EQ(err, -ETIME);
}

/* Told of the cut only by the result of its inner scope: not a failure. */
BELAY_TASK(only_joins, (int *, got))
{
    BELAY_SCOPE(s) {
        belay_spawn(s, until_cut, got);
    }
    return 0;
}

static int
count_failures(void *arg, belay_scope *s, const belay_done *done)
{
    (void)s;
    if (done->err != -ECANCELED)
        ++*(int *)arg;
    return BELAY_TAKE;
}

BELAY_TEST(rule_3_a_cut_that_came_by_a_join_was_delivered,
    .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, failures = 0, err;
    belay_done done[2];

    BELAY_SCOPE_CATCH(s, &err, .on_done = count_failures,
        .on_done_arg = &failures) {
        belay_spawn(s, only_joins, &got);
        belay_spawn(s, breaks_when_cut, -EIO);
        BELAY_CHECK_EQ(belay_sleep(1), 0);
        belay_cancel(s, "test");
        {
            BELAY_SHIELD(BELAY_S(1));
            BELAY_CHECK_EQ(belay_sleep(1), 0);
        }
        BELAY_CHECK_EQ(belay_scope_errors(s, done, 2), 1);
        BELAY_CHECK_EQ(done[0].err, -EIO);
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(failures, 1);
}

static int
scope_returns(int code, bool *past)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, returns, code);
    }
    *past = true;
    return 7;
}

BELAY_TEST(rule_3_a_negative_result_returns_from_the_function,
    .strategy = BELAY_EXHAUSTIVE)
{
    bool past = false;
    int err;

    BELAY_CHECK_EQ(scope_returns(-EIO, &past), -EIO);
    BELAY_CHECK(!past);
    /* It was told, so it is no failure of the task. */
    BELAY_CHECK_EQ(belay_checkpoint(), 0);
    BELAY_CHECK_EQ(belay_take_failure(), 0);
    BELAY_CHECK_EQ(scope_returns(0, &past), 7);
    BELAY_CHECK(past);
    BELAY_CHECK_EQ(scope_returns(5, &past), 7);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, returns, -EIO);
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK_EQ(belay_take_failure(), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, returns, 5);
    }
    BELAY_CHECK_EQ(err, 0);
}

BELAY_TEST(rule_3_a_captured_failure_is_not_the_scopes,
    .strategy = BELAY_EXHAUSTIVE)
{
    belay_outcome out[2];
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_catch(s, &out[0], returns, -EIO);
        belay_spawn_catch(s, &out[1], naps_then, 1, 4);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(out[0].err, -EIO);
    BELAY_CHECK_EQ(out[1].err, 4);
}

/* What a child says of its failure comes with the outcome. */
BELAY_TASK(explains)
{
    return BELAY_FAIL(-EIO, "the lamp is broken");
}

BELAY_TEST(rule_3_the_reason_comes_along, .strategy = BELAY_EXHAUSTIVE)
{
    belay_outcome out;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_catch(s, &out, explains);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK(out.why != NULL && strstr(out.why, "the lamp is broken"));
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, explains);
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK(strstr(belay_why(), "the lamp is broken") != NULL);
}

/* ---- nothing is lost when memory is short or a cancel comes ------------- */

BELAY_TASK(collects_two, (belay_policy, policy))
{
    BELAY_SCOPE(s, .policy = policy) {
        belay_spawn(s, naps_then, 1, -EIO);
        belay_spawn(s, naps_then, 2, -EPIPE);
    }
    return 0;
}

static void
no_failure_is_lost(belay_policy policy)
{
    belay_outcome out = {.err = RULES_UNSET};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_catch(s, &out, collects_two, policy);
    }
    BELAY_CHECK(out.err < 0);
    if (!belay_test_disturbed())
        BELAY_CHECK_EQ(out.err, -EIO);
    BELAY_CHECK(belay_test_disturbed() || err == 0);
}

BELAY_TEST(rule_3_no_failure_is_lost, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .cancel_everywhere = true, .fail_allocs = true)
{
    no_failure_is_lost(BELAY_FAIL_FAST);
}

BELAY_TEST(rule_3_no_collected_failure_is_lost, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .cancel_everywhere = true, .fail_allocs = true)
{
    no_failure_is_lost(BELAY_COLLECT);
}

/* A child that fails without a wait: no cancel can make it succeed, nor does
 * it matter for which reason it could not be told of. */
BELAY_TASK(tagged_and_left_alone, (belay_policy, policy))
{
    BELAY_SCOPE(s, .policy = policy) {
        belay_spawn_tagged(s, 1, returns, -EIO);
        belay_spawn_tagged(s, 2, returns, 0);
        belay_spawn(s, returns, 0);
    }
    return 0;
}

static void
no_tagged_failure_is_lost(belay_policy policy)
{
    belay_outcome out = {.err = RULES_UNSET};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_catch(s, &out, tagged_and_left_alone, policy);
    }
    BELAY_CHECK(out.err < 0);
    BELAY_CHECK(belay_test_disturbed() || out.err == -EIO);
}

BELAY_TEST(rule_3_no_tagged_failure_is_lost, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .cancel_everywhere = true, .fail_allocs = true)
{
    no_tagged_failure_is_lost(BELAY_FAIL_FAST);
}

BELAY_TEST(rule_3_no_tagged_and_collected_failure_is_lost,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1,
    .cancel_everywhere = true, .fail_allocs = true)
{
    no_tagged_failure_is_lost(BELAY_COLLECT);
}

/* Over two workers: the policy acts across them, and the first one counts. */
BELAY_TEST(rule_3_two_workers, .workers = 2, .schedules = 3000)
{
    int got[2] = {RULES_UNSET, RULES_UNSET}, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 2), until_cut, &got[0]);
        belay_spawn_with(s, (.worker = 1), until_cut, &got[1]);
        belay_spawn_with(s, (.worker = 2), naps_then, 1, -EIO);
        belay_spawn_with(s, (.worker = 1), naps_then, 2, -EPIPE);
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK_EQ(got[0], -ECANCELED);
    BELAY_CHECK_EQ(got[1], -ECANCELED);
}

/* ---- rule 5 ------------------------------------------------------------- */

BELAY_TEST(rule_5_the_brace_waits_for_all_after_an_outer_deadline,
    .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    {
        BELAY_DEADLINE(BELAY_MS(1));
        BELAY_SCOPE_CATCH(s, &err) {
            belay_spawn(s, until_cut, &got);
            belay_spawn(s, stubborn, BELAY_MS(5), 0);
        }
    }
    BELAY_CHECK_EQ(err, -ETIME);
    BELAY_CHECK_EQ(got, -ETIME);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(5));
    {
        BELAY_DEADLINE(BELAY_MS(1));
        BELAY_SCOPE_CATCH(s, &err) {
            belay_spawn(s, until_cut, &got);
            belay_spawn(s, stubborn, BELAY_MS(5), -EIO);
        }
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK_EQ(got, -ETIME);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(10));
    BELAY_CHECK_EQ(belay_checkpoint(), 0);
}

BELAY_TASK(joins_a_stubborn_one, (int *, err), (int *, got))
{
    BELAY_SCOPE_CATCH(s, err) {
        belay_spawn(s, until_cut, got);
        belay_spawn(s, stubborn, BELAY_MS(5), 0);
    }
    return 0;
}

BELAY_TEST(rule_5_so_it_does_after_an_outer_cancel,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    int got = RULES_UNSET, inner = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, joins_a_stubborn_one, &inner, &got);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(2)), 0);
        belay_cancel(s, "test");
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(inner, -ECANCELED);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(5));
}

/* Cut, but everybody had ended well: rule 3 says what it is. */
BELAY_TEST(rule_5_a_cut_scope_without_failures_says_the_cut,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_MS(1)) {
        belay_spawn(s, stubborn, BELAY_MS(2), 0);
    }
    BELAY_CHECK_EQ(err, -ETIME);
    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_MS(1)) {
        belay_spawn(s, naps_then, BELAY_US(999), 0);
    }
    BELAY_CHECK_EQ(err, 0);
}
