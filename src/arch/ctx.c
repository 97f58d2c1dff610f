/* SPDX-License-Identifier: MIT */
/*
 * What is the same for all processors: the first frame, and in builds with a
 * sanitizer what it must be told around each switch.
 *
 * ThreadSanitizer notes each call on a list of the fiber and strikes it out at
 * the return.  The frames of a context never return, so a fiber that serves
 * one context after the other would fill its list.  The last switch of a
 * context therefore goes by longjmp, which the sanitizer follows, back to the
 * outermost frame, strikes out this one by hand and leaves from there.
 */
#include "arch/ctx.h"

#if !BLY_SANITIZE

void
bly_ctx_make(struct bly_ctx *c, void *stack_low, size_t size,
    bly_ctx_entry *entry, void *arg)
{
    c->sp = bly_ctx_frame(stack_low, size, entry, arg);
}

#else

#include <pthread.h>
#include <setjmp.h>

#if BLY_ASAN

void __sanitizer_start_switch_fiber(void **save, const void *low, size_t size);
void __sanitizer_finish_switch_fiber(void *saved, const void **low,
    size_t *size);
void __asan_unpoison_memory_region(const volatile void *addr, size_t size);

BLY_INLINE void
ctx_before(void **save, struct bly_ctx *to)
{
    __sanitizer_start_switch_fiber(save, to->san.low, to->san.size);
}

BLY_INLINE void
ctx_after(void *saved)
{
    __sanitizer_finish_switch_fiber(saved, NULL, NULL);
}

static void
ctx_prepare(struct bly_ctx *c)
{
    __asan_unpoison_memory_region(c->san.low, c->san.size);
    c->san.fiber = NULL;
}

/* The outermost frame of every context. */
static void
ctx_base(void *arg)
{
    struct bly_ctx *c = arg;

    ctx_after(NULL);
    c->san.entry(c->san.arg);
}

static void
ctx_leave(struct bly_ctx *from, struct bly_ctx *to)
{
    ctx_before(NULL, to);
    bly_ctx_jump(from, to);
}

static void
ctx_adopt_fiber(struct bly_ctx *c)
{
    c->san.fiber = NULL;
}

void
bly_ctx_drop(struct bly_ctx *c)
{
    __asan_unpoison_memory_region(c->san.low, c->san.size);
}

void
bly_sanitize_retire(void *stack_low, size_t size)
{
    __asan_unpoison_memory_region(stack_low, size);
}

#else

void *__tsan_create_fiber(unsigned flags);
void *__tsan_get_current_fiber(void);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_func_exit(void *unused);

/* The topmost words of each stack.  Fresh memory is zero, and memory from
 * elsewhere will not hold its own address under a mask. */
struct ctx_slot {
    void *fiber;
    uintptr_t key;
};

static const uintptr_t ctx_key = (uintptr_t)0x62656c61790f1be5u;

static struct ctx_slot *
ctx_slot(void *low, size_t size)
{
    uintptr_t top = ((uintptr_t)low + size) & ~(uintptr_t)15;

    return (struct ctx_slot *)top - 1;
}

/* Inline, for it must not enter on one list and return on another. */
BLY_INLINE void
ctx_before(void **save, struct bly_ctx *to)
{
    (void)save;
    __tsan_switch_to_fiber(to->san.fiber, 0);
}

BLY_INLINE void
ctx_after(void *saved)
{
    (void)saved;
}

static void
ctx_prepare(struct bly_ctx *c)
{
    struct ctx_slot *slot = ctx_slot(c->san.low, c->san.size);

    if (slot->key != ((uintptr_t)slot ^ ctx_key)) {
        slot->fiber = __tsan_create_fiber(0);
        slot->key = (uintptr_t)slot ^ ctx_key;
    }
    c->san.fiber = slot->fiber;
    c->san.size = (size_t)((char *)slot - (char *)c->san.low);
}

/* In the outermost frame, for a struct bly_ctx may have been copied. */
struct ctx_end {
    jmp_buf base;
    struct bly_ctx *from;
    struct bly_ctx *to;
};

/* The outermost frame of every context. */
static void
ctx_base(void *arg)
{
    struct bly_ctx *c = arg;
    volatile struct ctx_end end;
    struct ctx_end *at = (struct ctx_end *)&end;

    c->san.end = at;
    if (_setjmp(at->base) == 0)
        c->san.entry(c->san.arg);
    struct bly_ctx *from = end.from;
    struct bly_ctx *to = end.to;
    __tsan_func_exit(NULL); /* this very function */
    __tsan_switch_to_fiber(to->san.fiber, 0);
    bly_ctx_jump(from, to);
    __builtin_trap();
}

static void
ctx_leave(struct bly_ctx *from, struct bly_ctx *to)
{
    struct ctx_end *end = from->san.end;

    end->from = from;
    end->to = to;
    longjmp(end->base, 1);
}

static void
ctx_adopt_fiber(struct bly_ctx *c)
{
    c->san.fiber = __tsan_get_current_fiber();
}

void
bly_sanitize_retire(void *stack_low, size_t size)
{
    struct ctx_slot *slot = ctx_slot(stack_low, size);

    if (slot->key != ((uintptr_t)slot ^ ctx_key))
        return;
    __tsan_destroy_fiber(slot->fiber);
    slot->key = 0;
}

/* A context that was abandoned in the middle leaves its calls noted. */
void
bly_ctx_drop(struct bly_ctx *c)
{
    if (!c->san.ended)
        bly_sanitize_retire(c->san.low, c->san.size + sizeof(struct ctx_slot));
}

#endif

void
bly_ctx_make(struct bly_ctx *c, void *stack_low, size_t size,
    bly_ctx_entry *entry, void *arg)
{
    c->san.entry = entry;
    c->san.arg = arg;
    c->san.low = stack_low;
    c->san.size = size;
    c->san.ended = false;
    c->san.end = NULL;
    c->san.fake = NULL;
    ctx_prepare(c);
    c->sp = bly_ctx_frame(stack_low, c->san.size, ctx_base, c);
}

void
bly_ctx_switch(struct bly_ctx *from, struct bly_ctx *to)
{
    ctx_before(&from->san.fake, to);
    bly_ctx_jump(from, to);
    ctx_after(from->san.fake);
}

void
bly_ctx_exit_to(struct bly_ctx *from, struct bly_ctx *to)
{
    from->san.ended = true;
    ctx_leave(from, to);
    __builtin_trap();
}

void
bly_ctx_adopt(struct bly_ctx *c)
{
    pthread_attr_t attr;

    c->sp = NULL;
    c->san.entry = NULL;
    c->san.arg = NULL;
    c->san.low = NULL;
    c->san.size = 0;
    c->san.ended = true;
    c->san.end = NULL;
    c->san.fake = NULL;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &c->san.low, &c->san.size);
        pthread_attr_destroy(&attr);
    }
    ctx_adopt_fiber(c);
}

#endif
