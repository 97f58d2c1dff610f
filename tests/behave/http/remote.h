/* SPDX-License-Identifier: MIT */
/* A server that is a program of its own. */
#ifndef BEHAVE_HTTP_REMOTE_H
#define BEHAVE_HTTP_REMOTE_H

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct remote {
    pid_t pid;
    int in;         /* its standard input */
    char line[256]; /* the first that it has written */
};

/* Starts it and waits for its first line.  It does not outlive the test. */
static inline void
remote_start(struct remote *r, const char *const *argv)
{
    int in[2], out[2];
    size_t used = 0;

    ck_assert_int_eq(pipe(in), 0);
    ck_assert_int_eq(pipe(out), 0);
    r->pid = fork();
    ck_assert_int_ge(r->pid, 0);
    if (r->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(in[0], STDIN_FILENO);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)close(in[0]);
        (void)close(in[1]);
        (void)close(out[0]);
        (void)close(out[1]);
        (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    r->in = in[1];
    while (memchr(r->line, '\n', used) == NULL) {
        ssize_t n = read(out[0], r->line + used, sizeof r->line - used);

        ck_assert_msg(n > 0, "%s does not start", argv[0]);
        used += (size_t)n;
    }
    *(char *)memchr(r->line, '\n', used) = '\0';
    (void)close(out[0]);
}

/* Closes its input, sends it a signal if that is not 0, and waits for its end:
 * its status as of waitpid. */
static inline int
remote_end(struct remote *r, int sig)
{
    int status = -1;

    (void)close(r->in);
    if (sig != 0)
        (void)kill(r->pid, sig);
    ck_assert_int_eq(waitpid(r->pid, &status, 0), r->pid);
    return status;
}

#endif
