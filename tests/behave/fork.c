/* SPDX-License-Identifier: MIT */
/* After a fork the child may exec or _exit; anything else aborts. */
#include <belay/inlet.h>
#include <belay/run.h>
#include <belay/sync.h>
#include <belay/task.h>

#include "child.h"

#include <errno.h>

BELAY_TASK(sleeps, (belay_dur, d))
{
    return belay_sleep(d);
}

typedef int child_fn(void);

/* main is what the child of the fork does; status is how it has ended. */
BELAY_TASK(forks, (child_fn *, main), (int *, status))
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(main());
    if (pid < 0 || waitpid(pid, status, 0) != pid)
        return -EIO;
    return belay_sleep(0); /* in the parent all is well */
}

static int
child_sleeps(void)
{
    return belay_sleep(BELAY_S(1));
}

static int
child_runs(void)
{
    return belay_run(sleeps, BELAY_MS(1));
}

static belay_inlet *inlet;

static int
child_posts(void)
{
    return belay_post(inlet, sleeps, BELAY_MS(1));
}

static int
child_execs(void)
{
    (void)execl("/bin/sh", "sh", "-c", "exit 5", (char *)NULL);
    return 98;
}

static int
child_leaves(void)
{
    return 6;
}

static child_fn *child_main;

BELAY_TASK(opens_and_forks, (int *, status))
{
    int r;

    BELAY_SCOPE(s) {
        BELAY_TRY(belay_inlet_open(&inlet, s));
        r = belay_run(forks, child_main, status);
        belay_inlet_unref(inlet);
        BELAY_TRY(r);
    }
    return 0;
}

/* Hands the end of the grandchild on. */
static int
run_and_tell(void)
{
    int status = 0;

    if (belay_run_with((.workers = 2), opens_and_forks, &status) != 0)
        return 97;
    if (WIFSIGNALED(status))
        return 100 + WTERMSIG(status);
    return WEXITSTATUS(status);
}

static void
aborts(child_fn *main, const char *message)
{
    child_main = main;
    child_start(run_and_tell);
    child_exits(100 + SIGABRT);
    child_wrote(message);
    child_wrote("in the child of a fork, which may only exec or _exit");
}

START_TEST(calls_abort)
{
    aborts(child_sleeps, "belay: belay_sleep outside a task");
    aborts(child_runs, "belay: opening a runtime");
    aborts(child_posts, "belay: belay_post");
}
END_TEST

START_TEST(exec_and_exit_are_fine)
{
    child_main = child_execs;
    child_start(run_and_tell);
    child_exits(5);
    child_main = child_leaves;
    child_start(run_and_tell);
    child_exits(6);
    ck_assert_str_eq(child.text, "");
}
END_TEST

static int
runs_anew(void)
{
    return belay_run(sleeps, BELAY_MS(1)) == 0 ? 4 : 1;
}

START_TEST(a_child_without_a_runtime_is_a_program)
{
    ck_assert_int_eq(belay_run(sleeps, 0), 0); /* and it is over */
    child_start(runs_anew);
    child_exits(4);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("fork");

    tcase_set_timeout(t, 50);
    tcase_add_test(t, calls_abort);
    tcase_add_test(t, exec_and_exit_are_fine);
    tcase_add_test(t, a_child_without_a_runtime_is_a_program);
    return child_suite("fork", t);
}
