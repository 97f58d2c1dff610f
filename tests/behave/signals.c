/* SPDX-License-Identifier: MIT */
/* Signals as values: handlers, what was there before, and belay_main. */
#include <belay/run.h>
#include <belay/select.h>
#include <belay/signals.h>

#include "child.h"

#include <pthread.h>
#include <stdio.h>

static volatile sig_atomic_t old_heard;

static void
old_handler(int number)
{
    old_heard = number;
}

typedef void handler(int number);

static handler *
handler_of(int number)
{
    struct sigaction now;

    ck_assert_int_eq(sigaction(number, NULL, &now), 0);
    return now.sa_handler;
}

/* ---- listening ---------------------------------------------------------- */

BELAY_TASK(listens)
{
    belay_signals sig, other;
    int number;

    BELAY_SCOPE(s) {
        BELAY_TRY(belay_signals_open(s, &sig, SIGUSR1, SIGUSR2));
        BELAY_SCOPE(inner) {
            BELAY_TRY(belay_signals_open(inner, &other, SIGUSR1));
            ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
            BELAY_TRY(belay_recv(&sig, &number));
            ck_assert_int_eq(number, SIGUSR1);
            BELAY_TRY(belay_recv(&other, &number));
            ck_assert_int_eq(number, SIGUSR1);
        }
        ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
        BELAY_TRY(belay_recv(&sig, &number));
        ck_assert_int_eq(number, SIGUSR1);
        ck_assert_int_eq(kill(getpid(), SIGUSR2), 0);
        BELAY_TRY(belay_recv(&sig, &number));
        ck_assert_int_eq(number, SIGUSR2);
        ck_assert_int_eq(belay_try_recv(&sig, &number), -EAGAIN);
        ck_assert_int_eq(old_heard, 0);
    }
    ck_assert(handler_of(SIGUSR1) == old_handler);
    ck_assert(handler_of(SIGUSR2) == SIG_DFL);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(old_heard, SIGUSR1);
    return 0;
}

START_TEST(heard_and_put_back)
{
    (void)signal(SIGUSR1, old_handler);
    ck_assert_int_eq(belay_run_with((.workers = (unsigned)_i + 1), listens), 0);
}
END_TEST

/* Whoever has set another handler meanwhile keeps it. */
BELAY_TASK(is_overruled)
{
    belay_signals sig;

    BELAY_SCOPE(s) {
        BELAY_TRY(belay_signals_open(s, &sig, SIGUSR1));
        (void)signal(SIGUSR1, old_handler);
    }
    ck_assert(handler_of(SIGUSR1) == old_handler);
    return 0;
}

START_TEST(overruled)
{
    ck_assert_int_eq(belay_run(is_overruled), 0);
}
END_TEST

/* He puts ours back when nobody listens: the signal does what it did before. */
BELAY_TASK(comes_back)
{
    belay_signals sig;
    struct sigaction ours;

    BELAY_SCOPE(s) {
        BELAY_TRY(belay_signals_open(s, &sig, SIGUSR1));
        ck_assert_int_eq(sigaction(SIGUSR1, NULL, &ours), 0);
        (void)signal(SIGUSR1, SIG_IGN);
    }
    ck_assert_int_eq(sigaction(SIGUSR1, &ours, NULL), 0);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(old_heard, SIGUSR1);
    ck_assert(handler_of(SIGUSR1) == old_handler);
    return 0;
}

START_TEST(put_back_late)
{
    (void)signal(SIGUSR1, old_handler);
    ck_assert_int_eq(belay_run(comes_back), 0);
}
END_TEST

enum { STORM = 2000, LISTENERS = 3 };

BELAY_TASK(listens_for_a_while, (int, rounds))
{
    for (int i = 0; i < rounds; i++) {
        belay_signals sig;
        int number;

        BELAY_SCOPE(s) {
            BELAY_TRY(belay_signals_open(s, &sig, SIGUSR1));
            BELAY_TRY(belay_recv(&sig, &number));
        }
    }
    return 0;
}

