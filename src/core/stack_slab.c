/* SPDX-License-Identifier: MIT */
/*
 * Arenas and slabs: where stacks lie in the address space.
 *
 * Arenas.  Address space is reserved in large pieces without access, each
 * twice the last, up to 64 GiB.  Slabs of 16 MiB are carved from them in
 * order, so that they lie side by side and the kernel keeps one mapping for
 * all of them: a million guarded stacks need some twenty mappings.  Address
 * space is given back only when the pool ends.
 *
 * Slabs.  A slab begins with its header, which fills one page: itself and 126
 * stacks of 32 bytes.  The rest of slot 0 is not used.  In the other slots
 * (128 KiB, or 1 MiB in the large class) the lowest page is the guard:
 *
 *      | header ...... | guard | stack 0 | guard | stack 1 | ...
 *
 * The guards of a slab are put in by one system call; one call each would
 * double the price of a new stack.  Tops are shifted by up to 31 cache lines,
 * since stacks that begin at equal offsets push each other out of the cache.
 *
 * A small slab is packed: 1 KiB of stack, then its own struct bly_stack, and
 * so on, in huge pages where the system has them.  A custom stack is a slab
 * of its own.
 *
 * All of this runs under pool->growing.  A signal handler may go from any
 * address to the stack that it lies in: it walks pools, arenas and slabs,
 * which are published by release when they are complete.
 *
 * Rejected: a mapping per stack (6 us, and the limit of 65,530 mappings ends
 * it at 32,000 stacks), descriptors at the top of each stack (gone whenever
 * the memory is given back).
 */
#include "core/stack_slab.h"

#include "arch/sanitize.h"
#include "base/atomic.h"
#include "os/os.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define STACK_ARENA_MIN ((size_t)256 << 20)
#define STACK_ARENA_MAX ((size_t)64 << 30)

/* Sanitized frames are two to three times as large. */
#define STACK_NORMAL_SLOT ((size_t)(BLY_SANITIZE ? 512 : 128) << 10)
#define STACK_LARGE_SLOT ((size_t)(BLY_SANITIZE ? 2 : 1) << 20)

enum {
    STACK_COLOURS = 32, /* of one cache line each */
    STACK_MPROTECT_MAX = 15000,
    STACK_GUARD_INSTALL = 102, /* MADV_GUARD_INSTALL, Linux 6.13 */
    STACK_PIDFD_SELF = -10000  /* PIDFD_SELF_THREAD */
};

static struct bly_stack_pool *stack_pools; /* all, linked by next */
static struct bly_lock stack_pools_lock;

static size_t
stack_page(void)
{
    return bly_os_page_size();
}

/* Distance of two normal stacks: there must be more stack than guard. */
static size_t
stack_slot_size(enum bly_stack_class class)
{
    size_t least = class == BLY_STACK_LARGE ? STACK_LARGE_SLOT
                                            : STACK_NORMAL_SLOT;
    size_t slot = 4 * stack_page();

    return slot > least ? slot : least;
}

/* What every stack of the class offers, whatever its colour. */
static size_t
stack_room(enum bly_stack_class class)
{
    return stack_slot_size(class) - stack_page() -
        (size_t)(STACK_COLOURS * BLY_CACHE_LINE);
}

enum bly_stack_class
bly_stack_slab_class(size_t want)
{
    /* 1 KiB is enough only for code that was measured as it is. */
    bool packed = !BLY_SANITIZE && !BLY_CTX_UCONTEXT && !RUNNING_ON_VALGRIND;

    if (want == 0)
        return BLY_STACK_NORMAL;
    if (want <= BLY_STACK_SMALL_SIZE && packed)
        return BLY_STACK_SMALL;
    if (want <= stack_room(BLY_STACK_NORMAL))
        return BLY_STACK_NORMAL;
    if (want <= stack_room(BLY_STACK_LARGE))
        return BLY_STACK_LARGE;
    return BLY_STACK_CUSTOM;
}

