/* SPDX-License-Identifier: MIT */
/*
 * Tests that watch a program from outside: a function runs in a child process,
 * says single letters through a pipe, and what it writes to stderr and how it
 * ends is kept.
 */
#ifndef BEHAVE_CHILD_H
#define BEHAVE_CHILD_H

#include <belay/base.h>

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    pid_t pid;
    int says, errors; /* our ends */
    int say;          /* the child's */
    char text[16384]; /* its stderr */
} child;

/* In the child. */
BELAY_UNUSED_ static void
child_say(char letter)
{
    if (write(child.say, &letter, 1) != 1)
        _exit(99);
}

/* main returns the exit status. */
BELAY_UNUSED_ static void
child_start(int (*main)(void))
{
    struct rlimit no_core = {0, 0};
    int says[2], errors[2];

    ck_assert_int_eq(pipe(says), 0);
    ck_assert_int_eq(pipe(errors), 0);
    child.pid = fork();
    if (child.pid == 0) {
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)dup2(errors[1], STDERR_FILENO);
        (void)close(says[0]);
        (void)close(errors[0]);
        (void)close(errors[1]);
        child.say = says[1];
        /* As a shell would start it; the harness has its own. */
        (void)signal(SIGINT, SIG_DFL);
        (void)signal(SIGTERM, SIG_DFL);
        (void)signal(SIGQUIT, SIG_DFL);
        _exit(main());
    }
    ck_assert_int_gt(child.pid, 0);
    (void)close(says[1]);
    (void)close(errors[1]);
    child.says = says[0];
    child.errors = errors[0];
}

/* The next letter that the child says; 0 if it has ended. */
BELAY_UNUSED_ static int
child_hear(void)
{
    char letter;

    return read(child.says, &letter, 1) == 1 ? letter : 0;
}

BELAY_UNUSED_ static void
child_signal(int number)
{
    ck_assert_int_eq(kill(child.pid, number), 0);
}

/* Its status, as of waitpid. */
BELAY_UNUSED_ static int
child_end(void)
{
    size_t used = 0;
    ssize_t n;
    int status;

    while ((n = read(child.errors, child.text + used,
                sizeof child.text - 1 - used)) > 0)
        used += (size_t)n;
    child.text[used] = '\0';
    (void)close(child.says);
    (void)close(child.errors);
    ck_assert_int_eq(waitpid(child.pid, &status, 0), child.pid);
    return status;
}

#define child_wrote(part)                                                      \
    ck_assert_msg(strstr(child.text, part) != NULL, "no '%s' in:\n%s",         \
        (part), child.text)
#define child_exits(code)                                                      \
    do {                                                                       \
        int child_status_ = child_end();                                       \
        ck_assert_msg(WIFEXITED(child_status_) &&                              \
                WEXITSTATUS(child_status_) == (code),                          \
            "status 0x%x: %s", (unsigned)child_status_, child.text);           \
    } while (0)
#define child_dies_of(number)                                                  \
    do {                                                                       \
        int child_status_ = child_end();                                       \
        ck_assert_msg(WIFSIGNALED(child_status_) &&                            \
                WTERMSIG(child_status_) == (number),                           \
            "status 0x%x: %s", (unsigned)child_status_, child.text);           \
    } while (0)

/* It breaks a contract and is stopped with this message. */
BELAY_UNUSED_ static void
child_misuses(int (*main)(void), const char *message)
{
    child_start(main);
    child_dies_of(SIGABRT);
    ck_assert_int_eq(strncmp(child.text, "belay: ", 7), 0);
    child_wrote(message);
}

/* Runs one test case under TAP; what main() returns. */
BELAY_UNUSED_ static int
child_suite(const char *name, TCase *t)
{
    Suite *s = suite_create(name);
    SRunner *r;
    int failed;

    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_set_tap(r, "-");
    srunner_run_all(r, CK_SILENT);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

#endif
