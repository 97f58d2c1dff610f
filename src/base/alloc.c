/* SPDX-License-Identifier: MIT */
/* The C library's allocator, and in a simulation an account of it. */
#include "base/alloc.h"

#include "base/choice.h"

#include <stdbool.h>
#include <stdlib.h>

#if BLY_SIM

/* A simulation is one thread of the system, so a plain number will do. */
static size_t alloc_live;

static bool
alloc_refused(void)
{
    return bly_choose(BLY_CHOOSE_ALLOC, 2) == 1;
}

static void *
alloc_gained(void *p)
{
    if (p != NULL)
        alloc_live++;
    return p;
}

static void
alloc_lost(void *p)
{
    if (p != NULL)
        alloc_live--;
}

size_t
bly_alloc_live(void)
{
    return alloc_live;
}

#else

BLY_INLINE bool
alloc_refused(void)
{
    return false;
}

BLY_INLINE void *
alloc_gained(void *p)
{
    return p;
}

BLY_INLINE void
alloc_lost(void *p)
{
    (void)p;
}

#endif

void *
bly_alloc(size_t size)
{
    return alloc_refused() ? NULL : alloc_gained(malloc(size));
}

void *
bly_zalloc(size_t size)
{
    return alloc_refused() ? NULL : alloc_gained(calloc(1, size));
}

void *
bly_realloc(void *p, size_t size)
{
    void *q = alloc_refused() ? NULL : realloc(p, size);

    return p == NULL ? alloc_gained(q) : q;
}

void
bly_free(void *p)
{
    alloc_lost(p);
    free(p);
}

void *
bly_alloc_quiet(size_t size)
{
    return malloc(size);
}

void
bly_free_quiet(void *p)
{
    free(p);
}
