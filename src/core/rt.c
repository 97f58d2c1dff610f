/* SPDX-License-Identifier: MIT */
/* Opening and closing a runtime: its workers, their queues and threads. */
#include "core/rt.h"

#include "base/alloc.h"
#include "core/deadlock.h"
#include "core/fork.h"
#include "core/idle.h"
#include "core/lane.h"
#include "core/monitor.h"
#include "core/overflow.h"
#include "core/sched.h"
#include "core/timeline.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { RT_RUNQ_SIZE = 256 };

/* Among the visitors: somebody waits for the last one. */
#define RT_CLOSING (UINT32_C(1) << 31)

#if BLY_SIM
/* Kept between runs: mapping stacks would be most of a short run. */
static struct bly_stack_pool rt_stack_pool;
static bool rt_stack_pool_ready;

static struct bly_stack_pool *
rt_pool_open(void)
{
    if (!rt_stack_pool_ready)
        bly_stack_pool_init(&rt_stack_pool);
    rt_stack_pool_ready = true;
    return &rt_stack_pool;
}

static void
rt_pool_close(struct bly_stack_pool *p)
{
    (void)p;
}
#else
static struct bly_stack_pool *
rt_pool_open(void)
{
    struct bly_stack_pool *p = bly_alloc_quiet(sizeof *p);

    if (p != NULL)
        bly_stack_pool_init(p);
    return p;
}

static void
rt_pool_close(struct bly_stack_pool *p)
{
    bly_stack_pool_fini(p);
    bly_free_quiet(p);
}
#endif

static void
rt_worker_fini(struct bly_worker *w)
{
    if (w->deep != NULL)
        bly_stack_put(&w->stacks, w->deep);
    bly_stacks_fini(&w->stacks);
    bly_timers_fini(&w->timers);
    bly_runq_fini(&w->runq);
    bly_free(w->looks);
}

static int
rt_worker_init(struct bly_worker *w, struct bly_rt *rt, uint32_t index)
{
    w->rt = rt;
    w->index = index;
    w->rng = bly_os_entropy() | 1;
    w->next_id = index;
    w->now = bly_os_now(); /* nobody goes to sleep at the time 0 */
    w->coarse = (uint32_t)(w->now / 1000000);
    bly_list_init(&w->tasks);
    bly_stacks_init(&w->stacks, rt->stack_pool);
    bly_timers_init(&w->timers);
    w->looks = bly_zalloc(rt->count * sizeof *w->looks);
    if (w->looks == NULL)
        goto fail_looks;
    if (bly_runq_init(&w->runq, RT_RUNQ_SIZE, rt->count == 1) < 0)
        goto fail_runq;
    if (rt->driver->open(w) < 0)
        goto fail_driver;
    return 0;

fail_driver:
    bly_runq_fini(&w->runq);
fail_runq:
    bly_free(w->looks);
fail_looks:
    bly_timers_fini(&w->timers);
    bly_stacks_fini(&w->stacks);
    return -ENOMEM;
}

static void
rt_thread(void *arg)
{
    struct bly_worker *w = arg;

    if (w->rt->main)
        (void)bly_overflow_thread(true);
    bly_monitor_thread(w, true);
    bly_sched_loop(w);
    bly_monitor_thread(w, false);
    bly_worker_here = NULL;
    if (w->rt->main)
        (void)bly_overflow_thread(false);
}

static void
rt_stop_threads(struct bly_rt *rt, uint32_t started)
{
    uint32_t i;

    /* Before we look at sleep, and the sleeper the other way round: an
     * exchange, because a store may pass a later load.  pairs with
     * idle_sleep */
    (void)bly_xchg(&rt->done, 1u);
    for (i = 1; i < started; i++) {
        bly_idle_wake(&rt->workers[i]);
        bly_os_thread_join(&rt->workers[i].thread);
    }
}

static int
rt_start_threads(struct bly_rt *rt)
{
    char name[24];
    uint32_t i;

    for (i = 1; i < rt->count; i++) {
        snprintf(name, sizeof name, "belay-%u", i + 1);
        if (bly_os_thread_start(&rt->workers[i].thread, rt_thread,
                &rt->workers[i], name) < 0) {
            rt_stop_threads(rt, i);
            return -EAGAIN;
        }
    }
    return 0;
}

