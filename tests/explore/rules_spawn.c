/* SPDX-License-Identifier: MIT */
/*
 * Rules 7, 8 and 9: a spawn that succeeded runs its body, one that failed has
 * told somebody; a child on a borrowed stack is a task like any other; and who
 * may spawn into a scope, and until when.
 */
#include "rules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- rule 7 ------------------------------------------------------------- */

struct owned {
    int taken, given_back, waited;
};

/* What it owns it gives back by its own code. */
BELAY_TASK(owns, (struct owned *, o))
{
    int r;

    r = belay_sleep(1);
    o->waited = r;
    o->given_back++;
    return r;
}

static int
give(belay_scope *s, struct owned *o)
{
    int r = belay_spawn(s, owns, o);

    if (r == 0)
        o->taken++;
    return r;
}

BELAY_TEST(rule_7_a_child_that_had_not_started_runs_after_a_cut,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct owned o = {0, 0, 0};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(give(s, &o), 0);
        belay_cancel(s, "test");
        BELAY_CHECK_EQ(give(s, &o), -ECANCELED);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(o.taken, 1);
    BELAY_CHECK_EQ(o.given_back, 1);
    BELAY_CHECK_EQ(o.waited, -ECANCELED);
}

BELAY_TEST(rule_7_what_a_spawn_took_is_given_back,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1,
    .cancel_everywhere = true, .fail_allocs = true)
{
    struct owned o = {0, 0, 0};
    int err, i, failed = 0;

    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < 3; i++) {
            int r = give(s, &o);

            BELAY_CHECK(r == 0 || r == -ENOMEM || r == -ECANCELED);
            failed = failed == 0 ? r : failed;
        }
    }
    BELAY_CHECK_EQ(o.taken, o.given_back);
    BELAY_CHECK(failed == 0 || err == failed);
    BELAY_CHECK(belay_test_disturbed() || (o.taken == 3 && err == 0));
}

/* The code of a spawn that failed is where the outcome would have been. */
BELAY_TEST(rule_7_a_failed_spawn_is_caught, .strategy = BELAY_EXHAUSTIVE)
{
    belay_outcome out = {.err = RULES_UNSET};
    belay_done done;
    int err, ran = 0;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_cancel(s, "test");
        BELAY_CHECK_EQ(belay_spawn_catch(s, &out, counts, &ran), -ECANCELED);
        BELAY_CHECK_EQ(out.err, -ECANCELED);
        BELAY_CHECK_EQ(belay_spawn_tagged(s, 5, counts, &ran), -ECANCELED);
        BELAY_CHECK_EQ(belay_next(s, &done), 1);
        BELAY_CHECK_EQ(done.tag, 5);
        BELAY_CHECK_EQ(done.err, -ECANCELED);
        BELAY_CHECK_EQ(belay_next(s, &done), 0);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(ran, 0);
}

/* It would wait for its stack for ever. */
BELAY_TEST(rule_7_a_stack_beyond_the_largest_is_no_memory)
{
    size_t most = (size_t)1 << 30;
    int err, ran = 0;

    BELAY_SCOPE_CATCH(s, &err)
        BELAY_CHECK_EQ(
            belay_spawn_with(s, (.stack = most + 1), counts, &ran), -ENOMEM);
    BELAY_CHECK_EQ(err, -ENOMEM);
    BELAY_CHECK_EQ(ran, 0);
}

