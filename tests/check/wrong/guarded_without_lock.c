/* expect-gcc: has no member named 'files' */
/* expect-clang: no member named 'files' */
/* SPDX-License-Identifier: MIT */
/* Guarded data is reached through its lock only. */
#include <belay.h>

struct stats {
    int files;
};

static BELAY_GUARDED(struct stats) stats;

int count(void);

int
count(void)
{
    stats.files++;
    return 0;
}
