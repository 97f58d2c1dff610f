/* SPDX-License-Identifier: MIT */
/* A worker's newest events: see ring.h for the protocol. */
#include "trace/ring.h"

#include "base/alloc.h"
#include "base/atomic.h"

#include <string.h>

enum { RING_SIZE_MIN = 16, RING_SIZE_MAX = 1 << 24 };

struct bly_ring *
bly_ring_new(size_t events)
{
    uint32_t size = RING_SIZE_MIN;
    struct bly_ring *r;
    char *block;

    while (size < events && size < RING_SIZE_MAX)
        size *= 2;
    /* Not cleared: memory that no event comes to is never touched.  The block
     * begins anywhere; its start is kept in the word before the ring. */
    block = bly_alloc_quiet(BLY_CACHE_LINE + sizeof(*r) +
        (size_t)size * sizeof(struct bly_trace_event));
    if (block == NULL)
        return NULL;
    r = (struct bly_ring *)(((uintptr_t)block + BLY_CACHE_LINE) &
        ~(uintptr_t)(BLY_CACHE_LINE - 1));
    memset(r, 0, sizeof(*r));
    ((void **)(void *)r)[-1] = block;
    r->size = size;
    return r;
}

void
bly_ring_free(struct bly_ring *r)
{
    if (r != NULL)
        bly_free_quiet(((void **)(void *)r)[-1]);
}

static const uint64_t *
ring_slot(const struct bly_ring *r, uint64_t number)
{
    return r->slots + (number & (r->size - 1)) * BLY_EVENT_WORDS;
}

void
bly_ring_put(struct bly_ring *r, const struct bly_trace_event *e)
{
    uint64_t number = bly_load_relaxed(&r->done);
    uint64_t *slot = (uint64_t *)(uintptr_t)ring_slot(r, number);
    uint64_t words[BLY_EVENT_WORDS];
    int i;

    memcpy(words, e, sizeof(words));
    bly_store_relaxed(&r->begun, number + 1);
    for (i = 0; i < BLY_EVENT_WORDS; i++)
        bly_store_release(&slot[i], words[i]); /* pairs with ring_copy */
    bly_store_release(&r->done, number + 1);   /* pairs with bly_ring_count */
}

uint64_t
bly_ring_count(const struct bly_ring *r)
{
    return bly_load_acquire(&r->done); /* pairs with bly_ring_put */
}

/* False: it was overwritten meanwhile. */
static bool
ring_copy(const struct bly_ring *r, uint64_t number,
    struct bly_trace_event *out)
{
    const uint64_t *slot = ring_slot(r, number);
    uint64_t words[BLY_EVENT_WORDS];
    int i;

    for (i = 0; i < BLY_EVENT_WORDS; i++)
        words[i] = bly_load_acquire(&slot[i]); /* pairs with bly_ring_put */
    memcpy(out, words, sizeof(words));
    return bly_load_relaxed(&r->begun) <= number + r->size;
}

size_t
bly_ring_read(const struct bly_ring *r, uint64_t first,
    struct bly_trace_event *out, uint64_t *lost)
{
    uint64_t end = bly_ring_count(r), at = first;
    size_t n = 0;

    if (end > r->size && at < end - r->size)
        at = end - r->size;
    *lost += at - first;
    for (; at < end; at++) {
        if (ring_copy(r, at, &out[n]))
            n++;
        else
            ++*lost;
    }
    return n;
}
