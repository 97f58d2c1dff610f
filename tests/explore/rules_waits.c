/* SPDX-License-Identifier: MIT */
/*
 * The words and rules 1 and 2: what a wait answers under a cut, which cut
 * decides, and what it means that a task has failed.
 */
#include <belay/chan.h>
#include <belay/timer.h>

#include "rules.h"

typedef BELAY_CHAN(int) int_chan;

/* ---- the words ---------------------------------------------------------- */

BELAY_TEST(words_a_deadline_says_etime, .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_MS(1)) {
        belay_spawn(s, until_cut, &got);
        BELAY_CHECK_EQ(belay_sleep(BELAY_S(1)), -ETIME);
    }
    BELAY_CHECK_EQ(got, -ETIME);
    BELAY_CHECK_EQ(err, -ETIME);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(1));
}

BELAY_TEST(words_all_else_says_ecanceled, .strategy = BELAY_EXHAUSTIVE)
{
    int got[2] = {RULES_UNSET, RULES_UNSET}, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, until_cut, &got[0]);
        BELAY_CHECK_EQ(belay_sleep(1), 0);
        belay_cancel(s, "test");
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(got[0], -ECANCELED);
    BELAY_SCOPE_CATCH(s, &err) { /* by its policy */
        belay_spawn(s, until_cut, &got[1]);
        belay_spawn(s, naps_then, 1, -EIO);
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK_EQ(got[1], -ECANCELED);
}

/* A child of a task that failed is cancelled, whatever the failure was. */
BELAY_TASK(fails_over_a_child, (int *, got))
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, until_cut, got);
        BELAY_SCOPE(inner) {
            belay_spawn(inner, naps_then, 1, -ETIME);
            BELAY_CHECK_EQ(belay_sleep(BELAY_S(1)), -ECANCELED);
            break;
        }
    }
    BELAY_CHECK_EQ(err, -ECANCELED); /* no deadline has cut it */
    return err;
}

BELAY_TEST(words_the_failure_of_a_parent_says_ecanceled,
    .strategy = BELAY_EXHAUSTIVE)
{
    belay_outcome out;
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_catch(s, &out, fails_over_a_child, &got);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(out.err, -ETIME);
}

BELAY_TEST(words_the_outermost_cut_decides, .strategy = BELAY_EXHAUSTIVE)
{
    int got[2] = {RULES_UNSET, RULES_UNSET}, outer, inner;

    BELAY_SCOPE_CATCH(o, &outer) {
        BELAY_SCOPE_CATCH(i, &inner, .timeout = BELAY_MS(1)) {
            belay_spawn(i, until_cut, &got[0]);
            BELAY_CHECK_EQ(belay_sleep(BELAY_S(1)), -ETIME);
            belay_cancel(o, "test");
            BELAY_CHECK_EQ(belay_checkpoint(), -ECANCELED);
            BELAY_CHECK_EQ(belay_cancelled(), -ECANCELED);
        }
        BELAY_CHECK_EQ(inner, -ECANCELED);
    }
    BELAY_CHECK_EQ(outer, -ECANCELED);
    BELAY_SCOPE_CATCH(o, &outer, .timeout = BELAY_MS(1)) {
        BELAY_SCOPE_CATCH(i, &inner) {
            belay_cancel(i, "test");
            belay_spawn(o, until_cut, &got[1]);
            BELAY_CHECK_EQ(belay_checkpoint(), -ECANCELED);
            {
                BELAY_SHIELD(BELAY_S(1));
                BELAY_CHECK_EQ(belay_sleep(BELAY_MS(2)), 0);
            }
            BELAY_CHECK_EQ(belay_checkpoint(), -ETIME);
        }
        BELAY_CHECK_EQ(inner, -ETIME);
    }
    BELAY_CHECK_EQ(outer, -ETIME);
    BELAY_CHECK_EQ(got[1], -ETIME);
}

BELAY_TEST(words_a_task_hangs_under_its_scope_only,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err, inner;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_SCOPE_CATCH(i, &inner) {
            BELAY_DEADLINE(0);
            belay_spawn(s, naps_then, BELAY_MS(2), 0);
            belay_cancel(i, "test");
            BELAY_CHECK_EQ(belay_checkpoint(), -ECANCELED);
        }
        BELAY_CHECK_EQ(inner, -ECANCELED);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(2));
}

/* ---- rule 1: the check -------------------------------------------------- */

