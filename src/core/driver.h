/* SPDX-License-Identifier: MIT */
/*
 * What the scheduler asks of whoever lets a worker sleep: a futex, or later a
 * kernel interface for I/O.  run.c picks one; nobody else knows which.  All
 * calls but wake come from the worker's own thread.
 */
#ifndef BLY_CORE_DRIVER_H
#define BLY_CORE_DRIVER_H

#include "base/compiler.h"

#include <stdbool.h>

struct bly_worker;

struct bly_driver {
    const char *name;
    int (*open)(struct bly_worker *w);
    void (*close)(struct bly_worker *w);
    /* Takes in what has completed, without waiting; NULL: nothing can.  Right
     * before park it may leave that to it. */
    void (*poll)(struct bly_worker *w);
    /* Sleeps until wake, a completion or the deadline (BLY_NEVER: none).
     * Returns at once if w->sleep is no longer 1. */
    void (*park)(struct bly_worker *w, int64_t deadline);
    /* Any thread; w->sleep has just been taken from 1 to 0. */
    void (*wake)(struct bly_worker *w);
    /* True while something outside (an operation) may still complete. */
    bool (*busy)(struct bly_worker *w);
};

extern const struct bly_driver bly_driver_futex;

#endif
