/* SPDX-License-Identifier: MIT */
/* What a program is told about itself: deadlocks, hogs, laggards, dumps. */
#include <belay/diag.h>
#include <belay/run.h>
#include <belay/sync.h>

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the log ------------------------------------------------------------ */

static struct {
    pthread_mutex_t lock;
    char text[64 * 1024];
    size_t used;
    int reports;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
note(void *arg, const char *text)
{
    size_t n = strlen(text);

    (void)arg;
    pthread_mutex_lock(&seen.lock);
    if (seen.used + n < sizeof seen.text) {
        memcpy(seen.text + seen.used, text, n + 1);
        seen.used += n;
    }
    seen.reports++;
    pthread_mutex_unlock(&seen.lock);
}

static bool
reported(const char *text)
{
    bool found;

    pthread_mutex_lock(&seen.lock);
    found = strstr(seen.text, text) != NULL;
    pthread_mutex_unlock(&seen.lock);
    return found;
}

static void
listen(void)
{
    belay_set_log(note, NULL);
}

#define ck_has(text, part)                                                     \
    ck_assert_msg(                                                             \
        strstr(text, part) != NULL, "no '%s' in:\n%s", (part), (text))

/* Lets others run until a report with this text has come. */
static int
until_reported(const char *text)
{
    while (!reported(text))
        BELAY_TRY(belay_yield());
    return 0;
}

/* ---- deadlocks ---------------------------------------------------------- */

struct pair {
    belay_mutex a, b;
    int arrived;
};

BELAY_TASK(left, (struct pair *, p))
{
    BELAY_TRY(belay_mutex_lock(&p->a));
    p->arrived++;
    while (p->arrived < 2)
        BELAY_TRY(belay_yield());
    int r = belay_mutex_lock(&p->b);
    if (r == 0)
        belay_mutex_unlock(&p->b);
    belay_mutex_unlock(&p->a);
    return r;
}

BELAY_TASK(right, (struct pair *, p))
{
    BELAY_TRY(belay_mutex_lock(&p->b));
    p->arrived++;
    while (p->arrived < 2)
        BELAY_TRY(belay_yield());
    int r = belay_mutex_lock(&p->a);
    if (r == 0)
        belay_mutex_unlock(&p->a);
    belay_mutex_unlock(&p->b);
    return r;
}

BELAY_TASK(crossed)
{
    static struct pair p;

    p = (struct pair){.arrived = 0};
    BELAY_SCOPE(s, .local = true, .name = "locks") {
        belay_spawn(s, left, &p);
        belay_spawn(s, right, &p);
    }
    return 0;
}

static void
global_deadlock(unsigned workers)
{
    listen();
    ck_assert_int_eq(belay_run_with((.workers = workers), crossed), -EDEADLK);
    ck_assert_int_eq(seen.reports, 1);
    ck_has(seen.text, "belay: deadlock");
    ck_has(seen.text, "task 'left'");
    ck_has(seen.text, "  -> task 'right'");
    ck_has(seen.text, "waits in lock (mutex");
    ck_has(seen.text, "scope 'locks'");
    ck_has(seen.text, "spawned at ");
}

START_TEST(deadlock_of_two_locks)
{
    global_deadlock(1);
}
END_TEST

START_TEST(deadlock_of_two_locks_two_workers)
{
    global_deadlock(2);
}
END_TEST

static belay_event never;
static int ends;

BELAY_TASK(waits_for_ever)
{
    int r = belay_event_wait(&never);

    ends++;
    return r;
}

BELAY_TASK(many_wait_for_ever)
{
    BELAY_SCOPE(s) {
        for (int i = 0; i < 1000; i++)
            belay_spawn(s, waits_for_ever);
    }
    return 0;
}

START_TEST(deadlock_cancels_everybody)
{
    listen();
    ck_assert_int_eq(belay_run(many_wait_for_ever), -EDEADLK);
    ck_assert_int_eq(ends, 1000);
    ck_has(seen.text, "task 'waits_for_ever'");
    ck_has(seen.text, "x 999 more like this");
}
END_TEST

BELAY_TASK(naps_beside_a_sleeper)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, waits_for_ever);
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
        belay_cancel(s, "seen enough");
    }
    return err;
}

START_TEST(timer_is_no_deadlock)
{
    listen();
    ck_assert_int_eq(belay_run(naps_beside_a_sleeper), -ECANCELED);
    ck_assert_int_eq(seen.reports, 0);
}
END_TEST

/* ---- deadlocks of some -------------------------------------------------- */

BELAY_TASK(holder, (belay_mutex *, m), (bool *, held))
{
    BELAY_TRY(belay_mutex_lock(m));
    *held = true;
    int r = belay_sleep(BELAY_S(1000));
    belay_mutex_unlock(m);
    return r;
}

BELAY_TASK(waiter, (belay_mutex *, m))
{
    BELAY_TRY(belay_mutex_lock(m));
    belay_mutex_unlock(m);
    return 0;
}

BELAY_TASK(above_crossed)
{
    BELAY_SCOPE(s, .local = true, .name = "above") {
        belay_spawn(s, crossed);
    }
    return 0;
}

