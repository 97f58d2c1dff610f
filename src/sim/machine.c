/* SPDX-License-Identifier: MIT */
/*
 * The simulated machine: threads without an operating system, and a clock.
 *
 * Its threads are contexts on stacks of their own, and one of them runs.  The
 * runtime above switches between its tasks' stacks as it always does; a thread
 * that loses the processor is saved wherever it stands, on whichever stack.
 * What a real thread has for itself is swapped with it: errno, and the worker
 * that it is or the task that it works for.
 *
 * A thread gives up the processor when it waits for a futex, joins, spins or
 * ends; at atomic depth also before any atomic access, if the explorer says
 * so.  The choice is always among those that can go on, the current one first
 * and then in a circle, so that 0 is "go on" or else "the next one".
 *
 * Time stands still while anybody runs and jumps to the earliest deadline when
 * nobody can.  At atomic depth a jump is one more candidate of each choice:
 * real code may be so slow that any deadline passes.
 *
 * A thread that waits in a loop says bly_spin().  It then runs again only when
 * every other thread that could run then has done a step, blocked or ended:
 * its `debts'.  So a run in which only spinners run cannot be chosen for
 * ever, and a true livelock is one that no fair machine would leave.  A jump
 * of the clock counts as a spin of the clock.
 */
#include "sim/machine.h"

#include "core/errand.h"
#include "sim/sim.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

enum {
    MACHINE_CLOCK = 63, /* the bit of the clock among debts */
    MACHINE_STACK = 512 * 1024,
    MACHINE_GUARD = 64 * 1024,
    MACHINE_LONELY = 1000 /* spins until time passes, if nobody else can run */
};

/* Not 0, which is no instant. */
#define MACHINE_EPOCH INT64_C(1000000000)

struct bly_machine bly_machine = {.now = MACHINE_EPOCH};

/* ---- the clock ---------------------------------------------------------- */

void
bly_machine_ready(struct bly_vthread *v)
{
    v->state = BLY_VTHREAD_READY;
    v->futex = NULL;
    v->joins = NULL;
    if (v->deadline != BLY_NEVER)
        bly_machine.timed--;
    v->deadline = BLY_NEVER;
    bly_machine.ready++;
}

/* To the earliest deadline; there is one. */
static void
machine_jump(void)
{
    int64_t at = BLY_NEVER;
    uint32_t i;

    for (i = 0; i < bly_machine.used; i++)
        if (bly_machine.threads[i].deadline < at)
            at = bly_machine.threads[i].deadline;
    if (at > bly_machine.now)
        bly_machine.now = at;
    for (i = 0; i < bly_machine.used; i++)
        if (bly_machine.threads[i].deadline <= bly_machine.now)
            bly_machine_ready(&bly_machine.threads[i]);
}

/* ---- who runs ----------------------------------------------------------- */

static uint64_t
vthread_bit(const struct bly_vthread *v)
{
    return UINT64_C(1) << v->index;
}

/* The bits of the threads that could run now, but for one. */
static uint64_t
machine_others(const struct bly_vthread *but)
{
    uint64_t bits = 0;
    uint32_t i;

    for (i = 0; i < bly_machine.used; i++)
        if (bly_machine.threads[i].state == BLY_VTHREAD_READY &&
            &bly_machine.threads[i] != but)
            bits |= vthread_bit(&bly_machine.threads[i]);
    return bits;
}

/* The thread with this bit has done something, or cannot any more. */
static void
machine_settle(uint64_t bit)
{
    uint64_t left = 0;
    uint32_t i;

    if (!bly_machine.indebted)
        return;
    for (i = 0; i < bly_machine.used; i++) {
        bly_machine.threads[i].debts &= ~bit;
        left |= bly_machine.threads[i].debts;
    }
    bly_machine.clock_debts &= ~bit;
    bly_machine.indebted = (left | bly_machine.clock_debts) != 0;
}

static void
machine_switch(struct bly_vthread *to)
{
    struct bly_vthread *from = bly_machine.current;

    if (to == from)
        return;
    from->errno_kept = errno;
    from->here = bly_worker_here;
    from->errand = bly_errand_here;
    bly_machine.current = to;
    bly_worker_here = to->here;
    bly_errand_here = to->errand;
    if (from->state == BLY_VTHREAD_ENDED)
        bly_ctx_exit_to(&from->ctx, &to->ctx);
    bly_ctx_switch(&from->ctx, &to->ctx);
    errno = from->errno_kept;
}

static uint64_t
machine_id(uint32_t index)
{
    return (UINT64_C(1) << 63) | index; /* no task has such an id */
}

static void
machine_stuck(void)
{
    char list[700];

    bly_sim_machine_describe(list, sizeof(list));
    bly_sim_fail(BELAY_FINDS_DEADLOCK, 0,
        "no thread can run and none waits for a time:\n%s", list);
}

