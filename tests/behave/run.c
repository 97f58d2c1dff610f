/* SPDX-License-Identifier: MIT */
/* belay_run and belay_main: results, nesting, several at once, signals. */
#include <belay/chan.h>
#include <belay/error.h>
#include <belay/run.h>
#include <belay/task.h>

#include "child.h"

#include <pthread.h>
#include <stdio.h>

enum { RUNTIMES = 4, LEAVES = 300 };

/* ---- results ------------------------------------------------------------ */

BELAY_TASK(gives, (int, value))
{
    return value;
}

BELAY_TASK(fails_with, (int, code))
{
    return BELAY_FAIL(code, "the door is shut");
}

START_TEST(a_run_gives_the_tasks_result)
{
    ck_assert_int_eq(belay_run(gives, 0), 0);
    ck_assert_int_eq(belay_run(gives, 70000), 70000);
    ck_assert_int_eq(belay_run(fails_with, -EIO), -EIO);
    ck_assert_int_eq(belay_run_with((.workers = 3), gives, 5), 5);
}
END_TEST

BELAY_TASK(waits_for_ever)
{
    BELAY_CHAN(int) ch;
    int v, r;

    BELAY_TRY(belay_chan_open(&ch, 1));
    r = belay_recv(&ch, &v);
    belay_chan_free(&ch);
    return r;
}

START_TEST(a_deadlock_ends_a_run)
{
    ck_assert_int_eq(belay_run(waits_for_ever), -EDEADLK);
    ck_assert_int_eq(
        belay_run_with((.workers = 2), waits_for_ever), -EDEADLK);
    ck_assert_int_eq(belay_run(gives, 1), 1);
}
END_TEST

/* ---- inside a task ------------------------------------------------------ */

BELAY_TASK(gives_worker)
{
    return (int)belay_worker_index();
}

BELAY_TASK(sleeps_long)
{
    return belay_sleep(BELAY_S(3600));
}

BELAY_TASK(runs_inside)
{
    ck_assert_int_gt(belay_run(gives_worker), 0);
    ck_assert_int_eq(belay_run(gives, 9), 9);
    ck_assert_int_eq(belay_run(fails_with, -EACCES), -EACCES);
    ck_assert(strstr(belay_why(), "the door is shut") != NULL);
    ck_assert(strstr(belay_why(), "fails_with") != NULL);
    ck_assert_int_eq(
        BELAY_WITHIN(BELAY_MS(2), belay_run(sleeps_long)), -ETIME);
    return belay_checkpoint();
}

START_TEST(a_run_in_a_task_is_a_child)
{
    ck_assert_int_eq(belay_run(runs_inside), 0);
}
END_TEST

BELAY_TASK(runs_when_cut)
{
    BELAY_SCOPE_CATCH(s, &(int){0}) {
        belay_cancel(s, "a test");
        ck_assert_int_eq(belay_run(gives, 4), -ECANCELED);
    }
    return 0;
}

BELAY_TASK(runs_too_late)
{
    return BELAY_WITHIN(0, belay_run(gives, 4));
}

START_TEST(a_run_after_the_deadline_says_so)
{
    ck_assert_int_eq(belay_run(runs_too_late), -ETIME);
}
END_TEST

START_TEST(a_run_in_a_cut_task_fails)
{
    ck_assert_int_eq(belay_run(runs_when_cut), 0);
}
END_TEST

/* ---- several at once ---------------------------------------------------- */

BELAY_TASK(leaf, (int *, sum))
{
    BELAY_TRY(belay_yield());
    __atomic_fetch_add(sum, 1, __ATOMIC_RELAXED);
    return 0;
}

BELAY_TASK(tree, (int *, sum))
{
    BELAY_SCOPE(s) {
        for (int i = 0; i < LEAVES; i++)
            belay_spawn(s, leaf, sum);
    }
    return *sum;
}

static void *
run_thread(void *arg)
{
    int *sum = arg;
    bool two = *sum % 2;

    *sum = 0;
    if (two)
        *sum = belay_run_with((.workers = 2), tree, sum);
    else
        *sum = belay_run(tree, sum);
    return NULL;
}

START_TEST(runtimes_do_not_know_each_other)
{
    pthread_t threads[RUNTIMES];
    int sums[RUNTIMES];

    for (int i = 0; i < RUNTIMES; i++) {
        sums[i] = i;
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, run_thread, &sums[i]), 0);
    }
    for (int i = 0; i < RUNTIMES; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(sums[i], LEAVES);
    }
}
END_TEST

BELAY_TASK(starts_a_thread, (int *, sum))
{
    pthread_t t;

    /* A thread that a task has made is as foreign as any other. */
    ck_assert_int_eq(pthread_create(&t, NULL, run_thread, sum), 0);
    ck_assert_int_eq(pthread_join(t, NULL), 0);
    return *sum;
}

