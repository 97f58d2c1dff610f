/* SPDX-License-Identifier: MIT */
/* Deep calls with real threads: from any stack, and from none. */
#include <belay/blocking.h>
#include <belay/deep.h>
#include <belay/run.h>
#include <belay/task.h>

#include <check.h>
#include <errno.h>
#include <stdlib.h>

enum { USE = BELAY_DEEP_STACK - (32 << 10), TASKS = 50 };

/* Errors of libraries are kept by thread: this must be the caller's. */
static __thread int of_thread;

static int
take_much(void *arg)
{
    volatile char room[USE];

    for (size_t i = 0; i < sizeof room; i += 1024)
        room[i] = (char)i;
    of_thread++;
    errno = ERANGE;
    return room[1024] == (char)1024 ? *(int *)arg : -EBADMSG;
}

BELAY_TASK(calls, (int, value))
{
    int before = of_thread;

    if (belay_deep_call(take_much, &value) != value ||
        of_thread != before + 1 || errno != ERANGE)
        return -EBADMSG;
    BELAY_TRY(belay_yield());
    return belay_deep_call(take_much, &value) == value ? 0 : -EBADMSG;
}

BELAY_TASK(calls_from_many)
{
    BELAY_SCOPE(s) {
        for (int i = 0; i < TASKS; i++)
            belay_spawn(s, calls, i);
        belay_spawn_with(s, (.stack = 16 << 10), calls, TASKS);
    }
    return 0;
}

START_TEST(from_any_stack)
{
    ck_assert_int_eq(belay_run_with((.workers = 3), calls_from_many), 0);
}
END_TEST

BELAY_TASK(on_a_lane, (int, value))
{
    return belay_deep_call(take_much, &value);
}

BELAY_TASK(calls_on_a_lane)
{
    return belay_blocking(on_a_lane, 7) == 7 ? 0 : -EBADMSG;
}

START_TEST(outside_tasks)
{
    int value = 5;

    ck_assert_int_eq(belay_deep_call(take_much, &value), 5);
    ck_assert_int_eq(belay_run(calls_on_a_lane), 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("deep");
    TCase *t = tcase_create("deep");
    SRunner *r = srunner_create(s);
    int failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, from_any_stack);
    tcase_add_test(t, outside_tasks);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
