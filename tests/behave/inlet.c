/* SPDX-License-Identifier: MIT */
/* Inlets from real threads: who is joined, who is refused, what is told. */
#include <belay/chan.h>
#include <belay/inlet.h>
#include <belay/run.h>
#include <belay/sync.h>
#include <belay/task.h>

#include "child.h"

#include <errno.h>
#include <pthread.h>

enum { THREADS = 4, POSTS = 500 };

/* Between the tasks and the threads of one test. */
struct hall {
    belay_inlet *inlet;
    belay_event go;
    int ran, closed;                    /* atomic */
    int posted, refused, entered, wrong; /* atomic */
};

static int
count(int *n)
{
    return __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST);
}

static int
look(int *n)
{
    return __atomic_load_n(n, __ATOMIC_SEQ_CST);
}

BELAY_TASK(visitor, (struct hall *, h), (int, value))
{
    int r = value % 3 == 0 ? belay_sleep(BELAY_US(10)) : belay_yield();

    (void)r; /* a visitor of a cut scope is counted too */
    ck_assert_int_eq(look(&h->closed), 0);
    count(&h->ran);
    return value;
}

/* ---- threads against the end of the scope ------------------------------- */

static void *
visit(void *arg)
{
    struct hall *h = arg;

    for (int i = 0; i < POSTS; i++) {
        int r = i % 2 == 0 ? belay_post(h->inlet, visitor, h, i)
                           : belay_enter(h->inlet, visitor, h, i);

        if (r == -ESHUTDOWN)
            count(&h->refused);
        else if (r < 0 || (i % 2 != 0 && r != i))
            count(&h->wrong);
        else
            count(&h->posted);
    }
    belay_inlet_unref(h->inlet);
    return NULL;
}

BELAY_TASK(receives, (struct hall *, h), (pthread_t *, threads), (int, wanted))
{
    BELAY_SCOPE(s) {
        BELAY_TRY(belay_inlet_open(&h->inlet, s));
        for (int i = 0; i < THREADS; i++) {
            if (i > 0)
                (void)belay_inlet_ref(h->inlet);
            ck_assert_int_eq(
                pthread_create(&threads[i], NULL, visit, h), 0);
        }
        while (look(&h->ran) < wanted)
            BELAY_TRY(belay_sleep(BELAY_US(50)));
    }
    __atomic_store_n(&h->closed, 1, __ATOMIC_SEQ_CST);
    return 0;
}

START_TEST(what_was_posted_is_joined)
{
    pthread_t threads[THREADS];
    struct hall h = {.inlet = NULL};
    belay_run_opts opts = {
        .size = sizeof opts, .workers = 1 + (unsigned)_i / 2};
    int all = THREADS * POSTS;
    int wanted = _i % 2 == 0 ? 20 : all;
    struct receives_is_no_BELAY_TASK args = {0, &h, threads, wanted};

    ck_assert_int_eq(belay_run_at(BELAY_TYPE_(receives), &args, &opts,
        BELAY_SITE_("receives")), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(h.wrong, 0);
    ck_assert_int_eq(h.posted, h.ran);
    ck_assert_int_eq(h.posted + h.refused, all);
    ck_assert(wanted < all || h.refused == 0);
}
END_TEST

/* ---- what a thread is told ---------------------------------------------- */

BELAY_TASK(breaks)
{
    return BELAY_FAIL(-EIO, "it breaks");
}

BELAY_TASK(sets, (struct hall *, h))
{
    belay_event_set(&h->go);
    return 0;
}

static void *
enters(void *arg)
{
    struct hall *h = arg;

    if (belay_enter(h->inlet, breaks) != -EIO ||
        belay_enter(h->inlet, visitor, h, 4) != 4 ||
        belay_post(h->inlet, sets, h) != 0)
        count(&h->wrong);
    return NULL;
}

/* Nothing is ready and no timer runs: only a post can come. */
BELAY_TASK(waits_for_posts, (struct hall *, h))
{
    pthread_t t;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_TRY(belay_inlet_open(&h->inlet, s));
        ck_assert_int_eq(pthread_create(&t, NULL, enters, h), 0);
        BELAY_TRY(belay_event_wait(&h->go));
        ck_assert_int_eq(pthread_join(t, NULL), 0);
    }
    ck_assert_int_eq(err, 0); /* the failure was the thread's */
    ck_assert_int_eq(belay_post(h->inlet, visitor, h, 1), -ESHUTDOWN);
    return 0;
}

START_TEST(an_enterer_gets_the_outcome)
{
    struct hall h = {.go = BELAY_EVENT_INIT};

    ck_assert_int_eq(
        belay_run_with((.workers = 1 + (unsigned)_i), waits_for_posts, &h), 0);
    ck_assert_int_eq(h.wrong, 0);
    /* Long after the runtime. */
    ck_assert_int_eq(belay_post(h.inlet, visitor, &h, 1), -ESHUTDOWN);
    ck_assert_int_eq(belay_enter(h.inlet, breaks), -ESHUTDOWN);
    belay_inlet_unref(h.inlet);
    belay_event_fini(&h.go);
}
END_TEST

BELAY_TASK(posts_a_failure)
{
    belay_inlet *in;

    BELAY_SCOPE(s) {
        BELAY_TRY(belay_inlet_open(&in, s));
        BELAY_TRY(belay_post(in, breaks));
        belay_inlet_unref(in);
    }
    return 0;
}

START_TEST(a_posted_failure_is_the_scopes)
{
    ck_assert_int_eq(belay_run(posts_a_failure), -EIO);
}
END_TEST

