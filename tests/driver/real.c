/* SPDX-License-Identifier: MIT */
/*
 * Runs the suite on the driver that BELAY_DRIVER names, with one worker and
 * with two, each case in a process of its own; prints TAP.
 */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

BELAY_TASK(run_case, (const struct driver_case *, c))
{
    int r = c->run();

    if (r < 0)
        printf("# %s\n", belay_why());
    return r;
}

static int
real_child(const struct driver_case *c, unsigned workers)
{
    int r;

    (void)alarm(60); /* a hang is a failure */
    r = belay_run_with((.workers = workers), run_case, c);
    (void)fflush(stdout);
    return r == 0 ? 0 : 1;
}

static int
real_one(const struct driver_case *c, unsigned workers)
{
    int status = -1;
    pid_t pid;

    (void)fflush(stdout);
    pid = fork();
    if (pid == 0)
        _exit(real_child(c, workers));
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    if (status != 0)
        printf("# status 0x%x\n", (unsigned)status);
    return status;
}

/* The io_uring driver may be refused here; that is said, and not a failure. */
BELAY_TASK(can_start)
{
    int pair[2];
    int r = belay_pipe(pair);

    if (r == 0) {
        belay_fd_close(pair[0]);
        belay_fd_close(pair[1]);
    } else {
        printf("1..0 # SKIP %s\n", belay_why());
    }
    return r;
}

int
main(void)
{
    unsigned n = 0, failed = 0;

    if (belay_run(can_start) < 0)
        return 0;
    printf("TAP version 13\n");
    for (int i = 0; i < DRIVER_SUITES; i++)
        for (const struct driver_case *c = driver_suites[i]; c->name; c++)
            for (unsigned workers = 1; workers <= 2; workers++) {
                int bad = real_one(c, workers) != 0;

                failed += (unsigned)bad;
                printf("%sok %u - %s, %u workers\n", bad ? "not " : "", ++n,
                    c->name, workers);
            }
    printf("1..%u\n", n);
    return failed != 0;
}
