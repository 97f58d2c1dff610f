/* SPDX-License-Identifier: MIT */
/*
 * What the ends of children on two workers bring about, at atomic depth:
 * failures, races, tags, free slots of .limit and .max_tasks.
 */
#include <belay/sync.h>
#include <belay/test.h>

#include "closeup.h"

#include <errno.h>
#include <string.h>

enum { NOTHING_YET = 12345, THERE = 2, HERE = 1 };

BELAY_TASK(counts, (uint32_t *, n))
{
    (void)bly_fetch_add(n, 1u);
    return 0;
}

BELAY_TASK(fails, (int, code))
{
    return code;
}

BELAY_TASK(only_a_cut, (belay_event *, never))
{
    return belay_event_wait(never);
}

BELAY_TASK(sets, (belay_event *, e))
{
    belay_event_set(e);
    return 0;
}

BELAY_TASK(cancels, (belay_scope *, s))
{
    belay_cancel(s, "a test");
    return 0;
}

/* ---- failures ----------------------------------------------------------- */

static void
failure_there(belay_policy policy)
{
    uint32_t n = 0;
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err, .policy = policy) {
        belay_spawn_with(s, (.worker = THERE), fails, -EIO);
        belay_spawn_with(s, (.worker = HERE), counts, &n);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK(n == 1 || policy != BELAY_COLLECT); /* may come too late */
}

BELAY_TEST(rule_3_a_failure_there, .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    failure_there(BELAY_FAIL_FAST);
}

BELAY_TEST(rule_3_a_collected_failure_there, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    failure_there(BELAY_COLLECT);
}

/* The one here lowers the count that the one there has raised, so that the
 * owner sees nothing of either but the sum, while the other fails. */
BELAY_TASK(fails_after_a_spawn, (belay_scope *, s), (belay_event *, e),
    (uint32_t *, ended), (int, code))
{
    belay_spawn_with(s, (.worker = HERE), sets, e);
    (void)bly_fetch_add(ended, 1u);
    return code;
}

static void
balanced(belay_policy policy, int code)
{
    belay_event e = BELAY_EVENT_INIT;
    uint32_t ended = 0;
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err, .policy = policy) {
        belay_spawn_with(s, (.worker = THERE), fails_after_a_spawn, s, &e,
            &ended, code);
        belay_ignore(belay_event_wait(&e), "it may have failed before");
    }
    BELAY_CHECK_EQ(ended, 1);
    closeup_end();
    BELAY_CHECK_EQ(err, code);
}

BELAY_TEST(rule_3_a_balanced_count_and_a_failure,
    .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    balanced(BELAY_FAIL_FAST, -EIO);
}

BELAY_TEST(rule_3_a_balanced_count_and_a_collected_failure,
    .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    balanced(BELAY_COLLECT, -EIO);
}

BELAY_TEST(a_balanced_count, .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    balanced(BELAY_COLLECT, 0);
}

/* Two fail at the same time: one of them is the first, and both are listed. */
BELAY_TEST(rule_3_two_failures_at_once, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT) {
        belay_spawn_with(s, (.worker = THERE), fails, -EIO);
        belay_spawn_with(s, (.worker = HERE), fails, -EPIPE);
    }
    closeup_end();
    BELAY_CHECK(err == -EIO || err == -EPIPE);
}

/* ---- races -------------------------------------------------------------- */

static void
undo(void *args)
{
    struct counts_is_no_BELAY_TASK *a = args;

    (void)bly_fetch_add(a->n, UINT32_MAX);
}

/* Two successes at the same time: one stands, the other is undone. */
BELAY_TEST(rule_13_two_winners_at_once, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    uint32_t n = 0;
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_OK) {
        belay_spawn_with(s, (.worker = THERE, .discard = undo), counts, &n);
        belay_spawn_with(s, (.worker = HERE, .discard = undo), counts, &n);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(n, 1);
}

/* ---- tagged ends -------------------------------------------------------- */

BELAY_TEST(rule_14_ends_from_both_sides, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    int err, r, seen = 0;
    belay_done done;
    uint32_t n = 0;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT) {
        belay_spawn_with(s, (.worker = THERE, .tagged = true, .tag = 1),
            counts, &n);
        belay_spawn_with(s, (.worker = HERE, .tagged = true, .tag = 2),
            counts, &n);
        while ((r = belay_next(s, &done)) == 1) {
            BELAY_CHECK(done.tag == 1 || done.tag == 2);
            BELAY_CHECK((seen & (int)done.tag) == 0);
            seen |= (int)done.tag;
        }
        BELAY_CHECK_EQ(r, 0);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(seen, 3);
}

BELAY_TASK(cut_while_next, (belay_event *, never), (int *, got))
{
    belay_done done;
    int err;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT) {
        belay_spawn_tagged(s, 1, only_a_cut, never);
        *got = belay_next(s, &done);
    }
    return err;
}

BELAY_TEST(rule_14_a_cut_from_there, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    belay_event never = BELAY_EVENT_INIT;
    int err, got = NOTHING_YET;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = HERE), cut_while_next, &never, &got);
        belay_spawn_with(s, (.worker = THERE), cancels, s);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK(got == -ECANCELED || got == 1);
}

/* ---- .limit ------------------------------------------------------------- */

struct crowd {
    uint32_t inside, ran;
    belay_event never;
};

BELAY_TASK(alone, (struct crowd *, c))
{
    BELAY_CHECK_EQ(bly_fetch_add(&c->inside, 1u), 0);
    BELAY_CHECK_EQ(bly_fetch_add(&c->inside, UINT32_MAX), 1);
    (void)bly_fetch_add(&c->ran, 1u);
    return 0;
}