BELAY_TEST(rule_7_a_spawn_without_memory_is_told, .strategy = BELAY_EXHAUSTIVE,
    .fail_allocs = true)
{
    belay_outcome out = {.err = RULES_UNSET};
    int err, ran[3] = {0, 0, 0}, told = 0, tagged = 0, r = 0;
    belay_done done;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT) {
        r = belay_spawn_catch(s, &out, counts, &ran[0]);
        BELAY_CHECK_EQ(r, r < 0 ? out.err : 0);
        tagged = belay_spawn_tagged(s, 5, counts, &ran[1]);
        r = belay_spawn(s, counts, &ran[2]);
        BELAY_CHECK(r == 0 || r == -ENOMEM);
        if (belay_next(s, &done) == 1) {
            told = 1;
            BELAY_CHECK_EQ(done.tag, 5);
            BELAY_CHECK_EQ(done.err, tagged);
        }
        BELAY_CHECK(belay_test_disturbed() || (told && r == 0));
    }
    BELAY_CHECK_EQ(out.err, ran[0] ? 0 : -ENOMEM);
    BELAY_CHECK_EQ(tagged, ran[1] ? 0 : -ENOMEM);
    BELAY_CHECK_EQ(r, ran[2] ? 0 : -ENOMEM);
    if (r < 0 || (tagged < 0 && !told))
        BELAY_CHECK_EQ(err, -ENOMEM);
    else
        BELAY_CHECK(err == 0 || belay_test_disturbed());
}

/* A tagged spawn that fails wakes an owner who waits for it. */
BELAY_TASK(feeds, (belay_scope *, s), (int *, ran), (belay_event *, go))
{
    BELAY_CHECK_EQ(belay_sleep(1), 0);
    belay_cancel(s, "test");
    BELAY_CHECK_EQ(belay_spawn_tagged(s, 2, counts, ran), -ECANCELED);
    BELAY_SHIELD(BELAY_S(10));
    BELAY_CHECK_EQ(belay_event_wait(go), 0);
    return 0;
}

BELAY_TEST(rule_7_a_failed_spawn_wakes_belay_next,
    .strategy = BELAY_EXHAUSTIVE)
{
    belay_event go = BELAY_EVENT_INIT;
    belay_done done;
    int err, ran = 0;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_tagged(s, 1, feeds, s, &ran, &go);
        BELAY_CHECK_EQ(belay_next(s, &done), 1);
        BELAY_CHECK_EQ(done.tag, 2);
        BELAY_CHECK_EQ(done.err, -ECANCELED);
        belay_event_set(&go);
        BELAY_CHECK_EQ(belay_next(s, &done), 1);
        BELAY_CHECK_EQ(done.tag, 1);
        BELAY_CHECK_EQ(belay_next(s, &done), 0);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(ran, 0);
}

/* The spawner is cut, but not the scope that it feeds: the item is not lost. */
BELAY_TEST(rule_7_a_spawn_that_was_cut_inside_fails_the_scope,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err, ran = 0;

    BELAY_SCOPE_CATCH(s, &err, .limit = 1, .policy = BELAY_COLLECT) {
        belay_spawn(s, naps_then, BELAY_MS(5), 0);
        BELAY_CHECK_EQ(
            BELAY_WITHIN(BELAY_MS(1), belay_spawn(s, counts, &ran)), -ETIME);
    }
    BELAY_CHECK_EQ(err, -ETIME);
    BELAY_CHECK_EQ(ran, 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(5));
}

/* ---- rule 8 ------------------------------------------------------------- */

BELAY_LOCAL(colour, int, 1);

struct self {
    int before, after, seen;
    char name[32];
    uint64_t id;
};

/* Everything that is a task's own, before and after a sleep. */
BELAY_TASK(is_itself, (struct self *, me), (int, mark))
{
    me->before = errno;
    errno = mark;
    me->id = belay_task_id();
    snprintf(me->name, sizeof me->name, "%s", belay_task_name());
    me->seen = belay_local(colour);
    BELAY_WITH(colour, mark);
    BELAY_TRY(belay_sleep(mark));
    me->after = errno;
    BELAY_CHECK_EQ(belay_local(colour), mark);
    BELAY_CHECK_EQ(belay_task_id(), me->id);
    BELAY_CHECK(strcmp(belay_task_name(), "is_itself") == 0);
    return 0;
}

