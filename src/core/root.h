/* SPDX-License-Identifier: MIT */
/* From a thread into the tree and back.  See root.c. */
#ifndef BLY_CORE_ROOT_H
#define BLY_CORE_ROOT_H

#include "core/scope.h"

/* What runs, and how; below that, what of it runs. */
struct bly_root {
    belay_fn *run;
    belay_task_type *type; /* or NULL */
    const char *name;
    const void *args;
    size_t size;
    const belay_site *site;
    unsigned workers;
    bool main;
    int64_t grace;
    const struct bly_driver *driver;
    /* Called on worker 0 before the first task, with the root's scope open. */
    void (*opened)(struct bly_root *r, struct bly_rt *rt);
    /* Called on the same thread after the last task, while rt is there. */
    void (*closing)(struct bly_root *r, struct bly_rt *rt);
    char why[512]; /* the story of a failure */
    int result;

    struct bly_rt *rt;
    struct bly_scope top; /* counts the task that opens the root's scope */
    belay_outcome outcome;
};

/* Opens a runtime on this thread, runs the root, closes it.  The result is
 * that of the root, or a failure to begin. */
int bly_root_run(struct bly_root *r);

/*
 * The same in steps, for who runs the scheduler in pieces: begin opens the
 * runtime and queues the root; r->rt->done tells that it has ended; end closes
 * the runtime.  All on one thread, which is outside any task meanwhile.
 */
int bly_root_begin(struct bly_root *r) BLY_MUST_CHECK;
void bly_root_end(struct bly_root *r);

#endif
