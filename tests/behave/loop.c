/* SPDX-License-Identifier: MIT */
/*
 * Tasks inside a loop that is not ours; poll() plays the part of that loop.
 */
#include <belay/loop.h>
#include <belay/run.h>
#include <belay/task.h>

#include "child.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>

enum { ENDS = 64, CHILDREN = 200 };

/* What the loop's owner was told. */
struct told {
    int count;
    int err[ENDS];
    char why[ENDS][128];
};

static void
tell(void *arg, const belay_outcome *out)
{
    struct told *told = arg;

    ck_assert_ptr_null(belay_task_name());
    ck_assert_int_lt(told->count, ENDS);
    told->err[told->count] = out->err;
    (void)snprintf(told->why[told->count], sizeof told->why[0], "%s",
        out->why != NULL ? out->why : "");
    told->count++;
}

static belay_loop *
open_loop(void)
{
    belay_loop *loop = NULL;

    ck_assert_int_eq(belay_loop_open(&loop), 0);
    ck_assert_ptr_nonnull(loop);
    return loop;
}

/* Polls until the loop has something to do, or not; then a turn. */
static int
poll_and_turn(belay_loop *loop, int timeout)
{
    struct pollfd p = {.fd = belay_loop_fd(loop), .events = POLLIN};
    int n = poll(&p, 1, timeout);

    ck_assert_int_eq(n, timeout < 0);
    return n == 0 ? 0 : belay_loop_turn(loop);
}

static void
turn_until_told(belay_loop *loop, struct told *told, int count)
{
    while (told->count < count)
        ck_assert_int_ge(poll_and_turn(loop, -1), 0);
}

/* ---- running ------------------------------------------------------------ */

BELAY_TASK(gives, (int, value))
{
    return value;
}

BELAY_TASK(fails)
{
    return BELAY_FAIL(-EIO, "the tap is dry");
}

BELAY_TASK(sleeps, (belay_dur, d), (int, value))
{
    BELAY_TRY(belay_sleep(d));
    return value;
}

START_TEST(tasks_run_in_turns)
{
    belay_loop *loop = open_loop();
    struct told told = {0};

    (void)poll_and_turn(loop, 0); /* nothing to do, nothing to read */
    ck_assert_int_eq(belay_loop_start_then(loop, tell, &told, gives, 7), 0);
    ck_assert_int_eq(belay_loop_start_then(loop, tell, &told, fails), 0);
    ck_assert_int_eq(told.count, 0);
    turn_until_told(loop, &told, 2);
    ck_assert_int_eq(told.err[0] + told.err[1], 7 - EIO);
    ck_assert(strstr(told.why[told.err[1] == -EIO], "the tap is dry") != NULL);
    (void)poll_and_turn(loop, 0);
    ck_assert_int_eq(belay_loop_close(loop), 0);
}
END_TEST

START_TEST(timers_make_it_readable)
{
    belay_loop *loop = open_loop();
    struct told told = {0};
    belay_time from = belay_now();

    for (int i = 1; i <= 3; i++)
        ck_assert_int_eq(belay_loop_start_then(loop, tell, &told, sleeps,
            BELAY_MS(20 * (4 - i)), i), 0);
    turn_until_told(loop, &told, 3);
    ck_assert_int_ge(belay_now() - from, BELAY_MS(60));
    ck_assert_int_eq(told.err[0], 3);
    ck_assert_int_eq(told.err[1], 2);
    ck_assert_int_eq(told.err[2], 1);
    ck_assert_int_eq(belay_loop_close(loop), 0);
}
END_TEST

BELAY_TASK(yields, (long *, steps), (bool *, stop))
{
    while (!*stop) {
        BELAY_TRY(belay_yield());
        ++*steps;
    }
    return 0;
}

START_TEST(a_turn_is_bounded)
{
    belay_loop *loop = open_loop();
    struct told told = {0};
    bool stop = false;
    long steps = 0;

    ck_assert_int_eq(
        belay_loop_start_then(loop, tell, &told, yields, &steps, &stop), 0);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(poll_and_turn(loop, -1), 1);
    ck_assert_int_gt(steps, 0);
    stop = true;
    turn_until_told(loop, &told, 1);
    ck_assert_int_eq(belay_loop_close(loop), 0);
}
END_TEST

BELAY_TASK(parent, (int *, sum))
{
    BELAY_SCOPE(s) {
        for (int i = 0; i < CHILDREN; i++)
            belay_spawn(s, sleeps, BELAY_US(i), i);
        *sum = CHILDREN;
    }
    return *sum;
}

START_TEST(tasks_have_children)
{
    belay_loop *loop = open_loop();
    struct told told = {0};
    int sum = 0;

    ck_assert_int_eq(
        belay_loop_start_then(loop, tell, &told, parent, &sum), 0);
    turn_until_told(loop, &told, 1);
    ck_assert_int_eq(told.err[0], CHILDREN);
    ck_assert_int_eq(belay_loop_close(loop), 0);
}
END_TEST