BELAY_TEST(rule_8_a_child_is_itself_wherever_it_runs,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct self me[2] = {{.after = RULES_UNSET}, {.after = RULES_UNSET}};
    uint64_t id = belay_task_id();
    int err, i;

    BELAY_WITH(colour, 7);
    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_WITH(colour, 8); /* around the spawn call only */
        belay_spawn(s, is_itself, &me[0], 2);
        belay_spawn(s, is_itself, &me[1], 3);
        errno = EXDEV;
    }
    BELAY_CHECK_EQ(errno, EXDEV);
    BELAY_CHECK_EQ(err, 0);
    for (i = 0; i < 2; i++) {
        BELAY_CHECK_EQ(me[i].before, 0);
        BELAY_CHECK_EQ(me[i].after, i + 2);
        BELAY_CHECK_EQ(me[i].seen, 7);
        BELAY_CHECK(strcmp(me[i].name, "is_itself") == 0);
    }
    BELAY_CHECK(me[0].id != me[1].id && me[0].id != id && me[1].id != id);
    BELAY_CHECK_EQ(belay_task_id(), id);
    BELAY_CHECK_EQ(belay_local(colour), 7);
}

/* One waits for the other, whichever of them stands on the owner's stack, and
 * for a third that is no child of this scope. */
BELAY_TASK(waits_and_sets, (belay_event *, wait), (belay_event *, set))
{
    if (wait != NULL)
        BELAY_TRY(belay_event_wait(wait));
    belay_event_set(set);
    return 0;
}

BELAY_TEST(rule_8_a_child_that_parks_holds_nobody_up,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    belay_event e[3] = {BELAY_EVENT_INIT, BELAY_EVENT_INIT, BELAY_EVENT_INIT};
    int outer, inner = RULES_UNSET;

    BELAY_SCOPE_CATCH(o, &outer) {
        BELAY_SCOPE_CATCH(i, &inner) {
            belay_spawn(o, waits_and_sets, NULL, &e[0]);
            belay_spawn(i, waits_and_sets, &e[0], &e[1]);
            belay_spawn(i, waits_and_sets, &e[1], &e[2]);
        }
        BELAY_CHECK(belay_event_is_set(&e[2]));
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK_EQ(inner, 0);
}

/* A deep one: each stands on the stack of the one before. */
BELAY_TASK_AHEAD(digs, (int, depth), (belay_event *, done));

BELAY_TASK_LATER(digs, (int, depth), (belay_event *, done))
{
    int err;

    if (depth == 0)
        return belay_event_wait(done);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, digs, depth - 1, done);
        belay_spawn(s, digs, 0, done);
    }
    return err;
}

BELAY_TEST(rule_8_a_cut_reaches_a_borrower, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .cancel_everywhere = true)
{
    belay_event never = BELAY_EVENT_INIT;
    int err;

    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_MS(1)) {
        belay_spawn(s, digs, 2, &never);
    }
    BELAY_CHECK(err == -ETIME || (belay_test_disturbed() && err == -ECANCELED));
}

BELAY_TEST(rule_8_deep_over_two_workers, .workers = 2, .schedules = 2000,
    .cancel_everywhere = true)
{
    belay_event later = BELAY_EVENT_INIT;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, digs, 3, &later);
        if (belay_sleep(1) == 0)
            belay_event_set(&later);
    }
    BELAY_CHECK(err == 0 || (belay_test_disturbed() && err == -ECANCELED));
}

/* ---- rule 9 ------------------------------------------------------------- */

BELAY_TASK_AHEAD(spawns_upwards, (belay_scope *, s), (int, depth), (int *, n),
    (int *, failed));

/* From a scope and a block of its own, at any depth below s. */
BELAY_TASK_LATER(spawns_upwards, (belay_scope *, s), (int, depth), (int *, n),
    (int *, failed))
{
    int err;

    BELAY_SCOPE_CATCH(mine, &err) {
        BELAY_DEADLINE(BELAY_S(1));
        if (depth > 0)
            belay_spawn(mine, spawns_upwards, s, depth - 1, n, failed);
        if (belay_spawn(s, counts, n) < 0)
            ++*failed;
    }
    return err;
}

