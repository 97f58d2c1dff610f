/* SPDX-License-Identifier: MIT */
/*
 * The deadlines of one worker: a 4-ary heap, touched by its owner only.  The
 * key lies beside the pointer, so that sifting reads one cache line for four
 * children.  A timer knows its place, so that it can be removed.
 */
#ifndef BLY_CORE_TIMER_H
#define BLY_CORE_TIMER_H

#include "base/time.h"

#include <stdbool.h>

struct bly_worker;
struct bly_timer;

/* Runs on the worker's thread, the timer already removed. */
typedef void bly_timer_fn(struct bly_timer *t);

struct bly_timer {
    int64_t when;
    bly_timer_fn *fire;
    uint32_t place; /* index in the heap + 1; 0 = not armed */
};

struct bly_timer_slot {
    int64_t when;
    struct bly_timer *timer;
};

struct bly_timers {
    struct bly_timer_slot *heap;
    uint32_t count, room;
};

void bly_timers_init(struct bly_timers *h);
void bly_timers_fini(struct bly_timers *h);

/* -ENOMEM when the heap cannot grow. */
int bly_timer_arm(struct bly_timers *h, struct bly_timer *t, int64_t when)
    BLY_MUST_CHECK;
void bly_timer_disarm(struct bly_timers *h, struct bly_timer *t);
/* Fires what is due; returns the next deadline or BLY_NEVER. */
int64_t bly_timers_run(struct bly_timers *h, int64_t now);

BLY_INLINE bool
bly_timer_armed(const struct bly_timer *t)
{
    return t->place != 0;
}

BLY_INLINE int64_t
bly_timers_next(const struct bly_timers *h)
{
    return h->count == 0 ? BLY_NEVER : h->heap[0].when;
}

#endif