/* Who is told may start others. */
static void
start_another(void *arg, const belay_outcome *out)
{
    belay_loop *loop = *(belay_loop **)arg;

    if (out->err > 0)
        ck_assert_int_eq(belay_loop_start_then(loop, start_another, arg, gives,
            out->err - 1), 0);
    else
        belay_loop_stop(loop);
}

START_TEST(the_end_of_one_starts_another)
{
    belay_loop *loop = open_loop();
    int r;

    ck_assert_int_eq(
        belay_loop_start_then(loop, start_another, &loop, gives, 5), 0);
    do
        r = poll_and_turn(loop, -1);
    while (r >= 0);
    ck_assert_int_eq(r, -ESHUTDOWN);
    ck_assert_int_eq(belay_loop_close(loop), 0);
}
END_TEST

/* ---- ending ------------------------------------------------------------- */

START_TEST(a_failure_is_not_lost)
{
    belay_loop *loop = open_loop();
    struct told told = {0};

    ck_assert_int_eq(belay_loop_start(loop, fails), 0);
    ck_assert_int_eq(
        belay_loop_start_then(loop, tell, &told, sleeps, BELAY_MS(1), 4), 0);
    turn_until_told(loop, &told, 1);
    ck_assert_int_eq(told.err[0], 4); /* it was not disturbed */
    ck_assert_int_eq(belay_loop_close(loop), -EIO);
}
END_TEST

BELAY_TASK(ends_when_asked)
{
    while (!belay_stopping())
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
    return 11;
}

START_TEST(a_stop_is_gentle_then_hard)
{
    belay_loop *loop = NULL;
    struct told told = {0};
    int r = 0;

    ck_assert_int_eq(belay_loop_open(&loop, .grace = BELAY_MS(500)), 0);
    ck_assert_int_eq(
        belay_loop_start_then(loop, tell, &told, ends_when_asked), 0);
    ck_assert_int_eq(belay_loop_start_then(loop, tell, &told, sleeps,
        BELAY_S(3600), 1), 0);
    ck_assert_int_ge(poll_and_turn(loop, -1), 0);
    belay_loop_stop(loop);
    ck_assert_int_eq(belay_loop_start(loop, gives, 1), -ESHUTDOWN);
    while (r >= 0)
        r = poll_and_turn(loop, -1);
    ck_assert_int_eq(r, -ESHUTDOWN);
    ck_assert_int_eq(told.count, 2);
    ck_assert_int_eq(told.err[0], 11);
    ck_assert_int_eq(told.err[1], -ECANCELED);
    ck_assert_int_eq(belay_loop_close(loop), 0);
}
END_TEST

START_TEST(close_cancels)
{
    belay_loop *loop = open_loop();
    struct told told = {0};

    ck_assert_int_eq(belay_loop_start_then(loop, tell, &told, sleeps,
        BELAY_S(3600), 1), 0);
    if (_i == 1)
        ck_assert_int_ge(poll_and_turn(loop, -1), 0);
    ck_assert_int_eq(belay_loop_close(loop), 0);
    ck_assert_int_eq(told.count, 1);
    ck_assert_int_eq(told.err[0], -ECANCELED);
}
END_TEST

/* ---- other threads ------------------------------------------------------ */

static void *
enters(void *arg)
{
    belay_inlet *in = arg;
    void *good = in;

    for (int i = 0; i < CHILDREN; i++)
        if (belay_enter(in, sleeps, BELAY_US(i), i) != i)
            good = NULL;
    belay_inlet_unref(in);
    return good;
}

START_TEST(threads_enter_the_loop)
{
    belay_loop *loop = open_loop();
    pthread_t threads[2];
    int live = 2;
    void *good;

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, enters,
            belay_loop_inlet(loop)), 0);
    while (live > 0) {
        struct pollfd p = {.fd = belay_loop_fd(loop), .events = POLLIN};

        if (poll(&p, 1, 1) > 0)
            ck_assert_int_ge(belay_loop_turn(loop), 0);
        if (pthread_tryjoin_np(threads[live - 1], &good) == 0) {
            ck_assert_ptr_nonnull(good);
            live--;
        }
    }
    ck_assert_int_eq(belay_loop_close(loop), 0);
}
END_TEST

/* ---- callbacks ---------------------------------------------------------- */

/* A library with one callback, called by a thread of its own or by us. */
struct library {
    belay_await *await;
    bool by_thread, cancelled, forgets;
    int value;
};

static void *
library_main(void *arg)
{
    struct library *lib = arg;

    belay_await_done(lib->await, lib->value);
    return NULL;
}

static int
library_start(void *arg, belay_await *await)
{
    struct library *lib = arg;
    pthread_t t;

    lib->await = await;
    if (lib->by_thread) {
        ck_assert_int_eq(pthread_create(&t, NULL, library_main, lib), 0);
        ck_assert_int_eq(pthread_detach(t), 0);
    }
    return 0;
}

