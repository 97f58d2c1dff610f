/* expect-gcc: 'return' with a value, in function returning void */
/* expect-clang: void function '.*' should not return a value */
/* SPDX-License-Identifier: MIT */
/* A lock that is cut returns: a void function cannot. */
#include <belay.h>

struct stats {
    int files;
};

static BELAY_GUARDED(struct stats) stats;

void count(void);

void
count(void)
{
    BELAY_LOCK(&stats, s);
    s->files++;
}
