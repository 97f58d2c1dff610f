/* SPDX-License-Identifier: MIT */
/* Rule 14: belay_next. */
#include "rules.h"

#include <string.h>

/* Nothing is between the entry and the end of the task. */
struct ends {
    size_t tags[4];
    int n;
};

BELAY_TASK(ends, (struct ends *, e), (size_t, tag), (int, turns), (int, code))
{
    while (turns-- > 0)
        BELAY_TRY(belay_yield());
    e->tags[e->n++] = tag;
    return code;
}

BELAY_TEST(rule_14_each_is_delivered_once_in_order_of_ending,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    struct ends e = {.n = 0};
    belay_done done;
    int err, i;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT) {
        belay_spawn_tagged(s, 10, ends, &e, 10, 1, 0);
        belay_spawn_tagged(s, 11, ends, &e, 11, 1, -EIO);
        belay_spawn_tagged(s, 12, ends, &e, 12, 0, 7);
        belay_spawn(s, returns, 0); /* no tag */
        for (i = 0; i < 3; i++) {
            BELAY_CHECK_EQ(belay_next(s, &done), 1);
            BELAY_CHECK_EQ(done.tag, e.tags[i]);
            BELAY_CHECK_EQ(done.err,
                done.tag == 11 ? -EIO : done.tag == 12 ? 7 : 0);
            BELAY_CHECK(strcmp(done.name, "ends") == 0);
        }
        BELAY_CHECK_EQ(belay_next(s, &done), 0);
        BELAY_CHECK_EQ(belay_next(s, &done), 0);
    }
    BELAY_CHECK_EQ(err, 0); /* the failure was delivered */
}

BELAY_TEST(rule_14_none_without_tags, .strategy = BELAY_EXHAUSTIVE)
{
    belay_done done;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(belay_next(s, &done), 0);
        belay_spawn(s, naps_then, 1, 0);
        BELAY_CHECK_EQ(belay_next(s, &done), 0);
        BELAY_CHECK_EQ(belay_test_elapsed(), 0);
    }
    BELAY_CHECK_EQ(err, 0);
}

BELAY_TEST(rule_14_also_after_a_cancel_of_the_scope,
    .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err, i;
    belay_done done;
    unsigned seen = 0;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_tagged(s, 0, until_cut, &got);
        belay_spawn_tagged(s, 1, stubborn, BELAY_MS(2), 3);
        belay_cancel(s, "test");
        BELAY_CHECK_EQ(belay_checkpoint(), -ECANCELED);
        for (i = 0; i < 2; i++) {
            BELAY_CHECK_EQ(belay_next(s, &done), 1);
            BELAY_CHECK_EQ(done.err, done.tag == 0 ? -ECANCELED : 3);
            seen |= 1u << done.tag;
        }
        BELAY_CHECK_EQ(belay_next(s, &done), 0);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(seen, 3);
}

/* ... and after a cut by its deadline, and by its policy. */
BELAY_TEST(rule_14_also_after_other_cuts_of_the_scope,
    .strategy = BELAY_EXHAUSTIVE)
{
    int got[2] = {RULES_UNSET, RULES_UNSET}, err;
    belay_done done;

    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_MS(1)) {
        belay_spawn_tagged(s, 0, until_cut, &got[0]);
        BELAY_CHECK_EQ(belay_next(s, &done), 1);
        BELAY_CHECK_EQ(done.err, -ETIME);
        BELAY_CHECK_EQ(belay_next(s, &done), 0);
    }
    BELAY_CHECK_EQ(err, -ETIME);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_tagged(s, 0, until_cut, &got[1]);
        belay_spawn(s, naps_then, BELAY_MS(1), -EIO);
        BELAY_CHECK_EQ(belay_next(s, &done), 1);
        BELAY_CHECK_EQ(done.err, -ECANCELED);
        BELAY_CHECK_EQ(belay_next(s, &done), 0);
    }
    BELAY_CHECK_EQ(err, -EIO);
}

