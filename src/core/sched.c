/* SPDX-License-Identifier: MIT */
/*
 * The worker's loop.
 *
 * A worker has two queues.  The ready queue holds tasks that have started,
 * and those that may run nowhere else: first in, first out, touched by the
 * worker's thread only.  The run queue holds tasks that it spawned and nobody
 * has started: newest first for the worker, oldest first for thieves.  Fork
 * and join lives by that order: going depth first keeps the number of live
 * tasks near the depth of the tree, and a thief that takes the oldest takes
 * the largest piece.
 *
 * Newest first can starve the oldest, and a ready queue that is never empty
 * can starve the run queue; so every BLY_POLL_EVERY picks the oldest of the
 * run queue goes first, and messages, timers and completions are looked at.
 *
 * Three shortcuts carry the speed.  A task that goes to sleep switches
 * directly to the next ready one.  A task that has ended lends its stack to
 * the next unstarted one without any switch.  And an owner at its closing
 * brace runs its unstarted children as calls (scope.c).  All three spend the
 * same slice; when it is used up, control goes through the loop.
 *
 * A stack is freed by the task that stands on it, into its worker's cache,
 * which nobody reads before the switch: only this thread takes from it.
 * Where the cache would pass it on to other workers, the loop frees it.
 */
#include "core/sched.h"

#include "arch/cpu.h"
#include "base/check.h"
#include "core/idle.h"
#include "core/overflow.h"
#include "core/scope.h"
#include "core/timeline.h"
#include "core/wait.h"

#include <errno.h>

enum {
    SCHED_TEND_MS = 64, /* so often, even little memory is given back */
    SCHED_AHEAD = 6, /* places in the ready queue */
    SCHED_FRAMES = 6, /* cache lines above a saved stack pointer */
    SCHED_SIM_MAX = 256 /* tasks of each queue that the explorer sees */
};

#if BLY_SIM
struct bly_worker *bly_worker_here;
#else
__thread struct bly_worker *bly_worker_here
    __attribute__((tls_model("initial-exec")));
#endif

static void
sched_push(struct bly_worker *w, struct bly_task *t)
{
    t->msg.next = NULL;
    if (w->ready_head == NULL)
        w->ready_head = t;
    else
        w->ready_tail->msg.next = &t->msg;
    w->ready_tail = t;
    w->ready_count++;
}

BLY_INLINE struct bly_task *
sched_after(struct bly_task *t)
{
    return (struct bly_task *)(void *)t->msg.next;
}

/*
 * Many tasks that wake together have all gone cold: their stacks are in no
 * cache, and resuming one costs 300 ns of misses.  So while the ready queue is
 * long, the frames of the task SCHED_AHEAD places on are fetched, and the
 * descriptor of the one behind it.
 */
static BLY_NOINLINE void
sched_fetch_ahead(struct bly_worker *w)
{
    struct bly_task *t = w->ahead;
    const char *sp;
    int i;

    if (t == NULL)
        for (t = w->ready_head, i = 1; i < SCHED_AHEAD; i++)
            t = sched_after(t);
    w->ahead = t = sched_after(t);
    if (t == NULL)
        return;
    if (t->msg.next != NULL)
        bly_cpu_prefetch(t->msg.next);
    sp = t->ctx.sp;
    for (i = 0; sp != NULL && i < SCHED_FRAMES; i++)
        bly_cpu_prefetch(sp + i * BLY_CACHE_LINE);
}

static struct bly_task *
sched_shift(struct bly_worker *w)
{
    struct bly_task *t = w->ready_head;

    if (t == NULL)
        return NULL;
    if (t == w->ahead)
        w->ahead = NULL;
    w->ready_head = sched_after(t);
    if (BLY_UNLIKELY(--w->ready_count > SCHED_AHEAD))
        sched_fetch_ahead(w);
    return t;
}

void
bly_sched_ready(struct bly_task *t)
{
    struct bly_worker *w = t->worker;

    if (BLY_LIKELY(w == bly_worker_here))
        sched_push(w, t);
    else
        bly_send_msg(w, &t->msg);
}

void
bly_sched_wake(struct bly_task *t)
{
    struct bly_worker *w = t->worker, *here = bly_worker_here;

    if (BLY_LIKELY(w == here)) {
        bly_timeline_wake(w, t);
        sched_push(w, t);
        return;
    }
    if (here != NULL)
        bly_timeline_wake(here, t);
    bly_send_msg(w, &t->msg);
}

/* ---- looking outside ---------------------------------------------------- */

/* Messages come newest first; they are handled oldest first. */
void
bly_sched_drain(struct bly_worker *w)
{
    struct bly_msg *m, *next, *list = NULL;

    if (bly_load_relaxed(&w->inbox) == NULL)
        return;
    /* pairs with bly_send_msg */
    for (m = bly_xchg(&w->inbox, NULL); m != NULL; m = next) {
        next = m->next;
        m->next = list;
        list = m;
    }
    for (m = list; m != NULL; m = next) {
        next = m->next;
        if (m->run != NULL)
            m->run(m, w);
        else
            sched_push(w, BLY_CONTAINER(m, struct bly_task, msg));
    }
}

