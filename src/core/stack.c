/* SPDX-License-Identifier: MIT */
/*
 * Who has which stack, and when its memory goes back.
 *
 * Of its freed stacks a worker keeps 64 warm in a list of its own.  What is
 * over goes back to the slabs, 32 at a time, and is called dirty: free, but
 * with memory.  While there are more than 512 dirty ones, workers take some
 * slabs of them aside, clear each run of neighbours with one MADV_DONTNEED
 * (which leaves guards in place; one call for each stack costs seven times as
 * much) and return them as clean.  They do so before they sleep for long, as
 * long as it lasts, and between tasks a little: every millisecond above 8,192,
 * every 64 above 512.  The longer it can wait, the longer are the runs.  A
 * task that ends never pays for it.  A stack is handed out warm first, then
 * dirty, then clean.
 *
 * What is free in the slabs is under pool->lock, which is held for a few
 * instructions per stack and never across a system call.  Whoever makes slabs
 * holds pool->growing across system calls; others meanwhile go on with what
 * there is.
 *
 * A slab is in the list pool->open from when a stack in it becomes free until
 * somebody looks in vain, and so for pool->dirty.
 *
 * Rejected: MADV_FREE, which is cheaper, but the memory still counts as ours
 * until the system is short of it.
 */
#include "core/stack.h"

#include "arch/sanitize.h"
#include "base/check.h"
#include "core/stack_slab.h"
#include "os/os.h"

#include <string.h>
#include <sys/mman.h>

enum {
    STACK_BATCH = 32,      /* that move between worker and pool at once */
    STACK_DIRTY_MAX = 512, /* free in the pool, with memory */
    STACK_DIRTY_BUSY = 8192, /* the same, while there is work */
    STACK_TRIM = 2 /* slabs taken aside at once */
};

/* ---- Under pool->lock --------------------------------------------------- */

static void
stack_open(struct bly_stack_pool *p, struct bly_stack_slab *slab)
{
    if (slab->is_open)
        return;
    slab->is_open = 1;
    slab->next_open = p->open[slab->class];
    p->open[slab->class] = slab;
}

static void
stack_give_guarded(struct bly_stack_pool *p, struct bly_stack_slab *slab,
    struct bly_stack *s)
{
    size_t i = (size_t)(s - bly_stack_slab_nth(slab, 0));
    uint64_t bit = (uint64_t)1 << i % 64;

    bly_assert(!(slab->bits.free[i / 64] & bit));
    slab->bits.free[i / 64] |= bit;
    slab->bits.dirty[i / 64] |= bit;
    bly_store_relaxed(&p->ndirty, p->ndirty + 1);
    if (!slab->is_dirty) {
        slab->is_dirty = 1;
        slab->next_dirty = p->dirty[slab->class];
        p->dirty[slab->class] = slab;
    }
    stack_open(p, slab);
}

static struct bly_stack *
stack_take_dirty(struct bly_stack_pool *p, struct bly_stack_slab *slab)
{
    for (size_t w = 0; w < 2; w++) {
        uint64_t dirty = slab->bits.dirty[w];

        if (dirty == 0)
            continue;
        slab->bits.dirty[w] = dirty & (dirty - 1);
        slab->bits.free[w] &= ~(dirty & -dirty);
        bly_store_relaxed(&p->ndirty, p->ndirty - 1);
        return bly_stack_slab_nth(slab,
            w * 64 + (size_t)__builtin_ctzll(dirty));
    }
    return NULL;
}

/* Of a slab without dirty stacks. */
static struct bly_stack *
stack_take_clean(struct bly_stack_slab *slab)
{
    for (size_t w = 0; w < 2; w++) {
        uint64_t clean = slab->bits.free[w];

        if (clean == 0)
            continue;
        slab->bits.free[w] = clean & (clean - 1);
        return bly_stack_slab_nth(slab,
            w * 64 + (size_t)__builtin_ctzll(clean));
    }
    return NULL;
}

static struct bly_stack *
stack_take_packed(struct bly_stack_slab *slab)
{
    struct bly_stack *s = slab->packed.list;

    if (s != NULL) {
        slab->packed.list = s->next;
    } else if (slab->packed.fresh < slab->count) {
        s = bly_stack_slab_nth(slab, slab->packed.fresh++);
        s->low = (char *)s - BLY_STACK_SMALL_SIZE;
        s->size = BLY_STACK_SMALL_SIZE;
        s->class = BLY_STACK_SMALL;
        s->watched = 1;
        s->used = 0;
        s->owner = NULL;
        *(uint64_t *)(void *)s->low = BLY_STACK_CANARY_WORD;
    } else {
        return NULL;
    }
    slab->packed.live++;
    return s;
}