BELAY_TEST(rule_10_one_at_a_time, .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    struct crowd c = {0, 0, BELAY_EVENT_INIT};
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err, .limit = 1) {
        belay_spawn_with(s, (.worker = THERE), alone, &c);
        belay_spawn_with(s, (.worker = HERE), alone, &c);
        belay_spawn_with(s, (.worker = THERE), alone, &c);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(c.ran, 3);
}

/* A slot comes while a deadline passes: either is the answer, and the slot is
 * not lost. */
BELAY_TEST(rule_10_a_slot_against_a_deadline, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    struct crowd c = {0, 0, BELAY_EVENT_INIT};
    belay_outcome out[2] = {{NOTHING_YET, NULL}, {NOTHING_YET, NULL}};
    int err, r = NOTHING_YET;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err, .limit = 1) {
        belay_spawn_with(s, (.worker = THERE), alone, &c);
        r = BELAY_WITHIN(BELAY_MS(1), belay_spawn_catch(s, &out[0], alone,
            &c));
        BELAY_CHECK(r == 0 || r == -ETIME);
        BELAY_CHECK_EQ(belay_spawn_catch(s, &out[1], alone, &c), 0);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(out[0].err, r);
    BELAY_CHECK_EQ(out[1].err, 0);
    BELAY_CHECK_EQ(c.ran, r == 0 ? 3 : 2);
}

/* One child waits for a slot, gives up, and waits again: the other still runs,
 * so this is no deadlock. */
BELAY_TASK(spawns_twice, (belay_scope *, s), (uint32_t *, n))
{
    BELAY_CHECK_EQ(BELAY_WITHIN(BELAY_MS(1), belay_spawn(s, counts, n)),
        -ETIME);
    return belay_spawn(s, counts, n);
}

BELAY_TASK(naps, (belay_dur, d))
{
    return belay_sleep(d);
}

BELAY_TEST(rule_10_who_gave_up_is_not_counted, .strategy = BELAY_EXHAUSTIVE)
{
    uint32_t n = 0;
    int err;

    BELAY_SCOPE_CATCH(s, &err, .limit = 2, .policy = BELAY_COLLECT) {
        belay_spawn(s, naps, BELAY_MS(2));
        belay_spawn(s, spawns_twice, s, &n);
    }
    BELAY_CHECK_EQ(n, 1);
}

/* The slot comes first and the cut before the spawner runs again: it then has
 * to end the wait for ready, which comes after.  (by1-lhqaq2uoauqla2q) */
BELAY_TASK(never_ready, (struct crowd *, c))
{
    return belay_event_wait(&c->never);
}

BELAY_TASK(holds_the_slot, (belay_event *, go))
{
    return belay_event_wait(go);
}

BELAY_TASK(makes_room, (belay_event *, go), (belay_scope *, inner))
{
    belay_event_set(go);
    BELAY_TRY(belay_yield());
    belay_cancel(inner, "a test");
    return 0;
}

BELAY_TEST(rule_12_a_cut_between_slot_and_ready,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct crowd c = {0, 0, BELAY_EVENT_INIT};
    belay_event go = BELAY_EVENT_INIT;
    int err, limited = NOTHING_YET, inner = NOTHING_YET, r = NOTHING_YET;

    BELAY_SCOPE_CATCH(all, &err) {
        BELAY_SCOPE_CATCH(s, &limited, .limit = 1) {
            belay_spawn(s, holds_the_slot, &go);
            BELAY_SCOPE_CATCH(in, &inner) {
                belay_spawn(all, makes_room, &go, in);
                r = belay_spawn_ready(s, never_ready, &c);
            }
        }
    }
    BELAY_CHECK_EQ(r, -ECANCELED);
    BELAY_CHECK_EQ(inner, -ECANCELED);
    BELAY_CHECK_EQ(limited, 0);
    BELAY_CHECK_EQ(err, 0);
}

/* ---- .max_tasks --------------------------------------------------------- */

BELAY_TEST(a_budget_is_given_back_there, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    uint32_t n = 0;
    int err, i;

    closeup_begin();
    BELAY_SCOPE_CATCH(outer, &err, .max_tasks = 1) {
        for (i = 0; i < 2; i++) {
            BELAY_SCOPE_CATCH(s, &err) {
                BELAY_CHECK_EQ(belay_spawn_with(s, (.worker = THERE), counts,
                    &n), 0);
            }
        }
    }
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(n, 2);
}

/* A refusal says whose budget it is; a deadline, whose it was. */
BELAY_TEST(refusals_name_their_scope)
{
    uint32_t n = 0;
    int err;

    BELAY_SCOPE_CATCH(outer, &err, .name = "crowd", .max_tasks = 1) {
        BELAY_SCOPE_CATCH(s, &err) {
            BELAY_CHECK_EQ(belay_spawn(s, counts, &n), 0);
            BELAY_CHECK_EQ(belay_spawn(s, counts, &n), -ENOMEM);
            BELAY_CHECK(strstr(belay_why(), "scope 'crowd'") != NULL);
            BELAY_CHECK(strstr(belay_why(), ".max_tasks of 1 ") != NULL);
        }
        BELAY_CHECK_EQ(err, -ENOMEM);
        BELAY_CHECK(strstr(belay_why(), "scope 'crowd'") != NULL);
        BELAY_CHECK(strstr(belay_why(), "scope_ends.c:") != NULL);
    }
    BELAY_SCOPE_CATCH(hasty, &err, .name = "haste", .timeout = BELAY_MS(5)) {
        BELAY_CHECK_EQ(belay_sleep(BELAY_S(1)), -ETIME);
        BELAY_CHECK(strstr(belay_why(), "the deadline of scope 'haste'") !=
            NULL);
    }
    BELAY_CHECK_EQ(n, 1);
}