static bool
stack_arena_new(struct bly_stack_pool *p, size_t least)
{
    uint32_t n = p->narenas;
    size_t size = n < 8 ? STACK_ARENA_MIN << n : STACK_ARENA_MAX;
    void *m;

    if (n == BLY_STACK_ARENAS)
        return false;
    if (size < least)
        size = least;
    for (;;) {
        m = mmap(NULL, size + BLY_STACK_SLAB, PROT_NONE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (m != MAP_FAILED)
            break;
        if (size == least)
            return false;
        /* A limit of address space may allow less. */
        size = size / 2 & ~(BLY_STACK_SLAB - 1);
        if (size < least)
            size = least;
    }

    size_t head = -(uintptr_t)m & (BLY_STACK_SLAB - 1);
    char *low = (char *)m + head;
    if (head > 0)
        munmap(m, head);
    if (head < BLY_STACK_SLAB)
        munmap(low + size, BLY_STACK_SLAB - head);
    /* One touched page must not become 2 MiB. */
    madvise(low, size, MADV_NOHUGEPAGE);

    p->arenas[n] = (struct bly_stack_arena){.low = low, .size = size};
    bly_store_release(&p->narenas, n + 1); /* pairs with stack_find_in */
    return true;
}

/* Address space for a slab, whose first used bytes become accessible. */
static struct bly_stack_slab *
stack_reserve(struct bly_stack_pool *p, size_t span, size_t used)
{
    struct bly_stack_arena *a =
        p->narenas != 0 ? &p->arenas[p->narenas - 1] : NULL;

    if (a == NULL || a->size - a->carved < span) {
        if (!stack_arena_new(p, span))
            return NULL;
        a = &p->arenas[p->narenas - 1];
    }
    char *base = a->low + a->carved;
    if (mprotect(base, used, PROT_READ | PROT_WRITE) != 0)
        return NULL;
    struct bly_stack_slab *slab = (struct bly_stack_slab *)(void *)base;
    slab->span = (uint16_t)(span / BLY_STACK_SLAB);
    return slab;
}

/* From now on signal handlers look into the slab. */
static void
stack_publish(struct bly_stack_pool *p, struct bly_stack_slab *slab)
{
    struct bly_stack_arena *a = &p->arenas[p->narenas - 1];

    /* pairs with stack_find_in */
    bly_store_release(&a->carved, a->carved + slab->span * BLY_STACK_SLAB);
}

/* All in one call, which Valgrind and Linux before 6.14 do not know. */
static bool
stack_guard_batch(const struct iovec *iov, size_t n)
{
    long done = -1;

    if (!RUNNING_ON_VALGRIND)
        done = syscall(SYS_process_madvise, STACK_PIDFD_SELF, iov, n,
            STACK_GUARD_INSTALL, 0);
    return done == (long)(n * stack_page());
}

/* True if all n guards are in place. */
static bool
stack_guard_all(const struct iovec *iov, size_t n)
{
    if (stack_guard_batch(iov, n))
        return true;
    for (size_t i = 0; i < n; i++)
        if (madvise(iov[i].iov_base, iov[i].iov_len, STACK_GUARD_INSTALL) != 0)
            return false;
    return true;
}

/* Pages without access, as long as there are mappings left for them. */
static void
stack_guard_mprotect(struct bly_stack_pool *p, struct bly_stack_slab *slab,
    const struct iovec *iov, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p->nmprotect >= STACK_MPROTECT_MAX ||
            mprotect(iov[i].iov_base, iov[i].iov_len, PROT_NONE) != 0) {
            p->mode = BLY_STACK_CANARY;
            bly_stack_slab_nth(slab, i)->watched = 1;
        } else {
            p->nmprotect++;
        }
    }
}

