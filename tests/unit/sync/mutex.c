/* SPDX-License-Identifier: MIT */
/* Inside the mutex: what its word says, and which runtime it belongs to. */
#include "sync/mutex.h"

#include <belay/run.h>
#include <belay/sync.h>

#include "core/rt.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

static belay_mutex mutex;

BELAY_TASK(lock_and_unlock)
{
    struct bly_mutex *m = bly_mutex_of(&mutex);

    BELAY_TRY(belay_mutex_lock(&mutex));
    ck_assert(m->word == (uintptr_t)bly_self());
    ck_assert(m->rt == bly_self()->worker->rt);
    ck_assert(m->site != NULL && m->site->line == __LINE__ - 3);
    belay_mutex_unlock(&mutex);
    ck_assert(m->word == 0);
    return 0;
}

START_TEST(the_word_is_the_owner)
{
    ck_assert_int_eq(belay_run(lock_and_unlock), 0);
    ck_assert_int_eq(belay_run_with((.workers = 2), lock_and_unlock), 0);
}
END_TEST

BELAY_TASK(lock_once)
{
    return belay_mutex_lock(&mutex);
}

BELAY_TASK(wait_for_it)
{
    struct bly_mutex *m = bly_mutex_of(&mutex);
    int err;

    BELAY_TRY(belay_mutex_lock(&mutex));
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, lock_once);
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
        ck_assert(m->word != (uintptr_t)bly_self());
        ck_assert(bly_mutex_held_by(m, bly_self()));
        belay_cancel(s, "test");
    }
    ck_assert_int_eq(err, -ECANCELED);
    ck_assert(m->word == (uintptr_t)bly_self());
    belay_mutex_unlock(&mutex);
    return 0;
}

START_TEST(a_cut_leaves_the_word_clean)
{
    ck_assert_int_eq(belay_run(wait_for_it), 0);
}
END_TEST

static void *
other_runtime(void *arg)
{
    (void)arg;
    ck_assert_int_eq(belay_run(lock_and_unlock), 0);
    return NULL;
}

/* Runs a runtime on another thread while this one waits. */
BELAY_TASK(lend, (bool, locked))
{
    pthread_t thread;

    BELAY_TRY(belay_mutex_lock(&mutex));
    if (!locked)
        belay_mutex_unlock(&mutex);
    if (pthread_create(&thread, NULL, other_runtime, NULL) != 0)
        return -EAGAIN;
    pthread_join(thread, NULL);
    return belay_mutex_lock(&mutex);
}

BELAY_TASK(lend_and_unlock)
{
    BELAY_TRY(lend(false));
    belay_mutex_unlock(&mutex);
    return 0;
}

START_TEST(a_free_mutex_changes_hands)
{
    ck_assert_int_eq(belay_run(lend_and_unlock), 0);
}
END_TEST

START_TEST(one_that_is_held_does_not)
{
    if (freopen("/dev/null", "w", stderr) == NULL)
        return;
    ck_assert_int_eq(belay_run(lend, true), 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("mutex");
    TCase *t = tcase_create("mutex");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(t, the_word_is_the_owner);
    tcase_add_test(t, a_cut_leaves_the_word_clean);
    tcase_add_test(t, a_free_mutex_changes_hands);
    tcase_add_test_raise_signal(t, one_that_is_held_does_not, SIGABRT);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
