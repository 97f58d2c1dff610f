/* SPDX-License-Identifier: MIT */
/*
 * From a thread into the tree and back.
 *
 * The calling thread becomes worker 0.  A task of our own opens the outermost
 * scope, which is what "the root is cut" means, spawns the user's root into
 * it and joins; the user's root usually runs on our task's stack.  Our task
 * hangs in a scope that only counts it.
 */
#include "core/root.h"

#include "base/alloc.h"
#include "base/check.h"
#include "core/error.h"
#include "core/monitor.h"
#include "core/fork.h"
#include "core/sched.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int
root_main(void *arg)
{
    struct bly_root *r = *(struct bly_root **)arg;
    struct bly_rt *rt = r->rt;
    belay_spawn_opts how = {
        .size = sizeof how, .name = r->name, .outcome = &r->outcome};
    belay_scope_opts opts = {.size = sizeof opts, .name = "root",
        .grace = r->grace};
    belay_scope s;

    belay_scope_open(&s, &opts, r->site);
    rt->root_scope = bly_scope_of(&s);
    if (r->opened != NULL)
        r->opened(r, rt);
    (void)belay_scope_spawn(&s, r->run, r->args, r->size, &how, r->site);
    r->result = belay_scope_close(&s);
    rt->root_scope = NULL;
    if (r->outcome.err != 0)
        r->result = r->outcome.err;
    if (rt->deadlocks != 0)
        r->result = -EDEADLK;
    if (r->outcome.why != NULL)
        snprintf(r->why, sizeof r->why, "%s", r->outcome.why);
    bly_store_release(&rt->done, 1u); /* pairs with bly_sched_loop */
    return 0;
}

/* The task that never was spawned: a child of rt->top. */
static struct bly_task *
root_task(struct bly_root *r, struct bly_rt *rt)
{
    struct bly_worker *w = &rt->workers[0];
    struct bly_task *t = bly_task_new(w);

    if (t == NULL)
        return NULL;
    memset(t, 0, sizeof *t);
    t->name = "root";
    t->worker = w;
    t->node = &t->base;
    t->slow = BLY_SLOW_STALE;
    t->flags = BLY_TASK_PINNED | BLY_TASK_OWN_STACK;
    bly_scope_init(rt->top, t, NULL, r->site);
    rt->top->near = 1;
    t->base.up = &rt->top->node;
    t->base.task = t;
    t->base.site = r->site;
    t->base.when = BLY_NEVER;
    t->base.kind = BLY_NODE_TASK;
    t->run = root_main;
    memcpy(&t->room, &r, sizeof r);
    t->id = w->next_id += rt->count;
    return t;
}

/* A task without a stack waits for another's; the first would do so for ever.
 * What is put back stays with w. */
static bool
root_has_stack(struct bly_worker *w)
{
    struct bly_stack *s = bly_stack_get(&w->stacks, 0);

    if (s != NULL)
        bly_stack_put(&w->stacks, s);
    return s != NULL;
}

int
bly_root_begin(struct bly_root *r)
{
    struct bly_task *t = NULL;
    int err;

    bly_fork_check("opening a runtime", r->site);
    if (bly_worker_here != NULL)
        bly_misuse(r->site, "a runtime on a thread that is a worker already");
    err = bly_rt_open(&r->rt, r->workers, r->main, r->driver);
    if (err < 0)
        return err;
    r->rt->top = &r->top;
    bly_worker_here = &r->rt->workers[0];
    if (root_has_stack(bly_worker_here))
        t = root_task(r, r->rt);
    if (t != NULL)
        bly_sched_ready(t);
    bly_worker_here = NULL;
    if (t != NULL)
        return 0;
    bly_rt_close(r->rt);
    return -ENOMEM;
}

void
bly_root_end(struct bly_root *r)
{
    if (r->closing != NULL)
        r->closing(r, r->rt);
    bly_rt_close(r->rt);
}

int
bly_root_run(struct bly_root *r)
{
    int err = bly_root_begin(r);

    if (err < 0)
        return err;
    bly_monitor_thread(&r->rt->workers[0], true);
    bly_sched_loop(&r->rt->workers[0]);
    bly_monitor_thread(&r->rt->workers[0], false);
    bly_worker_here = NULL;
    bly_root_end(r);
    return r->result;
}
