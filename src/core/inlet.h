/* SPDX-License-Identifier: MIT */
/* Children from threads that know nothing of tasks.  See inlet.c. */
#ifndef BLY_CORE_INLET_H
#define BLY_CORE_INLET_H

#include <belay/inlet.h>

#include "core/task.h"

/* Who wants to hear of the end of a posted child. */
struct bly_post {
    belay_outcome outcome; /* `why' is good until ended returns */
    /* On the child's worker, at its end.  The last touch of the post. */
    void (*ended)(struct bly_post *p, int r);
};

/* Like belay_post_at.  post (or NULL) stays until it is told; the child's
 * failure is then a matter of whoever is told, not of the scope. */
int bly_inlet_post(belay_inlet *in, belay_task_type *type, const void *args,
    struct bly_post *post, const belay_site *site) BLY_MUST_CHECK;

/* For inlet.c only, in spawn.c: the descriptor of a child of s, which the
 * caller holds open.  Any thread. */
int bly_spawn_foreign(struct bly_scope *s, belay_task_type *type,
    const void *args, struct bly_post *post, const belay_site *site,
    struct bly_task **out) BLY_MUST_CHECK;

#endif
