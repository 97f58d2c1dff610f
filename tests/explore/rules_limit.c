/* SPDX-License-Identifier: MIT */
/* Rule 10: .limit, what it counts, and who waits for it. */
#include "rules.h"

struct crowd {
    int inside, most, done;
};

BELAY_TASK(joins_the_crowd, (struct crowd *, c), (int, turns))
{
    c->inside++;
    if (c->inside > c->most)
        c->most = c->inside;
    while (turns-- > 0)
        belay_ignore(belay_yield(), "cut or not, it ends");
    c->inside--;
    c->done++;
    return 0;
}

BELAY_TEST(rule_10_no_more_run_than_the_limit, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct crowd c = {0, 0, 0};
    int err, i;

    BELAY_SCOPE_CATCH(s, &err, .limit = 2) {
        for (i = 0; i < 4; i++)
            BELAY_CHECK_EQ(belay_spawn(s, joins_the_crowd, &c, 1), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK(c.most <= 2);
    BELAY_CHECK_EQ(c.done, 4);
}

/* Some succeed, some fail, none is forgotten, and the slots are all there. */
BELAY_TEST(rule_10_cancelled_at_every_point, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .cancel_everywhere = true, .fail_allocs = true)
{
    struct crowd c = {0, 0, 0};
    int err, i, spawned = 0, failed = 0;

    BELAY_SCOPE_CATCH(s, &err, .limit = 1) {
        for (i = 0; i < 3; i++) {
            int r = belay_spawn(s, joins_the_crowd, &c, 1);

            spawned += r == 0;
            failed = r < 0 && failed == 0 ? r : failed;
        }
    }
    BELAY_CHECK_EQ(c.done, spawned);
    BELAY_CHECK(c.most <= 1);
    BELAY_CHECK(failed == 0 || err == failed);
    BELAY_CHECK(belay_test_disturbed() || (spawned == 3 && err == 0));
}

/* Counted from the spawn on, not from the start. */
BELAY_TEST(rule_10_one_that_has_not_started_is_counted,
    .strategy = BELAY_EXHAUSTIVE, .cooperative = true)
{
    struct crowd c = {0, 0, 0};
    int err;

    BELAY_SCOPE_CATCH(s, &err, .limit = 1) {
        BELAY_CHECK_EQ(belay_spawn(s, joins_the_crowd, &c, 0), 0);
        BELAY_CHECK_EQ(c.done, 0);
        BELAY_CHECK_EQ(belay_spawn(s, joins_the_crowd, &c, 0), 0);
        BELAY_CHECK_EQ(c.done, 1);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* Counted until the end; what was not collected does not count. */
BELAY_TEST(rule_10_one_that_has_ended_is_not_counted,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct crowd c = {0, 0, 0};
    belay_done done;
    int err, i;

    BELAY_SCOPE_CATCH(s, &err, .limit = 1) {
        for (i = 0; i < 3; i++)
            BELAY_CHECK_EQ(belay_spawn_tagged(s, (size_t)i, joins_the_crowd,
                               &c, 0),
                0);
        for (i = 0; i < 3; i++) {
            BELAY_CHECK_EQ(belay_next(s, &done), 1);
            BELAY_CHECK_EQ(done.tag, i);
        }
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(c.done, 3);
}

BELAY_TEST(rule_10_daemons_do_not_count, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    int got[2] = {RULES_UNSET, RULES_UNSET}, n = 0, err;

    BELAY_SCOPE_CATCH(s, &err, .limit = 1) {
        BELAY_CHECK_EQ(belay_spawn_daemon(s, until_cut, &got[0]), 0);
        BELAY_CHECK_EQ(belay_spawn(s, counts, &n), 0);
        BELAY_CHECK_EQ(belay_spawn_daemon(s, until_cut, &got[1]), 0);
        BELAY_CHECK_EQ(belay_spawn(s, counts, &n), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(n, 2);
}

BELAY_TEST(rule_10_the_wait_is_a_cancellation_point,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err, inner, n = 0;

    BELAY_SCOPE_CATCH(s, &err, .limit = 1, .policy = BELAY_COLLECT) {
        belay_spawn(s, naps_then, BELAY_MS(5), 0);
        BELAY_SCOPE_CATCH(i, &inner, .timeout = BELAY_MS(1)) {
            BELAY_CHECK_EQ(belay_spawn(s, counts, &n), -ETIME);
            BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(1));
        }
        BELAY_CHECK_EQ(inner, -ETIME);
    }
    BELAY_CHECK_EQ(err, -ETIME); /* the child that never ran */
    BELAY_CHECK_EQ(n, 0);
    BELAY_SCOPE_CATCH(s, &err, .limit = 1, .timeout = BELAY_MS(1)) {
        belay_spawn(s, naps_then, BELAY_S(5), 0);
        BELAY_CHECK(belay_spawn(s, counts, &n) < 0);
    }
    BELAY_CHECK_EQ(err, -ETIME);
    BELAY_CHECK_EQ(n, 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(6));
}

/* ---- all slots wait for a slot ------------------------------------------ */

struct jam {
    int deadlocks, ran;
};

BELAY_TASK(leaf, (struct jam *, j))
{
    j->ran++;
    return 0;
}

BELAY_TASK(needs_another, (belay_scope *, s), (struct jam *, j))
{
    int r = belay_spawn(s, leaf, j);

    BELAY_CHECK(r == 0 || r == -EDEADLK);
    j->deadlocks += r < 0;
    return 0;
}

BELAY_TEST(rule_10_the_last_of_all_waiters_is_told,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct jam j = {0, 0};
    int err;

    BELAY_SCOPE_CATCH(s, &err, .limit = 1, .policy = BELAY_COLLECT) {
        belay_spawn(s, needs_another, s, &j);
    }
    BELAY_CHECK_EQ(err, -EDEADLK);
    BELAY_CHECK_EQ(j.deadlocks, 1);
    BELAY_CHECK_EQ(j.ran, 0);
    j = (struct jam){0, 0};
    BELAY_SCOPE_CATCH(s, &err, .limit = 2, .policy = BELAY_COLLECT) {
        belay_spawn(s, needs_another, s, &j);
        belay_spawn(s, needs_another, s, &j);
    }
    BELAY_CHECK_EQ(err, j.deadlocks ? -EDEADLK : 0);
    BELAY_CHECK(j.deadlocks <= 1);
    BELAY_CHECK_EQ(j.ran, 2 - j.deadlocks);
}

/* Others had to wait before, but do not any more. */
BELAY_TASK(needs_several, (belay_scope *, s), (int, n))
{
    while (n-- > 0)
        BELAY_CHECK_EQ(belay_spawn(s, naps_then, 1, 0), 0);
    return 0;
}

BELAY_TEST(rule_10_a_wait_that_is_over_is_forgotten,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err, .limit = 2) {
        belay_spawn(s, naps_then, 1, 0);
        belay_spawn(s, needs_several, s, 3);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), 4);
}

/* The owner who waits has no slot: that is no deadlock. */
BELAY_TEST(rule_10_the_owner_may_wait, .strategy = BELAY_EXHAUSTIVE)
{
    int err, n = 0;

    BELAY_SCOPE_CATCH(s, &err, .limit = 1) {
        belay_spawn(s, naps_then, BELAY_MS(1), 0);
        BELAY_CHECK_EQ(belay_spawn(s, counts, &n), 0);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(1));
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(n, 1);
}

/* Untagged and not caught, the deadlock is a failure of the scope. */
BELAY_TASK(needs_another_blindly, (belay_scope *, s), (int *, n))
{
    belay_spawn(s, counts, n);
    return 0;
}

BELAY_TEST(rule_10_a_deadlock_is_not_lost, .strategy = BELAY_EXHAUSTIVE)
{
    int err, n = 0;

    BELAY_SCOPE_CATCH(s, &err, .limit = 1) {
        belay_spawn(s, needs_another_blindly, s, &n);
    }
    BELAY_CHECK_EQ(err, -EDEADLK);
    BELAY_CHECK_EQ(n, 0);
}

BELAY_TEST(rule_10_over_two_workers, .workers = 2, .atomic = true,
    .schedules = 2000)
{
    struct crowd c[2] = {{0, 0, 0}, {0, 0, 0}};
    int err, i;

    BELAY_SCOPE_CATCH(s, &err, .limit = 2) {
        for (i = 0; i < 5; i++) {
            belay_spawn_opts how = {.size = sizeof how,
                .worker = (unsigned)i % 2 + 1};
            struct crowd *mine = &c[i % 2];

            BELAY_CHECK_EQ(belay_spawn_at(s, BELAY_TYPE_(joins_the_crowd),
                               BELAY_ARGS_(joins_the_crowd, mine, 1), &how,
                               BELAY_SITE_("joins_the_crowd")),
                0);
        }
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK(c[0].most <= 2 && c[1].most <= 2);
    BELAY_CHECK_EQ(c[0].done, 3);
    BELAY_CHECK_EQ(c[1].done, 2);
}
