/* SPDX-License-Identifier: MIT */
/* Rule 16: the gentle stop, and what comes after it. */
#include <belay/chan.h>
#include <belay/timer.h>

#include "rules.h"

typedef BELAY_CHAN(int) int_chan;

BELAY_TASK(sees_a_stop, (bool *, saw), (belay_event *, asked))
{
    BELAY_TRY(belay_event_wait(asked));
    *saw = belay_stopping();
    BELAY_CHECK_EQ(belay_cancelled(), 0);
    return 0;
}

BELAY_TASK(has_one_that_sees, (bool *, saw), (belay_event *, asked))
{
    BELAY_SCOPE(s) {
        belay_spawn(s, sees_a_stop, saw, asked);
    }
    return 0;
}

BELAY_TEST(rule_16_all_below_are_stopping_and_nobody_else,
    .strategy = BELAY_EXHAUSTIVE, .cooperative = true)
{
    belay_event asked = BELAY_EVENT_INIT;
    bool below[3] = {false, false, false}, beside = true;
    int err, inner;

    BELAY_SCOPE_CATCH(o, &err) {
        belay_spawn(o, sees_a_stop, &beside, &asked);
        BELAY_SCOPE_CATCH(s, &inner, .grace = BELAY_S(1)) {
            belay_spawn(s, sees_a_stop, &below[0], &asked);
            belay_spawn_daemon(s, sees_a_stop, &below[1], &asked);
            belay_spawn(s, has_one_that_sees, &below[2], &asked);
            BELAY_CHECK(!belay_stopping());
            belay_stop(s, "test");
            BELAY_CHECK(belay_stopping());
            BELAY_CHECK_EQ(belay_cancelled(), 0);
            belay_event_set(&asked);
            BELAY_CHECK_EQ(belay_sleep(1), 0);
        }
        BELAY_CHECK_EQ(inner, 0);
        BELAY_CHECK(!belay_stopping());
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK(below[0] && below[1] && below[2]);
    BELAY_CHECK(!beside);
    BELAY_CHECK_EQ(belay_test_elapsed(), 1); /* nobody waits for the grace */
}

/* ---- what it ends, and what it does not --------------------------------- */

enum { MSG, STOPPED };

BELAY_TASK(ticks_until_stopped, (belay_dur *, at))
{
    int r;

    BELAY_EVERY(beat, BELAY_MS(10));
    while ((r = belay_tick(&beat)) > 0)
        continue;
    *at = belay_test_elapsed();
    BELAY_CHECK_EQ(r, -ESHUTDOWN);
    BELAY_CHECK_EQ(belay_tick(&beat), -ESHUTDOWN);
    return 0;
}

BELAY_TASK(selects_until_stopped, (belay_dur *, at))
{
    int_chan never = {NULL, NULL};
    int r, v;

    BELAY_CHECK_EQ(belay_select(&r, [MSG] = BELAY_RECV(&never, &v),
                       [STOPPED] = BELAY_STOP),
        STOPPED);
    BELAY_CHECK_EQ(r, -ESHUTDOWN);
    *at = belay_test_elapsed();
    return 0;
}

BELAY_TEST(rule_16_ends_tickers_and_stop_cases, .strategy = BELAY_EXHAUSTIVE)
{
    belay_dur at[4] = {0, 0, 0, 0};
    int err;

    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_S(1)) {
        belay_spawn(s, ticks_until_stopped, &at[0]);
        belay_spawn(s, selects_until_stopped, &at[1]);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(15)), 0);
        belay_stop(s, "test");
        /* New ones end at once. */
        belay_spawn(s, ticks_until_stopped, &at[2]);
        belay_spawn(s, selects_until_stopped, &at[3]);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(at[0], BELAY_MS(15));
    BELAY_CHECK_EQ(at[1], BELAY_MS(15));
    BELAY_CHECK_EQ(at[2], BELAY_MS(15));
    BELAY_CHECK_EQ(at[3], BELAY_MS(15));
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(15));
}

BELAY_TASK(sends_after, (int_chan *, ch), (belay_dur, d))
{
    BELAY_TRY(belay_sleep(d));
    return belay_send(ch, 6);
}

