/* SPDX-License-Identifier: MIT */
/*
 * What the core knows of a channel: that tasks can be registered as its
 * producers, and on which worker it was last waited for.  A channel begins
 * with this, and gives the two functions, since the core cannot call upwards.
 */
#ifndef BLY_CORE_PRODUCER_H
#define BLY_CORE_PRODUCER_H

#include "base/compiler.h"

struct bly_worker;

/* No open scope begins with this word, so that .near can tell them apart. */
#define BLY_PRODUCERS_MAGIC 0x6c6e6863u

struct bly_producers {
    uint32_t magic;
    uint32_t count; /* registered and not ended; under the owner's lock */
    /* At the spawn of a producer, before it can run. */
    void (*add)(struct bly_producers *p);
    /* Its end with err, or 0 for any success; also if it never ran.  Any
     * thread.  The owner may be gone when it returns. */
    void (*end)(struct bly_producers *p, int err);
    /* Atomic, relaxed: the worker of the task that last slept here, or NULL;
     * a hint for spawn's .near. */
    struct bly_worker *near;
};

#endif
