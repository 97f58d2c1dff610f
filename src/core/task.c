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
#include "core/rt.h"

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

struct bly_task *
bly_task_new_slow_(struct bly_worker *w)
{
    struct bly_rt *rt = w->rt;
    struct bly_task *t;

    bly_lock(&rt->lock);
    t = rt->spare_tasks;
    if (t != NULL)
        rt->spare_tasks = t->under;
    bly_unlock(&rt->lock);
    if (t == NULL)
        t = task_batch_make(rt);
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

#endif