BELAY_TASK(sleeps_long)
{
    return belay_sleep(BELAY_S(3600));
}

BELAY_TASK(posts_to_limits)
{
    BELAY_AUTO(belay_inlet, in);
    BELAY_AUTO(belay_inlet, again);
    int err;

    BELAY_SCOPE_CATCH(s, &err, .limit = 2) {
        BELAY_TRY(belay_inlet_open(&in, s));
        BELAY_TRY(belay_inlet_open(&again, s));
        ck_assert_int_eq(belay_post(in, sleeps_long), 0);
        ck_assert_int_eq(belay_post(again, sleeps_long), 0);
        ck_assert_int_eq(belay_post(in, sleeps_long), -EAGAIN);
        belay_cancel(s, "enough");
        ck_assert_int_eq(belay_post(in, sleeps_long), -ESHUTDOWN);
    }
    ck_assert_int_eq(err, -ECANCELED);
    belay_inlet_closep(&in);
    BELAY_SCOPE_CATCH(s, &err, .max_tasks = 1) {
        BELAY_TRY(belay_inlet_open(&in, s));
        ck_assert_int_eq(belay_post(in, breaks), 0);
        ck_assert_int_eq(belay_post(in, breaks), -ENOMEM);
    }
    ck_assert_int_eq(err, -EIO);
    return 0;
}

START_TEST(limits_hold_for_posts)
{
    ck_assert_int_eq(belay_run(posts_to_limits), 0);
}
END_TEST

struct wide {
    char bytes[300];
};

BELAY_TASK(checks_wide, (struct wide, w), (int *, ran))
{
    for (size_t i = 0; i < sizeof w.bytes; i++)
        ck_assert_int_eq(w.bytes[i], (char)i);
    count(ran);
    return 0;
}

BELAY_TASK(posts_wide, (int *, ran))
{
    BELAY_AUTO(belay_inlet, in);
    struct wide w;

    for (size_t i = 0; i < sizeof w.bytes; i++)
        w.bytes[i] = (char)i;
    BELAY_SCOPE(s, .local = true) {
        BELAY_TRY(belay_inlet_open(&in, s));
        for (int i = 0; i < 100; i++)
            BELAY_TRY(belay_post(in, checks_wide, w, ran));
    }
    return *ran;
}

START_TEST(arguments_are_copied)
{
    int ran = 0;

    ck_assert_int_eq(belay_run_with((.workers = 2), posts_wide, &ran), 100);
}
END_TEST

/* ---- deadlock ----------------------------------------------------------- */

BELAY_TASK(waits_for_nobody)
{
    BELAY_AUTO(belay_inlet, in);
    belay_event never = BELAY_EVENT_INIT;
    int r = -EIO;

    BELAY_SCOPE(s) {
        BELAY_TRY(belay_inlet_open(&in, s));
        belay_inlet_closep(&in);
        r = belay_event_wait(&never);
    }
    belay_event_fini(&never);
    return r;
}

static void *
gives_back(void *arg)
{
    belay_inlet_unref(arg);
    return NULL;
}

BELAY_TASK(waits_for_a_handle)
{
    belay_event never = BELAY_EVENT_INIT;
    belay_inlet *in;
    pthread_t t;
    int r = -EIO;

    BELAY_SCOPE(s) {
        BELAY_TRY(belay_inlet_open(&in, s));
        ck_assert_int_eq(pthread_create(&t, NULL, gives_back, in), 0);
        r = belay_event_wait(&never);
        ck_assert_int_eq(pthread_join(t, NULL), 0);
    }
    belay_event_fini(&never);
    return r;
}

START_TEST(without_handles_it_is_a_deadlock)
{
    ck_assert_int_eq(belay_run(waits_for_nobody), -EDEADLK);
    ck_assert_int_eq(belay_run(waits_for_a_handle), -EDEADLK);
    ck_assert_int_eq(
        belay_run_with((.workers = 2), waits_for_a_handle), -EDEADLK);
}
END_TEST

/* ---- contracts ---------------------------------------------------------- */

BELAY_TASK(enters_itself)
{
    BELAY_AUTO(belay_inlet, in);

    BELAY_SCOPE(s) {
        BELAY_TRY(belay_inlet_open(&in, s));
        BELAY_TRY(belay_enter(in, breaks));
    }
    return 0;
}

static int
enter_in_a_task(void)
{
    return belay_run(enters_itself);
}

BELAY_TASK(opens_anothers, (belay_scope *, s))
{
    belay_inlet *in;

    return belay_inlet_open(&in, s);
}

BELAY_TASK(lets_open)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, opens_anothers, s);
    }
    return 0;
}

static int
open_by_a_child(void)
{
    return belay_run(lets_open);
}

START_TEST(contracts)
{
    child_misuses(enter_in_a_task, "belay_enter in a task");
    child_misuses(open_by_a_child, "belay_inlet_open on a scope of another");
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("inlet");

    tcase_set_timeout(t, 50);
    tcase_add_loop_test(t, what_was_posted_is_joined, 0, 6);
    tcase_add_loop_test(t, an_enterer_gets_the_outcome, 0, 2);
    tcase_add_test(t, a_posted_failure_is_the_scopes);
    tcase_add_test(t, limits_hold_for_posts);
    tcase_add_test(t, arguments_are_copied);
    tcase_add_test(t, without_handles_it_is_a_deadlock);
    tcase_add_test(t, contracts);
    return child_suite("inlet", t);
}
