/* SPDX-License-Identifier: MIT */
/* A plug-in that has a copy of belay to itself; see host.c. */
#include <belay/chan.h>
#include <belay/run.h>
#include <belay/task.h>

#include "copies.h"

#include <string.h>

enum { COUNT = 200 };

BELAY_TASK(produce, (belay_chan *, base))
{
    struct {
        belay_chan *base;
        int *elem;
    } ch = {base, NULL};

    for (int i = 1; i <= COUNT; i++) {
        BELAY_TRY(belay_send(&ch, i));
        if (i % 50 == 0)
            BELAY_TRY(belay_sleep(BELAY_US(100)));
    }
    return 0;
}

BELAY_TASK(consume, (copy_fn *, other), (int, depth))
{
    BELAY_CHAN(int) ch;
    int sum = 0, v;

    BELAY_TRY(belay_chan_open(&ch, 3));
    BELAY_SCOPE(s) {
        belay_spawn_producer(s, &ch, produce, ch.base);
        while (belay_recv(&ch, &v) > 0)
            sum += v;
    }
    belay_chan_free(&ch);
    if (depth > 0 && other(NULL, depth - 1) != sum)
        return -1;
    return belay_checkpoint() < 0 ? -1 : sum;
}

/* Runs a runtime of this copy; if depth > 0, a task of it calls the other. */
__attribute__((visibility("default"))) int
copy_run(void *other, int depth)
{
    copy_fn *call;

    memcpy(&call, &other, sizeof call);
    return belay_run_with((.workers = 2), consume, call, depth);
}