struct things {
    belay_event set;
    belay_sem sem;
    belay_mutex mutex;
    belay_rwlock rw;
    int_chan full, roomy;
};

static void
things_open(struct things *t)
{
    *t = (struct things){.set = BELAY_EVENT_INIT, .sem = BELAY_SEM_INIT(1),
        .mutex = BELAY_MUTEX_INIT, .rw = BELAY_RWLOCK_INIT};
    belay_event_set(&t->set);
    BELAY_CHECK_EQ(belay_chan_open(&t->full, 1), 0);
    BELAY_CHECK_EQ(belay_chan_open(&t->roomy, 1), 0);
    BELAY_CHECK_EQ(belay_try_send(&t->full, 4), 0);
}

/* Nothing of what can be done at once is done, nor tried. */
static void
things_refuse(struct things *t, int code)
{
    enum { IN, OUT, LATER, STOP };
    int v = 7, r = RULES_UNSET;

    BELAY_CHECK_EQ(belay_cancelled(), code);
    BELAY_CHECK_EQ(belay_event_wait(&t->set), code);
    BELAY_CHECK_EQ(belay_sem_acquire(&t->sem, 1), code);
    BELAY_CHECK_EQ(belay_mutex_lock(&t->mutex), code);
    BELAY_CHECK_EQ(belay_rwlock_read(&t->rw), code);
    BELAY_CHECK_EQ(belay_rwlock_write(&t->rw), code);
    BELAY_CHECK_EQ(belay_recv(&t->full, &v), code);
    BELAY_CHECK_EQ(belay_send(&t->roomy, 1), code);
    BELAY_CHECK_EQ(belay_sleep(0), code);
    BELAY_CHECK_EQ(belay_sleep_until(0), code);
    BELAY_CHECK_EQ(belay_yield(), code);
    BELAY_CHECK_EQ(belay_checkpoint(), code);
    BELAY_CHECK_EQ(belay_select(&r, [IN] = BELAY_RECV(&t->full, &v),
                       [OUT] = BELAY_SEND(&t->roomy, &v),
                       [LATER] = BELAY_AFTER(0), [STOP] = BELAY_STOP),
        code);
    BELAY_CHECK_EQ(r, code);
    BELAY_CHECK_EQ(v, 7);
    BELAY_CHECK_EQ(belay_cancelled(), code);
}

/* All is as it was, and the waits work that a cut has refused. */
static void
things_close(struct things *t)
{
    int v = 0;

    BELAY_CHECK_EQ(belay_cancelled(), 0);
    BELAY_CHECK_EQ(belay_event_wait(&t->set), 0);
    BELAY_CHECK_EQ(belay_sem_acquire(&t->sem, 1), 0);
    BELAY_CHECK_EQ(belay_mutex_lock(&t->mutex), 0);
    belay_mutex_unlock(&t->mutex);
    BELAY_CHECK_EQ(belay_rwlock_write(&t->rw), 0);
    belay_rwlock_unlock(&t->rw);
    BELAY_CHECK_EQ(belay_recv(&t->full, &v), 1);
    BELAY_CHECK_EQ(v, 4);
    BELAY_CHECK_EQ(belay_try_recv(&t->roomy, &v), -EAGAIN);
    BELAY_CHECK_EQ(belay_send(&t->roomy, 1), 0);
    belay_chan_free(&t->full);
    belay_chan_free(&t->roomy);
    BELAY_CHECK_EQ(belay_test_elapsed(), 0);
}

BELAY_TEST(rule_1_a_wait_under_a_cancel_does_not_try,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct things t;
    int err;

    things_open(&t);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_cancel(s, "test");
        things_refuse(&t, -ECANCELED);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    things_close(&t);
}

/* It has passed, although no timer can have told it. */
BELAY_TEST(rule_1_a_wait_under_an_overdue_deadline_does_not_try,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct things t;

    things_open(&t);
    {
        BELAY_DEADLINE(0);
        things_refuse(&t, -ETIME);
    }
    things_close(&t);
}

BELAY_TASK(is_refused, (struct things *, t), (int, code))
{
    things_refuse(t, code);
    return 0;
}

BELAY_TEST(rule_1_a_child_is_under_the_overdue_deadline_too,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    struct things t;
    int err;

    things_open(&t);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, is_refused, &t, -ECANCELED);
        belay_cancel(s, "test");
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    things_close(&t);
}

/* While another worker sleeps, time may pass here at each access, and this
 * worker has not looked at its timers since. */
