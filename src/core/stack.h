/* SPDX-License-Identifier: MIT */
/*
 * Stacks for tasks: address space is plenty, memory is committed on touch.
 *
 * A stack is described by a struct bly_stack of 32 bytes that lies apart from
 * it in its slab's header, so a parked task costs the one page that it has
 * touched.  Each worker keeps its last freed stacks, warm, in a list of its
 * own (struct bly_stacks); what is over goes to the pool of the runtime, which
 * gives the memory back to the system.
 */
#ifndef BLY_CORE_STACK_H
#define BLY_CORE_STACK_H

#include "base/compiler.h"
#include "base/lock.h"

#include <stdbool.h>

enum bly_stack_class {
    BLY_STACK_SMALL,  /* 1 KiB, packed, no guard but a canary */
    BLY_STACK_NORMAL, /* 128 KiB of address space */
    BLY_STACK_LARGE,  /* 1 MiB of address space */
    BLY_STACK_CUSTOM, /* anything larger */
    BLY_STACK_CLASSES
};

/* How the end of a stack is watched. */
enum bly_stack_mode {
    BLY_STACK_GUARD,    /* MADV_GUARD_INSTALL: no mapping per stack */
    BLY_STACK_MPROTECT, /* a page without access: two mappings per stack */
    BLY_STACK_CANARY    /* only looked at by bly_stack_check */
};

/* There is never a larger one. */
#define BLY_STACK_MAX ((size_t)1 << 30)

enum {
    BLY_STACK_SMALL_SIZE = 1024,
    BLY_STACK_HOT_MAX = 64 /* warm stacks that a worker keeps */
};

struct bly_stack {
    struct bly_stack *next; /* in a list of free ones */
    void *owner;            /* the task that runs on it; read by handlers */
    char *low;              /* lowest byte for use */
    uint32_t size;          /* bytes for use; low + size is 16-aligned */
    uint32_t class : 3;
    uint32_t watched : 1; /* no guard: bly_stack_check looks at its end */
    uint32_t known : 1;   /* Valgrind has been told of it */
    uint32_t used : 27;   /* deepest saved sp seen, in units of 16 bytes */
};

struct bly_stack_slab;

/* A reservation of address space, of which slabs are carved in order. */
struct bly_stack_arena {
    char *low;
    size_t size;
    size_t carved; /* bytes that are slabs; grows under the lock growing */
};

enum { BLY_STACK_ARENAS = 64 };

/* Stacks shared by the workers of a runtime. */
struct bly_stack_pool {
    struct bly_lock lock;         /* for what is free */
    struct bly_lock growing;      /* for the arenas; taken before lock */
    struct bly_stack_slab *open[BLY_STACK_CLASSES]; /* with free stacks */
    struct bly_stack_slab *dirty[BLY_STACK_CLASSES]; /* with used ones */
    struct bly_stack *custom;     /* free custom stacks */
    uint32_t ndirty;              /* free stacks that hold memory */
    uint32_t nmprotect;
    enum bly_stack_mode mode;     /* for the next slab */
    uint32_t narenas;
    struct bly_stack_pool *next; /* all pools, for signal handlers */
    struct bly_stack_arena arenas[BLY_STACK_ARENAS];
};

/* Stacks of one worker.  Only its own thread may use it. */
struct bly_stacks {
    struct bly_stack *hot; /* normal class, last in, first out */
    struct bly_stack *small;
    uint32_t nhot;
    uint32_t nsmall;
    struct bly_stack_pool *pool;
};

void bly_stack_pool_init(struct bly_stack_pool *p);
/* No stack of the pool is in use any more, and all caches are finished. */
void bly_stack_pool_fini(struct bly_stack_pool *p);

void bly_stacks_init(struct bly_stacks *c, struct bly_stack_pool *shared);
void bly_stacks_fini(struct bly_stacks *c);
/* Gives back some of the memory of free stacks, if there is much of it, or for
 * who is busy very much; takes about 50 us.  False: there was nothing to do. */
bool bly_stacks_tend(struct bly_stacks *c, bool busy);

struct bly_stack *bly_stack_get_slow_(struct bly_stacks *c, size_t want);
void bly_stack_put_slow_(struct bly_stacks *c, struct bly_stack *s);

/* A stack of at least want bytes; 0 is the normal class, up to
 * BLY_STACK_SMALL_SIZE the small one.  NULL: no memory.  Its owner is NULL. */
BLY_INLINE struct bly_stack *
bly_stack_get(struct bly_stacks *c, size_t want)
{
    struct bly_stack *s = c->hot;

    if (BLY_UNLIKELY(want != 0 || s == NULL))
        return bly_stack_get_slow_(c, want);
    c->hot = s->next;
    c->nhot--;
    return s;
}

/* Nobody runs on s any more, nor will. */
BLY_INLINE void
bly_stack_put(struct bly_stacks *c, struct bly_stack *s)
{
    if (BLY_UNLIKELY(
            s->class != BLY_STACK_NORMAL || c->nhot >= BLY_STACK_HOT_MAX)) {
        bly_stack_put_slow_(c, s);
        return;
    }
    s->owner = NULL;
    s->next = c->hot;
    c->hot = s;
    c->nhot++;
}

/*
 * To be called with the stack pointer of a task that parks: keeps the
 * high-water mark.  False: the stack has overflowed, as far as can be seen
 * from here; see bly_overflow_fatal.
 */
bool bly_stack_check_slow_(const struct bly_stack *s);

BLY_INLINE bool
bly_stack_check(struct bly_stack *s, const void *sp)
{
    size_t used = (size_t)(s->low + s->size - (const char *)sp);

    if (BLY_UNLIKELY(used > s->size))
        return false;
    if (BLY_UNLIKELY(used >> 4 > s->used))
        s->used = (uint32_t)(used >> 4) & 0x7ffffff;
    return BLY_LIKELY(!s->watched) || bly_stack_check_slow_(s);
}

/*
 * The most bytes that were ever in use, as far as the memory shows it: since
 * the stack was last cleared, by this task or those before it.  Slow.
 */
size_t bly_stack_high_water(const struct bly_stack *s);

/* Gives back the memory below sp of a task that will be parked for long.
 * Only its own worker may call it. */
void bly_stack_trim(struct bly_stack *s, const void *sp);

/* How the pool guards a new stack of the normal class. */
enum bly_stack_mode bly_stack_mode(const struct bly_stack_pool *p);
const char *bly_stack_mode_name(enum bly_stack_mode mode);

/*
 * The stack of which addr is a part or in whose guard it lies, or NULL.
 * *in_guard: no task may touch it.  Safe in a signal handler.
 */
struct bly_stack *bly_stack_find(const void *addr, bool *in_guard);

#endif
