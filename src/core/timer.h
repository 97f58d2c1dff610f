/* SPDX-License-Identifier: MIT */
/*
 * The deadlines of one worker, touched by its owner only: a heap of those that
 * are near, and a wheel of those that are not.  The essay is in timer.c.
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
    uint32_t place; /* 0 = not armed; in the heap or in the wheel */
};

struct bly_timer_slot {
    int64_t when;
    struct bly_timer *timer;
};

/* A timer in the wheel; 0 is the number of none. */
struct bly_timer_node {
    int64_t when;
    struct bly_timer *timer;
    uint32_t next, prev; /* in its slot; next also of those that are free */
};

enum { BLY_TIMER_LEVELS = 7, BLY_TIMER_SLOTS = 64 };

struct bly_timers {
    struct bly_timer_slot *heap;
    struct bly_timer_node *nodes; /* from 1 on */
    uint32_t count, room;         /* in the heap; in heap and nodes, each */
    uint32_t far, fresh, unused;  /* nodes in use; never used; the free ones */
    int64_t edge;                 /* the first tick that is the wheel's */
    int64_t later; /* nothing in the wheel is due earlier; or BLY_NEVER */
    uint64_t taken[BLY_TIMER_LEVELS]; /* a bit for each slot in use */
    uint32_t slots[BLY_TIMER_LEVELS][BLY_TIMER_SLOTS];
    int64_t least[BLY_TIMER_LEVELS][BLY_TIMER_SLOTS]; /* as later, of a slot */
};

void bly_timers_init(struct bly_timers *h);
void bly_timers_fini(struct bly_timers *h);

/* -ENOMEM when there is no room for one more. */
int bly_timer_arm(struct bly_timers *h, struct bly_timer *t, int64_t when)
    BLY_MUST_CHECK;
void bly_timer_disarm(struct bly_timers *h, struct bly_timer *t);
/* Fires what is due; returns the next deadline, as bly_timers_next does. */
int64_t bly_timers_run(struct bly_timers *h, int64_t now);
/* After the next one another is due until then, as far as is easily seen. */
bool bly_timers_crowded(const struct bly_timers *h, int64_t until);

BLY_INLINE bool
bly_timer_armed(const struct bly_timer *t)
{
    return t->place != 0;
}

/* No timer is due before; BLY_NEVER if there is none.  It is exact, unless the
 * first one of a slot of the wheel was disarmed: then it may be early, once. */
BLY_INLINE int64_t
bly_timers_next(const struct bly_timers *h)
{
    return h->count == 0 ? h->later : h->heap[0].when;
}

#endif