START_TEST(a_thread_of_a_task_has_its_own)
{
    int sum = 0;

    ck_assert_int_eq(belay_run(starts_a_thread, &sum), LEAVES);
}
END_TEST

/* ---- belay_main: the exit status ---------------------------------------- */

static int
main_gives_7(void)
{
    return belay_main(gives, 7);
}

static int
main_gives_much(void)
{
    return belay_main(gives, 4711);
}

static int
main_fails(void)
{
    return belay_main(fails_with, -EIO);
}

static int
main_hangs(void)
{
    return belay_main(waits_for_ever);
}

START_TEST(the_result_is_the_exit_status)
{
    child_start(main_gives_7);
    child_exits(7);
    ck_assert_str_eq(child.text, "");
    child_start(main_gives_much);
    child_exits(255);
}
END_TEST

static int
main_fails_like_a_deadlock(void)
{
    return belay_main(fails_with, -EDEADLK);
}

START_TEST(a_failure_is_explained)
{
    child_start(main_fails);
    child_exits(1);
    ck_assert_int_eq(strncmp(child.text,
        "belay: task 'fails_with' failed: the door is shut (EIO)", 55), 0);
    child_wrote("run.c:");
    child_start(main_hangs);
    child_exits(1);
    child_wrote("belay: task 'waits_for_ever' failed: every task was asleep");
    child_start(main_fails_like_a_deadlock);
    child_exits(1);
    child_wrote("belay: task 'fails_with' failed: the door is shut (EDEADLK)");
}
END_TEST

/* ---- without memory ----------------------------------------------------- */

/* There is memory for more and more of a runtime, at last for all of it. */
static int
main_has_less_memory(void)
{
    struct rlimit limit = {0, RLIM_INFINITY};
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    int r = 0;

    if (f == NULL || fscanf(f, "%lu", &pages) != 1)
        return 98;
    (void)fclose(f);
    for (rlim_t more = 1 << 16; more < (rlim_t)1 << 31 && r != 7; more *= 2) {
        limit.rlim_cur =
            (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
        if (setrlimit(RLIMIT_AS, &limit) < 0)
            return 97;
        r = belay_run(gives, 7);
        if (r != 7 && r != -ENOMEM && r != -EAGAIN)
            return 96;
    }
    return r;
}

START_TEST(a_run_without_memory_fails)
{
    child_start(main_has_less_memory);
    child_exits(7);
}
END_TEST

/* ---- belay_main: signals ------------------------------------------------ */

BELAY_TASK(ends_when_asked)
{
    child_say('r');
    while (!belay_stopping())
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
    return 3;
}

static int
main_is_gentle(void)
{
    return belay_main_with((.grace = BELAY_S(3600)), ends_when_asked);
}

START_TEST(a_signal_stops_gently)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    child_start(main_is_gentle);
    ck_assert_int_eq(child_hear(), 'r');
    child_signal(numbers[_i]);
    child_exits(3);
    ck_assert_str_eq(child.text, "");
}
END_TEST

BELAY_TASK(minds_no_stop)
{
    int r;

    child_say('r');
    while (!belay_stopping())
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
    child_say('s');
    r = belay_sleep(BELAY_S(3600));
    child_say('c');
    return r;
}

static int
main_has_grace(void)
{
    return belay_main_with((.grace = BELAY_MS(20)), minds_no_stop);
}

START_TEST(after_the_grace_it_is_cut)
{
    child_start(main_has_grace);
    ck_assert_int_eq(child_hear(), 'r');
    child_signal(SIGTERM);
    child_exits(128 + SIGTERM);
    ck_assert_str_eq(child.text, "");
}
END_TEST

static int
main_has_long_grace(void)
{
    return belay_main_with((.grace = BELAY_S(3600)), minds_no_stop);
}

START_TEST(the_second_signal_is_hard)
{
    child_start(main_has_long_grace);
    ck_assert_int_eq(child_hear(), 'r');
    child_signal(SIGINT);
    ck_assert_int_eq(child_hear(), 's');
    child_signal(SIGTERM);
    ck_assert_int_eq(child_hear(), 'c');
    child_exits(128 + SIGINT);
}
END_TEST

BELAY_TASK(cannot_be_cut)
{
    BELAY_SHIELD(BELAY_S(3600));
    return belay_sleep(BELAY_S(3600));
}

BELAY_TASK(cut_beside_one_who_is_not)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, cannot_be_cut);
        belay_spawn(s, minds_no_stop);
    }
    return 0;
}

static int
main_is_stubborn(void)
{
    return belay_main_with((.grace = BELAY_S(3600), .workers = 2),
        cut_beside_one_who_is_not);
}

