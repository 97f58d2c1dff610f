/* SPDX-License-Identifier: MIT */
/*
 * See timer.h.  The children of slot i are 4i + 1 to 4i + 4.  The array lies
 * so that each four children share a cache line: slot 1 is at the start of
 * one, and slot 0 is the last of the line before.
 */
#include "core/timer.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/choice.h"

#include <errno.h>
#include <string.h>

enum { TIMER_ROOM_FIRST = 28, TIMER_ARY = 4 };

/* What bly_alloc gave us is kept in the slot before the first. */
static struct bly_timer_slot *
timers_heap_new(uint32_t room)
{
    size_t lead = BLY_CACHE_LINE - sizeof(struct bly_timer_slot);
    size_t bytes = (size_t)room * sizeof(struct bly_timer_slot);
    char *raw = bly_alloc(2 * BLY_CACHE_LINE + bytes);
    struct bly_timer_slot *heap;
    uintptr_t skip;

    if (raw == NULL)
        return NULL;
    skip = (uintptr_t)raw % BLY_CACHE_LINE;
    skip = skip == 0 ? 0 : BLY_CACHE_LINE - skip;
    heap = (void *)(raw + skip + lead);
    heap[-1].timer = (void *)raw;
    return heap;
}

static void
timers_heap_free(struct bly_timer_slot *heap)
{
    if (heap != NULL)
        bly_free(heap[-1].timer);
}

void
bly_timers_init(struct bly_timers *h)
{
    h->heap = NULL;
    h->count = h->room = 0;
}

void
bly_timers_fini(struct bly_timers *h)
{
    timers_heap_free(h->heap);
    bly_timers_init(h);
}

static int
timers_grow(struct bly_timers *h)
{
    uint32_t room = h->room == 0 ? (uint32_t)TIMER_ROOM_FIRST : h->room * 2;
    struct bly_timer_slot *heap;

    if (room < h->room)
        return -ENOMEM;
    heap = timers_heap_new(room);
    if (heap == NULL)
        return -ENOMEM;
    if (h->count > 0)
        memcpy(heap, h->heap, h->count * sizeof(*heap));
    timers_heap_free(h->heap);
    h->heap = heap;
    h->room = room;
    return 0;
}

BLY_INLINE void
timers_put(struct bly_timers *h, uint32_t i, struct bly_timer_slot s)
{
    h->heap[i] = s;
    s.timer->place = i + 1;
}

/* Slot i is free; s goes there or as far above as it must. */
static void
timers_rise(struct bly_timers *h, uint32_t i, struct bly_timer_slot s)
{
    while (i > 0) {
        uint32_t above = (i - 1) / TIMER_ARY;

        if (h->heap[above].when <= s.when)
            break;
        timers_put(h, i, h->heap[above]);
        i = above;
    }
    timers_put(h, i, s);
}

/* Slot i is free; s goes there or as far below as it must. */
static void
timers_sink(struct bly_timers *h, uint32_t i, struct bly_timer_slot s)
{
    for (;;) {
        uint32_t first = i * TIMER_ARY + 1, least = first;
        uint32_t end = first + TIMER_ARY;

        if (first >= h->count)
            break;
        if (end > h->count)
            end = h->count;
        for (uint32_t c = first + 1; c < end; c++)
            if (h->heap[c].when < h->heap[least].when)
                least = c;
        if (h->heap[least].when >= s.when)
            break;
        timers_put(h, i, h->heap[least]);
        i = least;
    }
    timers_put(h, i, s);
}

int
bly_timer_arm(struct bly_timers *h, struct bly_timer *t, int64_t when)
{
    bly_assert(!bly_timer_armed(t));
    if (BLY_UNLIKELY(h->count == h->room)) {
        int r = timers_grow(h);

        if (r < 0)
            return r;
    }
    t->when = when;
    timers_rise(h, h->count++, (struct bly_timer_slot){when, t});
    return 0;
}

void
bly_timer_disarm(struct bly_timers *h, struct bly_timer *t)
{
    uint32_t i = t->place - 1;
    struct bly_timer_slot last;

    if (!bly_timer_armed(t))
        return;
    bly_assert(i < h->count && h->heap[i].timer == t);
    t->place = 0;
    last = h->heap[--h->count];
    if (last.timer == t)
        return;
    if (i > 0 && h->heap[(i - 1) / TIMER_ARY].when > last.when)
        timers_rise(h, i, last);
    else
        timers_sink(h, i, last);
}

#if BLY_SIM

/* Any of those that are due at the same instant may be first. */
static struct bly_timer *
timers_pick(struct bly_timers *h)
{
    int64_t when = h->heap[0].when;
    uint32_t ties = 0, chosen;

    for (uint32_t i = 0; i < h->count; i++)
        ties += h->heap[i].when == when;
    chosen = ties > 1 ? bly_choose(BLY_CHOOSE_TIMER, ties) : 0;
    for (uint32_t i = 0; i < h->count; i++)
        if (h->heap[i].when == when && chosen-- == 0)
            return h->heap[i].timer;
    return h->heap[0].timer;
}

#else

BLY_INLINE struct bly_timer *
timers_pick(struct bly_timers *h)
{
    return h->heap[0].timer;
}

#endif

int64_t
bly_timers_run(struct bly_timers *h, int64_t now)
{
    while (h->count > 0 && h->heap[0].when <= now) {
        struct bly_timer *t = timers_pick(h);

        bly_timer_disarm(h, t);
        t->fire(t);
    }
    return bly_timers_next(h);
}