static int
library_cancel(void *arg)
{
    struct library *lib = arg;

    lib->cancelled = true;
    return lib->forgets ? 0 : 1;
}

BELAY_TASK(asks, (struct library *, lib))
{
    return belay_await_callback(library_start, library_cancel, lib);
}

START_TEST(a_thread_calls_back)
{
    struct library lib = {.by_thread = true, .value = 21};

    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(
            belay_run_with((.workers = 1 + (unsigned)i % 2), asks, &lib), 21);
}
END_TEST

START_TEST(the_loop_calls_back)
{
    belay_loop *loop = open_loop();
    struct library lib = {.value = 5};
    struct told told = {0};

    ck_assert_int_eq(
        belay_loop_start_then(loop, tell, &told, asks, &lib), 0);
    while (lib.await == NULL)
        ck_assert_int_ge(poll_and_turn(loop, -1), 0);
    (void)poll_and_turn(loop, 0);
    belay_await_done(lib.await, 6);
    turn_until_told(loop, &told, 1);
    ck_assert_int_eq(told.err[0], 6);
    ck_assert(!lib.cancelled);
    ck_assert_int_eq(belay_loop_close(loop), 0);
}
END_TEST

BELAY_TASK(asks_in_vain, (struct library *, lib))
{
    BELAY_DEADLINE(BELAY_MS(2));

    return belay_await_callback(library_start, library_cancel, lib);
}

START_TEST(a_cancel_that_works_ends_the_wait)
{
    struct library lib = {.forgets = true};

    while (!lib.cancelled) /* the deadline may pass before it begins */
        ck_assert_int_eq(belay_run(asks_in_vain, &lib), -ETIME);
}
END_TEST

START_TEST(else_the_callback_decides)
{
    belay_loop *loop = open_loop();
    struct library lib = {.forgets = false};
    struct told told = {0};

    while (!lib.cancelled) { /* the deadline may pass before it begins */
        told.count = 0;
        ck_assert_int_eq(
            belay_loop_start_then(loop, tell, &told, asks_in_vain, &lib), 0);
        while (!lib.cancelled && told.count == 0)
            ck_assert_int_ge(poll_and_turn(loop, -1), 0);
    }
    (void)poll_and_turn(loop, 0);
    ck_assert_int_eq(told.count, 0);
    belay_await_done(lib.await, 33);
    turn_until_told(loop, &told, 1);
    ck_assert_int_eq(told.err[0], 33);
    ck_assert_int_eq(belay_loop_close(loop), 0);
}
END_TEST

/* ---- contracts ---------------------------------------------------------- */

static belay_loop *shared_loop;

BELAY_TASK(turns)
{
    return belay_loop_turn(shared_loop);
}

static int
turn_in_a_task(void)
{
    shared_loop = open_loop();
    if (belay_loop_start(shared_loop, turns) < 0)
        return 1;
    return belay_loop_turn(shared_loop);
}

static void *
turn_thread(void *arg)
{
    return belay_loop_turn(arg) == 0 ? arg : NULL;
}

static int
turn_elsewhere(void)
{
    pthread_t t;

    shared_loop = open_loop();
    if (pthread_create(&t, NULL, turn_thread, shared_loop) != 0)
        return 1;
    return pthread_join(t, NULL);
}

static void
close_it(void *arg, const belay_outcome *out)
{
    (void)out;
    (void)belay_loop_close(arg);
}

static int
close_when_told(void)
{
    shared_loop = open_loop();
    if (belay_loop_start_then(shared_loop, close_it, shared_loop, gives, 1) < 0)
        return 1;
    return belay_loop_turn(shared_loop);
}

START_TEST(contracts)
{
    child_misuses(turn_in_a_task, "belay_loop_turn in a task");
    child_misuses(turn_elsewhere, "belay_loop_turn on another thread");
    child_misuses(close_when_told, "belay_loop_close by who is told");
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("loop");

    tcase_set_timeout(t, 50);
    tcase_add_test(t, tasks_run_in_turns);
    tcase_add_test(t, timers_make_it_readable);
    tcase_add_test(t, a_turn_is_bounded);
    tcase_add_test(t, tasks_have_children);
    tcase_add_test(t, the_end_of_one_starts_another);
    tcase_add_test(t, a_failure_is_not_lost);
    tcase_add_test(t, a_stop_is_gentle_then_hard);
    tcase_add_loop_test(t, close_cancels, 0, 2);
    tcase_add_test(t, threads_enter_the_loop);
    tcase_add_test(t, a_thread_calls_back);
    tcase_add_test(t, the_loop_calls_back);
    tcase_add_test(t, a_cancel_that_works_ends_the_wait);
    tcase_add_test(t, else_the_callback_decides);
    tcase_add_test(t, contracts);
    return child_suite("loop", t);
}