/* ---- a cut from outside ------------------------------------------------- */

BELAY_TEST(rule_14_a_cut_from_outside_ends_it, .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err, inner;
    belay_done done;

    BELAY_SCOPE_CATCH(o, &err, .timeout = BELAY_MS(1)) {
        BELAY_SCOPE_CATCH(s, &inner) {
            belay_spawn_tagged(s, 0, until_cut, &got);
            belay_spawn_tagged(s, 1, returns, 0);
            BELAY_CHECK_EQ(belay_next(s, &done), 1);
            BELAY_CHECK_EQ(done.tag, 1);
            BELAY_CHECK_EQ(belay_next(s, &done), -ETIME);
            BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(1));
            BELAY_CHECK_EQ(belay_next(s, &done), -ETIME);
        }
        BELAY_CHECK_EQ(inner, -ETIME);
    }
    BELAY_CHECK_EQ(err, -ETIME);
}

/* Already cut: it does not try, so what it could have had is undelivered. */
BELAY_TEST(rule_14_what_a_cut_kept_back_is_undelivered,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err, inner;
    belay_done done;

    BELAY_SCOPE_CATCH(o, &err) {
        BELAY_SCOPE_CATCH(s, &inner, .policy = BELAY_COLLECT) {
            belay_spawn_tagged(s, 1, returns, -EIO);
            BELAY_CHECK_EQ(belay_sleep(1), 0);
            belay_cancel(o, "test");
            BELAY_CHECK_EQ(belay_next(s, &done), -ECANCELED);
        }
        BELAY_CHECK_EQ(inner, -EIO);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
}

/* Every wait can be ended: by a deadline around this call too. */
BELAY_TEST(rule_14_a_deadline_inside_ends_it, .strategy = BELAY_EXHAUSTIVE)
{
    belay_done done;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_tagged(s, 4, naps_then, BELAY_MS(2), 9);
        BELAY_CHECK_EQ(
            BELAY_WITHIN(BELAY_MS(1), belay_next(s, &done)), -ETIME);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(1));
        BELAY_CHECK_EQ(BELAY_WITHIN(0, belay_next(s, &done)), -ETIME);
        BELAY_CHECK_EQ(belay_next(s, &done), 1);
        BELAY_CHECK_EQ(done.tag, 4);
        BELAY_CHECK_EQ(done.err, 9);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* Also when the scope is cut, which by itself does not end it. */
BELAY_TEST(rule_14_a_deadline_inside_ends_it_after_a_cancel,
    .strategy = BELAY_EXHAUSTIVE)
{
    belay_done done;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_tagged(s, 4, stubborn, BELAY_MS(2), 9);
        belay_cancel(s, "test");
        BELAY_CHECK_EQ(
            BELAY_WITHIN(BELAY_MS(1), belay_next(s, &done)), -ETIME);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(1));
        BELAY_CHECK_EQ(belay_next(s, &done), 1);
        BELAY_CHECK_EQ(done.err, 9);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
}

/* The end of the child and the deadline at one instant. */
BELAY_TEST(rule_14_no_end_is_lost_to_a_deadline, .strategy = BELAY_EXHAUSTIVE)
{
    belay_done done;
    int err, r;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_tagged(s, 4, naps_then, BELAY_MS(1), 9);
        r = BELAY_WITHIN(BELAY_MS(1), belay_next(s, &done));
        BELAY_CHECK(r == 1 || r == -ETIME);
        BELAY_CHECK_EQ(belay_next(s, &done), r == 1 ? 0 : 1);
        BELAY_CHECK_EQ(done.tag, 4);
    }
    BELAY_CHECK_EQ(err, 0);
}

