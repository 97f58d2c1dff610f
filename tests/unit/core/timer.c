/* SPDX-License-Identifier: MIT */
/* core/timer.h against a model that searches a plain array. */
#include "core/timer.h"

#include "base/rng.h"

#include <check.h>
#include <stdlib.h>

enum { MANY = 500, STEPS = 10000 };

struct alarm {
    struct bly_timer timer;
    int fired;
};

static struct bly_timers timers;
static struct alarm alarms[MANY];
static int64_t fired_last;
static int fired_count;

static void
ring(struct bly_timer *t)
{
    struct alarm *a = BLY_CONTAINER(t, struct alarm, timer);

    ck_assert(!bly_timer_armed(t));
    ck_assert_int_ge(t->when, fired_last);
    fired_last = t->when;
    fired_count++;
    a->fired++;
}

static void
prepare(void)
{
    bly_timers_init(&timers);
    fired_last = INT64_MIN;
    fired_count = 0;
    for (int i = 0; i < MANY; i++)
        alarms[i] = (struct alarm){.timer = {.fire = ring}};
}

static void
finish(void)
{
    bly_timers_fini(&timers);
}

static void
arm(int i, int64_t when)
{
    ck_assert_int_eq(bly_timer_arm(&timers, &alarms[i].timer, when), 0);
}

START_TEST(none)
{
    ck_assert_int_eq(bly_timers_next(&timers), BLY_NEVER);
    ck_assert_int_eq(bly_timers_run(&timers, INT64_MAX), BLY_NEVER);
    bly_timer_disarm(&timers, &alarms[0].timer); /* not armed: nothing */
}
END_TEST

START_TEST(due_and_not_due)
{
    arm(0, 30);
    arm(1, 10);
    arm(2, 20);
    ck_assert_int_eq(bly_timers_next(&timers), 10);
    ck_assert_int_eq(bly_timers_run(&timers, 9), 10);
    ck_assert_int_eq(fired_count, 0);
    ck_assert_int_eq(bly_timers_run(&timers, 20), 30); /* on the instant */
    ck_assert(alarms[1].fired == 1 && alarms[2].fired == 1);
    ck_assert_int_eq(alarms[0].fired, 0);
    ck_assert(bly_timer_armed(&alarms[0].timer));
    ck_assert_int_eq(bly_timers_run(&timers, 30), BLY_NEVER);
    ck_assert_int_eq(alarms[0].fired, 1);
}
END_TEST

START_TEST(extremes)
{
    arm(0, BLY_NEVER);
    arm(1, INT64_MIN);
    arm(2, 0);
    ck_assert_int_eq(bly_timers_run(&timers, INT64_MIN), 0);
    ck_assert_int_eq(alarms[1].fired, 1);
    ck_assert_int_eq(bly_timers_run(&timers, 0), BLY_NEVER);
    ck_assert_int_eq(alarms[2].fired, 1);
    ck_assert_int_eq(alarms[0].fired, 0);
}
END_TEST

START_TEST(disarmed_never_fires)
{
    for (int i = 0; i < 10; i++)
        arm(i, i);
    bly_timer_disarm(&timers, &alarms[0].timer); /* the root */
    bly_timer_disarm(&timers, &alarms[9].timer); /* the last slot */
    bly_timer_disarm(&timers, &alarms[4].timer);
    ck_assert(!bly_timer_armed(&alarms[4].timer));
    ck_assert_int_le(bly_timers_next(&timers), 1);
    ck_assert_int_eq(bly_timers_run(&timers, 0), 1);
    ck_assert_int_eq(bly_timers_run(&timers, 100), BLY_NEVER);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(alarms[i].fired, i != 0 && i != 4 && i != 9);
}
END_TEST

static struct bly_timer again;
static int again_left;

static void
ring_again(struct bly_timer *t)
{
    if (--again_left > 0)
        ck_assert_int_eq(bly_timer_arm(&timers, t, t->when + 10), 0);
    /* A timer that is due may also be taken back by another's call. */
    bly_timer_disarm(&timers, &alarms[0].timer);
}

