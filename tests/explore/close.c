/* SPDX-License-Identifier: MIT */
/*
 * What is still on its way while a scope closes.  Whether all children have
 * ended and what they have left behind are several words; and a deferred call
 * runs in a scope that takes nobody any more.
 */
#include <belay/inlet.h>
#include <belay/sync.h>
#include <belay/test.h>

#include <errno.h>

BELAY_TASK(nothing)
{
    return 0;
}

/* ---- children elsewhere ------------------------------------------------- */

/* A child for the owner's worker, which leaves the owner's own count at zero,
 * and then a failure that nothing but the scope's list tells of. */
BELAY_TASK(swaps_and_fails, (belay_scope *, s))
{
    BELAY_TRY(belay_spawn_with(s, (.worker = 1), nothing));
    return -EIO;
}

static int
yield_twice(void)
{
    BELAY_TRY(belay_yield());
    return belay_yield();
}

BELAY_TEST(a_failure_elsewhere_is_seen_at_the_brace, .workers = 2,
    .atomic = true, .schedules = 4000)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT) {
        BELAY_CHECK_EQ(
            belay_spawn_with(s, (.worker = 2), swaps_and_fails, s), 0);
        BELAY_CHECK_EQ(yield_twice(), 0);
    }
    BELAY_CHECK_EQ(err, -EIO);
}

BELAY_TASK(outlives, (bool *, gone))
{
    (void)!belay_sleep(BELAY_S(1));
    BELAY_CHECK(!*gone);
    return 0;
}

BELAY_TASK(swaps_and_leaves_a_daemon, (belay_scope *, s), (bool *, gone))
{
    BELAY_TRY(belay_spawn_with(s, (.worker = 1), nothing));
    return belay_spawn_with(s, (.daemon = true, .worker = 2), outlives, gone);
}

BELAY_TEST(a_daemon_of_a_child_elsewhere_is_joined, .workers = 2,
    .atomic = true, .schedules = 4000)
{
    bool gone = false;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(belay_spawn_with(s, (.worker = 2),
            swaps_and_leaves_a_daemon, s, &gone), 0);
        BELAY_CHECK_EQ(yield_twice(), 0);
    }
    gone = true;
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(belay_sleep(BELAY_S(2)), 0);
}

/* ---- deferred calls ----------------------------------------------------- */

struct late {
    belay_scope *s;
    belay_inlet *in;
    bool gone;
    int spawned, opened;
};

static int
late_comers(void *arg)
{
    struct late *l = arg;

    l->spawned =
        belay_spawn_with(l->s, (.daemon = true), outlives, &l->gone);
    l->opened = belay_inlet_open(&l->in, l->s);
    return 0;
}

BELAY_TEST(rule_15_no_daemon_and_no_inlet_of_a_deferred_call,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct late l = {0};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        l.s = s;
        BELAY_CHECK_EQ(belay_defer(s, late_comers, &l), 0);
    }
    l.gone = true;
    BELAY_CHECK_EQ(l.spawned, -ECANCELED);
    BELAY_CHECK_EQ(err, -ECANCELED); /* rule 7: a child that never ran */
    BELAY_CHECK_EQ(l.opened, -ESHUTDOWN);
    BELAY_CHECK_EQ(belay_sleep(BELAY_S(2)), 0);
}
