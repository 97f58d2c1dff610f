/* SPDX-License-Identifier: MIT */
/*
 * Sleeping and tickers on the real clock: never early, and not late by more
 * than a loaded machine explains.  What is exact is tested in virtual time.
 */
#include <belay/run.h>
#include <belay/timer.h>

#include <check.h>

#define CHECK(e)                                                               \
    do {                                                                       \
        if (!(e))                                                              \
            return BELAY_FAIL(-EPROTO, "%s:%d: %s", __FILE__, __LINE__, #e);   \
    } while (0)

BELAY_TASK(nap, (belay_dur, d))
{
    belay_time begun = belay_now();

    BELAY_TRY(belay_sleep(d));
    CHECK(belay_now() - begun >= d);
    CHECK(belay_now() - begun < d + BELAY_S(5));
    return 0;
}

BELAY_TASK(many_naps)
{
    int i;

    BELAY_SCOPE(s) {
        for (i = 0; i < 1000; i++)
            belay_spawn(s, nap, BELAY_US(1) * (i * 7919 % 5000));
    }
    return 0;
}

START_TEST(nobody_wakes_early)
{
    ck_assert_int_eq(belay_run_with((.workers = 2), many_naps), 0);
}
END_TEST

BELAY_TASK(cut_naps)
{
    belay_time begun = belay_now();
    int err, i;

    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_MS(5)) {
        for (i = 0; i < 100; i++)
            belay_spawn(s, nap, BELAY_S(100));
    }
    CHECK(err == -ETIME);
    CHECK(belay_now() - begun >= BELAY_MS(5));
    CHECK(belay_now() - begun < BELAY_S(50));
    CHECK(BELAY_WITHIN(BELAY_MS(1), belay_sleep(BELAY_S(100))) == -ETIME);
    return 0;
}

START_TEST(a_deadline_ends_sleeps)
{
    ck_assert_int_eq(belay_run_with((.workers = 2), cut_naps), 0);
}
END_TEST

BELAY_TASK(tick, (belay_missed, missed), (belay_clock, clock))
{
    BELAY_EVERY(e, BELAY_MS(2), .missed = missed, .clock = clock);
    belay_time begun = belay_now();
    int ticks = 0;

    while (ticks < 10)
        ticks += BELAY_TRY(belay_tick(&e));
    CHECK(belay_now() - begun >= BELAY_MS(20));
    return 0;
}

BELAY_TASK(all_tickers)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, tick, BELAY_SKIP, BELAY_CLOCK_MONOTONIC);
        belay_spawn(s, tick, BELAY_BURST, BELAY_CLOCK_MONOTONIC);
        belay_spawn(s, tick, BELAY_SKIP, BELAY_CLOCK_BOOT);
    }
    return 0;
}

START_TEST(tickers_tick)
{
    ck_assert_int_eq(belay_run_with((.workers = 2), all_tickers), 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("timer");
    TCase *t = tcase_create("timer");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 50);
    tcase_add_test(t, nobody_wakes_early);
    tcase_add_test(t, a_deadline_ends_sleeps);
    tcase_add_test(t, tickers_tick);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