BELAY_TEST(rule_16_other_waits_and_spawns_go_on, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    int err, n = 0, v = 0, i;
    belay_done done;
    int_chan ch;

    BELAY_CHECK_EQ(belay_chan_open(&ch, 0), 0);
    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_MS(50)) {
        belay_spawn_tagged(s, 1, sends_after, &ch, BELAY_MS(5));
        belay_stop(s, "test");
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        BELAY_CHECK_EQ(belay_spawn_tagged(s, 2, counts, &n), 0);
        BELAY_CHECK_EQ(belay_recv(&ch, &v), 1);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(5));
        for (i = 0; i < 2; i++)
            BELAY_CHECK_EQ(belay_next(s, &done), 1);
        BELAY_CHECK_EQ(belay_checkpoint(), 0);
        BELAY_CHECK_EQ(belay_spawn_ready(s, returns, 0), -EPROTO);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(n, 1);
    BELAY_CHECK_EQ(v, 6);
    belay_chan_free(&ch);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(5));
}

/* ---- after the grace ---------------------------------------------------- */

BELAY_TEST(rule_16_after_the_grace_comes_the_cut, .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_MS(4)) {
        belay_spawn(s, until_cut, &got);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_stop(s, "test");
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(2)), 0);
        belay_stop(s, "asked again: the grace is running");
        BELAY_CHECK_EQ(belay_sleep(BELAY_S(1)), -ECANCELED);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(5));
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(5));
}

/* The owner is at its brace already, and somebody below asks. */
BELAY_TASK(stops_later, (belay_scope *, s))
{
    BELAY_TRY(belay_sleep(BELAY_MS(1)));
    belay_stop(s, "test");
    return 0;
}

BELAY_TEST(rule_16_a_stop_from_below, .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_MS(4)) {
        belay_spawn(s, until_cut, &got);
        belay_spawn(s, stops_later, s);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(5));
}

BELAY_TEST(rule_16_without_grace_it_is_a_cut, .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, until_cut, &got);
        belay_stop(s, "test");
        BELAY_CHECK_EQ(belay_checkpoint(), -ECANCELED);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(belay_test_elapsed(), 0);
}

BELAY_TEST(rule_16_failures_do_not_wait_for_the_grace,
    .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_S(9)) {
        belay_spawn(s, until_cut, &got);
        belay_spawn(s, naps_then, BELAY_MS(2), -EIO);
        belay_stop(s, "test");
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(2));
}

BELAY_TEST(rule_16_deadlines_and_cancels_do_not_either,
    .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_S(9), .timeout = BELAY_MS(2)) {
        belay_spawn(s, until_cut, &got);
        belay_stop(s, "test");
    }
    BELAY_CHECK_EQ(err, -ETIME);
    BELAY_CHECK_EQ(got, -ETIME);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(2));
    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_S(9)) {
        belay_spawn(s, until_cut, &got);
        belay_stop(s, "test");
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_cancel(s, "test");
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(3));
}

/* An early leave cuts at once too (rule 4). */
BELAY_TASK(stops_and_leaves, (int *, got))
{
    BELAY_SCOPE(s, .grace = BELAY_S(9)) {
        belay_spawn(s, until_cut, got);
        belay_stop(s, "test");
        return 0;
    }
    return 0;
}

BELAY_TEST(rule_16_nor_does_a_leave, .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, stops_and_leaves, &got);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(belay_test_elapsed(), 0);
}

static int
quits(void *arg, belay_scope *s, const belay_done *done)
{
    (void)arg;
    (void)s;
    return done->err == -EIO ? BELAY_QUIT : BELAY_TAKE;
}

/* .on_done may ask for it: dealt with, so the failure does not count. */
BELAY_TEST(rule_16_on_done_may_stop, .strategy = BELAY_EXHAUSTIVE)
{
    belay_dur at = 0;
    int err;

    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_S(1), .on_done = quits) {
        belay_spawn(s, selects_until_stopped, &at);
        belay_spawn(s, naps_then, BELAY_MS(3), -EIO);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(at, BELAY_MS(3));
}

/* ---- two workers -------------------------------------------------------- */

BELAY_TASK(stops, (belay_scope *, s))
{
    belay_stop(s, "test");
    return 0;
}

BELAY_TEST(rule_16_over_two_workers, .workers = 2, .schedules = 3000)
{
    belay_dur at = 0;
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_MS(4)) {
        belay_spawn_with(s, (.worker = 1), until_cut, &got);
        belay_spawn_with(s, (.worker = 2), selects_until_stopped, &at);
        belay_spawn_with(s, (.worker = 2), stops, s);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(at, 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(4));
}

/* The stop races with the end of the scope. */
BELAY_TEST(rule_16_a_stop_at_the_end, .workers = 2, .atomic = true,
    .schedules = 3000)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_S(1)) {
        belay_spawn_with(s, (.worker = 2), stops, s);
        belay_spawn_with(s, (.worker = 1), stops, s);
    }
    BELAY_CHECK(err == 0 || err == -ECANCELED);
}
