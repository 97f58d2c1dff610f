/* SPDX-License-Identifier: MIT */
/*
 * Stopping gently: SIGTERM asks the program to end.  Who waits for new work
 * is told at once, work that was taken in is finished, and what is still
 * there when the time of grace is over is cancelled.
 */
#include <belay.h>

#include <signal.h>
#include <stdio.h>

typedef BELAY_CHAN(int) int_chan;

/* Takes orders until the stop, then closes the shop. */
BELAY_TASK(counter, (int_chan, orders), (int *, taken))
{
    BELAY_EVERY(next, BELAY_MS(1));

    while (belay_tick(&next) > 0) {
        BELAY_TRY(belay_send(&orders, ++*taken));
        if (*taken == 5)
            raise(SIGTERM);
    }
    if (!belay_stopping())
        return BELAY_FAIL(-EPROTO, "the ticker ended by itself");
    return 0;
}

/* Slow: it is behind when the stop comes, and works on until it is done. */
BELAY_TASK(kitchen, (int_chan, orders), (int *, done))
{
    int n;

    while (BELAY_TRY(belay_recv(&orders, &n)) > 0) {
        BELAY_TRY(belay_sleep(BELAY_MS(10)));
        *done += 1;
    }
    return 0;
}

BELAY_TASK(app)
{
    BELAY_AUTO_CHAN(int_chan, orders);
    int taken = 0, done = 0;

    BELAY_TRY(belay_chan_open(&orders, 100));
    BELAY_SCOPE(s) {
        belay_spawn_producer(s, &orders, counter, orders, &taken);
        belay_spawn(s, kitchen, orders, &done);
    }
    if (done != taken)
        return BELAY_FAIL(-EPROTO, "%d of %d orders done", done, taken);
    printf("all that was ordered is done\n");
    return 0;
}

int
main(void)
{
    return belay_main(app);
}
