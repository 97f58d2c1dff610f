/* SPDX-License-Identifier: MIT */
/* Global deadlock: nothing can ever happen again.  See deadlock.c. */
#ifndef BLY_CORE_DEADLOCK_H
#define BLY_CORE_DEADLOCK_H

#include "core/rt.h"

/* w goes to sleep without a timer.  If it is the last, the deadlock is
 * declared and a wake-up is on its way.  True: bly_deadlock_unquiet is due. */
bool bly_deadlock_quiet(struct bly_worker *w);
void bly_deadlock_unquiet(struct bly_worker *w);
/* Something outside may bring work, or no longer. */
void bly_source_add(struct bly_rt *rt);
void bly_source_drop(struct bly_rt *rt);

#endif