BELAY_TEST(rule_1_a_late_timer_changes_nothing, .workers = 2, .atomic = true,
    .schedules = 2000)
{
    int err, i;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_DEADLINE(BELAY_US(5));
        belay_time end = belay_now() + BELAY_US(5);

        belay_spawn_with(s, (.worker = 2), naps_then, BELAY_US(7), 0);
        for (i = 0; i < 20 && belay_now() < end; i++) {
            int before = belay_cancelled();
            int r = belay_checkpoint();

            BELAY_CHECK(r == before || before == 0);
        }
        if (belay_now() >= end) {
            BELAY_CHECK_EQ(belay_cancelled(), -ETIME);
            BELAY_CHECK_EQ(belay_checkpoint(), -ETIME);
        }
    }
    BELAY_CHECK_EQ(err, 0);
}

BELAY_TASK(asks_and_waits, (int, times), (int *, last))
{
    while (times-- > 0) {
        int before = belay_cancelled();

        *last = belay_checkpoint();
        BELAY_CHECK(*last == before || before == 0);
        if (before == 0)
            *last = belay_yield();
    }
    return 0;
}

/* What was told stays true while control is inside. */
BELAY_TEST(rule_1_cancelled_foretells_the_next_wait,
    .strategy = BELAY_EXHAUSTIVE, .cancel_everywhere = true)
{
    int last = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, asks_and_waits, 2, &last);
        if (belay_yield() == 0)
            belay_cancel(s, "test");
        BELAY_CHECK_EQ(belay_cancelled(), -ECANCELED);
        BELAY_CHECK_EQ(belay_checkpoint(), -ECANCELED);
    }
    if (!belay_test_disturbed())
        BELAY_CHECK(last == 0 || last == -ECANCELED);
}

/* ---- rule 1: a completed operation -------------------------------------- */

/* Waits in one of three ways; began says that nothing is between it and its
 * sleep. */
struct race {
    belay_event event;
    belay_sem sem;
    int_chan chan;
    bool began;
    int got, value;
};

enum { RACE_EVENT, RACE_SEM, RACE_CHAN };

BELAY_TASK(race_waits, (struct race *, r), (int, how))
{
    r->began = true;
    switch (how) {
    case RACE_EVENT:
        r->got = belay_event_wait(&r->event);
        break;
    case RACE_SEM:
        r->got = belay_sem_acquire(&r->sem, 1);
        break;
    default:
        r->got = belay_recv(&r->chan, &r->value);
    }
    return r->got;
}

static void
race_complete(struct race *r, int how)
{
    switch (how) {
    case RACE_EVENT:
        belay_event_set(&r->event);
        break;
    case RACE_SEM:
        belay_sem_release(&r->sem, 1);
        break;
    default:
        BELAY_CHECK_EQ(belay_try_send(&r->chan, 9), 0);
    }
}

static void
race(int how, bool complete_first)
{
    struct race r = {.event = BELAY_EVENT_INIT, .sem = BELAY_SEM_INIT(0),
        .got = RULES_UNSET};
    int err, v;

    BELAY_CHECK_EQ(belay_chan_open(&r.chan, 1), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, race_waits, &r, how);
        while (!r.began)
            BELAY_CHECK_EQ(belay_sleep(1), 0);
        if (complete_first)
            race_complete(&r, how);
        belay_cancel(s, "test");
        if (!complete_first)
            race_complete(&r, how);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    if (complete_first) {
        BELAY_CHECK_EQ(r.got, how == RACE_CHAN);
    } else { /* nor is it half done */
        BELAY_CHECK_EQ(r.got, -ECANCELED);
        if (how == RACE_SEM)
            BELAY_CHECK_EQ(belay_sem_available(&r.sem), 1);
        if (how == RACE_CHAN)
            BELAY_CHECK_EQ(belay_try_recv(&r.chan, &v), 1);
    }
    belay_chan_free(&r.chan);
}

BELAY_TEST(rule_1_what_is_complete_beats_the_cut,
    .strategy = BELAY_EXHAUSTIVE, .cooperative = true)
{
    race(RACE_EVENT, true);
    race(RACE_SEM, true);
    race(RACE_CHAN, true);
}

BELAY_TEST(rule_1_what_comes_after_the_cut_is_not_taken,
    .strategy = BELAY_EXHAUSTIVE, .cooperative = true)
{
    race(RACE_EVENT, false);
    race(RACE_SEM, false);
    race(RACE_CHAN, false);
}