BELAY_TEST(rule_14_a_shield_inside_hides_the_cut, .strategy = BELAY_EXHAUSTIVE)
{
    int err, inner;
    belay_done done;

    BELAY_SCOPE_CATCH(o, &err, .timeout = BELAY_MS(1)) {
        BELAY_SCOPE_CATCH(s, &inner) {
            belay_spawn_tagged(s, 0, stubborn, BELAY_MS(5), 2);
            BELAY_SHIELD(BELAY_S(1));
            BELAY_CHECK_EQ(belay_next(s, &done), 1);
            BELAY_CHECK_EQ(done.err, 2);
            BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(5));
        }
        BELAY_CHECK_EQ(inner, -ETIME);
    }
    BELAY_CHECK_EQ(err, -ETIME);
}

/* ---- nothing is lost ---------------------------------------------------- */

/* Each success is delivered, or the owner knows why not. */
BELAY_TEST(rule_14_disturbed_at_every_point, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .cancel_everywhere = true, .fail_allocs = true)
{
    int err, r = 0, ended = 0, delivered = 0, failed = 0;
    belay_done done;
    size_t i;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT) {
        for (i = 0; i < 2; i++)
            belay_spawn_tagged(s, i, counts, &ended);
        while ((r = belay_next(s, &done)) == 1) {
            delivered += done.err == 0;
            failed += done.err < 0;
        }
    }
    BELAY_CHECK(ended == delivered || r < 0);
    BELAY_CHECK(r < 0 || delivered + failed == 2 || err < 0);
    BELAY_CHECK(belay_test_disturbed() || delivered == 2);
}

BELAY_TASK(feeder, (belay_scope *, s), (int *, n), (size_t, tag))
{
    return belay_spawn_tagged(s, tag, counts, n);
}

BELAY_TEST(rule_14_a_child_may_feed_its_parents_scope,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    int err, n = 0, i, sum = 0;
    belay_done done;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_tagged(s, 1, feeder, s, &n, 2);
        belay_spawn_tagged(s, 4, feeder, s, &n, 8);
        for (i = 0; i < 4; i++) {
            BELAY_CHECK_EQ(belay_next(s, &done), 1);
            sum += (int)done.tag;
        }
        BELAY_CHECK_EQ(belay_next(s, &done), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(sum, 15);
    BELAY_CHECK_EQ(n, 2);
}

BELAY_TEST(rule_14_over_two_workers, .workers = 2, .atomic = true,
    .schedules = 3000)
{
    int err, i, sum = 0;
    belay_done done;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.tagged = true, .tag = 1, .worker = 2), returns,
            10);
        belay_spawn_with(s, (.tagged = true, .tag = 2, .worker = 2), returns,
            20);
        belay_spawn_with(s, (.tagged = true, .tag = 4, .worker = 1), returns,
            40);
        for (i = 0; i < 3; i++) {
            BELAY_CHECK_EQ(belay_next(s, &done), 1);
            BELAY_CHECK_EQ(done.err, done.tag * 10);
            sum += (int)done.tag;
        }
        BELAY_CHECK_EQ(belay_next(s, &done), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(sum, 7);
}

/* ---- whose it is, and how long ------------------------------------------ */

BELAY_TEST(rule_14_it_does_not_survive_the_brace,
    .expect = BELAY_FINDS_MISUSE, .strategy = BELAY_FIFO)
{
    belay_scope s;
    belay_done done;

    belay_scope_open(&s, NULL, BELAY_SITE_("s"));
    belay_spawn_tagged(&s, 1, returns, 0);
    BELAY_CHECK_EQ(belay_scope_close(&s), 0);
    BELAY_CHECK_EQ(belay_next(&s, &done), 0);
}

BELAY_TASK(takes_the_next, (belay_scope *, s))
{
    belay_done done;

    return belay_next(s, &done);
}

BELAY_TEST(rule_14_it_is_the_owners, .expect = BELAY_FINDS_MISUSE,
    .strategy = BELAY_FIFO)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_tagged(s, 1, takes_the_next, s);
    }
}
