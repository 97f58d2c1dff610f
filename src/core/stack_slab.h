/* SPDX-License-Identifier: MIT */
/* Slabs of stacks; only for stack.c and stack_slab.c. */
#ifndef BLY_CORE_STACK_SLAB_H
#define BLY_CORE_STACK_SLAB_H

#include "arch/ctx.h"
#include "core/stack.h"

#define BLY_STACK_SLAB ((size_t)16 << 20)
#define BLY_STACK_CANARY_WORD ((uint64_t)0xb17ec0de0ddba115u)

enum {
    BLY_STACK_HEADER = 64, /* room for struct bly_stack_slab */
    BLY_STACK_SLOTS_MAX = 128,
    BLY_STACK_SMALL_SLOT = BLY_STACK_SMALL_SIZE + (int)sizeof(struct bly_stack)
};

/* Guarded classes: bit i is stack i. */
struct bly_stack_bits {
    uint64_t free[2];  /* not given out */
    uint64_t dirty[2]; /* of these, with memory */
};

/* Small class. */
struct bly_stack_packed {
    struct bly_stack *list; /* free again */
    uint32_t fresh;         /* stacks from this one on were never used */
    uint32_t live;          /* given out */
};

struct bly_stack_slab {
    struct bly_stack_slab *next_open;
    struct bly_stack_slab *next_dirty;
    union {
        struct bly_stack_bits bits;
        struct bly_stack_packed packed;
    };
    uint32_t slot;  /* distance of two stacks */
    uint16_t count; /* of stacks */
    uint16_t span;  /* of the slab, in units of BLY_STACK_SLAB */
    uint8_t class;
    uint8_t is_open;  /* in pool->open; may have no free stack any more */
    uint8_t is_dirty; /* in pool->dirty; may have no dirty stack any more */
};

_Static_assert(sizeof(struct bly_stack) == 32, "126 of them fill a page");
_Static_assert(sizeof(struct bly_stack_slab) <= BLY_STACK_HEADER, "and this");

BLY_INLINE struct bly_stack_slab *
bly_stack_slab_of(const struct bly_stack *s)
{
    return (struct bly_stack_slab *)((uintptr_t)s & ~(BLY_STACK_SLAB - 1));
}

BLY_INLINE struct bly_stack *
bly_stack_slab_nth(struct bly_stack_slab *slab, size_t i)
{
    char *base = (char *)slab + BLY_STACK_HEADER;

    if (slab->class == BLY_STACK_SMALL)
        return (struct bly_stack *)(void *)(base + i * BLY_STACK_SMALL_SLOT +
            BLY_STACK_SMALL_SIZE);
    return (struct bly_stack *)(void *)base + i;
}

/* Which class has room for want bytes; 0 is the normal one. */
enum bly_stack_class bly_stack_slab_class(size_t want);

/* A slab with all its stacks free, for any class but custom; NULL: no memory.
 * Under pool->growing. */
struct bly_stack_slab *bly_stack_slab_new(struct bly_stack_pool *p,
    enum bly_stack_class class);

/* A stack that is a slab of its own.  Under pool->growing. */
struct bly_stack *bly_stack_slab_custom(struct bly_stack_pool *p, size_t want);

/* Where Valgrind's number of the stack is kept, if that is running. */
unsigned *bly_stack_slab_note(struct bly_stack *s);

/* Calls do_slab for each slab. */
void bly_stack_slab_each(struct bly_stack_pool *p,
    void (*do_slab)(struct bly_stack_slab *slab));

/* Makes the pool known to bly_stack_find, and unknown. */
void bly_stack_slab_join(struct bly_stack_pool *p);
void bly_stack_slab_leave(struct bly_stack_pool *p);

#endif