static void
stack_guard(struct bly_stack_pool *p, struct bly_stack_slab *slab)
{
    struct iovec iov[BLY_STACK_SLOTS_MAX];
    size_t n = slab->count;

    for (size_t i = 0; i < n; i++) {
        iov[i].iov_len = stack_page();
        iov[i].iov_base = bly_stack_slab_nth(slab, i)->low - stack_page();
    }
    if (p->mode == BLY_STACK_GUARD && !stack_guard_all(iov, n))
        p->mode = BLY_STACK_MPROTECT;
    if (p->mode == BLY_STACK_MPROTECT) {
        stack_guard_mprotect(p, slab, iov, n);
    } else if (p->mode == BLY_STACK_CANARY) {
        for (size_t i = 0; i < n; i++)
            bly_stack_slab_nth(slab, i)->watched = 1;
    }
}

static struct bly_stack_slab *
stack_slab_guarded(struct bly_stack_pool *p, enum bly_stack_class class)
{
    struct bly_stack_slab *slab =
        stack_reserve(p, BLY_STACK_SLAB, BLY_STACK_SLAB);

    if (slab == NULL)
        return NULL;
    size_t slot = stack_slot_size(class);
    size_t count = BLY_STACK_SLAB / slot - 1;
    size_t fit = (stack_page() - BLY_STACK_HEADER) / sizeof(struct bly_stack);
    if (count > fit)
        count = fit;
    slab->class = (uint8_t)class;
    slab->slot = (uint32_t)slot;
    slab->count = (uint16_t)count;
    for (size_t i = 0; i < count; i++) {
        struct bly_stack *s = bly_stack_slab_nth(slab, i);
        size_t colour = i * 5 % STACK_COLOURS * BLY_CACHE_LINE;

        s->low = (char *)slab + (i + 1) * slot + stack_page();
        s->size = (uint32_t)(slot - stack_page() - colour);
        s->class = class & 7;
        slab->bits.free[i / 64] |= (uint64_t)1 << i % 64;
    }
    stack_guard(p, slab);
    stack_publish(p, slab);
    return slab;
}

static struct bly_stack_slab *
stack_slab_packed(struct bly_stack_pool *p)
{
    struct bly_stack_slab *slab =
        stack_reserve(p, BLY_STACK_SLAB, BLY_STACK_SLAB);

    if (slab == NULL)
        return NULL;
    madvise(slab, BLY_STACK_SLAB, MADV_HUGEPAGE);
    slab->class = BLY_STACK_SMALL;
    slab->slot = BLY_STACK_SMALL_SLOT;
    slab->count = (BLY_STACK_SLAB - BLY_STACK_HEADER) / BLY_STACK_SMALL_SLOT;
    stack_publish(p, slab);
    return slab;
}

struct bly_stack *
bly_stack_slab_custom(struct bly_stack_pool *p, size_t want)
{
    if (want > BLY_STACK_MAX)
        return NULL;
    size_t page = stack_page();
    size_t size = (want + page - 1) & ~(page - 1);
    size_t used = 2 * page + size;
    size_t span = (used + BLY_STACK_SLAB - 1) & ~(BLY_STACK_SLAB - 1);
    struct bly_stack_slab *slab = stack_reserve(p, span, used);

    if (slab == NULL)
        return NULL;
    slab->class = BLY_STACK_CUSTOM;
    slab->count = 1;
    struct bly_stack *s = bly_stack_slab_nth(slab, 0);
    s->low = (char *)slab + 2 * page;
    s->size = (uint32_t)size;
    s->class = BLY_STACK_CUSTOM;
    stack_guard(p, slab);
    stack_publish(p, slab);
    return s;
}

struct bly_stack_slab *
bly_stack_slab_new(struct bly_stack_pool *p, enum bly_stack_class class)
{
    if (class == BLY_STACK_SMALL)
        return stack_slab_packed(p);
    return stack_slab_guarded(p, class);
}

