/* SPDX-License-Identifier: MIT */
/*
 * A heap for what is near, a wheel for what is not.
 *
 * Timers lie in the frames of sleepers, which are cold: what a timer costs is
 * how often it is touched before it fires.  In a heap of 100,000 each one that
 * fires moves eight others.  So time is cut into ticks of 2.1 ms, and only what
 * is due in the tick that is running, or before, is in a heap: a few hundred.
 * All others are in a wheel of seven levels of 64 slots, each slot a list of
 * nodes with the keys, which lie in an array and know their timers.
 *
 * Let edge be the first tick that is the wheel's.  A timer is on the level of
 * the highest six bits in which its tick differs from edge, in the slot of
 * these bits of its tick.  So the slots of a level follow edge in order, and
 * all of a level are before all of the next: the first slot in use of the
 * lowest level in use has what is due next.  Seven levels are all of int64_t.
 *
 * To move edge on, to the tick after now: as long as the first slot begins
 * before that, its timers go to the heap (level 0), or edge goes to where the
 * slot begins and they find their places anew, on lower levels.  A timer is
 * so moved log64 of its distance times at most; one of less than 134 ms, once.
 *
 * A slot keeps the least time that was put into it.  It is not searched when
 * that one is disarmed, which is what deadlines do nearly always.  So a worker
 * may wake for nothing; but edge is then behind that time, so only once.
 *
 * An armed timer must never want memory later: heap and nodes both have room
 * for all.  What is not used of them is not resident.
 * It is 4-ary, with the keys beside the pointers.  The children of slot i are
 * 4i + 1 to 4i + 4, and the array lies so that each four share a cache line:
 * slot 1 is at the start of one, and slot 0 is the last of the line before.
 *
 * The wheel is that of G. Varghese and T. Lauck, "Hashed and Hierarchical
 * Timing Wheels", SOSP 1987, scheme 7.  Theirs is exact to a tick; the heap in
 * front makes ours exact.
 */
#include "core/timer.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/choice.h"

#include <errno.h>
#include <string.h>

enum {
    TIMER_ROOM_FIRST = 28,
    TIMER_ARY = 4,
    TIMER_TICK_BITS = 21, /* 2^21 ns = 2.1 ms */
    TIMER_LEVEL_BITS = 6
};

/* A place is an index in the heap + 1, or the number of a node and this. */
#define TIMER_FAR ((uint32_t)1 << 31)

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
    memset(h, 0, sizeof(*h));
    h->later = BLY_NEVER;
}

void
bly_timers_fini(struct bly_timers *h)
{
    timers_heap_free(h->heap);
    bly_free(h->nodes);
    bly_timers_init(h);
}

