/* SPDX-License-Identifier: MIT */
/* What a condition needs of a mutex. */
#ifndef BLY_SYNC_MUTEX_H
#define BLY_SYNC_MUTEX_H

#include <belay/sync.h>

#include "core/wait.h"

struct bly_mutex {
    struct bly_gate gate;
    uintptr_t word;         /* atomic: the owner, and two bits */
    const belay_site *site; /* atomic: where it was last locked */
    struct bly_rt *rt;      /* atomic: whose tasks use it; NULL: nobody's */
    int64_t oldest;         /* atomic: since when the first waits */
    struct bly_list queue;  /* under the gate */
    uint32_t where;         /* atomic: worker of the owner; a hint */
};

BLY_INLINE struct bly_mutex *
bly_mutex_of(belay_mutex *m)
{
    return (struct bly_mutex *)(void *)m;
}

/* True if t has m. */
bool bly_mutex_held_by(struct bly_mutex *m, struct bly_task *t);
/* t, which has m, gives it up. */
void bly_mutex_release(struct bly_mutex *m, struct bly_task *t);
/* Takes m for t whatever is cut meanwhile. */
void bly_mutex_retake(struct bly_mutex *m, struct bly_task *t,
    const belay_site *site);

#endif