/* Fills in who could run next: the current one first if it can. */
static uint32_t
machine_candidates(struct bly_vthread **who, uint64_t *ids, const void **addrs)
{
    uint32_t at = bly_machine.current->index, i, n = 0;

    for (i = 0; i < bly_machine.used; i++, at++) {
        struct bly_vthread *v;

        if (at == bly_machine.used)
            at = 0;
        v = &bly_machine.threads[at];
        if (v->state != BLY_VTHREAD_READY || v->debts != 0)
            continue;
        who[n] = v;
        ids[n] = machine_id(v->index);
        addrs[n++] = v->about;
    }
    if (bly_sim_now.atomic && bly_machine.timed > 0 && n > 0 &&
        bly_machine.clock_debts == 0) {
        who[n] = NULL;
        ids[n] = machine_id(MACHINE_CLOCK);
        addrs[n++] = NULL;
    }
    return n;
}

/* Lets one of those run that can. */
static void
machine_next(void)
{
    struct bly_vthread *who[BLY_VTHREADS + 1];
    const void *addrs[BLY_VTHREADS + 1];
    uint64_t ids[BLY_VTHREADS + 1];
    uint32_t n, choice;

    for (;;) {
        n = machine_candidates(who, ids, addrs);
        if (n == 0 && bly_machine.timed == 0)
            machine_stuck();
        if (n == 0) {
            machine_jump();
            continue;
        }
        struct bly_sim_ask ask = {BLY_CHOOSE_THREAD, n, ids, addrs,
            who[0] == bly_machine.current ? 1 : who[n - 1] == NULL ? n - 1 : n};

        choice = n > 1 ? bly_sim_ask(&ask) : 0;
        if (who[choice] != NULL)
            break;
        machine_jump();
        bly_machine.clock_debts = machine_others(NULL);
        bly_machine.indebted = bly_machine.clock_debts != 0;
        if (bly_sim_now.source->spun != NULL)
            bly_sim_now.source->spun(machine_id(MACHINE_CLOCK));
    }
    machine_switch(who[choice]);
}

/* The current thread cannot go on in its state. */
void
bly_machine_block(void)
{
    bly_machine.ready--;
    machine_settle(vthread_bit(bly_machine.current));
    machine_next();
}

void
bly_point(const volatile void *addr)
{
    if (!bly_sim_now.on)
        return;
    bly_sim_step();
    if ((uintptr_t)addr - bly_machine.ignored < bly_machine.ignored_size ||
        bly_machine.still)
        return;
    if (!bly_sim_now.atomic ||
        (bly_machine.ready == 1 && bly_machine.timed == 0))
        return;
    bly_machine.current->about = (const void *)(uintptr_t)addr;
    machine_next();
    machine_settle(vthread_bit(bly_machine.current));
}

void
bly_spin(void)
{
    struct bly_vthread *me = bly_machine.current;

    if (!bly_sim_now.on)
        return;
    bly_sim_step();
    me->debts = machine_others(me);
    me->about = NULL;
    if (me->debts == 0) {
        if (bly_machine.timed > 0 && ++bly_machine.lonely > MACHINE_LONELY)
            machine_jump();
        return;
    }
    bly_machine.lonely = 0;
    bly_machine.indebted = true;
    if (bly_sim_now.source->spun != NULL)
        bly_sim_now.source->spun(machine_id(me->index));
    machine_settle(vthread_bit(me));
    machine_next();
}

static bool
vthread_is_free(const struct bly_vthread *v)
{
    return v->state == BLY_VTHREAD_FREE ||
        (v->state == BLY_VTHREAD_ENDED && v->detached);
}

/* A run ends when nobody is left in it. */
static void
vthread_outlive(struct bly_vthread *me)
{
    uint32_t i;

    for (i = 0; i < bly_machine.used; i++) {
        struct bly_vthread *v = &bly_machine.threads[i];

        if (!v->detached || vthread_is_free(v))
            continue;
        me->state = BLY_VTHREAD_JOIN;
        me->joins = v;
        me->about = NULL;
        bly_machine_block();
    }
}

static void
vthread_main(void *arg)
{
    struct bly_vthread *me = arg;
    uint32_t i;

    errno = 0;
    me->main(me->arg);
    if (me->index == 0)
        vthread_outlive(me);
    me->state = BLY_VTHREAD_ENDED;
    if (me->index == 0) {
        bly_sim_now.on = false;
        bly_ctx_exit_to(&me->ctx, &bly_machine.home);
    }
    for (i = 0; i < bly_machine.used; i++)
        if (bly_machine.threads[i].joins == me)
            bly_machine_ready(&bly_machine.threads[i]);
    bly_machine_block();
}

