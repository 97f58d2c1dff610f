/* SPDX-License-Identifier: MIT */
/*
 * A task: what runs, where it hangs in the tree, what it waits for.
 *
 *   new --spawn--> queued --first run--> started <--park/wake--> parked
 *                                           \--return--> ended, reused
 *
 * A queued task has no stack and no worker.  A started one stays on its
 * worker: all of its fields are then touched by that worker's thread only,
 * save those marked atomic, which diagnosis reads from outside.
 */
#ifndef BLY_CORE_TASK_H
#define BLY_CORE_TASK_H

#include <belay/task.h>

#include "arch/ctx.h"
#include "core/node.h"

struct bly_stack;
struct bly_waiter;
struct bly_worker;
struct bly_trace;

/* Something to do for a worker, sent by another thread. */
struct bly_msg {
    struct bly_msg *next;
    void (*run)(struct bly_msg *m, struct bly_worker *w); /* NULL: a task */
};

enum bly_task_flag {
    BLY_TASK_STARTED = 1u << 0,
    BLY_TASK_BORROWED = 1u << 1,  /* runs on its owner's stack */
    BLY_TASK_DAEMON = 1u << 2,
    BLY_TASK_OWN_STACK = 1u << 3, /* may not borrow one */
    BLY_TASK_SPECIAL = 1u << 4,   /* has an extra: outcome, tag, producer... */
    BLY_TASK_BIG_ARGS = 1u << 5,  /* args lie outside */
    BLY_TASK_PINNED = 1u << 6,    /* may not be stolen */
    BLY_TASK_COUNTED = 1u << 7,   /* counts against .limit */
    BLY_TASK_SMALL = 1u << 8,     /* wants the smallest stack */
    BLY_TASK_UNWANTED = 1u << 9,  /* its base is cut by its spawner, who waited
                                   * for belay_ready: it has not failed */
};

/* Why the quick check is not enough. */
enum bly_task_slow {
    BLY_SLOW_STALE = 1u << 0,    /* the cached cut must be computed anew */
    BLY_SLOW_DEADLINE = 1u << 1, /* a deadline holds: look at the clock */
    BLY_SLOW_NOWAIT = 1u << 2,
};

enum { BLY_TASK_INLINE_ARGS = 32 }; /* the first word and three more */

/* What few tasks have; allocated when asked for. */
struct bly_extra {
    belay_outcome *outcome;
    size_t tag;
    size_t stack;
    struct bly_producers *producers;
    void (*discard)(void *args);
    struct bly_ready *ready;
    struct bly_done_entry *entry; /* a tagged child's, for belay_next */
    struct bly_post *post;        /* a foreign thread waits for the end */
    struct bly_trace *trace;      /* of its newest failure */
    struct bly_keep *keeps;       /* texts that scopes it opened have left */
};

struct bly_task {
    struct bly_msg msg; /* link of ready queues and inboxes */
    struct bly_ctx ctx;
    struct bly_worker *worker; /* atomic once started */
    struct bly_node *node;     /* the innermost open one */
    struct bly_stack *stack;
    struct bly_task *under; /* whose stack a borrower stands on */
    belay_fn *run;
    belay_task_type *type; /* NULL: spawned without one */
    const char *name;
    struct bly_node base;
    uint64_t id;
    struct bly_link link; /* in shard->tasks, if there is a shard */
    struct bly_link all;  /* in worker->tasks, likewise */
    int saved_errno;
    uint32_t since; /* the worker's coarse tick when it parked */
    /* From here to the room, a new task is all zero. */
    struct bly_waiter *waiter; /* what it sleeps on, or NULL */
    struct bly_shard *shard;   /* where it is linked, or NULL */
    struct bly_extra *extra;
    uint32_t parks;          /* how often it has slept */
    uint32_t seen;           /* the runtime's epoch that `cut' is of */
    int32_t cut;             /* the code of the next wait, as of `seen' */
    uint16_t flags;          /* bly_task_flag */
    uint8_t slow;            /* bly_task_slow */
    uint8_t delivered;       /* cuts from outside it has been told of */
    union {
        char bytes[BLY_TASK_INLINE_ARGS];
        void *outside; /* with BLY_TASK_BIG_ARGS */
        max_align_t align;
    } room;
};

#if !BLY_SANITIZE
_Static_assert(sizeof(void *) != 8 || sizeof(struct bly_task) == 256,
    "four cache lines, and a page more for a million sleepers each");
#endif

BLY_INLINE void *
bly_task_args(struct bly_task *t)
{
    return BLY_UNLIKELY(t->flags & BLY_TASK_BIG_ARGS) ? t->room.outside
                                                       : &t->room;
}

/* Made when first asked for; NULL: no memory.  On t's worker. */
struct bly_extra *bly_task_extra(struct bly_task *t);
void bly_task_free_extra(struct bly_task *t);


#endif
