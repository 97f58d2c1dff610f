/* SPDX-License-Identifier: MIT */
/*
 * Rules 3 and 4: a scope that is left early cuts, joins, runs its deferred
 * calls and only then lets control go; a failure that nobody was told of by
 * then fails the task.
 */
#include "rules.h"

#include <string.h>

/* ---- rule 4 ------------------------------------------------------------- */

static char said[64], first[] = "first ", second[] = "second ";

static void
say(const char *word)
{
    strncat(said, word, sizeof said - strlen(said) - 1);
}

static int
says_deferred(void *word)
{
    BELAY_CHECK_EQ(belay_sleep(1), 0);
    say(word);
    return 0;
}

BELAY_TASK(says_when_cut, (int *, got))
{
    *got = belay_sleep(BELAY_S(10000));
    {
        BELAY_SHIELD(BELAY_S(1));
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
    }
    say("child ");
    return *got;
}

enum way { RETURN, BREAK, GOTO, TRY };

static int
leave_by(enum way way, int *got)
{
    BELAY_SCOPE(s) {
        BELAY_CHECK_EQ(belay_defer(s, says_deferred, second), 0);
        BELAY_CHECK_EQ(belay_defer(s, says_deferred, first), 0);
        belay_spawn(s, says_when_cut, got);
        BELAY_CHECK_EQ(belay_sleep(1), 0);
        switch (way) {
        case RETURN:
            return 5;
        case TRY:
            BELAY_TRY(-EPIPE);
            break;
        case GOTO:
            goto out;
        default:
            break;
        }
        break;
    }
    say("after ");
    return 0;
out:
    say("out ");
    return 1;
}

static void
leaves_by(enum way way, int result, const char *last)
{
    char want[64] = "child first second ";
    int got = RULES_UNSET;

    said[0] = 0;
    BELAY_CHECK_EQ(leave_by(way, &got), result);
    strncat(want, last, sizeof want - strlen(want) - 1);
    BELAY_CHECK(strcmp(said, want) == 0);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(belay_checkpoint(), 0);
    BELAY_CHECK_EQ(belay_take_failure(), 0);
}

BELAY_TEST(rule_4_return_cuts_joins_and_runs_what_is_deferred,
    .strategy = BELAY_EXHAUSTIVE)
{
    leaves_by(RETURN, 5, "");
}

BELAY_TEST(rule_4_so_does_break, .strategy = BELAY_EXHAUSTIVE)
{
    leaves_by(BREAK, 0, "after ");
}

BELAY_TEST(rule_4_so_does_goto, .strategy = BELAY_EXHAUSTIVE)
{
    leaves_by(GOTO, 1, "out ");
}

BELAY_TEST(rule_4_so_does_try, .strategy = BELAY_EXHAUSTIVE)
{
    leaves_by(TRY, -EPIPE, "");
}

BELAY_TEST(rule_4_the_body_is_inside_and_after_it_waits_work,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err, other;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_cancel(s, "test");
        BELAY_CHECK_EQ(belay_sleep(1), -ECANCELED);
        BELAY_SCOPE_CATCH(inner, &other) {
            BELAY_CHECK_EQ(belay_sleep(1), -ECANCELED);
        }
        BELAY_CHECK_EQ(other, -ECANCELED);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(belay_sleep(1), 0);
}

/* One that is cut from inside its body is joined all the same. */
BELAY_TEST(rule_4_leaving_two_scopes_at_once, .strategy = BELAY_EXHAUSTIVE)
{
    int got[2] = {RULES_UNSET, RULES_UNSET}, err, i;

    for (i = 0; i < 1; i++) {
        BELAY_SCOPE_CATCH(a, &err) {
            belay_spawn(a, says_when_cut, &got[0]);
            BELAY_SCOPE_CATCH(b, &err) {
                belay_spawn(b, says_when_cut, &got[1]);
                BELAY_CHECK_EQ(belay_sleep(1), 0);
                goto out;
            }
        }
    }
out:
    BELAY_CHECK_EQ(got[0], -ECANCELED);
    BELAY_CHECK_EQ(got[1], -ECANCELED);
}

