/* SPDX-License-Identifier: MIT */
/*
 * A join set: tasks are started, and each is looked at when it ends, with the
 * tag that it was given.  There are never more than two at a time: whenever
 * one ends, the next is started.
 */
#include <belay.h>

#include <stdio.h>

enum { JOBS = 7, AT_ONCE = 2 };

BELAY_TASK(job, (int, n))
{
    BELAY_TRY(belay_sleep(BELAY_MS(n % 3)));
    if (n == 4)
        return BELAY_FAIL(-EINVAL, "job %d has no input", n);
    return n * n;
}

BELAY_TASK(app)
{
    int result[JOBS], started = 0, running = 0;
    belay_done done;

    BELAY_SCOPE(s, .policy = BELAY_COLLECT) {
        for (; started < AT_ONCE; started++, running++)
            belay_spawn_tagged(s, (size_t)started, job, started);
        while (BELAY_TRY(belay_next(s, &done)) > 0) {
            result[done.tag] = done.err;
            running--;
            if (started < JOBS) {
                belay_spawn_tagged(s, (size_t)started, job, started);
                started++;
                running++;
            }
            if (running > AT_ONCE)
                return BELAY_FAIL(-EPROTO, "%d at once", running);
        }
    }
    for (int i = 0; i < JOBS; i++) {
        if (result[i] < 0)
            printf("job %d: %s\n", i, belay_strerror(result[i]));
        else
            printf("job %d: %d\n", i, result[i]);
    }
    return 0;
}

int
main(void)
{
    return belay_main(app);
}