/* ---- rule 2 ------------------------------------------------------------- */

/* Fails the calling task with code, as a child that nobody asked does. */
static int
fail_myself(int code)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, returns, code);
        while (belay_sleep(1) == 0)
            continue;
        return 0; /* early: nobody has been told of it */
    }
    return 0;
}

BELAY_TASK(fails_and_goes_on, (int, code), (struct things *, t))
{
    BELAY_CHECK_EQ(belay_take_failure(), 0);
    BELAY_CHECK_EQ(fail_myself(code), 0);
    things_refuse(t, code);
    {
        BELAY_DEADLINE(BELAY_S(1));
        things_refuse(t, code);
    }
    return 0;
}

BELAY_TEST(rule_2_all_waits_see_the_failure_and_the_outcome_is_it,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    belay_outcome out;
    struct things t;
    int err, v;

    things_open(&t);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_catch(s, &out, fails_and_goes_on, -EIO, &t);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(out.err, -EIO);
    BELAY_CHECK_EQ(belay_recv(&t.full, &v), 1);
    BELAY_CHECK_EQ(belay_try_recv(&t.roomy, &v), -EAGAIN);
    belay_chan_free(&t.full);
    belay_chan_free(&t.roomy);
}

/* The first is the outcome; -EPIPE came later, in time and by the return. */
BELAY_TASK(fails_twice)
{
    BELAY_CHECK_EQ(fail_myself(-EIO), 0);
    BELAY_CHECK_EQ(fail_myself(-EPIPE), 0);
    BELAY_CHECK_EQ(belay_checkpoint(), -EIO);
    return -ENOENT;
}

BELAY_TEST(rule_2_the_first_failure_stays, .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, fails_twice);
    }
    BELAY_CHECK_EQ(err, -EIO);
}

static int
failure_behind_a_shield(void)
{
    BELAY_SHIELD(BELAY_S(1));

    BELAY_CHECK_EQ(belay_cancelled(), 0);
    return belay_failure();
}

BELAY_TASK(takes_its_failure, (int, result))
{
    BELAY_CHECK_EQ(fail_myself(-EIO), 0);
    BELAY_CHECK_EQ(belay_sleep(1), -EIO);
    BELAY_CHECK_EQ(belay_failure(), -EIO);
    BELAY_CHECK_EQ(failure_behind_a_shield(), -EIO);
    BELAY_CHECK_EQ(belay_take_failure(), -EIO);
    BELAY_CHECK_EQ(belay_take_failure(), 0);
    BELAY_CHECK_EQ(belay_failure(), 0);
    BELAY_CHECK_EQ(belay_cancelled(), 0);
    BELAY_CHECK_EQ(belay_sleep(1), 0);
    return result;
}

BELAY_TEST(rule_2_a_failure_that_was_taken_is_over,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, takes_its_failure, 3);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, takes_its_failure, -EPIPE);
    }
    BELAY_CHECK_EQ(err, -EPIPE);
}

BELAY_TASK(fails_below_an_open_scope, (int *, got), (bool, take))
{
    int err, now = RULES_UNSET;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, until_cut, got);
        BELAY_CHECK_EQ(belay_sleep(1), 0); /* it sleeps */
        BELAY_CHECK_EQ(fail_myself(-EIO), 0);
        BELAY_CHECK_EQ(belay_sleep(1), -EIO);
        BELAY_CHECK_EQ(belay_spawn(s, counts, &now), -ECANCELED);
        if (take) {
            BELAY_CHECK_EQ(belay_take_failure(), -EIO);
            BELAY_CHECK_EQ(belay_sleep(1), 0);
            BELAY_CHECK_EQ(belay_spawn(s, counts, &now), 0);
        }
    }
    BELAY_CHECK_EQ(now, take ? RULES_UNSET + 1 : RULES_UNSET);
    return take ? err : 0;
}

BELAY_TEST(rule_2_open_scopes_see_the_failure, .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, fails_below_an_open_scope, &got, false);
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK_EQ(got, -ECANCELED);
}

BELAY_TEST(rule_2_open_scopes_go_on_when_it_was_taken,
    .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, fails_below_an_open_scope, &got, true);
    }
    BELAY_CHECK_EQ(got, -ECANCELED);
    /* The spawn that failed meanwhile has told its scope: rule 7. */
    BELAY_CHECK(err == 0 || err == -ECANCELED);
}
