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
#include "core/sched.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct root_frame {
    struct bly_root *r;
    struct bly_rt *rt;
    belay_outcome outcome;
};

static int
root_main(void *arg)
{
    struct root_frame *f = arg;
    struct bly_root *r = f->r;
    struct bly_rt *rt = f->rt;
    belay_spawn_opts how = {
        .size = sizeof how, .name = r->name, .outcome = &f->outcome};
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
    if (f->outcome.err != 0)
        r->result = f->outcome.err;
    if (rt->deadlocks != 0)
        r->result = -EDEADLK;
    if (f->outcome.why != NULL)
        snprintf(r->why, sizeof r->why, "%s", f->outcome.why);
    bly_store_release(&rt->done, 1u); /* pairs with bly_sched_loop */
    return 0;
}

/* The task that never was spawned: a child of rt->top. */
static struct bly_task *
root_task(struct bly_rt *rt, struct root_frame *f)
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
    bly_scope_init(rt->top, t, NULL, f->r->site);
    rt->top->near = 1;
    t->base.up = &rt->top->node;
    t->base.task = t;
    t->base.site = f->r->site;
    t->base.when = BLY_NEVER;
    t->base.kind = BLY_NODE_TASK;
    t->run = root_main;
    t->args = f;
    t->id = w->next_id += rt->count;
    return t;
}

int
bly_root_run(struct bly_root *r)
{
    struct bly_scope top;
    struct root_frame f = {.r = r};
    struct bly_task *t;
    int result;

    if (bly_worker_here != NULL)
        bly_misuse(r->site, "a runtime on a thread that is a worker already");
    result = bly_rt_open(&f.rt, r->workers, r->main, r->driver);
    if (result < 0)
        return result;
    f.rt->top = &top;
    bly_worker_here = &f.rt->workers[0];
    t = root_task(f.rt, &f);
    if (t == NULL) {
        result = -ENOMEM;
    } else {
        bly_sched_ready(t);
        bly_sched_loop(&f.rt->workers[0]);
        result = r->result;
    }
    bly_worker_here = NULL;
    bly_rt_close(f.rt);
    return result;
}