static void *
storms(void *arg)
{
    bool *over = arg;

    while (!__atomic_load_n(over, __ATOMIC_ACQUIRE)) {
        (void)kill(getpid(), SIGUSR1);
        (void)sched_yield();
    }
    return NULL;
}

BELAY_TASK(weathers)
{
    BELAY_SCOPE(s)
        for (int i = 0; i < LISTENERS; i++)
            belay_spawn(s, listens_for_a_while, STORM / LISTENERS);
    return 0;
}

START_TEST(storm)
{
    bool over = false;
    pthread_t thread;

    (void)signal(SIGUSR1, SIG_IGN);
    ck_assert_int_eq(pthread_create(&thread, NULL, storms, &over), 0);
    ck_assert_int_eq(belay_run_with((.workers = 2), weathers), 0);
    __atomic_store_n(&over, true, __ATOMIC_RELEASE);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(handler_of(SIGUSR1) == SIG_IGN);
}
END_TEST

BELAY_TASK(asks_for_bad_ones)
{
    belay_signals sig;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        ck_assert_int_eq(belay_signals_open(s, &sig, SIGKILL), -EINVAL);
        ck_assert(strstr(belay_why(), "signal 9 cannot be listened to") !=
            NULL);
        ck_assert_int_eq(belay_signals_open(s, &sig, SIGUSR1, 32), -EINVAL);
    }
    ck_assert(handler_of(SIGUSR1) == SIG_DFL);
    return err;
}

START_TEST(bad_ones)
{
    ck_assert_int_eq(belay_run(asks_for_bad_ones), 0);
}
END_TEST

enum { MOST = 64 };

BELAY_TASK(asks_for_too_many)
{
    belay_signals sig[MOST + 1];
    int number;

    BELAY_SCOPE(s) {
        for (int i = 0; i < MOST; i++)
            BELAY_TRY(belay_signals_open(s, &sig[i], SIGUSR1));
        ck_assert_int_eq(
            belay_signals_open(s, &sig[MOST], SIGUSR1), -ENOBUFS);
        ck_assert_int_eq(raise(SIGUSR1), 0);
        for (int i = 0; i < MOST; i++)
            BELAY_TRY(belay_recv(&sig[i], &number));
    }
    return 0;
}

START_TEST(too_many)
{
    ck_assert_int_eq(belay_run(asks_for_too_many), 0);
}
END_TEST

/* ---- under belay_main --------------------------------------------------- */

/* TERM is a value first, and a stop afterwards. */
BELAY_TASK(takes_over)
{
    belay_signals sig;
    int number;

    BELAY_SCOPE(s) {
        BELAY_TRY(belay_signals_open(s, &sig, SIGTERM));
        child_say('r');
        BELAY_TRY(belay_recv(&sig, &number));
        ck_assert_int_eq(number, SIGTERM);
        ck_assert(!belay_stopping());
    }
    child_say('d');
    return belay_sleep(BELAY_S(1000));
}

static int
takes_over_main(void)
{
    return belay_main_with((.grace = BELAY_MS(1)), takes_over);
}

START_TEST(instead_of_a_stop)
{
    child_start(takes_over_main);
    ck_assert_int_eq(child_hear(), 'r');
    child_signal(SIGTERM);
    ck_assert_int_eq(child_hear(), 'd');
    child_signal(SIGTERM);
    child_exits(128 + SIGTERM);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("signals");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, heard_and_put_back, 0, 2);
    tcase_add_test(t, overruled);
    tcase_add_test(t, put_back_late);
    tcase_add_test(t, storm);
    tcase_add_test(t, bad_ones);
    tcase_add_test(t, too_many);
    tcase_add_test(t, instead_of_a_stop);
    return child_suite("signals", t);
}
