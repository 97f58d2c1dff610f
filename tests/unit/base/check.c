/* SPDX-License-Identifier: MIT */
/* base/check.h: one line on stderr, then SIGABRT. */
#undef BLY_DEBUG
#define BLY_DEBUG 1
#include "base/check.h"

#include <belay/base.h>

#include <check.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const belay_site here = {"port.c", 42, "port_open", "port_open"};
static char said[4096];

/* Runs fn in a process of its own and keeps what it said on stderr; it must
 * have died by SIGABRT. */
static void
dies(void (*fn)(void))
{
    int fds[2], status;
    size_t used = 0;
    ssize_t n;
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct rlimit none = {0, 0};

        setrlimit(RLIMIT_CORE, &none);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        fn();
        _exit(0);
    }
    close(fds[1]);
    while ((n = read(fds[0], said + used, sizeof(said) - 1 - used)) > 0)
        used += (size_t)n;
    said[used] = '\0';
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGABRT);
}

static void
with_site(void)
{
    bly_misuse(&here, "port %d is %s", 80, "taken");
}

static void
without_site(void)
{
    bly_misuse(NULL, "nobody knows");
}

static void
name_task(char *buf, size_t size)
{
    (void)snprintf(buf, size, " in task 'reader' (spawned at main.c:7)");
}

static void
name_nobody(char *buf, size_t size)
{
    (void)snprintf(buf, size, "%s", "");
}

START_TEST(misuse)
{
    dies(with_site);
    ck_assert_str_eq(said, "belay: port 80 is taken at port.c:42\n");
    dies(without_site);
    ck_assert_str_eq(said, "belay: nobody knows\n");
}
END_TEST

START_TEST(misuse_names_the_task)
{
    bly_check_describe = name_task;
    dies(with_site);
    ck_assert_str_eq(said, "belay: port 80 is taken at port.c:42,"
                           " in task 'reader' (spawned at main.c:7)\n");
    bly_check_describe = name_nobody;
    dies(with_site);
    ck_assert_str_eq(said, "belay: port 80 is taken at port.c:42\n");
}
END_TEST

static void
with_long_text(void)
{
    char text[5000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    bly_misuse(&here, "%s", text);
}

/* The place and the task are told whatever came before them. */
START_TEST(long_text_is_cut)
{
    static const char tail[] =
        "xxx at port.c:42, in task 'reader' (spawned at main.c:7)\n";
    size_t n;

    bly_check_describe = name_task;
    dies(with_long_text);
    n = strlen(said);
    ck_assert_uint_lt(n, 1000);
    ck_assert_uint_gt(n, strlen(tail));
    ck_assert_str_eq(said + n - strlen(tail), tail);
}
END_TEST

static volatile int three = 3;

static void
assert_wrong(void)
{
    bly_assert(three == 4);
}

START_TEST(assertion)
{
    int line = __LINE__ - 5;
    char expected[256];

    bly_assert(three == 3); /* goes on */
    dies(assert_wrong);
    (void)snprintf(expected, sizeof(expected),
        "belay: internal error: 'three == 4' is false at %s:%d\n", __FILE__,
        line);
    ck_assert_str_eq(said, expected);
}
END_TEST

static jmp_buf back;
static char caught[700];

static void
catch(const char *line)
{
    (void)snprintf(caught, sizeof(caught), "%s", line);
    longjmp(back, 1);
}

START_TEST(a_simulation_catches_the_line)
{
    bly_check_describe = name_task;
    bly_check_caught = catch;
    if (setjmp(back) == 0)
        with_site();
    ck_assert_str_eq(caught, "belay: port 80 is taken at port.c:42,"
                             " in task 'reader' (spawned at main.c:7)");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("check");
    TCase *t = tcase_create("check");
    SRunner *r = srunner_create(s);

    tcase_add_test(t, misuse);
    tcase_add_test(t, misuse_names_the_task);
    tcase_add_test(t, long_text_is_cut);
    tcase_add_test(t, assertion);
    tcase_add_test(t, a_simulation_catches_the_line);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