/* ---- rule 3: what nobody was told of ------------------------------------ */

/* The example of the rule: the TRY sees -ECANCELED, the task fails with why. */
BELAY_TASK(tries_in_a_scope, (int, code))
{
    BELAY_SCOPE(s) {
        belay_spawn(s, naps_then, 1, code);
        BELAY_TRY(belay_sleep(BELAY_S(1)));
    }
    return 0;
}

BELAY_TEST(rule_3_a_try_that_left_ends_with_the_childs_failure,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, tries_in_a_scope, -EIO);
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK_EQ(belay_test_elapsed(), 1);
}

/* A child that fails because it is cut, when nobody can be told. */
BELAY_TASK(breaks_and_tells, (int *, ran))
{
    int r = belay_sleep(BELAY_S(10000));

    ++*ran;
    return r < 0 ? -EIO : 0;
}

BELAY_TASK(leaves_at_once, (belay_policy, policy), (int, tagged), (int *, ran))
{
    BELAY_SCOPE(s, .policy = policy) {
        if (tagged)
            belay_spawn_tagged(s, 1, breaks_and_tells, ran);
        else
            belay_spawn(s, breaks_and_tells, ran);
        belay_ignore(belay_sleep(1), "a cancel may come");
        break;
    }
    return 0;
}

static void
late_failures(belay_policy policy)
{
    belay_outcome out = {.err = RULES_UNSET};
    int err, tagged, ran;

    for (tagged = 0; tagged < 2; tagged++) {
        ran = 0;
        BELAY_SCOPE_CATCH(s, &err) {
            belay_spawn_catch(s, &out, leaves_at_once, policy, tagged, &ran);
        }
        if (ran)
            BELAY_CHECK_EQ(out.err, -EIO);
        else
            BELAY_CHECK(belay_test_disturbed());
    }
}

BELAY_TEST(rule_3_failures_after_a_leave_are_not_lost,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1,
    .cancel_everywhere = true, .fail_allocs = true)
{
    late_failures(BELAY_FAIL_FAST);
}

BELAY_TEST(rule_3_collected_failures_after_a_leave_are_not_lost,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1,
    .cancel_everywhere = true, .fail_allocs = true)
{
    late_failures(BELAY_COLLECT);
}

/* Nor is the failure of a spawn. */
BELAY_TASK(spawns_and_leaves, (belay_policy, policy), (int, tagged),
    (int *, ran))
{
    BELAY_SCOPE(s, .policy = policy) {
        if (tagged)
            belay_spawn_tagged(s, 1, counts, ran);
        else
            belay_spawn(s, counts, ran);
        return 0;
    }
    return 0;
}

static void
lost_spawns(belay_policy policy)
{
    belay_outcome out = {.err = RULES_UNSET};
    int err, tagged, ran;

    for (tagged = 0; tagged < 2; tagged++) {
        ran = 0;
        BELAY_SCOPE_CATCH(s, &err) {
            belay_spawn_catch(s, &out, spawns_and_leaves, policy, tagged, &ran);
        }
        BELAY_CHECK_EQ(out.err, ran ? 0 : -ENOMEM);
        BELAY_CHECK(belay_test_disturbed() || ran);
    }
}

BELAY_TEST(rule_3_the_failure_of_a_spawn_is_not_lost,
    .strategy = BELAY_EXHAUSTIVE, .fail_allocs = true)
{
    lost_spawns(BELAY_FAIL_FAST);
}

BELAY_TEST(rule_3_the_failure_of_a_spawn_that_collects_is_not_lost,
    .strategy = BELAY_EXHAUSTIVE, .fail_allocs = true)
{
    lost_spawns(BELAY_COLLECT);
}

/* ---- rule 3: what somebody was told of ---------------------------------- */

BELAY_TASK(told_by_catch, (belay_policy, policy))
{
    belay_outcome out;

    BELAY_SCOPE(s, .policy = policy) {
        belay_spawn_catch(s, &out, returns, -EIO);
        BELAY_TRY(belay_sleep(1));
        BELAY_CHECK_EQ(out.err, -EIO);
        return 3;
    }
    return 0;
}