void
bly_sched_poll(struct bly_worker *w)
{
    uint32_t ms;

    bly_timeline_between(w);
    w->now = bly_os_now();
    ms = (uint32_t)(w->now / 1000000);
    if (ms != w->coarse) {
        bly_store_relaxed(&w->coarse, ms);
        (void)bly_stacks_tend(&w->stacks, ms % SCHED_TEND_MS != 0);
    }
    if (bly_timers_next(&w->timers) <= w->now)
        (void)bly_timers_run(&w->timers, w->now);
    bly_sched_drain(w);
    if (w->rt->driver->poll != NULL)
        w->rt->driver->poll(w);
}

/* ---- choosing ----------------------------------------------------------- */

#if BLY_SIM
/* queued holds what was popped, newest first; all but the last go back. */
static struct bly_task *
sched_sim_oldest(struct bly_worker *w, struct bly_task **queued, uint32_t n)
{
    uint32_t i;

    for (i = n - 1; i-- > 0;)
        if (bly_runq_push(&w->runq, queued[i]) < 0)
            sched_push(w, queued[i]);
    return queued[n - 1];
}

/* Any ready task, or any unstarted one of this worker. */
static struct bly_task *
sched_pick(struct bly_worker *w)
{
    struct bly_task *queued[SCHED_SIM_MAX], *t = NULL;
    uint64_t ids[2 * SCHED_SIM_MAX];
    uint32_t i, n = 0, ready, pick;

    bly_sched_poll(w);
    while (n < SCHED_SIM_MAX && (t = bly_runq_pop(&w->runq)) != NULL)
        queued[n++] = t;
    ready = w->ready_count < SCHED_SIM_MAX ? w->ready_count : SCHED_SIM_MAX;
    if (ready + n == 0)
        return NULL;
    /* The default is as fair as the product: now and then the oldest. */
    if (++w->picks >= BLY_POLL_EVERY && n > 0) {
        w->picks = 0;
        return sched_sim_oldest(w, queued, n);
    }
    for (i = 0, t = w->ready_head; i < ready; i++, t = sched_after(t))
        ids[i] = t->id;
    for (i = 0; i < n; i++)
        ids[ready + i] = queued[i]->id;
    pick = bly_choose_among(BLY_CHOOSE_TASK, ready + n, ids);
    for (i = 0; i < ready; i++) {
        struct bly_task *r = sched_shift(w);

        if (i == pick)
            t = r;
        else
            sched_push(w, r);
    }
    for (i = n; i-- > 0;) {
        if (ready + i == pick)
            t = queued[i];
        else if (bly_runq_push(&w->runq, queued[i]) < 0)
            sched_push(w, queued[i]);
    }
    return t;
}

static struct bly_task *
sched_quick(struct bly_worker *w)
{
    (void)w;
    return NULL;
}
#else
static struct bly_task *
sched_pick(struct bly_worker *w)
{
    struct bly_task *t;

    if (BLY_UNLIKELY(++w->picks >= BLY_POLL_EVERY || w->look)) {
        bly_sched_poll(w);
        w->look = false;
        if (w->picks >= BLY_POLL_EVERY) {
            w->picks = 0;
            t = bly_runq_steal(&w->runq);
            if (t != NULL)
                return t;
        }
    }
    t = sched_shift(w);
    if (t == NULL)
        t = bly_runq_pop(&w->runq);
    return t;
}

/* What to switch to without passing through the loop, or NULL. */
static struct bly_task *
sched_quick(struct bly_worker *w)
{
    struct bly_task *t = w->ready_head;

    if (BLY_UNLIKELY(t == NULL || ++w->picks >= BLY_POLL_EVERY || w->look))
        return NULL;
    if (BLY_UNLIKELY(!(t->flags & BLY_TASK_STARTED)))
        return NULL;
    return sched_shift(w);
}
#endif

/* ---- switching ---------------------------------------------------------- */

static void
sched_enter(struct bly_worker *w, struct bly_task *t)
{
    bly_store_relaxed(&w->current, t);
    bly_store_relaxed(&w->ticks, w->ticks + 1);
    w->slice = BLY_SLICE;
}

static void
sched_switch_out(struct bly_worker *w, struct bly_task *t)
{
    struct bly_task *next = sched_quick(w);

    t->saved_errno = *w->errno_at;
    if (next == t) {
        sched_enter(w, t);
        bly_timeline_run(w, t);
        return;
    }
    if (BLY_UNLIKELY(!bly_stack_check(t->stack, __builtin_frame_address(0))))
        bly_overflow_fatal(t->stack);
    if (next != NULL) {
        sched_enter(w, next);
        bly_ctx_switch(&t->ctx, &next->ctx);
    } else {
        bly_store_relaxed(&w->current, (struct bly_task *)NULL);
        bly_ctx_switch(&t->ctx, &w->loop);
    }
    *w->errno_at = t->saved_errno;
    bly_timeline_run(w, t);
}