START_TEST(firing_changes_the_heap)
{
    again = (struct bly_timer){.fire = ring_again};
    again_left = 5;
    arm(0, 15);
    ck_assert_int_eq(bly_timer_arm(&timers, &again, 10), 0);
    ck_assert_int_eq(bly_timers_run(&timers, 30), 40);
    ck_assert_int_eq(again_left, 2); /* at 10, 20 and 30 */
    ck_assert_int_eq(alarms[0].fired, 0);
    ck_assert_int_eq(bly_timers_run(&timers, 1000), BLY_NEVER);
    ck_assert_int_eq(again_left, 0);
}
END_TEST

static int64_t
model_next(void)
{
    int64_t least = BLY_NEVER;

    for (int i = 0; i < MANY; i++)
        if (bly_timer_armed(&alarms[i].timer) && alarms[i].timer.when < least)
            least = alarms[i].timer.when;
    return least;
}

/* Everything armed at or before now must fire, and nothing else. */
static int64_t
model_run(int64_t now)
{
    int expected[MANY];
    int64_t next;

    for (int i = 0; i < MANY; i++) {
        struct alarm *a = &alarms[i];
        int due = bly_timer_armed(&a->timer) && a->timer.when <= now;

        expected[i] = a->fired + due;
    }
    fired_last = INT64_MIN;
    next = bly_timers_run(&timers, now);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(alarms[i].fired, expected[i]);
    ck_assert_int_le(next, model_next());
    ck_assert_int_gt(next, now);
    return next;
}

/* An early wake-up moves on and is soon right. */
static int64_t
model_wake(int64_t now)
{
    int64_t next = model_run(now);

    for (int early = 0; next < model_next(); early++) {
        ck_assert_int_lt(early, BLY_TIMER_LEVELS * BLY_TIMER_SLOTS);
        now = next;
        next = model_run(now);
    }
    return now;
}

/* Distances of up to 2^(4 _i) ns. */
START_TEST(like_the_model)
{
    uint64_t seed = 12345, range = (uint64_t)1 << 4 * _i;
    int64_t now = 0;

    for (int step = 0; step < STEPS; step++) {
        uint32_t dice = bly_rng_next(&seed);
        int i = (int)(bly_rng_next(&seed) % MANY);
        struct bly_timer *t = &alarms[i].timer;
        uint64_t wide = bly_rng_next(&seed);

        wide = (wide << 32 | bly_rng_next(&seed)) % range >> dice % 24;
        if (bly_timer_armed(t))
            bly_timer_disarm(&timers, t);
        else
            arm(i, now + (int64_t)wide);
        if (step % 64 == 0)
            ck_assert_int_le(bly_timers_next(&timers), model_next());
        if (dice % 128 == 0)
            now = model_wake(now + (int64_t)(wide / 4));
        if (now > BLY_NEVER / 2)
            break;
    }
    ck_assert_int_eq(model_run(BLY_NEVER - 1), BLY_NEVER);
    ck_assert_uint_eq(timers.count + timers.far, 0);
}
END_TEST

START_TEST(four_children_share_a_line)
{
    for (int i = 0; i < MANY; i++)
        arm(i, i);
    for (uintptr_t i = 1; i < MANY; i += 4) {
        uintptr_t at = (uintptr_t)&timers.heap[i];

        ck_assert_uint_eq(at % BLY_CACHE_LINE, 0);
    }
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("timer");
    TCase *t = tcase_create("timer");
    SRunner *r = srunner_create(s);

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, prepare, finish);
    tcase_add_test(t, none);
    tcase_add_test(t, due_and_not_due);
    tcase_add_test(t, extremes);
    tcase_add_test(t, disarmed_never_fires);
    tcase_add_test(t, firing_changes_the_heap);
    tcase_add_loop_test(t, like_the_model, 2, 16);
    tcase_add_test(t, four_children_share_a_line);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