BELAY_TASK(some_deadlocked)
{
    static belay_mutex m;
    static bool held;
    int err;

    BELAY_SCOPE_CATCH(s, &err, .local = true) {
        belay_spawn(s, holder, &m, &held);
        while (!held)
            BELAY_TRY(belay_yield());
        belay_spawn(s, waiter, &m);
        belay_spawn(s, above_crossed);
        BELAY_TRY(until_reported("belay: deadlock among"));
        belay_cancel(s, "seen it");
    }
    return 0;
}

START_TEST(deadlock_of_some)
{
    listen();
    ck_assert_int_eq(belay_run_with((.workers = 2), some_deadlocked), 0);
    ck_assert_int_eq(seen.reports, 1);
    ck_has(seen.text, "task 'left'");
    ck_has(seen.text, "  -> task 'right'");
    /* It has waited as long, but the timer of 'holder' will come. */
    ck_assert_ptr_null(strstr(seen.text, "'waiter'"));
    ck_assert_ptr_null(strstr(seen.text, "'holder'"));
}
END_TEST

/* It has what its child wants, and waits for it to be ready. */
BELAY_TASK(ready_ring, (belay_mutex *, m))
{
    int err;

    BELAY_TRY(belay_mutex_lock(m));
    BELAY_SCOPE_CATCH(s, &err) {
        belay_ignore(belay_spawn_ready(s, waiter, m), "is seen in err");
    }
    belay_mutex_unlock(m);
    return err;
}

/* The same for the only slot of a scope. */
BELAY_TASK(limit_ring, (belay_mutex *, m))
{
    int err;

    BELAY_TRY(belay_mutex_lock(m));
    BELAY_SCOPE_CATCH(s, &err, .limit = 1) {
        belay_spawn(s, waiter, m);
        belay_spawn(s, waiter, m);
    }
    belay_mutex_unlock(m);
    return err;
}

BELAY_TASK(some_rings)
{
    static belay_mutex m[2];
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, ready_ring, &m[0]);
        belay_spawn(s, limit_ring, &m[1]);
        BELAY_TRY(until_reported("task 'ready_ring'"));
        BELAY_TRY(until_reported("task 'limit_ring'"));
        belay_cancel(s, "seen it");
    }
    return err;
}

START_TEST(deadlock_of_spawners)
{
    listen();
    ck_assert_int_eq(
        belay_run_with((.workers = 2), some_rings), -ECANCELED);
    ck_has(seen.text, "waits in spawn_ready at ");
    ck_has(seen.text, "waits in spawn at the limit of a scope (scope 's')");
}
END_TEST

/* ---- tasks that hold their worker, or do not end ------------------------ */

BELAY_TASK(hog)
{
    while (!reported("has held worker"))
        continue;
    return 0;
}

BELAY_TASK(with_a_hog)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, hog);
    }
    return 0;
}

START_TEST(hog_is_named)
{
    listen();
    ck_assert_int_eq(belay_run_with((.workers = 2), with_a_hog), 0);
    ck_assert_int_eq(seen.reports, 1);
    ck_has(seen.text, "belay: task 'hog'");
    ck_has(seen.text, "spawned at ");
    ck_has(seen.text, "behave/diag.c:");
}
END_TEST

#if defined(__SANITIZE_THREAD__)
#define SIGNALS_ARE_LATE 1 /* ThreadSanitizer keeps them until a system call */
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIGNALS_ARE_LATE 1
#endif
#endif
#ifndef SIGNALS_ARE_LATE
#define SIGNALS_ARE_LATE 0
#endif

/* A program is also told where: the frames of the hog are this file's. */
START_TEST(hog_of_a_program_has_a_stack)
{
    listen();
    ck_assert_int_eq(belay_main_with((.workers = 2), with_a_hog), 0);
    ck_assert_int_eq(seen.reports, 1);
    ck_has(seen.text, "belay: task 'hog'");
    ck_has(seen.text, "\n    ");
    ck_has(seen.text, program_invocation_short_name);
}
END_TEST

BELAY_TASK(deaf)
{
    while (!reported("not ended yet"))
        belay_ignore(belay_yield(), "to be reported");
    return 0;
}

BELAY_TASK(with_a_laggard)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, deaf);
        BELAY_TRY(belay_yield());
        belay_cancel(s, "enough");
    }
    return err;
}

START_TEST(laggard_is_named)
{
    listen();
    ck_assert_int_eq(
        belay_run_with((.workers = 2), with_a_laggard), -ECANCELED);
    ck_assert_int_eq(seen.reports, 1);
    ck_has(seen.text, "task 'deaf'");
    ck_assert_ptr_null(strstr(seen.text, "'with_a_laggard'"));
}
END_TEST

/* ---- dumps -------------------------------------------------------------- */

static char dumped[64 * 1024];

/* What belay_dump writes is less than a pipe holds. */
static void
dump(void)
{
    int ends_of_pipe[2];
    ssize_t n;

    ck_assert_int_eq(pipe(ends_of_pipe), 0);
    belay_dump(ends_of_pipe[1]);
    close(ends_of_pipe[1]);
    n = read(ends_of_pipe[0], dumped, sizeof dumped - 1);
    ck_assert_int_ge(n, 0);
    dumped[n] = '\0';
    close(ends_of_pipe[0]);
}

