/* SPDX-License-Identifier: MIT */
/* The queues that selects wait in; what a case is stands in core/case.h. */
#ifndef BLY_SYNC_SELECT_H
#define BLY_SYNC_SELECT_H

#include "core/case.h"
#include "sync/batch.h"

/* A waker's first live waiter of a queue, still linked and claimed for the
 * caller, who must take it out (bly_batch_add does); NULL if there is none.
 * Takes out those whose selects are over. */
BLY_INLINE struct bly_waiter *
bly_queue_claim(struct bly_list *l)
{
    struct bly_link *e;

    while ((e = bly_list_first(l)) != NULL) {
        struct bly_waiter *w = BLY_CONTAINER(e, struct bly_waiter, link);

        if (bly_claim(w))
            return w;
        bly_list_remove(e);
    }
    return NULL;
}

/* Is there anybody to claim? */
BLY_INLINE bool
bly_queue_live(struct bly_list *l)
{
    struct bly_link *e;

    while ((e = bly_list_first(l)) != NULL) {
        struct bly_waiter *w = BLY_CONTAINER(e, struct bly_waiter, link);

        if (w->claim == NULL || bly_load_relaxed(&w->claim->word) == 0)
            return true;
        bly_list_remove(e);
    }
    return false;
}

/* The next number for a gate; locks of one select go by it. */
uint32_t bly_gate_number(void);

#endif
