/* SPDX-License-Identifier: MIT */
/* base/lock.h: one at a time, also when the holder is taken off his
 * processor. */
#include "base/lock.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum { THREADS = 4, ROUNDS = 20000 };

static struct bly_lock lock;
/* Two words that only agree while nobody is half-way. */
static long first, second;
static int torn;

START_TEST(free_and_held)
{
    ck_assert(bly_trylock(&lock));
    ck_assert(!bly_trylock(&lock));
    bly_unlock(&lock);
    bly_lock(&lock);
    ck_assert(!bly_trylock(&lock));
    bly_unlock(&lock);
    ck_assert_uint_eq(lock.held, 0);
}
END_TEST

static void *
count_up(void *arg)
{
    bool linger = arg != NULL;

    for (int i = 0; i < ROUNDS; i++) {
        bly_lock(&lock);
        if (first != second)
            torn++;
        first++;
        if (linger && i % 256 == 0)
            (void)sched_yield();
        second++;
        bly_unlock(&lock);
    }
    return NULL;
}

static void
run_threads(void *arg)
{
    pthread_t id[THREADS];

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&id[i], NULL, count_up, arg), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(id[i], NULL), 0);
    ck_assert_int_eq(torn, 0);
    ck_assert_int_eq(first, (long)THREADS * ROUNDS);
    ck_assert_int_eq(second, (long)THREADS * ROUNDS);
}

START_TEST(excludes)
{
    run_threads(NULL);
}
END_TEST

START_TEST(holder_loses_the_processor)
{
    run_threads(&lock);
}
END_TEST

static void *
take_once(void *arg)
{
    bly_lock(&lock);
    *(int *)arg = 1;
    bly_unlock(&lock);
    return NULL;
}

/* The slow path alone: the lock is held before the other side comes. */
START_TEST(slow_path_waits)
{
    int taken = 0;
    pthread_t id;

    bly_lock(&lock);
    ck_assert_int_eq(pthread_create(&id, NULL, take_once, &taken), 0);
    for (int i = 0; i < 1000; i++)
        (void)sched_yield();
    ck_assert_int_eq(taken, 0);
    bly_unlock(&lock);
    ck_assert_int_eq(pthread_join(id, NULL), 0);
    ck_assert_int_eq(taken, 1);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("lock");
    TCase *t = tcase_create("lock");
    SRunner *r = srunner_create(s);

    tcase_set_timeout(t, 60);
    tcase_add_test(t, free_and_held);
    tcase_add_test(t, excludes);
    tcase_add_test(t, holder_loses_the_processor);
    tcase_add_test(t, slow_path_waits);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