START_TEST(the_third_signal_kills)
{
    child_start(main_is_stubborn);
    ck_assert_int_eq(child_hear(), 'r');
    child_signal(SIGTERM);
    ck_assert_int_eq(child_hear(), 's');
    child_signal(SIGTERM);
    ck_assert_int_eq(child_hear(), 'c');
    child_signal(SIGTERM);
    child_dies_of(SIGTERM);
}
END_TEST

static volatile sig_atomic_t caught;

static void
catch(int number)
{
    caught = number;
}

static int
main_twice_then_own(void)
{
    struct sigaction own = {.sa_handler = catch}, now;
    sigset_t before, after;

    if (sigaction(SIGTERM, &own, NULL) < 0)
        return 90;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &before);
    if (belay_main(ends_when_asked) != 3)
        return 91;
    if (belay_main(ends_when_asked) != 3)
        return 92;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int i = 1; i < NSIG; i++)
        if (sigismember(&before, i) != sigismember(&after, i))
            return 93;
    if (sigaction(SIGINT, NULL, &now) < 0 || now.sa_handler != SIG_DFL)
        return 94;
    (void)raise(SIGTERM);
    return caught == SIGTERM && belay_run(gives, 8) == 8 ? 0 : 95;
}

START_TEST(everything_is_put_back)
{
    child_start(main_twice_then_own);
    ck_assert_int_eq(child_hear(), 'r');
    child_signal(SIGTERM);
    ck_assert_int_eq(child_hear(), 'r');
    child_signal(SIGTERM);
    child_exits(0);
}
END_TEST

static int
main_ignores_int(void)
{
    (void)signal(SIGINT, SIG_IGN);
    return belay_main_with((.grace = BELAY_S(3600)), ends_when_asked);
}

START_TEST(what_is_ignored_stays_ignored)
{
    child_start(main_ignores_int);
    ck_assert_int_eq(child_hear(), 'r');
    child_signal(SIGINT);
    child_signal(SIGINT);
    child_signal(SIGINT);
    child_signal(SIGTERM);
    child_exits(3);
}
END_TEST

static int
main_blocks_term(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    return belay_main_with((.grace = BELAY_S(3600)), ends_when_asked);
}

START_TEST(a_blocked_signal_arrives)
{
    child_start(main_blocks_term);
    ck_assert_int_eq(child_hear(), 'r');
    child_signal(SIGTERM);
    child_exits(3);
}
END_TEST

START_TEST(quit_shows_the_tasks)
{
    char text[8192];
    size_t used = 0;
    ssize_t n;

    child_start(main_is_gentle);
    ck_assert_int_eq(child_hear(), 'r');
    child_signal(SIGQUIT);
    do {
        n = read(child.errors, text + used, sizeof text - 1 - used);
        ck_assert_int_gt(n, 0);
        used += (size_t)n;
        text[used] = '\0';
    } while (strstr(text, "ends_when_asked") == NULL);
    child_signal(SIGTERM);
    child_exits(3);
}
END_TEST

/* ---- contracts ---------------------------------------------------------- */

BELAY_TASK(mains_inside)
{
    return belay_main(gives, 1);
}

static int
main_in_a_task(void)
{
    return belay_run(mains_inside);
}

static int
other_options(void)
{
    belay_run_opts opts = {.size = 8};

    return belay_run_at(BELAY_TYPE_(waits_for_ever), NULL, &opts,
        BELAY_SITE_("it"));
}

START_TEST(contracts)
{
    child_misuses(main_in_a_task, "belay_main in a task");
    child_misuses(other_options, "run options of another version");
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("run");

    tcase_set_timeout(t, 50);
    tcase_add_test(t, a_run_gives_the_tasks_result);
    tcase_add_test(t, a_deadlock_ends_a_run);
    tcase_add_test(t, a_run_in_a_task_is_a_child);
    tcase_add_test(t, a_run_after_the_deadline_says_so);
    tcase_add_test(t, a_run_in_a_cut_task_fails);
    tcase_add_test(t, runtimes_do_not_know_each_other);
    tcase_add_test(t, a_thread_of_a_task_has_its_own);
    tcase_add_test(t, the_result_is_the_exit_status);
    tcase_add_test(t, a_failure_is_explained);
    tcase_add_test(t, a_run_without_memory_fails);
    tcase_add_loop_test(t, a_signal_stops_gently, 0, 2);
    tcase_add_test(t, after_the_grace_it_is_cut);
    tcase_add_test(t, the_second_signal_is_hard);
    tcase_add_test(t, the_third_signal_kills);
    tcase_add_test(t, everything_is_put_back);
    tcase_add_test(t, what_is_ignored_stays_ignored);
    tcase_add_test(t, a_blocked_signal_arrives);
    tcase_add_test(t, quit_shows_the_tasks);
    tcase_add_test(t, contracts);
    return child_suite("run", t);
}