BELAY_TASK(told_by_next, (belay_policy, policy))
{
    belay_done done;

    BELAY_SCOPE(s, .policy = policy) {
        belay_spawn_tagged(s, 8, returns, -EIO);
        BELAY_CHECK_EQ(belay_next(s, &done), 1);
        BELAY_CHECK_EQ(done.err, -EIO);
        BELAY_CHECK_EQ(done.tag, 8);
        return 3;
    }
    return 0;
}

static int
drops(void *arg, belay_scope *s, const belay_done *done)
{
    (void)s;
    *(int *)arg = done->err;
    return BELAY_DROP;
}

BELAY_TASK(told_by_on_done, (belay_policy, policy))
{
    int seen = 0;

    BELAY_SCOPE(s, .policy = policy, .on_done = drops, .on_done_arg = &seen) {
        belay_spawn(s, returns, -EIO);
        BELAY_TRY(belay_sleep(1));
        BELAY_CHECK_EQ(seen, -EIO);
        return 3;
    }
    return 0;
}

static void
told(belay_policy policy)
{
    belay_outcome out[3];
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_catch(s, &out[0], told_by_catch, policy);
        belay_spawn_catch(s, &out[1], told_by_next, policy);
        belay_spawn_catch(s, &out[2], told_by_on_done, policy);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(out[0].err, 3);
    BELAY_CHECK_EQ(out[1].err, 3);
    BELAY_CHECK_EQ(out[2].err, 3);
}

BELAY_TEST(rule_3_what_was_delivered_does_not_fail_the_task,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    told(BELAY_FAIL_FAST);
}

BELAY_TEST(rule_3_what_was_delivered_does_not_fail_a_collecting_task,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    told(BELAY_COLLECT);
}

/* One was told, the other not: it is the other that fails the task. */
BELAY_TASK(told_of_one, (belay_policy, policy))
{
    belay_done done;

    BELAY_SCOPE(s, .policy = policy) {
        belay_spawn_tagged(s, 1, returns, -EIO);
        belay_spawn_tagged(s, 2, breaks_when_cut, -EPIPE);
        BELAY_CHECK_EQ(belay_next(s, &done), 1);
        if (done.err != -EIO) /* the second had not started when cut */
            return -EINVAL;
        return 3;
    }
    return 0;
}

BELAY_TEST(rule_3_the_one_that_was_not_delivered_counts,
    .strategy = BELAY_EXHAUSTIVE)
{
    belay_outcome out[2];
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_catch(s, &out[0], told_of_one, BELAY_FAIL_FAST);
        belay_spawn_catch(s, &out[1], told_of_one, BELAY_COLLECT);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(out[0].err, -EPIPE);
    BELAY_CHECK_EQ(out[1].err, -EPIPE);
}

/* Dropped by .on_done, so nobody need collect it. */
BELAY_TEST(rule_3_a_tagged_failure_that_was_dropped_is_delivered,
    .strategy = BELAY_EXHAUSTIVE)
{
    int seen = 0, err;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT, .on_done = drops,
        .on_done_arg = &seen) {
        belay_spawn_tagged(s, 1, returns, -EIO);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(seen, -EIO);
}

static int
fails_instead(void *arg, belay_scope *s, const belay_done *done)
{
    (void)arg;
    (void)s;
    return done->err == 6 ? -EPIPE : BELAY_TAKE;
}

/* Under any policy: a success that .on_done does not accept. */
BELAY_TEST(rule_3_on_done_may_fail_the_scope, .strategy = BELAY_EXHAUSTIVE)
{
    int got, err, p;

    for (p = BELAY_FAIL_FAST; p <= BELAY_FIRST_DONE; p++) {
        got = RULES_UNSET;
        BELAY_SCOPE_CATCH(s, &err, .policy = (belay_policy)p,
            .on_done = fails_instead) {
            belay_spawn(s, until_cut, &got);
            belay_spawn(s, naps_then, 1, 6);
        }
        BELAY_CHECK_EQ(err, -EPIPE);
        BELAY_CHECK_EQ(got, -ECANCELED);
        BELAY_CHECK_EQ(belay_test_elapsed(), p + 1);
    }
}