static struct bly_stack *
stack_take(struct bly_stack_pool *p, enum bly_stack_class class)
{
    struct bly_stack_slab *slab;
    struct bly_stack *s;

    while ((slab = p->dirty[class]) != NULL) {
        s = stack_take_dirty(p, slab);
        if (s != NULL)
            return s;
        p->dirty[class] = slab->next_dirty;
        slab->is_dirty = 0;
    }
    while ((slab = p->open[class]) != NULL) {
        s = class == BLY_STACK_SMALL ? stack_take_packed(slab)
                                     : stack_take_clean(slab);
        if (s != NULL)
            return s;
        p->open[class] = slab->next_open;
        slab->is_open = 0;
    }
    return NULL;
}

/* Up to n of them, linked. */
static struct bly_stack *
stack_take_many(struct bly_stack_pool *p, enum bly_stack_class class,
    uint32_t n, uint32_t *taken)
{
    struct bly_stack *list = NULL;
    struct bly_stack **end = &list;

    *taken = 0;
    while (*taken < n && (*end = stack_take(p, class)) != NULL) {
        end = &(*end)->next;
        ++*taken;
    }
    *end = NULL;
    return list;
}

/* A small slab of which nothing is in use leaves the list. */
static bool
stack_give_packed(struct bly_stack_pool *p, struct bly_stack_slab *slab,
    struct bly_stack *s)
{
    struct bly_stack_slab **at = &p->open[BLY_STACK_SMALL];

    s->next = slab->packed.list;
    slab->packed.list = s;
    stack_open(p, slab);
    if (--slab->packed.live > 0 || slab->packed.fresh < slab->count / 2u)
        return false;
    while (*at != slab)
        at = &(*at)->next_open;
    *at = slab->next_open;
    slab->is_open = 0;
    return true;
}

/* ---- Giving memory back ------------------------------------------------- */

/* Clears the stacks whose bits are set, neighbours together. */
static void
stack_clear(struct bly_stack_slab *slab, const uint64_t bits[2])
{
    for (size_t i = 0; i < slab->count; i++) {
        size_t first = i;

        while (i < slab->count && bits[i / 64] >> i % 64 & 1)
            bly_stack_slab_nth(slab, i++)->used = 0;
        if (i > first)
            madvise((char *)slab + (first + 1) * slab->slot,
                (i - first) * slab->slot, MADV_DONTNEED);
    }
}

struct stack_aside {
    struct bly_stack_slab *slab;
    uint64_t bits[2];
};

static size_t
stack_set_aside(struct bly_stack_pool *p, struct stack_aside *aside)
{
    size_t n = 0;

    bly_lock(&p->lock);
    for (int class = BLY_STACK_NORMAL; class <= BLY_STACK_LARGE; class++) {
        struct bly_stack_slab *slab;

        while (n < STACK_TRIM && (slab = p->dirty[class]) != NULL) {
            p->dirty[class] = slab->next_dirty;
            slab->is_dirty = 0;
            aside[n].slab = slab;
            for (size_t w = 0; w < 2; w++) {
                aside[n].bits[w] = slab->bits.dirty[w];
                slab->bits.free[w] &= ~slab->bits.dirty[w];
                bly_store_relaxed(&p->ndirty, p->ndirty -
                        (uint32_t)__builtin_popcountll(slab->bits.dirty[w]));
                slab->bits.dirty[w] = 0;
            }
            n++;
        }
    }
    bly_unlock(&p->lock);
    return n;
}

/* One step. */
static void
stack_pool_trim(struct bly_stack_pool *p)
{
    struct stack_aside aside[STACK_TRIM];
    size_t n = stack_set_aside(p, aside);

    for (size_t i = 0; i < n; i++)
        stack_clear(aside[i].slab, aside[i].bits);
    bly_lock(&p->lock);
    for (size_t i = 0; i < n; i++) {
        aside[i].slab->bits.free[0] |= aside[i].bits[0];
        aside[i].slab->bits.free[1] |= aside[i].bits[1];
        stack_open(p, aside[i].slab);
    }
    bly_unlock(&p->lock);
}

/* Its stacks are nobody's and it is in no list. */
static void
stack_clear_packed(struct bly_stack_pool *p, struct bly_stack_slab *slab)
{
    size_t page = bly_os_page_size();

    madvise((char *)slab + page, BLY_STACK_SLAB - page, MADV_DONTNEED);
    slab->packed.list = NULL;
    slab->packed.fresh = 0;
    bly_lock(&p->lock);
    stack_open(p, slab);
    bly_unlock(&p->lock);
}

