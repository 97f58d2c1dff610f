/* SPDX-License-Identifier: MIT */
/*
 * Rule 18: a run in which nothing can ever happen again is found, at once and
 * only then; the root is cut, and a second time ends the program.
 */
#include <belay/sync.h>
#include <belay/test.h>

struct locks {
    belay_mutex a, b;
};

BELAY_TASK(lock_both, (belay_mutex *, first), (belay_mutex *, second))
{
    int r;

    BELAY_TRY(belay_mutex_lock(first));
    r = belay_mutex_lock(second);
    if (r == 0)
        belay_mutex_unlock(second);
    belay_mutex_unlock(first);
    return r;
}

/* ---- found, whenever it is there ---------------------------------------- */

BELAY_TEST(rule_18_crossed_locks, .strategy = BELAY_EXHAUSTIVE,
    .expect = BELAY_FINDS_DEADLOCK)
{
    struct locks l = {BELAY_MUTEX_INIT, BELAY_MUTEX_INIT};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, lock_both, &l.a, &l.b);
        belay_spawn(s, lock_both, &l.b, &l.a);
    }
}

BELAY_TEST(rule_18_crossed_locks_two_workers, .workers = 2, .atomic = true,
    .schedules = 2000, .expect = BELAY_FINDS_DEADLOCK)
{
    struct locks l = {BELAY_MUTEX_INIT, BELAY_MUTEX_INIT};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, lock_both, &l.a, &l.b);
        belay_spawn(s, lock_both, &l.b, &l.a);
    }
}

BELAY_TASK(wait_for, (belay_event *, e), (int *, got))
{
    *got = belay_event_wait(e);
    return *got;
}

/* A check that fails would be another finding than the one that is expected. */
BELAY_TEST(rule_18_root_is_cut, .expect = BELAY_FINDS_DEADLOCK)
{
    belay_event never = BELAY_EVENT_INIT;
    int got[2] = {0, 0}, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, wait_for, &never, &got[0]);
        belay_spawn(s, wait_for, &never, &got[1]);
        BELAY_CHECK_EQ(belay_event_wait(&never), -ECANCELED);
        BELAY_CHECK_EQ(belay_cancelled(), -ECANCELED);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(got[0], -ECANCELED);
    BELAY_CHECK_EQ(got[1], -ECANCELED);
    BELAY_CHECK_EQ(belay_test_elapsed(), 0);
}

BELAY_TEST(rule_18_root_is_cut_two_workers, .workers = 2, .atomic = true,
    .schedules = 2000, .expect = BELAY_FINDS_DEADLOCK)
{
    belay_event never = BELAY_EVENT_INIT;
    int got[2] = {0, 0}, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, wait_for, &never, &got[0]);
        belay_spawn(s, wait_for, &never, &got[1]);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(got[0], -ECANCELED);
    BELAY_CHECK_EQ(got[1], -ECANCELED);
}

/* ---- not found, where there is none ------------------------------------- */

BELAY_TEST(rule_18_ordered_locks, .strategy = BELAY_EXHAUSTIVE)
{
    struct locks l = {BELAY_MUTEX_INIT, BELAY_MUTEX_INIT};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, lock_both, &l.a, &l.b);
        belay_spawn(s, lock_both, &l.a, &l.b);
    }
    BELAY_CHECK_EQ(err, 0);
}

BELAY_TASK(set_later, (belay_event *, e), (belay_dur, d))
{
    BELAY_TRY(belay_sleep(d));
    belay_event_set(e);
    return 0;
}

BELAY_TEST(rule_18_timer_may_come, .strategy = BELAY_EXHAUSTIVE)
{
    belay_event later = BELAY_EVENT_INIT;
    int got = -1, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, wait_for, &later, &got);
        belay_spawn(s, set_later, &later, BELAY_S(1));
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got, 0);
}

BELAY_TEST(rule_18_deadline_may_come)
{
    belay_event never = BELAY_EVENT_INIT;
    int err;

    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_S(1)) {
        BELAY_CHECK_EQ(belay_event_wait(&never), -ETIME);
    }
    BELAY_CHECK_EQ(err, -ETIME);
}

BELAY_TASK(turns, (belay_event *, mine), (belay_event *, other), (int, n))
{
    while (n-- > 0) {
        BELAY_TRY(belay_event_wait(mine));
        belay_event_reset(mine);
        belay_event_set(other);
    }
    return 0;
}

/* Each worker is the last to go to sleep in some run, while a message is on
 * its way to it. */
BELAY_TEST(rule_18_message_may_come, .workers = 2, .atomic = true,
    .schedules = 3000)
{
    belay_event a = BELAY_EVENT_INIT, b = BELAY_EVENT_INIT;
    int err;

    belay_event_set(&a);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 1), turns, &a, &b, 2);
        belay_spawn_with(s, (.worker = 2), turns, &b, &a, 2);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* ---- twice -------------------------------------------------------------- */

/* The cut ends the wait, and nobody will ever have the lock again. */
BELAY_TASK(lock_and_forget, (belay_mutex *, m), (belay_event *, e))
{
    BELAY_TRY(belay_mutex_lock(m));
    return belay_event_wait(e);
}

BELAY_TEST(rule_18_second_one_ends_the_program, .strategy = BELAY_EXHAUSTIVE,
    .expect = BELAY_FINDS_MISUSE)
{
    belay_mutex m = BELAY_MUTEX_INIT;
    belay_cond c = BELAY_COND_INIT;
    belay_event never = BELAY_EVENT_INIT;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK(belay_mutex_lock(&m) == 0);
        belay_spawn(s, lock_and_forget, &m, &never);
        /* Cut or not, it comes back with the lock, or not at all. */
        belay_ignore(belay_cond_wait(&c, &m), "it does not come back");
    }
}
