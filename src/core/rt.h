/* SPDX-License-Identifier: MIT */
/*
 * A runtime and its workers.  A worker's fields belong to its thread; the
 * line of atomics at its end is what others may touch.
 */
#ifndef BLY_CORE_RT_H
#define BLY_CORE_RT_H

#include "base/alloc.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/rng.h"
#include "core/driver.h"
#include "core/runq.h"
#include "core/stack.h"
#include "core/task.h"
#include "core/timer.h"
#include "os/os.h"

enum {
    BLY_SLICE = 128,    /* operations before a task must let others run */
    BLY_POLL_EVERY = 61 /* picks between two looks outside */
};

enum { BLY_LANES = 4 }; /* kinds of lanes, see lane.h */

struct bly_task_slab {
    struct bly_task_slab *next;
    void *pad[7]; /* descriptors begin on a cache line of their own */
};

/* What a thief saw at the end of somebody's queue, and when. */
struct bly_look {
    int64_t top, when;
};

struct bly_worker {
    struct bly_task *current; /* atomic store; diagnosis reads it */
    struct bly_rt *rt;
    struct bly_ring *ring; /* atomic: of the timeline; NULL: not recorded */
    struct bly_task *ready_head, *ready_tail; /* started or pinned: FIFO */
    struct bly_task *ahead; /* in the ready queue: fetched up to here */
    struct bly_ctx loop;  /* the scheduler's own context */
    uint32_t slice;       /* operations left before a forced yield */
    uint32_t picks;       /* counts towards BLY_POLL_EVERY */
    uint32_t index;
    uint32_t ticks;       /* atomic: moves whenever a task is switched to */
    int *errno_at;        /* this thread's errno */
    struct bly_runq runq;
    struct bly_timers timers;
    struct bly_stacks stacks;
    struct bly_task *free_tasks;
    uint32_t free_count;
    uint32_t ready_count;
    uint32_t starved;     /* picks in a row for which there was no stack */
    bool look;            /* a slice is used up: look outside */
    bool spinning;        /* looks for work, as the only one; see idle.c */
    int64_t now;          /* as of the last look outside */
    uint32_t coarse;      /* atomic: the same in milliseconds */
    struct bly_stack *dead;  /* left by a task that ended, for the loop */
    struct bly_ctx dead_ctx;
    struct bly_stack *deep;   /* see deep.c; NULL until it is asked for */
    uint64_t rng;
    uint64_t next_id;
    struct bly_list tasks;    /* started and linked */
    struct bly_shard *todo;   /* see cancel.c */
    struct bly_shard *free_shards;
    struct bly_thread thread;
    void *driver_data;
    struct bly_look *looks;   /* one per worker: what the thief saw */
    int64_t stole_at;         /* when it last took something */

    struct bly_msg *inbox BLY_LINE_ALIGNED; /* atomic stack */
    uint32_t sleep;          /* futex: 1 parked, 0 not */
    bool quiet;              /* under rt->lock: nothing left to do here */
    uint32_t searcher;       /* atomic: woken to take from a queue */
};

/* What an upper floor keeps for a runtime, in an object of its own. */
struct bly_part {
    struct bly_part *next;
    /* Called when no task and no thread of the runtime is left. */
    void (*close)(struct bly_part *p);
};