BELAY_TEST(rule_9_the_owner_and_who_lives_below_may_spawn,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    int err, inner, n = 0, failed = 0;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_SCOPE_CATCH(i, &inner) {
            belay_spawn(i, spawns_upwards, s, 0, &n, &failed);
            BELAY_CHECK_EQ(belay_spawn(s, counts, &n), 0);
        }
        /* One more while the owner is at the brace. */
        belay_spawn(s, spawns_upwards, s, 1, &n, &failed);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(failed, 0);
    BELAY_CHECK_EQ(n, 4);
}

BELAY_TEST(rule_9_over_two_workers, .workers = 2, .atomic = true,
    .schedules = 2000)
{
    int err, n[2] = {0, 0}, failed[2] = {0, 0};

    BELAY_SCOPE_CATCH(s, &err, .local = false) {
        belay_spawn_with(s, (.worker = 2), spawns_upwards, s, 0, &n[0],
            &failed[0]);
        belay_spawn_with(s, (.worker = 1), spawns_upwards, s, 0, &n[1],
            &failed[1]);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(failed[0] + failed[1], 0);
    BELAY_CHECK_EQ(n[0], 1);
    BELAY_CHECK_EQ(n[1], 1);
}

BELAY_TASK(spawns_into, (belay_scope **, s), (int *, n))
{
    return belay_spawn(*s, counts, n);
}

/* A sibling of the owner is not below. */
BELAY_TEST(rule_9_others_abort, .expect = BELAY_FINDS_MISUSE,
    .strategy = BELAY_EXHAUSTIVE)
{
    belay_scope *where = NULL;
    int err, inner, n = 0;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_SCOPE_CATCH(i, &inner) {
            where = i;
            belay_spawn(s, spawns_into, &where, &n);
            BELAY_CHECK_EQ(belay_sleep(1), 0);
        }
    }
}

BELAY_TASK(spawns_when_cut, (belay_scope *, s), (int *, n), (int *, got))
{
    (void)!belay_sleep(BELAY_S(100));
    *got = belay_spawn(s, counts, n);
    return 0;
}

BELAY_TEST(rule_9_closed_once_cut, .strategy = BELAY_EXHAUSTIVE)
{
    int err, n = 0, got[3] = {RULES_UNSET, RULES_UNSET, RULES_UNSET};

    BELAY_SCOPE_CATCH(s, &err) { /* by a cancel */
        belay_spawn(s, spawns_when_cut, s, &n, &got[0]);
        BELAY_CHECK_EQ(belay_sleep(1), 0);
        belay_cancel(s, "test");
        BELAY_CHECK_EQ(belay_spawn(s, counts, &n), -ECANCELED);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_SCOPE_CATCH(s, &err, .timeout = 1) {
        belay_spawn(s, spawns_when_cut, s, &n, &got[1]);
    }
    BELAY_CHECK_EQ(err, -ETIME);
    BELAY_SCOPE_CATCH(s, &err) { /* by its policy */
        belay_spawn(s, spawns_when_cut, s, &n, &got[2]);
        belay_spawn(s, naps_then, 1, -EIO);
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK_EQ(n, 0);
    BELAY_CHECK_EQ(got[0], -ECANCELED);
    BELAY_CHECK_EQ(got[1], -ECANCELED);
    BELAY_CHECK_EQ(got[2], -ECANCELED);
}

/* A daemon lives on when the scope is over, and finds it closed; what it could
 * not start is not lost. */
BELAY_TEST(rule_9_closed_once_the_last_child_has_ended,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err, n = 0, got = RULES_UNSET;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_daemon(s, spawns_when_cut, s, &n, &got);
        belay_spawn(s, naps_then, 1, 0);
    }
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(n, 0);
    BELAY_CHECK_EQ(err, -ECANCELED);
}
