/* SPDX-License-Identifier: MIT */
/*
 * A rate limit: three calls at once, then one each 20 ms.  Who could not be
 * served before its deadline is told so at once.
 */
#include <belay.h>

#include <stdio.h>

static belay_rate api = BELAY_RATE_INIT(50, BELAY_S(1), 3);

BELAY_TASK(call, (int *, done))
{
    BELAY_TRY(belay_rate_wait(&api, 1));
    ++*done;
    return 0;
}

BELAY_TASK(app)
{
    belay_time start = belay_now();
    int done = 0;

    BELAY_SCOPE(s, .local = true) {
        for (int i = 0; i < 6; i++)
            belay_spawn(s, call, &done);
    }
    printf("%d calls, in 60 ms or more: %d\n", done,
        belay_now() - start >= BELAY_MS(60));

    belay_rate_pause(&api, BELAY_S(30)); /* the server asked for it */
    printf("in a second? %s\n",
        belay_strerror(BELAY_WITHIN(BELAY_S(1), belay_rate_wait(&api, 1))));
    printf("at once? %d\n", belay_now() - start < BELAY_S(30));
    return 0;
}

int
main(void)
{
    return belay_main(app);
}