int
bly_rt_open(struct bly_rt **out, unsigned workers, bool main,
    const struct bly_driver *driver)
{
    size_t size = sizeof(struct bly_rt) + workers * sizeof(struct bly_worker);
    void *block = bly_zalloc(size + BLY_CACHE_LINE);
    struct bly_rt *rt;
    uint32_t i = 0;

    if (block == NULL)
        return -ENOMEM;
    rt = (struct bly_rt *)(((uintptr_t)block + BLY_CACHE_LINE - 1) &
        ~(uintptr_t)(BLY_CACHE_LINE - 1));
    rt->block = block;
    rt->count = workers;
    rt->workers = (struct bly_worker *)(void *)(rt + 1);
    rt->driver = driver;
    rt->main = main;
    rt->stack_pool = rt_pool_open();
    if (rt->stack_pool == NULL)
        goto fail;
    for (i = 0; i < workers; i++)
        if (rt_worker_init(&rt->workers[i], rt, i) < 0)
            goto fail;
    if (bly_monitor_start(rt) < 0) /* first, since the workers look at it */
        goto fail;
    bly_timeline_opened(rt);
    if (rt_start_threads(rt) < 0) {
        bly_timeline_closed(rt);
        bly_monitor_stop(rt);
        bly_monitor_free(rt);
        goto fail;
    }
    bly_fork_opened();
    *out = rt;
    return 0;

fail:
    while (i-- > 0) {
        driver->close(&rt->workers[i]);
        rt_worker_fini(&rt->workers[i]);
    }
    if (rt->stack_pool != NULL)
        rt_pool_close(rt->stack_pool);
    bly_free(block);
    return -ENOMEM;
}

/* ---- parts -------------------------------------------------------------- */

struct bly_part *
bly_rt_part(struct bly_rt *rt, void (*close)(struct bly_part *p))
{
    struct bly_part *p = bly_load_acquire(&rt->parts); /* pairs with
                                                        * bly_rt_add_part */

    while (p != NULL && p->close != close)
        p = p->next;
    return p;
}

struct bly_part *
bly_rt_add_part(struct bly_rt *rt, struct bly_part *p)
{
    struct bly_part *had;

    bly_lock(&rt->lock);
    had = bly_rt_part(rt, p->close);
    if (had == NULL) {
        p->next = rt->parts;
        bly_store_release(&rt->parts, p); /* pairs with bly_rt_part */
    }
    bly_unlock(&rt->lock);
    return had != NULL ? had : p;
}

static void
rt_close_parts(struct bly_rt *rt)
{
    struct bly_part *p, *next;

    for (p = rt->parts; p != NULL; p = next) {
        next = p->next;
        p->close(p);
    }
}

/* ---- closing ------------------------------------------------------------ */

void
bly_rt_visit(struct bly_rt *rt)
{
    (void)bly_fetch_add(&rt->visitors, 1u); /* pairs with rt_await_visitors */
}

void
bly_rt_leave(struct bly_rt *rt)
{
    /* pairs with rt_await_visitors; if rt is gone, then this wakes nobody, or
     * somebody else once too often. */
    if (bly_fetch_add(&rt->visitors, UINT32_MAX) == RT_CLOSING + 1)
        bly_os_futex_wake(&rt->visitors, 1);
}

static void
rt_await_visitors(struct bly_rt *rt)
{
    /* pairs with bly_rt_leave */
    uint32_t n = bly_fetch_add(&rt->visitors, RT_CLOSING) + RT_CLOSING;

    while (n != RT_CLOSING) {
        bly_os_futex_wait(&rt->visitors, n, BLY_NEVER);
        n = bly_load(&rt->visitors); /* pairs with bly_rt_leave */
    }
}

void
bly_rt_close(struct bly_rt *rt)
{
    struct bly_task_slab *slab, *next;
    uint32_t i;

    rt_await_visitors(rt);
    bly_lanes_close(rt); /* while the workers can still be woken */
    bly_fork_closed();
    bly_monitor_stop(rt);
    rt_stop_threads(rt, rt->count);
    /* What a late message lies in may wait for the message to free it; the
     * monitor's go with the monitor. */
    for (i = 0; i < rt->count; i++)
        bly_sched_drain(&rt->workers[i]);
    bly_timeline_closed(rt);
    bly_monitor_free(rt);
    for (i = 0; i < rt->count; i++) {
        rt->driver->close(&rt->workers[i]);
        rt_worker_fini(&rt->workers[i]);
    }
    rt_close_parts(rt);
    for (slab = rt->task_slabs; slab != NULL; slab = next) {
        next = slab->next;
        bly_free_quiet(slab);
    }
    rt_pool_close(rt->stack_pool);
    bly_free(rt->block);
}
