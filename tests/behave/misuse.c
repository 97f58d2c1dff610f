/* SPDX-License-Identifier: MIT */
/*
 * Broken contracts end the program with one line that names what, where and
 * which task.  Each case runs in a process of its own.
 */
#include <belay/chan.h>
#include <belay/diag.h>
#include <belay/run.h>
#include <belay/sync.h>

#include "child.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>

/* A process that ends in a task leaves what is on the other stacks.  Asked by
 * LeakSanitizer. */
int __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
    return 1;
}

#define ck_has(text, part)                                                     \
    ck_assert_msg(                                                             \
        strstr(text, part) != NULL, "no '%s' in:\n%s", (part), (text))

/* f is stopped with this message, and the task is named unless it is NULL. */
static void
stopped(int (*f)(void), const char *message, const char *task)
{
    child_misuses(f, message);
    child_wrote("misuse.c:");
    if (task != NULL)
        child_wrote(task);
}

#define RUNS(name)                                                             \
    static int run_##name(void)                                                \
    {                                                                          \
        return belay_run(name) != 0;                                           \
    }

/* ---- outside of a task -------------------------------------------------- */

static int
sleep_outside(void)
{
    return belay_sleep(BELAY_S(1));
}

static belay_mutex mutex;

static int
lock_outside(void)
{
    return belay_mutex_lock(&mutex);
}

START_TEST(outside_a_task)
{
    child_misuses(sleep_outside, "belay_sleep outside a task");
    stopped(lock_outside, "belay_mutex_lock outside a task", NULL);
}
END_TEST

/* ---- scopes ------------------------------------------------------------- */

static const belay_site here = {__FILE__, __LINE__, "misuse", "here"};

BELAY_TASK(nothing)
{
    return 0;
}

static belay_scope kept;

BELAY_TASK(spawns_into_closed)
{
    belay_scope_open(&kept, NULL, &here);
    BELAY_TRY(belay_scope_close(&kept));
    return belay_spawn(&kept, nothing);
}
RUNS(spawns_into_closed)

BELAY_TASK(spawns_beside, (belay_scope *, s))
{
    return belay_spawn(s, nothing);
}

BELAY_TASK(spawns_into_a_sibling)
{
    BELAY_SCOPE(outer) {
        BELAY_SCOPE(inner) {
            belay_spawn(outer, spawns_beside, inner);
            for (;;)
                BELAY_TRY(belay_yield());
        }
    }
    return 0;
}
RUNS(spawns_into_a_sibling)

BELAY_TASK(closes_twice)
{
    belay_scope_open(&kept, NULL, &here);
    BELAY_TRY(belay_scope_close(&kept));
    return belay_scope_close(&kept);
}
RUNS(closes_twice)

BELAY_TASK(closes_out_of_order)
{
    belay_scope outer, inner;
    int r;

    belay_scope_open(&outer, NULL, &here);
    belay_scope_open(&inner, NULL, &here);
    r = belay_scope_close(&outer);
    return r;
}
RUNS(closes_out_of_order)

BELAY_TASK(closes_for_another, (belay_scope *, s))
{
    return belay_scope_close(s);
}

BELAY_TASK(is_closed_by_its_child)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, closes_for_another, s);
    }
    return 0;
}
RUNS(is_closed_by_its_child)

BELAY_TASK(never_closes)
{
    static belay_scope s;

    belay_scope_open(&s, NULL, &here);
    return 0;
}
RUNS(never_closes)

BELAY_TASK(asks_for_anothers_next, (belay_scope *, s))
{
    belay_done done;

    return belay_next(s, &done);
}

BELAY_TASK(is_asked_for_next)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, asks_for_anothers_next, s);
    }
    return 0;
}
RUNS(is_asked_for_next)

START_TEST(scopes)
{
    stopped(run_spawns_into_closed, "spawn into a scope that is not open",
        "in task 'spawns_into_closed' (spawned at ");
    stopped(run_spawns_into_a_sibling, "by a task that is not below it",
        "in task 'spawns_beside'");
    stopped(run_closes_twice, "closing a scope that is not open",
        "in task 'closes_twice'");
    stopped(run_closes_out_of_order, "is still open",
        "in task 'closes_out_of_order'");
    stopped(run_is_closed_by_its_child,
        "closing a scope that task 'is_closed_by_its_child' opened",
        "in task 'closes_for_another'");
    stopped(run_never_closes, "ended inside a scope", "task 'never_closes'");
    stopped(run_is_asked_for_next, "belay_next on a scope of another task",
        "in task 'asks_for_anothers_next'");
}
END_TEST

BELAY_TASK(spawns_on_no_worker)
{
    BELAY_SCOPE(s) {
        belay_spawn_with(s, (.worker = 3), nothing);
    }
    return 0;
}
RUNS(spawns_on_no_worker)

BELAY_TASK(spawns_near_nothing)
{
    static const char nothing_here[4096];

    BELAY_SCOPE(s) {
        belay_spawn_with(s, (.near = nothing_here), nothing);
    }
    return 0;
}
RUNS(spawns_near_nothing)

