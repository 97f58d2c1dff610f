/* SPDX-License-Identifier: MIT */
/*
 * A scope, as it lies in the opener's belay_scope.  See scope.c.
 *
 * Who may touch what: `home' and everything not marked belongs to the worker
 * of the opener.  What any child may need, wherever it runs, is atomic or in
 * the extension under its lock.
 */
#ifndef BLY_CORE_SCOPE_H
#define BLY_CORE_SCOPE_H

#include "core/cancel.h"
#include "core/wait.h"

enum bly_scope_flag {
    BLY_SCOPE_LOCAL = 1u << 0,
    BLY_SCOPE_DAEMONS = 1u << 1 /* a scope's inner scope for its daemons */
};

/*
 * How children are counted.  While the owner has not gone to sleep at the
 * brace, its worker counts in `near', without atomics, and everybody else in
 * `far', which starts at BLY_SCOPE_BIAS.  Going to sleep moves `near' over and
 * takes the bias away.  From then on far == 0 means that the scope is over:
 * it is never raised from 0, and whoever brings it there wakes the owner,
 * once, and does not touch the scope again.
 */
#define BLY_SCOPE_BIAS (INT64_C(1) << 40)

struct bly_scope {
    int live; /* the first word of belay_scope: its loop condition */
    uint8_t flags;
    uint8_t policy;
    bool special; /* has options that a spawn or an end must look at */
    bool shared;  /* `near' has moved into `far'; home worker only */
    struct bly_node node;
    struct bly_shard home;
    struct bly_shard *far_shards; /* atomic stack; freed by the owner */
    int64_t near;
    int64_t far;         /* atomic */
    struct bly_ext *ext; /* atomic: made when first needed */
    int32_t result;      /* atomic: the first failure, if there was no memory
                          * for an extension */
    uint32_t limit;
    const char *name;
    const char *frame_end; /* what the opener has lies here or above */
    belay_on_done *on_done;
    void *on_done_arg;
    int64_t grace, cleanup;
    struct bly_timer timer;    /* .timeout */
    struct bly_waiter *joiner; /* the owner asleep at the brace */
    struct bly_budget *budget; /* .max_tasks in force, or NULL */
    uint32_t magic;
};

enum { BLY_SCOPE_MAGIC = 0x5c09e5c0, BLY_SCOPE_ERRORS = 16 };

/* Live tasks allowed in a subtree; budgets nest. */
struct bly_budget {
    struct bly_budget *up;
    struct bly_scope *of; /* whose .max_tasks it is */
    uint32_t live;        /* atomic */
    uint32_t max;
};

/* A tagged child that has ended and waits for belay_next. */
struct bly_done_entry {
    struct bly_link link;
    belay_done done;
    uint32_t number; /* a failure that counts if nobody collects it, or 0 */
};

/* The failures of a scope are numbered in time.  The earliest of a kind: */
enum bly_first_kind {
    BLY_FIRST_RESULT, /* what the scope ends with */
    BLY_FIRST_UNTOLD, /* what fails the owner if it leaves early */
    BLY_FIRST_LOSS,   /* both, but only if nobody wins a first-ok */
    BLY_FIRST_LOSS_UNTOLD,
    BLY_FIRST_KINDS
};

struct bly_first {
    int32_t code;
    uint32_t number;
};

struct bly_defer {
    struct bly_defer *next;
    belay_defer_fn *fn;
    void *arg;
};

struct bly_arena_block {
    struct bly_arena_block *next;
};

/* Texts and entries that live until the opener of a scope ends. */
struct bly_keep {
    struct bly_keep *next;
};

/* What most scopes never need. */
struct bly_ext {
    struct bly_lock lock;      /* all below, unless said */
    uint32_t running;          /* counted against .limit */
    uint32_t stuck;            /* of these, how many wait for a slot */
    struct bly_list limiters;  /* waiters of spawn */
    struct bly_list done;      /* bly_done_entry */
    uint32_t tagged;           /* tagged children that still run */
    struct bly_list nexters;   /* the owner in belay_next, or a select */
    uint32_t children;         /* spawned ever, for first-ok of none */
    bool decided;              /* first-ok, first-done: it is too late */
    bool won;                  /* the same: decided by a success */
    uint32_t nerrors;
    struct bly_first first[BLY_FIRST_KINDS];
    belay_done errors[BLY_SCOPE_ERRORS]; /* by number */
    struct bly_keep *keeps;
    struct bly_defer *defers;  /* owner only */
    struct bly_keep *arena;
    struct bly_scope *daemons; /* atomic: made by the first daemon */
    struct bly_timer grace;    /* armed on the home worker */
    struct bly_msg stop_msg;   /* asks the home worker to arm it */
    uint32_t stop_sent;        /* atomic */
    struct bly_scope *scope;   /* for the two above */
    struct belay_inlet *door;  /* owner only; see inlet.c */
    struct bly_budget budget;
    struct bly_cause cause;
};

