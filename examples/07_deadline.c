/* SPDX-License-Identifier: MIT */
/*
 * Deadlines and shields.  A deadline holds for everything inside its block,
 * however deep; -ETIME says that it passed.  A shield hides cuts from outside
 * for a limited time: for work that must be finished once it was begun.
 */
#include <belay.h>

#include <stdio.h>

/* Stands for something that hangs. */
static int
hang(void)
{
    return belay_sleep(BELAY_S(600));
}

static int
two_steps(void)
{
    BELAY_DEADLINE(BELAY_MS(5)); /* for both, to the end of the function */

    BELAY_TRY(belay_sleep(BELAY_MS(1)));
    BELAY_TRY(hang());
    return 0;
}

BELAY_TASK(transfer, (int *, written))
{
    BELAY_SHIELD(BELAY_S(5));

    BELAY_TRY(belay_sleep(BELAY_MS(20))); /* the scope is cut meanwhile */
    *written += 1;
    BELAY_TRY(belay_sleep(BELAY_MS(1)));
    *written += 1;
    return 0;
}

BELAY_TASK(careless, (int *, written))
{
    BELAY_TRY(hang());
    *written += 100;
    return 0;
}

BELAY_TASK(app)
{
    int err, written = 0;

    printf("one call: %s\n", belay_strerror(BELAY_WITHIN(BELAY_MS(5), hang())));
    printf("two steps: %s\n", belay_strerror(two_steps()));
    printf("outside: %d\n", belay_cancelled());

    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_MS(10)) {
        belay_spawn(s, transfer, &written);
        belay_spawn(s, careless, &written);
    }
    printf("scope: %s, %d written\n", belay_strerror(err), written);
    return 0;
}

int
main(void)
{
    return belay_main(app);
}