BELAY_TASK(is_ready_with_a_failure)
{
    belay_ready(-1);
    return 0;
}
RUNS(is_ready_with_a_failure)

START_TEST(spawn_options)
{
    stopped(run_spawns_on_no_worker, "spawn on worker 3 of 1",
        "in task 'spawns_on_no_worker'");
    stopped(run_spawns_near_nothing, "spawn near something that is not",
        "in task 'spawns_near_nothing'");
    stopped(run_is_ready_with_a_failure, "a value is >= 0",
        "in task 'is_ready_with_a_failure'");
}
END_TEST

/* ---- blocks ------------------------------------------------------------- */

BELAY_TASK(sleeps_under_nowait)
{
    BELAY_NOWAIT;
    return belay_sleep(BELAY_S(1));
}
RUNS(sleeps_under_nowait)

BELAY_TASK(locks_under_nowait)
{
    BELAY_NOWAIT;
    return belay_mutex_lock(&mutex); /* free, and yet it may wait */
}
RUNS(locks_under_nowait)

BELAY_TASK(opens_under_nowait)
{
    BELAY_NOWAIT;
    BELAY_SCOPE(s) /* empty, and yet its brace may wait */
        (void)s;
    return 0;
}
RUNS(opens_under_nowait)

BELAY_TASK(crosses_blocks)
{
    belay_block a, b;

    belay_deadline_open(&a, BELAY_S(1), &here);
    belay_deadline_open(&b, BELAY_S(1), &here);
    belay_block_close(&a);
    belay_block_close(&b);
    return 0;
}
RUNS(crosses_blocks)

START_TEST(blocks)
{
    stopped(run_sleeps_under_nowait, "belay_sleep may wait, under the "
        "BELAY_NOWAIT of ", "in task 'sleeps_under_nowait'");
    stopped(run_locks_under_nowait, "belay_mutex_lock may wait",
        "in task 'locks_under_nowait'");
    stopped(run_opens_under_nowait, "the brace of a scope may wait",
        "in task 'opens_under_nowait'");
    stopped(run_crosses_blocks, "", "in task 'crosses_blocks'");
}
END_TEST

/* ---- locks and channels ------------------------------------------------- */

BELAY_TASK(unlocks)
{
    belay_mutex_unlock(&mutex);
    return 0;
}
RUNS(unlocks)

BELAY_TASK(lets_another_unlock)
{
    BELAY_TRY(belay_mutex_lock(&mutex));
    BELAY_SCOPE(s) {
        belay_spawn(s, unlocks);
    }
    return 0;
}
RUNS(lets_another_unlock)

BELAY_TASK(finishes_a_locked_one)
{
    BELAY_TRY(belay_mutex_lock(&mutex));
    belay_mutex_fini(&mutex);
    return 0;
}
RUNS(finishes_a_locked_one)

typedef BELAY_CHAN(int) int_chan;

BELAY_TASK(receives, (int_chan *, ch))
{
    int v;

    return belay_recv(ch, &v);
}

BELAY_TASK(frees_what_is_used)
{
    static int_chan ch;

    BELAY_TRY(belay_chan_open(&ch, 1, .name = "jobs"));
    BELAY_SCOPE(s) {
        belay_chan_info now = {0};

        belay_spawn(s, receives, &ch);
        while (now.receivers == 0) {
            BELAY_TRY(belay_yield());
            belay_chan_stats(&ch, &now);
        }
        belay_chan_free(&ch);
    }
    return 0;
}
RUNS(frees_what_is_used)

START_TEST(locks_and_channels)
{
    stopped(run_unlocks, "unlock of a mutex that nobody has",
        "in task 'unlocks'");
    stopped(run_lets_another_unlock, "that another task locked at ",
        "in task 'unlocks'");
    stopped(run_finishes_a_locked_one, "fini of a mutex that is locked",
        "in task 'finishes_a_locked_one'");
    stopped(run_frees_what_is_used, "channel 'jobs' of ",
        "in task 'frees_what_is_used'");
    child_wrote("while task 'receives' waits for it at ");
}
END_TEST

/* A program error that is a code, not an end. */
BELAY_TASK(locks_twice)
{
    int r;

    BELAY_TRY(belay_mutex_lock(&mutex));
    r = belay_mutex_lock(&mutex);
    belay_mutex_unlock(&mutex);
    return r;
}

START_TEST(self_lock)
{
    ck_assert_int_eq(belay_run(locks_twice), -EDEADLK);
}
END_TEST

/* ---- control that leaves in other ways ---------------------------------- */

static jmp_buf far_away;

__attribute__((noinline)) static int
jumps_out(void)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, nothing);
        longjmp(far_away, 1);
    }
    return 0;
}

BELAY_TASK(jumps_then_waits)
{
    if (setjmp(far_away) == 0)
        return jumps_out();
    BELAY_SCOPE(s) {
        belay_spawn(s, nothing);
    }
    return 0;
}
RUNS(jumps_then_waits)

BELAY_TASK(jumps_and_returns)
{
    if (setjmp(far_away) == 0)
        return jumps_out();
    return 0;
}
RUNS(jumps_and_returns)

