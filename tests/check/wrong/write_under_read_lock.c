/* expect-gcc: assignment of member 'files' in read-only object|increment of member 'files' in read-only object */
/* expect-clang: cannot assign to variable 's' with const-qualified type */
/* SPDX-License-Identifier: MIT */
/* A reader does not write. */
#include <belay.h>

struct stats {
    int files;
};

static BELAY_GUARDED_RW(struct stats) stats;

int count(void);

int
count(void)
{
    BELAY_LOCK_READ(&stats, s);
    s->files = 1;
    return 0;
}