BLY_INLINE struct bly_scope *
bly_scope_of(belay_scope *s)
{
    return (struct bly_scope *)(void *)s;
}

/* The scope a task was spawned into. */
BLY_INLINE struct bly_scope *
bly_task_scope(struct bly_task *t)
{
    return BLY_CONTAINER(t->base.up, struct bly_scope, node);
}

/* NULL: no memory. */
struct bly_ext *bly_scope_ext(struct bly_scope *s);
BLY_INLINE struct bly_ext *
bly_scope_has_ext(struct bly_scope *s)
{
    return bly_load_acquire(&s->ext); /* pairs with bly_scope_ext */
}

/* Adds to what the owner waits for.  False: the scope is over.  Any thread
 * that knows its memory to be there. */
bool bly_scope_hold(struct bly_scope *s);
void bly_scope_release(struct bly_scope *s);
/* True from the end of the last non-daemon child at the brace on. */
BLY_INLINE bool
bly_scope_over(struct bly_scope *s)
{
    return bly_load_acquire(&s->far) == 0; /* pairs with scope_publish */
}
/* What is left; exact on the home worker. */
int64_t bly_scope_count(struct bly_scope *s);

void bly_scope_init(struct bly_scope *s, struct bly_task *t,
    struct bly_node *up, const belay_site *site);
/* Waits until nothing is left below s; the owner. */
void bly_scope_join(struct bly_scope *s);

/* The end of a child with result r, on its worker: outcome, policy, errors,
 * counts.  The scope may be gone when it returns.  The task is freed. */
void bly_task_finish(struct bly_task *t, int r);
/* The same decisions for a child that could not be started. */
void bly_scope_never_ran(struct bly_scope *s, const belay_spawn_opts *opts,
    const char *name, int code, const char *why);
/* Lists a failure as the next one; kinds has a bit for each bly_first_kind
 * that it may be the first of.  Returns its number, or 0 without memory. */
uint32_t bly_scope_failed(struct bly_scope *s, const belay_done *done,
    unsigned kinds);
BLY_INLINE void
bly_first_keep(struct bly_first *f, int32_t code, uint32_t number)
{
    if (f->code == 0 || number < f->number)
        *f = (struct bly_first){code, number};
}
/* A copy of text that lives until the opener of s ends, or NULL. */
const char *bly_scope_keep_text(struct bly_scope *s, const char *text);

/* Cuts s with code; the reason is kept if it is the first. */
void bly_scope_cut(struct bly_scope *s, int code, const belay_site *site,
    const char *why);
/* Fails t, which runs: a cut of its base with code. */
void bly_task_fail(struct bly_task *t, int code);

/* Steps of closing, each in its own file. */
void bly_scope_run_defers(struct bly_scope *s);
void bly_keep_free(struct bly_keep *list);
void bly_door_close(struct bly_scope *s);

/* A slot of .limit: wait for it, give it back. */
int bly_limit_take(struct bly_scope *s, struct bly_task *t,
    const belay_site *site) BLY_MUST_CHECK;
void bly_limit_give(struct bly_scope *s);
/* One if it is free; any thread.  False: it is not. */
bool bly_limit_try(struct bly_scope *s);

void bly_budget_give(struct bly_scope *s);

/* belay_next: under ext->lock, 1 and the entry (to be freed), 0 if none will
 * come, -EAGAIN if one may. */
int bly_next_try(struct bly_ext *x, struct bly_done_entry **e);
/* A foreign thread waits in belay_enter for this end; see inlet.c. */
void bly_post_ended(struct bly_post *post, int r);

/*
 * spawn_ready: between a spawner that waits and its child, which stays on the
 * spawner's worker, so that one thread does all of this.
 */
struct bly_ready {
    struct bly_waiter waiter;
    struct bly_task *spawner;
    struct bly_task *child; /* once it runs */
    bool waiting;
    bool answered; /* ready or ended */
    bool ready;
    bool cut;      /* the spawner was cut: the child is not wanted */
    int value;
};
struct bly_ready *bly_ready_init(struct bly_ready *r, struct bly_task *t);
int bly_ready_wait(struct bly_task *spawner, struct bly_ready *r,
    const belay_site *site);
/* The child ended with r.  True: the spawner has its outcome. */
bool bly_ready_ended(struct bly_task *t, int r);
/* Has the spawner of t cut it? */
bool bly_ready_unwanted(struct bly_task *t);

#endif
