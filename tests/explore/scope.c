/* SPDX-License-Identifier: MIT */
/*
 * Scopes with children on two workers, at atomic depth: how they are counted,
 * and who wakes the owner.  A wake-up that is lost is a deadlock; one that
 * comes too early frees a frame that somebody still uses, or leaves a child.
 */
#include <belay/sync.h>
#include <belay/test.h>

#include "closeup.h"

#include <errno.h>

enum { NOTHING_YET = 12345, THERE = 2, HERE = 1 };

BELAY_TASK(counts, (uint32_t *, n))
{
    (void)bly_fetch_add(n, 1u);
    return 0;
}

BELAY_TASK(sleeps_once, (uint32_t *, n))
{
    int r = belay_yield();

    (void)bly_fetch_add(n, 1u);
    return r;
}

/* ---- the count at the brace --------------------------------------------- */

static __attribute__((noinline)) void
one_there(void)
{
    uint32_t n = 0;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), counts, &n);
    }
    BELAY_CHECK_EQ(n, 1);
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
}

BELAY_TEST(one_there_against_the_brace, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    closeup_begin();
    closeup_scribble();
    one_there();
}

BELAY_TEST(one_there_and_one_here, .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    uint32_t n = 0;
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), sleeps_once, &n);
        belay_spawn_with(s, (.worker = HERE), sleeps_once, &n);
    }
    BELAY_CHECK_EQ(n, 2);
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
}

/* Rule 9: a child there spawns while the owner is at the brace. */
BELAY_TASK(brings_another, (belay_scope *, s), (uint32_t *, n),
    (unsigned, where))
{
    belay_spawn_with(s, (.worker = where), counts, n);
    return 0;
}

static void
brought(unsigned where)
{
    uint32_t n = 0;
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), brings_another, s, &n, where);
    }
    BELAY_CHECK_EQ(n, 1);
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
}

BELAY_TEST(rule_9_one_more_there, .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    brought(THERE);
}

BELAY_TEST(rule_9_one_more_here, .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    brought(HERE);
}

BELAY_TEST(rule_9_one_more_anywhere, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    brought(0);
}

/* Both count at the same time. */
BELAY_TEST(rule_9_spawns_on_both_sides, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    uint32_t n = 0;
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), brings_another, s, &n, THERE);
        belay_spawn_with(s, (.worker = HERE), counts, &n);
    }
    BELAY_CHECK_EQ(n, 2);
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
}

/* A thief has started what was spawned here. */
BELAY_TEST(two_for_anybody, .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    uint32_t n = 0;
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, counts, &n);
        belay_spawn(s, sleeps_once, &n);
    }
    BELAY_CHECK_EQ(n, 2);
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
}

/* The newest one is not the scope's: it would bury the owner, who has to end
 * its wait. */
BELAY_TASK(waits, (belay_event *, e))
{
    return belay_event_wait(e);
}

BELAY_TEST(the_brace_runs_its_own_children_only, .strategy = BELAY_EXHAUSTIVE)
{
    belay_event e = BELAY_EVENT_INIT;
    uint32_t n = 0;
    int err, inner = NOTHING_YET;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_SCOPE_CATCH(in, &inner) {
            belay_spawn(in, sleeps_once, &n);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_spawn(s, waits, &e);
        }
        belay_event_set(&e);
    }
    BELAY_CHECK_EQ(inner, 0);
    BELAY_CHECK_EQ(err, 0);
}

/* ---- a message about a cut that is still on its way --------------------- */

/* The child, which has slept, ends by itself; the message holds the scope. */
BELAY_TASK(sleeps_and_sets, (belay_event *, e))
{
    BELAY_TRY(belay_yield());
    belay_event_set(e);
    return 0;
}

BELAY_TEST(a_cut_under_way_holds_the_scope, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    belay_event e = BELAY_EVENT_INIT;
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), sleeps_and_sets, &e);
        BELAY_CHECK_EQ(belay_event_wait(&e), 0);
        belay_cancel(s, "a test");
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
}

BELAY_TASK(cancels, (belay_scope *, s))
{
    belay_cancel(s, "a test");
    return 0;
}

/* It comes from there, and the sender has ended before it arrives. */
BELAY_TEST(a_cut_from_one_who_ends, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), cancels, s);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
}

/* A gentle stop from there asks for a timer here. */
BELAY_TASK(stops, (belay_scope *, s))
{
    belay_stop(s, "a test");
    return 0;
}

BELAY_TEST(rule_16_a_stop_from_there, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    belay_event never = BELAY_EVENT_INIT;
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_MS(1)) {
        belay_spawn_with(s, (.worker = THERE), stops, s);
        BELAY_CHECK_EQ(belay_event_wait(&never), -ECANCELED);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK(belay_test_elapsed() >= BELAY_MS(1));
}

BELAY_TEST(rule_16_a_stop_from_one_who_ends, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_S(1)) {
        belay_spawn_with(s, (.worker = THERE), stops, s);
    }
    closeup_end();
    BELAY_CHECK(err == 0 || err == -ECANCELED);
}

/* ---- when the last child has ended -------------------------------------- */

/* Daemons are left, and one of them cuts the scope. */
BELAY_TASK(cancels_when_cut, (belay_scope *, s), (belay_event *, never))
{
    int r = belay_event_wait(never);

    belay_cancel(s, "a test");
    return r;
}

BELAY_TEST(a_cut_from_a_daemon_after_the_last_child,
    .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    belay_event never = BELAY_EVENT_INIT;
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE, .daemon = true),
            cancels_when_cut, s, &never);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, -ECANCELED);
}

BELAY_TASK(spawns_when_cut, (belay_scope *, s), (belay_event *, never),
    (uint32_t *, n))
{
    int r = belay_event_wait(never);

    BELAY_CHECK_EQ(belay_spawn(s, counts, n), -ECANCELED);
    return r;
}

BELAY_TEST(rule_9_a_daemon_after_the_last_child,
    .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    belay_event never = BELAY_EVENT_INIT;
    uint32_t n = 0;
    int err;

    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE, .daemon = true),
            spawns_when_cut, s, &never, &n);
    }
    closeup_end();
    BELAY_CHECK(err == 0 || err == -ECANCELED);
    BELAY_CHECK_EQ(n, 0);
}
