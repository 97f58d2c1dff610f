/* SPDX-License-Identifier: MIT */
/*
 * A deadlock, and what belay says about it: two tasks take two locks in
 * opposite order.  When nothing can ever happen again, who waits for whom is
 * reported at once, everything is cancelled, and the run returns -EDEADLK.
 */
#include <belay.h>

#include <stdio.h>

typedef BELAY_GUARDED(long) account;

static account ann, ben;
static belay_barrier both = BELAY_BARRIER_INIT(2);

BELAY_TASK(transfer, (account *, from), (account *, to))
{
    BELAY_LOCK(from, f);
    (void)BELAY_TRY(belay_barrier_wait(&both)); /* now each has one */
    BELAY_LOCK(to, t);
    *f -= 10;
    *t += 10;
    return 0;
}

BELAY_TASK(app)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, transfer, &ann, &ben);
        belay_spawn(s, transfer, &ben, &ann);
        BELAY_TRY(belay_sleep(BELAY_MS(1))); /* so that they begin */
    }
    return 0;
}

static void
to_stdout(void *arg, const char *text)
{
    (void)arg;
    fputs(text, stdout);
}

int
main(void)
{
    int r;

    belay_set_log(to_stdout, NULL);
    r = belay_run(app);
    printf("the run returned %s\n", r == -EDEADLK ? "-EDEADLK" : "?");
    return 0;
}