static void
stack_give(struct bly_stack_pool *p, struct bly_stack *list)
{
    struct bly_stack_slab *empty = NULL;

    bly_lock(&p->lock);
    while (list != NULL) {
        struct bly_stack *s = list;
        struct bly_stack_slab *slab = bly_stack_slab_of(s);

        list = s->next;
        if (slab->class != BLY_STACK_SMALL) {
            stack_give_guarded(p, slab, s);
        } else if (stack_give_packed(p, slab, s)) {
            slab->next_open = empty;
            empty = slab;
        }
    }
    bly_unlock(&p->lock);

    while (empty != NULL) {
        struct bly_stack_slab *slab = empty;

        empty = slab->next_open;
        stack_clear_packed(p, slab);
    }
}

/* All but the first keep of a worker's list. */
static void
stack_give_rest(struct bly_stack_pool *p, struct bly_stack **list,
    uint32_t *count, uint32_t keep)
{
    if (*count <= keep)
        return;
    for (uint32_t i = 0; i < keep; i++)
        list = &(*list)->next;
    struct bly_stack *rest = *list;
    *list = NULL;
    *count = keep;
    stack_give(p, rest);
}

/* ---- Getting one -------------------------------------------------------- */

static void
stack_tell_valgrind(struct bly_stack *s)
{
    if (RUNNING_ON_VALGRIND && !s->known) {
        s->known = 1;
        *bly_stack_slab_note(s) =
            VALGRIND_STACK_REGISTER(s->low, s->low + s->size - 1);
    }
}

static struct bly_stack *
stack_refill(struct bly_stack_pool *p, enum bly_stack_class class, uint32_t n,
    uint32_t *taken)
{
    bly_lock(&p->lock);
    struct bly_stack *list = stack_take_many(p, class, n, taken);
    bly_unlock(&p->lock);
    if (list != NULL)
        return list;

    bly_lock(&p->growing);
    bly_lock(&p->lock);
    list = stack_take_many(p, class, n, taken);
    bly_unlock(&p->lock);
    if (list == NULL) {
        struct bly_stack_slab *slab = bly_stack_slab_new(p, class);

        if (slab != NULL) {
            bly_lock(&p->lock);
            stack_open(p, slab);
            list = stack_take_many(p, class, n, taken);
            bly_unlock(&p->lock);
        }
    }
    bly_unlock(&p->growing);
    return list;
}

static struct bly_stack *
stack_get_custom(struct bly_stack_pool *p, size_t want)
{
    struct bly_stack *s;

    bly_lock(&p->lock);
    for (struct bly_stack **at = &p->custom; (s = *at) != NULL; at = &s->next)
        if (s->size >= want && s->size / 2 <= want) {
            *at = s->next;
            break;
        }
    bly_unlock(&p->lock);
    if (s != NULL)
        return s;
    bly_lock(&p->growing);
    s = bly_stack_slab_custom(p, want);
    bly_unlock(&p->growing);
    return s;
}

static struct bly_stack *
stack_pop(struct bly_stack_pool *p, enum bly_stack_class class,
    struct bly_stack **list, uint32_t *count)
{
    struct bly_stack *s = *list;

    if (s == NULL) {
        s = stack_refill(p, class, STACK_BATCH, count);
        for (struct bly_stack *t = s; t != NULL; t = t->next)
            stack_tell_valgrind(t);
    }
    if (s == NULL)
        return NULL;
    *list = s->next;
    --*count;
    return s;
}

struct bly_stack *
bly_stack_get_slow_(struct bly_stacks *c, size_t want)
{
    enum bly_stack_class class = bly_stack_slab_class(want);
    struct bly_stack *s;
    uint32_t taken;

    if (class == BLY_STACK_NORMAL)
        return stack_pop(c->pool, class, &c->hot, &c->nhot);
    if (class == BLY_STACK_SMALL)
        return stack_pop(c->pool, class, &c->small, &c->nsmall);
    if (class == BLY_STACK_LARGE)
        s = stack_refill(c->pool, class, 1, &taken);
    else
        s = stack_get_custom(c->pool, want);
    if (s != NULL)
        stack_tell_valgrind(s);
    return s;
}

static void
stack_put_custom(struct bly_stack_pool *p, struct bly_stack *s)
{
    if (!BLY_TSAN)
        madvise(s->low, s->size, MADV_DONTNEED);
    s->used = 0;
    bly_lock(&p->lock);
    s->next = p->custom;
    p->custom = s;
    bly_unlock(&p->lock);
}

