/* SPDX-License-Identifier: MIT */
/* Finds tasks that will not go on, or not end.  See patrol.c. */
#ifndef BLY_CORE_PATROL_H
#define BLY_CORE_PATROL_H

#include "core/diag.h"

enum { BLY_PATROL_LAGGARDS = 64 };

/* A task that is below a cut and goes on. */
struct bly_laggard {
    uint64_t id;
    int64_t since; /* first seen so */
    bool seen;     /* in the pass that has just been made */
    bool told;
};

struct bly_patrol {
    struct bly_rt *rt;
    bool under_way; /* a pass has begun: answers are awaited */
    int64_t began, next, spent_ns;
    uint32_t epoch; /* as of the last pass */
    struct bly_notes now, before;
    struct bly_laggard laggards[BLY_PATROL_LAGGARDS];
    uint32_t nlaggards;
};

void bly_patrol_init(struct bly_patrol *p, struct bly_rt *rt);
void bly_patrol_fini(struct bly_patrol *p);
void bly_patrol_tick(struct bly_patrol *p, int64_t now);
/* Nothing is under way or due to be told soon. */
bool bly_patrol_resting(const struct bly_patrol *p);

#endif
