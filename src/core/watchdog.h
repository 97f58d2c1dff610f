/* SPDX-License-Identifier: MIT */
/* Finds tasks that hold their worker for too long.  See watchdog.c. */
#ifndef BLY_CORE_WATCHDOG_H
#define BLY_CORE_WATCHDOG_H

#include "core/diag.h"

enum { BLY_WATCHDOG_SITES = 32 };

/* What the last tick saw of one worker. */
struct bly_watch {
    struct bly_task *current;
    uint32_t ticks;
    int64_t since; /* these two have not changed */
    uint64_t id;   /* of the task, once looked at; 0 */
    bool told;
};

struct bly_watchdog {
    struct bly_rt *rt;
    struct {
        const belay_site *site;
        int64_t when; /* of the last report */
    } told[BLY_WATCHDOG_SITES];
    uint32_t next; /* the place in told[] to use next */
    struct bly_watch *workers;
};

int bly_watchdog_init(struct bly_watchdog *d, struct bly_rt *rt)
    BLY_MUST_CHECK;
void bly_watchdog_fini(struct bly_watchdog *d);
/* Returns true if some worker has moved since the last tick. */
bool bly_watchdog_tick(struct bly_watchdog *d, int64_t now);

#endif
