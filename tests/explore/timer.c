/* SPDX-License-Identifier: MIT */
/*
 * Sleeping and tickers in virtual time, where every duration is exact: time
 * passes only while nothing can run.
 */
#include <belay/sync.h>
#include <belay/test.h>
#include <belay/timer.h>

/* ---- sleep -------------------------------------------------------------- */

BELAY_TASK(nap, (belay_dur, d), (int *, got), (belay_dur *, at))
{
    *got = belay_sleep(d);
    *at = belay_test_elapsed();
    return 0;
}

BELAY_TEST(a_sleep_lasts_as_long_as_asked, .strategy = BELAY_EXHAUSTIVE)
{
    belay_dur a = 0, b = 0, c = 0;
    int err, got[3] = {1, 1, 1};

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, nap, BELAY_MS(3), &got[0], &a);
        belay_spawn(s, nap, BELAY_MS(1), &got[1], &b);
        belay_spawn(s, nap, BELAY_MS(1), &got[2], &c);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got[0] + got[1] + got[2], 0);
    BELAY_CHECK_EQ(a, BELAY_MS(3));
    BELAY_CHECK_EQ(b, BELAY_MS(1));
    BELAY_CHECK_EQ(c, BELAY_MS(1));
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(3));
}

BELAY_TEST(no_time_at_all, .strategy = BELAY_FIFO)
{
    BELAY_CHECK_EQ(belay_sleep(0), 0);
    BELAY_CHECK_EQ(belay_sleep(-BELAY_S(1)), 0);
    BELAY_CHECK_EQ(belay_sleep_until(0), 0);
    BELAY_CHECK_EQ(belay_sleep_until(belay_now()), 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), 0);
    BELAY_CHECK_EQ(belay_sleep_until(belay_now() + BELAY_MS(5)), 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(5));
}

BELAY_TASK(raise_flag, (bool *, flag))
{
    BELAY_TRY(belay_sleep(BELAY_MS(1)));
    *flag = true;
    return 0;
}

/* Sleeps of 0 let others run. */
BELAY_TEST(a_sleep_of_zero_lets_others_run, .strategy = BELAY_FIFO)
{
    bool flag = false;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, raise_flag, &flag);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        while (!flag)
            BELAY_CHECK_EQ(belay_sleep(0), 0);
    }
    BELAY_CHECK_EQ(err, 0);
}

BELAY_TEST(a_cancel_ends_a_sleep, .strategy = BELAY_EXHAUSTIVE)
{
    belay_dur at = 0;
    int got = 1, err;

    BELAY_SCOPE_CATCH(c, &err) {
        belay_spawn(c, nap, BELAY_S(1), &got, &at);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(2)), 0);
        belay_cancel(c, "test");
    }
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(at, BELAY_MS(2));
}

/* Both at the same instant: either wins, and the other does no harm. */
BELAY_TEST(a_cancel_races_with_the_end_of_a_sleep,
    .strategy = BELAY_EXHAUSTIVE)
{
    belay_dur at = 0;
    int got = 1, err;

    BELAY_SCOPE_CATCH(c, &err) {
        belay_spawn(c, nap, BELAY_MS(2), &got, &at);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(2)), 0);
        belay_cancel(c, "test");
    }
    BELAY_CHECK(got == 0 || got == -ECANCELED);
    BELAY_CHECK(at == BELAY_MS(2) || (at == 0 && got == -ECANCELED));
}

BELAY_TEST(a_deadline_races_with_the_end_of_a_sleep,
    .strategy = BELAY_EXHAUSTIVE)
{
    belay_dur at = 0;
    int got = 1, err;

    BELAY_SCOPE_CATCH(c, &err, .timeout = BELAY_MS(2))
        belay_spawn(c, nap, BELAY_MS(2), &got, &at);
    BELAY_CHECK(got == 0 || got == -ETIME);
    BELAY_CHECK_EQ(at, BELAY_MS(2));
}

BELAY_TEST(the_earlier_deadline_wins, .strategy = BELAY_EXHAUSTIVE)
{
    int got;

    {
        BELAY_DEADLINE(BELAY_MS(4));
        BELAY_DEADLINE(BELAY_MS(2));
        got = belay_sleep(BELAY_MS(3));
        BELAY_CHECK_EQ(got, -ETIME);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(2));
        BELAY_CHECK_EQ(belay_sleep(0), -ETIME);
    }
    BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(3));
}

BELAY_TEST(a_cut_anywhere, .strategy = BELAY_EXHAUSTIVE,
    .cancel_everywhere = true, .fail_allocs = true)
{
    belay_dur a = 0, b = 0;
    int err, got[2] = {1, 1};

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, nap, BELAY_MS(2), &got[0], &a);
        belay_spawn(s, nap, BELAY_MS(1), &got[1], &b);
    }
    BELAY_CHECK((got[0] == 0 && got[1] == 0) || belay_test_disturbed());
}

BELAY_TEST(a_cancel_from_another_worker, .workers = 2, .atomic = true,
    .schedules = 3000)
{
    belay_dur at = 0;
    int got = 1, err;

    BELAY_SCOPE_CATCH(c, &err) {
        belay_spawn_with(c, (.worker = 2), nap, BELAY_MS(2), &got, &at);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(2)), 0);
        belay_cancel(c, "test");
    }
    BELAY_CHECK(got == 0 || got == -ECANCELED);
}

/* ---- tickers ------------------------------------------------------------ */

static void
tick_at(belay_every *e, int ticks, belay_dur at)
{
    BELAY_CHECK_EQ(belay_tick(e), ticks);
    BELAY_CHECK_EQ(belay_test_elapsed(), at);
}