static int
timers_grow(struct bly_timers *h)
{
    uint32_t room = h->room == 0 ? (uint32_t)TIMER_ROOM_FIRST : h->room * 2;
    struct bly_timer_slot *heap;
    struct bly_timer_node *nodes;

    if (room >= TIMER_FAR)
        return -ENOMEM;
    heap = timers_heap_new(room);
    nodes = bly_alloc((room + (size_t)1) * sizeof(*nodes));
    if (heap == NULL || nodes == NULL) {
        timers_heap_free(heap);
        bly_free(nodes);
        return -ENOMEM;
    }
    if (h->count > 0)
        memcpy(heap, h->heap, h->count * sizeof(*heap));
    if (h->fresh > 0)
        memcpy(nodes, h->nodes, (h->fresh + (size_t)1) * sizeof(*nodes));
    timers_heap_free(h->heap);
    bly_free(h->nodes);
    h->heap = heap;
    h->nodes = nodes;
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

static void
timers_heap_add(struct bly_timers *h, int64_t when, struct bly_timer *t)
{
    timers_rise(h, h->count++, (struct bly_timer_slot){when, t});
}

static void
timers_heap_remove(struct bly_timers *h, struct bly_timer *t)
{
    uint32_t i = t->place - 1;
    struct bly_timer_slot last;

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

bool
bly_timers_crowded(const struct bly_timers *h, int64_t until)
{
    if (h->count > 0 && h->later <= until)
        return true;
    for (uint32_t i = 1; i <= TIMER_ARY && i < h->count; i++)
        if (h->heap[i].when <= until)
            return true;
    return false;
}

/* ---- The wheel ---------------------------------------------------------- */

BLY_INLINE int64_t
timers_tick(int64_t when)
{
    return when >> TIMER_TICK_BITS;
}

/* The tick with which a slot begins. */
static int64_t
timers_begin(const struct bly_timers *h, int level, int i)
{
    int bits = level * TIMER_LEVEL_BITS;
    uint64_t above = (uint64_t)h->edge >> bits >> TIMER_LEVEL_BITS;

    return (int64_t)((above << TIMER_LEVEL_BITS | (uint64_t)i) << bits);
}

/* The level of the first slot in use, and the slot; -1 if there is none. */
static int
timers_first(const struct bly_timers *h, int *i)
{
    for (int level = 0; level < BLY_TIMER_LEVELS; level++) {
        if (h->taken[level] != 0) {
            *i = __builtin_ctzll(h->taken[level]);
            return level;
        }
    }
    return -1;
}

static void
timers_look(struct bly_timers *h)
{
    int i, level = timers_first(h, &i);

    h->later = level < 0 ? BLY_NEVER : h->least[level][i];
}

/* Where a tick belongs. */
static int
timers_level(const struct bly_timers *h, uint64_t tick, int *i)
{
    uint64_t differs = tick ^ (uint64_t)h->edge;
    int level = (63 - __builtin_clzll(differs | 1)) / TIMER_LEVEL_BITS;

    *i = (int)(tick >> level * TIMER_LEVEL_BITS & (BLY_TIMER_SLOTS - 1));
    return level;
}

/* Into the list of its slot. */
static void
timers_link(struct bly_timers *h, uint32_t n)
{
    struct bly_timer_node *node = &h->nodes[n];
    int i, level;
    int64_t *least;

    level = timers_level(h, (uint64_t)timers_tick(node->when), &i);
    least = &h->least[level][i];
    if (h->slots[level][i] == 0 || node->when < *least)
        *least = node->when;
    if (node->when < h->later)
        h->later = node->when;
    h->taken[level] |= (uint64_t)1 << i;
    node->prev = 0;
    node->next = h->slots[level][i];
    if (node->next != 0)
        h->nodes[node->next].prev = n;
    h->slots[level][i] = n;
}

static void
timers_unlink(struct bly_timers *h, const struct bly_timer_node *node)
{
    int i, level;

    if (node->next != 0)
        h->nodes[node->next].prev = node->prev;
    if (node->prev != 0) {
        h->nodes[node->prev].next = node->next;
        return;
    }
    level = timers_level(h, (uint64_t)timers_tick(node->when), &i);
    h->slots[level][i] = node->next;
    if (node->next == 0) {
        h->taken[level] &= ~((uint64_t)1 << i);
        timers_look(h);
    }
}

static void
timers_node_free(struct bly_timers *h, uint32_t n)
{
    h->nodes[n].next = h->unused;
    h->unused = n;
    h->far--;
}

static void
timers_wheel_add(struct bly_timers *h, struct bly_timer *t)
{
    uint32_t n = h->unused;

    if (n != 0)
        h->unused = h->nodes[n].next;
    else
        n = ++h->fresh;
    h->far++;
    h->nodes[n].when = t->when;
    h->nodes[n].timer = t;
    t->place = n | TIMER_FAR;
    timers_link(h, n);
}

static void
timers_wheel_remove(struct bly_timers *h, struct bly_timer *t)
{
    uint32_t n = t->place & ~TIMER_FAR;

    bly_assert(h->nodes[n].timer == t);
    t->place = 0;
    timers_unlink(h, &h->nodes[n]);
    timers_node_free(h, n);
}

/* The timers of a slot find their places anew. */
static void
timers_spread(struct bly_timers *h, int level, int i)
{
    uint32_t n = h->slots[level][i], next;

    h->slots[level][i] = 0;
    h->taken[level] &= ~((uint64_t)1 << i);
    for (; n != 0; n = next) {
        struct bly_timer_node *node = &h->nodes[n];

        next = node->next;
        if (timers_tick(node->when) >= h->edge) {
            timers_link(h, n);
        } else {
            timers_heap_add(h, node->when, node->timer);
            timers_node_free(h, n);
        }
    }
}

/* Moves edge on to tick; what is before it is then in the heap. */
static void
timers_turn(struct bly_timers *h, int64_t tick)
{
    int i, level;

    while ((level = timers_first(h, &i)) >= 0) {
        int64_t begin = timers_begin(h, level, i);

        if (begin > tick || (begin == tick && level == 0))
            break;
        h->edge = level == 0 ? begin + 1 : begin;
        timers_spread(h, level, i);
    }
    h->edge = tick;
    timers_look(h);
}

/* ---- Both --------------------------------------------------------------- */

int
bly_timer_arm(struct bly_timers *h, struct bly_timer *t, int64_t when)
{
    bly_assert(!bly_timer_armed(t));
    if (BLY_UNLIKELY(h->count + h->far >= h->room)) {
        int r = timers_grow(h);

        if (r < 0)
            return r;
    }
    t->when = when;
    if (timers_tick(when) < h->edge)
        timers_heap_add(h, when, t);
    else
        timers_wheel_add(h, t);
    return 0;
}

void
bly_timer_disarm(struct bly_timers *h, struct bly_timer *t)
{
    if (t->place & TIMER_FAR)
        timers_wheel_remove(h, t);
    else if (bly_timer_armed(t))
        timers_heap_remove(h, t);
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
    int64_t tick = timers_tick(now) + 1;

    if (tick > h->edge)
        timers_turn(h, tick);
    while (h->count > 0 && h->heap[0].when <= now) {
        struct bly_timer *t = timers_pick(h);

        timers_heap_remove(h, t);
        t->fire(t);
    }
    return bly_timers_next(h);
}
