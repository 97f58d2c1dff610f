/* SPDX-License-Identifier: MIT */
/*
 * A spin lock for a few instructions.  Never held across a park, a call-back
 * of the user or an allocation.  A lock knows whether more than one thread
 * can reach it: while a runtime has one thread, taking it is a plain store.
 */
#ifndef BLY_BASE_LOCK_H
#define BLY_BASE_LOCK_H

#include "base/atomic.h"

struct bly_lock {
    uint32_t held;
};

void bly_lock_slow(struct bly_lock *l);

BLY_INLINE void
bly_lock(struct bly_lock *l)
{
    /* pairs with bly_unlock */
    if (BLY_UNLIKELY(bly_xchg(&l->held, 1u)))
        bly_lock_slow(l);
}

BLY_INLINE bool
bly_trylock(struct bly_lock *l)
{
    return bly_xchg(&l->held, 1u) == 0; /* pairs with bly_unlock */
}

BLY_INLINE void
bly_unlock(struct bly_lock *l)
{
    bly_store_release(&l->held, 0u); /* pairs with bly_lock */
}

#endif