static void
busy_for(belay_dur d)
{
    BELAY_CHECK_EQ(belay_sleep(d), 0);
}

BELAY_TEST(a_ticker_keeps_its_rhythm, .strategy = BELAY_FIFO)
{
    BELAY_EVERY(e, BELAY_MS(10));

    tick_at(&e, 1, BELAY_MS(10));
    busy_for(BELAY_MS(3));
    tick_at(&e, 1, BELAY_MS(20));
    busy_for(BELAY_MS(9));
    tick_at(&e, 1, BELAY_MS(30));
}

BELAY_TEST(the_first_tick_may_come_at_once, .strategy = BELAY_FIFO)
{
    BELAY_EVERY(e, BELAY_MS(10), .now = true);

    tick_at(&e, 1, 0);
    tick_at(&e, 1, BELAY_MS(10));
}

/* Ticks at 10, 20, 30 and 40 are missed by one who is busy until 45. */
BELAY_TEST(missed_ticks_are_skipped, .strategy = BELAY_FIFO)
{
    BELAY_EVERY(e, BELAY_MS(10), .missed = BELAY_SKIP);

    busy_for(BELAY_MS(45));
    tick_at(&e, 4, BELAY_MS(45));
    tick_at(&e, 1, BELAY_MS(50));
    busy_for(BELAY_MS(20));
    tick_at(&e, 2, BELAY_MS(70));
    tick_at(&e, 1, BELAY_MS(80));
}

BELAY_TEST(missed_ticks_come_in_a_burst, .strategy = BELAY_FIFO)
{
    BELAY_EVERY(e, BELAY_MS(10), .missed = BELAY_BURST);
    int i;

    busy_for(BELAY_MS(45));
    for (i = 0; i < 4; i++)
        tick_at(&e, 1, BELAY_MS(45));
    tick_at(&e, 1, BELAY_MS(50));
}

BELAY_TEST(missed_ticks_delay_the_rest, .strategy = BELAY_FIFO)
{
    BELAY_EVERY(e, BELAY_MS(10), .missed = BELAY_DELAY);

    busy_for(BELAY_MS(45));
    tick_at(&e, 4, BELAY_MS(45));
    tick_at(&e, 1, BELAY_MS(55));
}

/* A tick may be late by its slack, and tickers with slack meet. */
BELAY_TASK(tick_once, (belay_dur, period), (belay_dur *, at))
{
    BELAY_EVERY(e, period, .slack = BELAY_MS(8));
    belay_dur begun = belay_test_elapsed();

    BELAY_CHECK_EQ(belay_tick(&e), 1);
    *at = belay_test_elapsed();
    BELAY_CHECK(*at - begun >= period);
    BELAY_CHECK(*at - begun <= period + BELAY_MS(8));
    return 0;
}

BELAY_TEST(slack_lets_tickers_meet, .strategy = BELAY_FIFO)
{
    belay_dur at[8];
    int err, i, n = 1;

    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < 8; i++)
            belay_spawn(s, tick_once, BELAY_MS(20) + i * BELAY_MS(0.5),
                &at[i]);
    }
    BELAY_CHECK_EQ(err, 0);
    for (i = 1; i < 8; i++)
        n += at[i] != at[i - 1];
    BELAY_CHECK(n <= 2);
}

/* In simulation the two clocks go together. */
BELAY_TEST(a_ticker_on_the_boot_clock, .strategy = BELAY_FIFO)
{
    BELAY_EVERY(e, BELAY_S(3), .clock = BELAY_CLOCK_BOOT);

    tick_at(&e, 1, BELAY_S(3));
    tick_at(&e, 1, BELAY_S(6));
}

BELAY_TASK(tick_until_stopped, (int *, ticks), (int *, end))
{
    BELAY_EVERY(e, BELAY_MS(10));
    int r;

    while ((r = belay_tick(&e)) > 0)
        *ticks += r;
    *end = r;
    return 0;
}

BELAY_TEST(a_stop_ends_a_ticker, .strategy = BELAY_EXHAUSTIVE)
{
    int ticks = 0, end = 0, err;

    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_S(1)) {
        belay_spawn(s, tick_until_stopped, &ticks, &end);
        busy_for(BELAY_MS(35));
        belay_stop(s, "test");
    }
    BELAY_CHECK_EQ(ticks, 3);
    BELAY_CHECK_EQ(end, -ESHUTDOWN);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(35));
}

/* One who is always behind never sleeps, and hears of the stop all the same.
 * A plain sleep goes on. */
BELAY_TEST(a_stop_reaches_a_ticker_that_is_behind, .strategy = BELAY_FIFO)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_S(1)) {
        BELAY_EVERY(e, BELAY_MS(10), .missed = BELAY_BURST);
        busy_for(BELAY_MS(45));
        BELAY_CHECK_EQ(belay_tick(&e), 1);
        belay_stop(s, "test");
        BELAY_CHECK_EQ(belay_tick(&e), -ESHUTDOWN);
        busy_for(BELAY_MS(1));
    }
    BELAY_CHECK_EQ(err, 0);
}

BELAY_TEST(a_cancel_races_with_a_tick, .strategy = BELAY_EXHAUSTIVE)
{
    int ticks = 0, end = 0, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, tick_until_stopped, &ticks, &end);
        busy_for(BELAY_MS(20));
        belay_cancel(s, "test");
    }
    BELAY_CHECK(ticks <= 2);
    BELAY_CHECK_EQ(end, -ECANCELED);
}
