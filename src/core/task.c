/* SPDX-License-Identifier: MIT */
/*
 * Task descriptors: per worker a list of free ones, last in first out, and
 * batches that move between workers through the runtime, because the worker
 * that ends a task need not be the one that made it.  They are never given
 * back before the runtime ends, so a stray look at a dead one reads a task.
 *
 * In a simulation each descriptor is an allocation of its own, so that the
 * explorer can let it fail, and can see one that is left.
 */
#include "core/task.h"

#include "base/alloc.h"
#include "core/error.h"
#include "core/rt.h"
#include "core/scope.h"

#include <string.h>

/* Not one of the explorer's failing allocations: where it is made, at the end
 * of a scope, there is nobody to tell. */
struct bly_extra *
bly_task_extra(struct bly_task *t)
{
    if (t->extra == NULL) {
        t->extra = bly_alloc_quiet(sizeof *t->extra);
        if (t->extra != NULL)
            memset(t->extra, 0, sizeof *t->extra);
    }
    return t->extra;
}

void
bly_task_free_extra(struct bly_task *t)
{
    struct bly_extra *e = t->extra;

    bly_trace_free(t);
    bly_keep_free(e->keeps);
    bly_free(e->entry);
    bly_free_quiet(e);
    t->extra = NULL;
}

#if BLY_SIM

struct bly_task *
bly_task_new_slow_(struct bly_worker *w)
{
    (void)w;
    return bly_alloc(sizeof(struct bly_task));
}

void
bly_task_spill_(struct bly_worker *w)
{
    (void)w;
}

struct bly_task *
bly_task_new_foreign(struct bly_rt *rt)
{
    (void)rt;
    return bly_alloc(sizeof(struct bly_task));
}

void
bly_task_free_foreign(struct bly_rt *rt, struct bly_task *t)
{
    (void)rt;
    bly_free(t);
}

#else

/* Free descriptors are linked by msg.next; a batch by its first one's
 * `under'. */
static struct bly_task *
task_next(struct bly_task *t)
{
    return (struct bly_task *)(void *)t->msg.next;
}

static struct bly_task *
task_batch_make(struct bly_rt *rt)
{
    size_t size = sizeof(struct bly_task_slab) +
        BLY_TASK_BATCH * sizeof(struct bly_task);
    struct bly_task_slab *slab = bly_alloc_quiet(size);
    struct bly_task *t;
    int i;

    if (slab == NULL)
        return NULL;
    t = (struct bly_task *)(void *)(slab + 1);
    for (i = 0; i < BLY_TASK_BATCH; i++)
        t[i].msg.next = i + 1 < BLY_TASK_BATCH ? &t[i + 1].msg : NULL;
    bly_lock(&rt->lock);
    slab->next = rt->task_slabs;
    rt->task_slabs = slab;
    bly_unlock(&rt->lock);
    return t;
}

static struct bly_task *
task_batch_get(struct bly_rt *rt)
{
    struct bly_task *t;

    bly_lock(&rt->lock);
    t = rt->spare_tasks;
    if (t != NULL)
        rt->spare_tasks = t->under;
    bly_unlock(&rt->lock);
    return t != NULL ? t : task_batch_make(rt);
}

struct bly_task *
bly_task_new_slow_(struct bly_worker *w)
{
    struct bly_task *t = task_batch_get(w->rt);

    if (t == NULL)
        return NULL;
    w->free_tasks = task_next(t);
    w->free_count = BLY_TASK_BATCH - 1;
    return t;
}

/* Keeps half of a full list, which is exactly one batch of two. */
void
bly_task_spill_(struct bly_worker *w)
{
    struct bly_task *first = w->free_tasks, *last = first;
    struct bly_rt *rt = w->rt;
    int i;

    for (i = 1; i < BLY_TASK_BATCH; i++)
        last = task_next(last);
    w->free_tasks = task_next(last);
    w->free_count -= BLY_TASK_BATCH;
    last->msg.next = NULL;
    bly_lock(&rt->lock);
    first->under = rt->spare_tasks;
    rt->spare_tasks = first;
    bly_unlock(&rt->lock);
}

/* Two threads may bring a batch each: then both are used. */
struct bly_task *
bly_task_new_foreign(struct bly_rt *rt)
{
    struct bly_task *t, *rest;

    bly_lock(&rt->lock);
    t = rt->foreign_tasks;
    if (t != NULL)
        rt->foreign_tasks = task_next(t);
    bly_unlock(&rt->lock);
    if (t != NULL)
        return t;
    t = task_batch_get(rt);
    if (t == NULL)
        return NULL;
    rest = task_next(t);
    while (rest != NULL) {
        struct bly_task *next = task_next(rest);

        bly_task_free_foreign(rt, rest);
        rest = next;
    }
    return t;
}

void
bly_task_free_foreign(struct bly_rt *rt, struct bly_task *t)
{
    bly_lock(&rt->lock);
    t->msg.next = (struct bly_msg *)(void *)rt->foreign_tasks;
    rt->foreign_tasks = t;
    bly_unlock(&rt->lock);
}

#endif
