/* SPDX-License-Identifier: MIT */
/*
 * Calls on a deep stack.
 *
 * How much stack a task has left is the business of its callers: it may have
 * been spawned with little, or run on its owner's.  A library that wants tens
 * of KiB (cryptography, parsers) gets them from a stack of which each worker
 * has one, made at the first such call.  One will do, because such a call does
 * not wait: nobody else of this worker runs before it has returned.
 *
 * Meanwhile t->stack is that stack, so that an overflow names the task, and a
 * check of its frames finds them where it looks.  Nobody parks in between, so
 * the context that the task left is good until the end.
 *
 * Rejected: a big stack for each task that may call such a library, since it
 * would have to know; a task of its own for the library, since each call would
 * then cost two switches, often across workers.
 */
#include <belay/deep.h>

#include "core/rt.h"

#include <errno.h>

struct deep_call {
    struct bly_ctx ctx;
    struct bly_task *task;
    belay_fn *fn;
    void *arg;
    int result;
};

static void
deep_main(void *arg)
{
    struct deep_call *call = arg;

    call->result = call->fn(call->arg);
    bly_ctx_exit_to(&call->ctx, &call->task->ctx);
}

static int
deep_run(struct deep_call *call, struct bly_stack *deep)
{
    struct bly_task *t = call->task;
    struct bly_stack *own = t->stack;

    deep->owner = t;
    t->stack = deep;
    bly_ctx_make(&call->ctx, deep->low, deep->size, deep_main, call);
    bly_ctx_switch(&t->ctx, &call->ctx);
    bly_ctx_drop(&call->ctx);
    t->stack = own;
    deep->owner = NULL;
    return call->result;
}

int
belay_deep_call_at(belay_fn *fn, void *arg, const belay_site *site)
{
    struct deep_call call = {.task = bly_self(), .fn = fn, .arg = arg};
    struct bly_worker *w = bly_worker_here;
    belay_block nowait;
    int r;

    if (call.task == NULL || call.task->stack == w->deep)
        return fn(arg);
    if (w->deep == NULL) {
        w->deep = bly_stack_get(&w->stacks, BELAY_DEEP_STACK);
        if (w->deep == NULL)
            return -ENOMEM;
    }
    belay_nowait_open(&nowait, site);
    r = deep_run(&call, w->deep);
    belay_block_close(&nowait);
    return r;
}