struct bly_vthread *
bly_machine_start(void (*main)(void *), void *arg, const char *name)
{
    struct bly_vthread *v = NULL;
    uint32_t i;

    for (i = 0; i < BLY_VTHREADS && v == NULL; i++)
        if (vthread_is_free(&bly_machine.threads[i]))
            v = &bly_machine.threads[i];
    if (v == NULL)
        return NULL;
    i = (uint32_t)(v - bly_machine.threads);
    if (v->stack == NULL) {
        char *low = mmap(NULL, MACHINE_STACK + MACHINE_GUARD,
            PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (low == MAP_FAILED)
            return NULL;
        (void)mprotect(low, MACHINE_GUARD, PROT_NONE);
        v->stack = low + MACHINE_GUARD;
    }
    if (i >= bly_machine.used)
        bly_machine.used = i + 1;
    v->index = i;
    v->main = main;
    v->arg = arg;
    v->futex = NULL;
    v->joins = NULL;
    v->detached = false;
    v->deadline = BLY_NEVER;
    v->debts = 0;
    v->about = NULL;
    v->here = NULL;
    v->errand = NULL;
    snprintf(v->name, sizeof(v->name), "%s", name != NULL ? name : "thread");
    bly_ctx_make(&v->ctx, v->stack, MACHINE_STACK, vthread_main, v);
    v->state = BLY_VTHREAD_READY;
    bly_machine.ready++;
    return v;
}

/* ---- a machine's life --------------------------------------------------- */

static void
machine_reset(void)
{
    uint32_t i;

    for (i = 0; i < bly_machine.used; i++) {
        struct bly_vthread *v = &bly_machine.threads[i];

        if (v->state != BLY_VTHREAD_FREE && v->state != BLY_VTHREAD_ENDED)
            bly_ctx_drop(&v->ctx); /* of a run that was left */
        v->state = BLY_VTHREAD_FREE;
    }
    bly_machine.used = 0;
    bly_machine.current = NULL;
    bly_machine.still = false;
    bly_machine.indebted = false;
    bly_machine.clock_debts = 0;
    bly_machine.ready = 0;
    bly_machine.timed = 0;
    bly_machine.lonely = 0;
    bly_machine.sleeps = 0;
    bly_machine.now = MACHINE_EPOCH;
    bly_worker_here = NULL;
    bly_errand_here = NULL;
}

void
bly_sim_machine_run(void (*main)(void *), void *arg)
{
    if (!bly_machine.adopted)
        bly_ctx_adopt(&bly_machine.home);
    bly_machine.adopted = true;
    machine_reset();
    bly_machine.current = bly_machine_start(main, arg, "main");
    if (bly_machine.current == NULL) {
        bly_sim_note(BELAY_FINDS_ERROR, "no memory for a stack");
        return;
    }
    bly_sim_now.on = true;
    bly_ctx_switch(&bly_machine.home, &bly_machine.current->ctx);
    bly_sim_now.on = false;
    bly_worker_here = NULL;
    bly_errand_here = NULL;
    bly_machine.current = NULL;
}

void
bly_sim_machine_ignore(const void *low, size_t size)
{
    bly_machine.ignored = (uintptr_t)low;
    bly_machine.ignored_size = size;
}

void
bly_sim_machine_leave(void)
{
    bly_sim_now.on = false;
    bly_ctx_switch(&bly_machine.left, &bly_machine.home);
    __builtin_unreachable();
}

int64_t
bly_sim_machine_elapsed(void)
{
    return bly_machine.now - MACHINE_EPOCH;
}

static const char *
vthread_does(const struct bly_vthread *v)
{
    switch (v->state) {
    case BLY_VTHREAD_FUTEX:
        return v->deadline == BLY_NEVER ? "sleeps" : "sleeps until a time";
    case BLY_VTHREAD_JOIN:
        return "joins a thread";
    case BLY_VTHREAD_READY:
        return v->debts != 0 ? "spins" : "could run";
    default:
        return "has ended, not joined";
    }
}

unsigned
bly_sim_machine_describe(char *buf, size_t size)
{
    size_t len = 0;
    unsigned n = 0;
    uint32_t i;

    buf[0] = '\0';
    for (i = 0; i < bly_machine.used; i++) {
        const struct bly_vthread *v = &bly_machine.threads[i];
        int w;

        if (vthread_is_free(v) || len + 1 >= size ||
            (i == 0 && v->state == BLY_VTHREAD_ENDED))
            continue;
        n++;
        w = snprintf(buf + len, size - len, "  thread %u '%s' %s\n", i,
            v->name, vthread_does(v));
        if (w > 0)
            len += (size_t)w;
    }
    return n;
}