void
bly_stack_put_slow_(struct bly_stacks *c, struct bly_stack *s)
{
    s->owner = NULL;
    s->next = NULL;
    switch ((enum bly_stack_class)s->class) {
    case BLY_STACK_NORMAL:
        stack_give_rest(c->pool, &c->hot, &c->nhot,
            BLY_STACK_HOT_MAX - STACK_BATCH);
        s->next = c->hot;
        c->hot = s;
        c->nhot++;
        break;
    case BLY_STACK_SMALL:
        if (c->nsmall >= BLY_STACK_HOT_MAX)
            stack_give_rest(c->pool, &c->small, &c->nsmall,
                BLY_STACK_HOT_MAX - STACK_BATCH);
        s->next = c->small;
        c->small = s;
        c->nsmall++;
        break;
    case BLY_STACK_LARGE:
        stack_give(c->pool, s);
        break;
    default:
        stack_put_custom(c->pool, s);
    }
}

/* ---- Looking at one ----------------------------------------------------- */

/* A small stack ends in a word of ours, any other without a guard in a line
 * of zeros that nobody has touched. */
bool
bly_stack_check_slow_(const struct bly_stack *s)
{
    static const char zeros[BLY_CACHE_LINE];

    if (s->class == BLY_STACK_SMALL)
        return *(uint64_t *)(void *)s->low == BLY_STACK_CANARY_WORD;
    return memcmp(s->low, zeros, sizeof(zeros)) == 0;
}

/* Looks at memory that other code has poisoned, or is writing. */
__attribute__((no_sanitize_address, no_sanitize_thread)) static size_t
stack_first_used(const struct bly_stack *s, size_t from)
{
    const volatile uint64_t *word = (const volatile uint64_t *)(void *)s->low;

    while (from < s->size && word[from / 8] == 0)
        from += 8;
    return from;
}

size_t
bly_stack_high_water(const struct bly_stack *s)
{
    size_t page = bly_os_page_size();
    size_t deepest = s->used * (size_t)16;
    unsigned char there;
    size_t from = 0;

    if (s->class == BLY_STACK_SMALL) {
        from = sizeof(uint64_t);
    } else {
        /* Does not bring pages in by looking at them. */
        while (from < s->size && mincore(s->low + from, page, &there) == 0 &&
            !(there & 1))
            from += page;
    }
    if (from < s->size && !RUNNING_ON_VALGRIND)
        from = stack_first_used(s, from);
    if (from < s->size && s->size - from > deepest)
        deepest = s->size - from;
    return deepest;
}

void
bly_stack_trim(struct bly_stack *s, const void *sp)
{
    size_t page = bly_os_page_size();
    uintptr_t low = (uintptr_t)s->low;
    /* The page of sp stays, and what a leaf function keeps below it. */
    uintptr_t end = ((uintptr_t)sp - 128) & ~(page - 1);

    if (s->class != BLY_STACK_SMALL && end > low)
        madvise(s->low, end - low, MADV_DONTNEED);
}

enum bly_stack_mode
bly_stack_mode(const struct bly_stack_pool *p)
{
    return p->mode;
}

const char *
bly_stack_mode_name(enum bly_stack_mode mode)
{
    static const char *const names[] = {
        [BLY_STACK_GUARD] = "guard pages by MADV_GUARD_INSTALL",
        [BLY_STACK_MPROTECT] = "guard pages by mprotect",
        [BLY_STACK_CANARY] = "no guard pages; checked when a task waits"};

    return names[mode];
}

/* ---- Beginning and end -------------------------------------------------- */

void
bly_stack_pool_init(struct bly_stack_pool *p)
{
    memset(p, 0, sizeof(*p));
    bly_stack_slab_join(p);
}

static void
stack_slab_retire(struct bly_stack_slab *slab)
{
    if (slab->class == BLY_STACK_SMALL)
        return;
    for (size_t i = 0; i < slab->count; i++) {
        struct bly_stack *s = bly_stack_slab_nth(slab, i);

        if (BLY_SANITIZE)
            bly_sanitize_retire(s->low, s->size);
        if (s->known)
            VALGRIND_STACK_DEREGISTER(*bly_stack_slab_note(s));
    }
}

void
bly_stack_pool_fini(struct bly_stack_pool *p)
{
    bly_stack_slab_each(p, stack_slab_retire);
    bly_stack_slab_leave(p);
}

void
bly_stacks_init(struct bly_stacks *c, struct bly_stack_pool *shared)
{
    memset(c, 0, sizeof(*c));
    c->pool = shared;
}

void
bly_stacks_fini(struct bly_stacks *c)
{
    stack_give_rest(c->pool, &c->hot, &c->nhot, 0);
    stack_give_rest(c->pool, &c->small, &c->nsmall, 0);
}

bool
bly_stacks_tend(struct bly_stacks *c, bool busy)
{
    uint32_t max = busy ? STACK_DIRTY_BUSY : STACK_DIRTY_MAX;

    /* ThreadSanitizer's name of a stack is kept in its memory. */
    if (BLY_TSAN || bly_load_relaxed(&c->pool->ndirty) <= max)
        return false;
    stack_pool_trim(c->pool);
    return true;
}