void
bly_sched_park(struct bly_worker *w)
{
    struct bly_task *t = w->current;

    t->parks++;
    t->since = w->coarse;
    sched_switch_out(w, t);
}

void
bly_sched_yield(struct bly_worker *w)
{
    struct bly_task *t = w->current;

    w->slice = BLY_SLICE;
    if (BLY_UNLIKELY(t->shard == NULL))
        (void)bly_task_link(t);
    bly_timeline_yield(w, t);
    sched_push(w, t);
    sched_switch_out(w, t);
}

void
bly_sched_give_way(struct bly_worker *w)
{
    struct bly_task *t = BLY_SIM ? NULL : bly_runq_pop(&w->runq);

    if (t != NULL) {
        bly_store_relaxed(&t->worker, w);
        sched_push(w, t);
    }
    bly_sched_yield(w);
}

void
bly_sched_slice_end(struct bly_worker *w)
{
    w->look = true;
    bly_sched_yield(w);
}

/* 0: a normal one. */
BLY_INLINE size_t
sched_stack_size(struct bly_task *t)
{
    if (BLY_LIKELY(!(t->flags & (BLY_TASK_SPECIAL | BLY_TASK_SMALL))))
        return 0;
    if (t->flags & BLY_TASK_SMALL)
        return BLY_STACK_SMALL_SIZE;
    return t->extra->stack;
}

/* The newest unstarted task, if it can run on a stack that is being left. */
static struct bly_task *
sched_relay(struct bly_worker *w, const struct bly_stack *stack)
{
    struct bly_task *t;

    if (BLY_SIM || w->ready_head != NULL || --w->slice == 0 ||
        stack->class != BLY_STACK_NORMAL)
        return NULL;
    t = bly_runq_pop(&w->runq);
    if (t != NULL && BLY_UNLIKELY(sched_stack_size(t) != 0)) {
        sched_push(w, t);
        return NULL;
    }
    return t;
}

/* The first frame of a stack: runs tasks until there is none to follow on. */
static void
sched_main(void *arg)
{
    struct bly_worker *w = bly_worker_here;
    struct bly_task *t = w->current;
    struct bly_stack *stack = t->stack;
    struct bly_ctx self;
    int r;

    (void)arg;
    for (;;) {
        *w->errno_at = 0;
        t->stack->owner = t;
        bly_timeline_first(w, t, NULL);
        r = t->run(bly_task_args(t));
        self = t->ctx;
        bly_task_finish(t, r);
        t = sched_relay(w, stack);
        if (t == NULL)
            break;
        bly_sched_adopt(w, t);
        t->stack = stack;
        t->ctx = self;
        bly_store_relaxed(&w->current, t);
    }
    bly_store_relaxed(&w->current, (struct bly_task *)NULL);
    stack->owner = NULL;
    w->dead = stack;
    w->dead_ctx = self;
    bly_ctx_exit_to(&w->dead_ctx, &w->loop);
}

/* False: there is no stack to be had now. */
static bool
sched_start(struct bly_worker *w, struct bly_task *t)
{
    t->stack = bly_stack_get(&w->stacks, sched_stack_size(t));
    if (BLY_UNLIKELY(t->stack == NULL))
        return false;
    t->stack->owner = t;
    bly_sched_adopt(w, t);
    bly_ctx_make(&t->ctx, t->stack->low, t->stack->size, sched_main, t);
    return true;
}

/* Runs t until it sleeps, ends, or another has taken over. */
static bool
sched_run(struct bly_worker *w, struct bly_task *t)
{
    if (!(t->flags & BLY_TASK_STARTED) && !sched_start(w, t)) {
        w->starved++; /* no stack: it waits in the queue */
        sched_push(w, t);
        return false;
    }
    w->starved = 0;
    sched_enter(w, t);
    bly_ctx_switch(&w->loop, &t->ctx);
    bly_store_relaxed(&w->current, (struct bly_task *)NULL);
    if (w->dead != NULL) {
        bly_ctx_drop(&w->dead_ctx);
        bly_stack_put(&w->stacks, w->dead);
        w->dead = NULL;
    }
    return true;
}

bool
bly_sched_turn(struct bly_worker *w)
{
    struct bly_task *t = sched_pick(w);

    if (t == NULL)
        return false;
    return sched_run(w, t);
}

void
bly_sched_loop(struct bly_worker *w)
{
    bly_worker_here = w;
    w->errno_at = &errno;
    bly_ctx_adopt(&w->loop);
    while (!bly_load_acquire(&w->rt->done)) { /* pairs with root_main */
        if (bly_sched_turn(w))
            continue;
        bly_sched_poll(w);
        if (w->ready_head == NULL && bly_runq_count(&w->runq) == 0)
            bly_idle(w);
        else if (w->starved > w->ready_count)
            bly_idle_starved(w); /* nobody in the queue can run */
    }
}
