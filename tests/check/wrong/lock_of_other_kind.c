/* expect-gcc: has no member named 'belay_rwlock_' */
/* expect-clang: no member named 'belay_rwlock_' */
/* SPDX-License-Identifier: MIT */
/* A plain lock has no readers. */
#include <belay.h>

struct stats {
    int files;
};

static BELAY_GUARDED(struct stats) stats;

int count(void);

int
count(void)
{
    BELAY_LOCK_READ(&stats, s);
    return s->files;
}