/* In memory that belongs to the header but that nothing else uses. */
unsigned *
bly_stack_slab_note(struct bly_stack *s)
{
    struct bly_stack_slab *slab = bly_stack_slab_of(s);
    size_t i = (size_t)(s - bly_stack_slab_nth(slab, 0));

    if (slab->class == BLY_STACK_CUSTOM)
        return (unsigned *)(void *)(s + 1);
    return (unsigned *)(void *)((char *)slab + stack_page()) + i;
}

void
bly_stack_slab_each(struct bly_stack_pool *p,
    void (*do_slab)(struct bly_stack_slab *slab))
{
    for (uint32_t i = 0; i < p->narenas; i++) {
        struct bly_stack_arena *a = &p->arenas[i];
        size_t at = 0;

        while (at < a->carved) {
            struct bly_stack_slab *slab =
                (struct bly_stack_slab *)(void *)(a->low + at);

            at += slab->span * BLY_STACK_SLAB;
            do_slab(slab);
        }
    }
}

void
bly_stack_slab_join(struct bly_stack_pool *p)
{
    bly_lock(&stack_pools_lock);
    p->next = stack_pools;
    bly_store_release(&stack_pools, p); /* pairs with bly_stack_find */
    bly_unlock(&stack_pools_lock);
}

void
bly_stack_slab_leave(struct bly_stack_pool *p)
{
    struct bly_stack_pool **at = &stack_pools;

    bly_lock(&stack_pools_lock);
    while (*at != p)
        at = &(*at)->next;
    bly_store_release(at, p->next); /* pairs with bly_stack_find */
    bly_unlock(&stack_pools_lock);
    for (uint32_t i = 0; i < p->narenas; i++)
        munmap(p->arenas[i].low, p->arenas[i].size);
    p->narenas = 0;
}

static struct bly_stack *
stack_find_small(struct bly_stack_slab *slab, size_t offset)
{
    size_t i = (offset - BLY_STACK_HEADER) / BLY_STACK_SMALL_SLOT;

    if (offset < BLY_STACK_HEADER || i >= slab->packed.fresh)
        return NULL;
    return bly_stack_slab_nth(slab, i);
}

static struct bly_stack *
stack_find_guarded(struct bly_stack_slab *slab, size_t offset)
{
    size_t i = 0;

    if (slab->class != BLY_STACK_CUSTOM) {
        if (offset < slab->slot || offset / slab->slot > slab->count)
            return NULL;
        i = offset / slab->slot - 1;
    }
    struct bly_stack *s = bly_stack_slab_nth(slab, i);
    const char *addr = (const char *)slab + offset;
    if (addr < s->low - stack_page() || addr >= s->low + s->size)
        return NULL;
    return s;
}

static struct bly_stack *
stack_find_in(struct bly_stack_pool *p, const char *addr)
{
    uint32_t n = bly_load_acquire(&p->narenas); /* pairs with stack_arena_new */
    size_t at = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct bly_stack_arena *a = &p->arenas[i];
        /* pairs with stack_publish */
        size_t carved = bly_load_acquire(&a->carved);

        if (addr < a->low || addr >= a->low + carved)
            continue;
        for (;;) {
            struct bly_stack_slab *slab =
                (struct bly_stack_slab *)(void *)(a->low + at);
            size_t span = slab->span * BLY_STACK_SLAB;
            size_t offset = (size_t)(addr - a->low) - at;

            if (offset >= span) {
                at += span;
                continue;
            }
            if (slab->class == BLY_STACK_SMALL)
                return stack_find_small(slab, offset);
            return stack_find_guarded(slab, offset);
        }
    }
    return NULL;
}

struct bly_stack *
bly_stack_find(const void *addr, bool *in_guard)
{
    /* pairs with bly_stack_slab_join and bly_stack_slab_leave */
    struct bly_stack_pool *p = bly_load_acquire(&stack_pools);

    for (; p != NULL; p = bly_load_acquire(&p->next)) {
        struct bly_stack *s = stack_find_in(p, addr);

        if (s != NULL) {
            *in_guard = (const char *)addr < s->low;
            return s;
        }
    }
    return NULL;
}