BELAY_TASK(exits)
{
    BELAY_SCOPE(s, .name = "unfinished") {
        exit(0);
    }
    return 0;
}
RUNS(exits)

BELAY_TASK(ends_its_thread)
{
    BELAY_SCOPE(s, .name = "unfinished") {
        pthread_exit(NULL);
    }
    return 0;
}
RUNS(ends_its_thread)

/* The sanitizers know of one stack only that a thread may end on. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define THREADS_MUST_RETURN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define THREADS_MUST_RETURN 1
#endif
#endif
#ifndef THREADS_MUST_RETURN
#define THREADS_MUST_RETURN 0
#endif

START_TEST(jumps_and_exits)
{
    stopped(run_jumps_then_waits, "a longjmp went over its end",
        "in task 'jumps_then_waits'");
    stopped(run_jumps_and_returns, "",
        "task 'jumps_and_returns'");
    stopped(run_exits, "exit() inside scope 'unfinished'", "in task 'exits'");
    if (!THREADS_MUST_RETURN)
        stopped(run_ends_its_thread,
            "pthread_exit() inside scope 'unfinished'",
            "in task 'ends_its_thread'");
}
END_TEST

/* ---- frames that go first ----------------------------------------------- */

static char told[4096];

static void
hear(void *arg, const char *text)
{
    (void)arg;
    (void)strncat(told, text, sizeof told - 1 - strlen(told));
}

BELAY_TASK(takes, (int, n), (const int *, p))
{
    (void)p; /* it is gone, so nobody looks */
    return n >= 0 ? 0 : -EINVAL;
}

__attribute__((noinline)) static int
helper(belay_scope *s, const int *outer)
{
    int mine = 1;

    BELAY_TRY(belay_spawn(s, takes, 1, outer));
    BELAY_TRY(belay_spawn(s, takes, 2, outer + 1));
    for (int i = 0; i < 3; i++)
        BELAY_TRY(belay_spawn(s, takes, 3, &mine));
    return mine - 1;
}

BELAY_TASK(spawns_through_a_helper)
{
    int above[2] = {0, 0};
    int r = 0;

    BELAY_SCOPE(s, .name = "outlives") {
        int inside[2] = {0, 0};

        r = helper(s, above);
        belay_spawn(s, takes, 4, above);
        belay_spawn(s, takes, 5, inside);
    }
    return r;
}

BELAY_TASK(spawns_upwards, (belay_scope *, s))
{
    int mine = 0;

    return belay_spawn(s, takes, mine, &mine);
}

BELAY_TASK(spawns_from_another_stack)
{
    BELAY_SCOPE(s, .name = "outlives") {
        belay_spawn_with(s, (.own_stack = true), spawns_upwards, s);
    }
    return 0;
}

static int
times(const char *text, const char *part)
{
    int n = 0;

    for (text = strstr(text, part); text != NULL; n++)
        text = strstr(text + 1, part);
    return n;
}

START_TEST(pointer_into_a_helper)
{
    belay_set_log(hear, NULL);
    ck_assert_int_eq(belay_run(spawns_through_a_helper), 0);
    ck_has(told, "belay: scope 'outlives' of ");
    ck_has(told, "outlives the frame that an argument points into");
    /* One place, three times; none of the good ones. */
    ck_assert_int_eq(times(told, "points into"), 1);
}
END_TEST

START_TEST(pointer_into_another_task)
{
    belay_set_log(hear, NULL);
    ck_assert_int_eq(belay_run(spawns_from_another_stack), 0);
    ck_assert_int_eq(times(told, "points into"), 1);
}
END_TEST

/* ---- deadlock twice ----------------------------------------------------- */

static belay_cond cond;
static belay_event never;

BELAY_TASK(waits_for_a_signal)
{
    BELAY_TRY(belay_mutex_lock(&mutex));
    int r = belay_cond_wait(&cond, &mutex);
    belay_mutex_unlock(&mutex);
    return r;
}

BELAY_TASK(keeps_the_lock)
{
    BELAY_TRY(belay_mutex_lock(&mutex));
    return belay_event_wait(&never); /* and does not unlock */
}

BELAY_TASK(deadlocks_twice)
{
    BELAY_SCOPE(s, .local = true) {
        belay_spawn(s, waits_for_a_signal);
        BELAY_TRY(belay_yield());
        BELAY_TRY(belay_yield());
        belay_spawn(s, keeps_the_lock);
    }
    return 0;
}
RUNS(deadlocks_twice)

START_TEST(deadlock_in_the_clean_up)
{
    stopped(run_deadlocks_twice, "deadlock again", NULL);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("misuse");
    TCase *t = tcase_create("misuse");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_test(t, outside_a_task);
    tcase_add_test(t, scopes);
    tcase_add_test(t, spawn_options);
    tcase_add_test(t, blocks);
    tcase_add_test(t, locks_and_channels);
    tcase_add_test(t, self_lock);
    tcase_add_test(t, jumps_and_exits);
    tcase_add_test(t, pointer_into_a_helper);
    tcase_add_test(t, pointer_into_another_task);
    tcase_add_test(t, deadlock_in_the_clean_up);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
