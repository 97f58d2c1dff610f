/* SPDX-License-Identifier: MIT */
/* The event in every schedule: who waits for a set event goes on, always. */
#include <belay/sync.h>
#include <belay/test.h>

BELAY_TASK(await, (belay_event *, e), (int *, got))
{
    *got = belay_event_wait(e);
    return 0;
}

BELAY_TASK(set, (belay_event *, e))
{
    belay_event_set(e);
    return 0;
}

BELAY_TEST(everybody_is_woken, .strategy = BELAY_EXHAUSTIVE)
{
    belay_event e = BELAY_EVENT_INIT;
    int a = 1, b = 1, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, await, &e, &a);
        belay_spawn(s, set, &e);
        belay_spawn(s, await, &e, &b);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK_EQ(b, 0);
    BELAY_CHECK(belay_event_is_set(&e));
    belay_event_fini(&e);
}

BELAY_TEST(a_reset_event_makes_wait_again, .strategy = BELAY_FIFO)
{
    belay_event e = BELAY_EVENT_INIT;
    int got = 1, err;

    belay_event_set(&e);
    BELAY_CHECK_EQ(belay_event_wait(&e), 0);
    belay_event_reset(&e);
    BELAY_CHECK(!belay_event_is_set(&e));
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, await, &e, &got);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        BELAY_CHECK_EQ(got, 1);
        belay_event_set(&e);
        belay_event_reset(&e); /* those that waited have been told */
    }
    BELAY_CHECK_EQ(got, 0);
}

BELAY_TEST(nobody_sets_it, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_DEADLOCK)
{
    belay_event e = BELAY_EVENT_INIT;

    BELAY_CHECK_EQ(belay_event_wait(&e), -ECANCELED);
}

/* set against cancel. */
BELAY_TEST(a_cancel_races_with_set, .strategy = BELAY_EXHAUSTIVE)
{
    belay_event e = BELAY_EVENT_INIT;
    int a = 1, b = 1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn(s, await, &e, &a);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, await, &e, &b);
            belay_spawn(s, set, &e);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_cancel(c, "test");
        }
    }
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK(b == 0 || b == -ECANCELED);
    belay_event_fini(&e);
}

/* set, then cancel, with nothing in between. */
BELAY_TEST(an_event_that_came_is_kept, .strategy = BELAY_FIFO)
{
    belay_event e = BELAY_EVENT_INIT;
    int got = 1, err;

    BELAY_SCOPE_CATCH(c, &err) {
        belay_spawn(c, await, &e, &got);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_event_set(&e);
        belay_cancel(c, "test");
    }
    BELAY_CHECK_EQ(got, 0);
}

BELAY_TASK(set_after, (belay_event *, e), (belay_dur, d))
{
    BELAY_TRY(belay_sleep(d));
    belay_event_set(e);
    return 0;
}

BELAY_TEST(a_deadline_races_with_set, .strategy = BELAY_EXHAUSTIVE)
{
    belay_event e = BELAY_EVENT_INIT;
    int got = 1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn(s, set_after, &e, BELAY_MS(2));
        BELAY_SCOPE_CATCH(c, &inner, .timeout = BELAY_MS(2))
            belay_spawn(c, await, &e, &got);
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK(got == 0 || got == -ETIME);
    belay_event_fini(&e);
}

BELAY_TEST(a_cut_anywhere, .strategy = BELAY_EXHAUSTIVE,
    .cancel_everywhere = true)
{
    belay_event e = BELAY_EVENT_INIT;
    int a = 1, b = 1, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, await, &e, &a);
        belay_spawn(s, await, &e, &b);
        belay_spawn(s, set, &e);
    }
    BELAY_CHECK(belay_test_disturbed() || (a == 0 && b == 0));
    belay_event_fini(&e);
}

/* ---- two workers -------------------------------------------------------- */

BELAY_TEST(no_wake_up_is_lost, .strategy = BELAY_EXHAUSTIVE, .workers = 2,
    .atomic = true, .preemptions = 1)
{
    belay_event e = BELAY_EVENT_INIT;
    int got = 1, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 2), await, &e, &got);
        belay_spawn_with(s, (.worker = 1), set, &e);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got, 0);
    belay_event_fini(&e);
}

BELAY_TEST(a_cancel_from_another_worker, .workers = 2, .atomic = true,
    .schedules = 4000)
{
    belay_event e = BELAY_EVENT_INIT;
    int a = 1, b = 1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn_with(s, (.worker = 2), await, &e, &a);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn_with(c, (.worker = 2), await, &e, &b);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_event_set(&e);
            belay_cancel(c, "test");
        }
    }
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK(b == 0 || b == -ECANCELED);
    belay_event_fini(&e);
}

/* ---- as a case of a select ---------------------------------------------- */

BELAY_TASK(first_of, (belay_event *, a), (belay_event *, b), (int *, which))
{
    int r;

    *which = belay_select(&r, BELAY_EVENT(a), BELAY_EVENT(b));
    BELAY_CHECK(*which < 0 || r == 0);
    return 0;
}

BELAY_TEST(a_select_takes_one_event, .strategy = BELAY_EXHAUSTIVE)
{
    belay_event a = BELAY_EVENT_INIT, b = BELAY_EVENT_INIT;
    int which = -1, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, first_of, &a, &b, &which);
        belay_spawn(s, set, &a);
        belay_spawn(s, set, &b);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK(which == 0 || which == 1);
    belay_event_fini(&a);
    belay_event_fini(&b);
}

BELAY_TEST(a_select_that_is_over_is_passed_over, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    belay_event a = BELAY_EVENT_INIT, b = BELAY_EVENT_INIT;
    int which = -1, x = 1, y = 1, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, first_of, &a, &b, &which);
        belay_spawn(s, await, &a, &x);
        belay_spawn(s, await, &b, &y);
        belay_spawn(s, set, &a);
        belay_spawn(s, set, &b);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK(which == 0 || which == 1);
    BELAY_CHECK_EQ(x, 0);
    BELAY_CHECK_EQ(y, 0);
}

BELAY_TEST(a_cancelled_select_has_no_event, .strategy = BELAY_EXHAUSTIVE)
{
    belay_event a = BELAY_EVENT_INIT, b = BELAY_EVENT_INIT;
    int which = -1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, first_of, &a, &b, &which);
            belay_spawn(s, set, &b);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_cancel(c, "test");
        }
    }
    BELAY_CHECK(which == 1 || which == -ECANCELED);
    belay_event_fini(&a);
    belay_event_fini(&b);
}