BELAY_TASK(sleeper)
{
    return belay_sleep(BELAY_S(1000));
}

/* A thousand sleepers below two scopes, and f when all are asleep. */
static int
among_sleepers(int (*f)(void))
{
    int err;

    BELAY_SCOPE_CATCH(outer, &err, .name = "outer") {
        BELAY_SCOPE_CATCH(inner, &err, .name = "inner") {
            for (int i = 0; i < 1000; i++)
                belay_spawn(inner, sleeper);
            belay_spawn(outer, waits_for_ever);
            do {
                dump();
                BELAY_TRY(belay_yield());
            } while (strstr(dumped, "x 999 more like this") == NULL ||
                strstr(dumped, "'waits_for_ever'") == NULL);
            dumped[0] = '\0';
            BELAY_TRY(f());
            belay_cancel(outer, "done");
        }
    }
    return 0;
}

static int
dump_here(void)
{
    dump();
    return 0;
}

BELAY_TASK(dumps)
{
    return among_sleepers(dump_here);
}

static void
check_dump(void)
{
    ck_has(dumped, "belay: 1,002 tasks on ");
    ck_has(dumped, "\n  task 'dump");
    ck_has(dumped, "\n    scope 'outer' at ");
    ck_has(dumped, "\n      task 'waits_for_ever' #");
    ck_has(dumped, "\n    scope 'outer' at ");
    ck_has(dumped, "scope 'inner' at ");
    ck_has(dumped, "task 'sleeper' #");
    ck_has(dumped, "waits in sleep");
    ck_has(dumped, "x 999 more like this");
    ck_assert_ptr_null(strstr(dumped, "does not answer"));
}

START_TEST(dump_in_a_task)
{
    ck_assert_int_eq(belay_run(dumps), 0);
    check_dump();
    ck_has(dumped, "task 'dumps' #");
    ck_has(dumped, " runs; spawned");
}
END_TEST

START_TEST(dump_of_two_workers)
{
    ck_assert_int_eq(belay_run_with((.workers = 2), dumps), 0);
    check_dump();
}
END_TEST

static bool foreign_may, foreign_did;

static void *
foreign_main(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&foreign_may, __ATOMIC_ACQUIRE))
        continue;
    dump();
    __atomic_store_n(&foreign_did, true, __ATOMIC_RELEASE);
    return NULL;
}

static int
dump_elsewhere(void)
{
    __atomic_store_n(&foreign_may, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&foreign_did, __ATOMIC_ACQUIRE))
        BELAY_TRY(belay_yield());
    return 0;
}

BELAY_TASK(dumped_by_another)
{
    return among_sleepers(dump_elsewhere);
}

START_TEST(dump_by_a_foreign_thread)
{
    unsigned workers = (unsigned)_i;
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, foreign_main, NULL), 0);
    ck_assert_int_eq(
        belay_run_with((.workers = workers), dumped_by_another), 0);
    pthread_join(thread, NULL);
    check_dump();
}
END_TEST

START_TEST(dump_without_a_runtime)
{
    dump();
    ck_assert_str_eq(dumped, "");
}
END_TEST

static bool hogging, let_go;

BELAY_TASK(silent)
{
    __atomic_store_n(&hogging, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&let_go, __ATOMIC_ACQUIRE))
        continue;
    return 0;
}

BELAY_TASK(dumps_beside_a_hog)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, silent);
        while (!__atomic_load_n(&hogging, __ATOMIC_ACQUIRE))
            continue; /* the other worker takes it */
        dump();
        __atomic_store_n(&let_go, true, __ATOMIC_RELEASE);
    }
    return 0;
}

START_TEST(dump_beside_a_hog)
{
    ck_assert_int_eq(
        belay_run_with((.workers = 2), dumps_beside_a_hog), 0);
    ck_has(dumped, "does not answer: it runs task 'silent' #");
    ck_has(dumped, "task 'dumps_beside_a_hog' #");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("diag");
    TCase *t = tcase_create("diag");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_test(t, deadlock_of_two_locks);
    tcase_add_test(t, deadlock_of_two_locks_two_workers);
    tcase_add_test(t, deadlock_cancels_everybody);
    tcase_add_test(t, timer_is_no_deadlock);
    tcase_add_test(t, deadlock_of_some);
    tcase_add_test(t, deadlock_of_spawners);
    tcase_add_test(t, hog_is_named);
    if (!SIGNALS_ARE_LATE)
        tcase_add_test(t, hog_of_a_program_has_a_stack);
    tcase_add_test(t, laggard_is_named);
    tcase_add_test(t, dump_in_a_task);
    tcase_add_test(t, dump_of_two_workers);
    tcase_add_loop_test(t, dump_by_a_foreign_thread, 1, 3);
    tcase_add_test(t, dump_without_a_runtime);
    tcase_add_test(t, dump_beside_a_hog);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