struct bly_rt {
    uint32_t epoch BLY_LINE_ALIGNED; /* atomic: moves at every cut */
    uint32_t count;           /* workers */
    struct bly_worker *workers;
    const struct bly_driver *driver;
    bool main;                /* belay_main: signals, reports, monitor */
    uint32_t done BLY_LINE_ALIGNED; /* atomic: the root has ended */
    uint32_t idle;            /* atomic: workers that are parked */
    uint32_t searching;       /* atomic: 1 while one worker looks for work */
    uint32_t sources;         /* atomic: open inlets and the like: what could
                               * still bring work from outside */
    uint32_t visitors;        /* atomic: threads that are no worker and look
                               * at this; see bly_rt_visit */
    struct bly_part *parts;   /* atomic; grows under the lock */
    struct bly_lock lock;     /* the three below, deadlock detection */
    struct bly_task *spare_tasks; /* batches of free ones, see task.c */
    struct bly_task *foreign_tasks; /* free ones for such threads */
    struct bly_task_slab *task_slabs;
    uint32_t quiet;           /* workers that are parked without a timer */
    uint32_t deadlocks;       /* found so far */
    bool deadlocked;          /* one is being reported: nothing may run */
    struct bly_msg deadlock_msg; /* cuts the root, on its worker */
    struct bly_stack_pool *stack_pool;
    struct bly_scope *root_scope; /* cut to end everything; or NULL */
    struct bly_scope *top;        /* counts the task that opens it */
    void *block;                  /* what was allocated */
    struct bly_monitor *monitor;
    struct bly_diag *diag;    /* what the workers are asked; see waitfor.h */
    struct bly_lane *lanes[BLY_LANES]; /* atomic: made when first used */
    uint32_t lane_max[BLY_LANES];      /* 0: the usual */
};

/* The worker of the calling thread, or NULL. */
#if BLY_SIM
extern struct bly_worker *bly_worker_here; /* the explorer swaps it */
#else
extern __thread struct bly_worker *bly_worker_here
    __attribute__((tls_model("initial-exec")));
#endif

int bly_rt_open(struct bly_rt **rt, unsigned workers, bool main,
    const struct bly_driver *driver) BLY_MUST_CHECK;
void bly_rt_close(struct bly_rt *rt);

/* The part of rt that is closed by this, or NULL. */
struct bly_part *bly_rt_part(struct bly_rt *rt,
    void (*close)(struct bly_part *p));
/* Makes p a part of rt, unless it has one like it; the one that it has. */
struct bly_part *bly_rt_add_part(struct bly_rt *rt, struct bly_part *p);

/*
 * A thread that is no worker touches rt or its workers only between these two.
 * It begins while something else keeps rt open (a lock that the end of a scope
 * takes, a task that waits for the thread); from then on the visit does.
 */
void bly_rt_visit(struct bly_rt *rt);
void bly_rt_leave(struct bly_rt *rt);

/* Like bly_task_new and its opposite, for such a thread. */
struct bly_task *bly_task_new_foreign(struct bly_rt *rt) BLY_MUST_CHECK;
void bly_task_free_foreign(struct bly_rt *rt, struct bly_task *t);

struct bly_task *bly_task_new_slow_(struct bly_worker *w);
void bly_task_spill_(struct bly_worker *w);

enum { BLY_TASK_BATCH = 64 };

/* A descriptor, not cleared, or NULL.  See task.c. */
BLY_MUST_CHECK BLY_INLINE struct bly_task *
bly_task_new(struct bly_worker *w)
{
    struct bly_task *t = w->free_tasks;

    if (BLY_UNLIKELY(BLY_SIM || t == NULL))
        return bly_task_new_slow_(w);
    w->free_tasks = (struct bly_task *)(void *)t->msg.next;
    w->free_count--;
    return t;
}

BLY_INLINE void
bly_task_free(struct bly_worker *w, struct bly_task *t)
{
    if (BLY_SIM) {
        bly_free(t);
        return;
    }
    t->msg.next = (struct bly_msg *)(void *)w->free_tasks;
    w->free_tasks = t;
    if (BLY_UNLIKELY(++w->free_count >= 2 * BLY_TASK_BATCH))
        bly_task_spill_(w);
}

/* The task that the calling thread runs, or NULL. */
BLY_INLINE struct bly_task *
bly_self(void)
{
    return bly_worker_here != NULL ? bly_worker_here->current : NULL;
}

/* Sends m to w and wakes it if it sleeps.  Any thread. */
void bly_send_msg(struct bly_worker *w, struct bly_msg *m);

#endif
