/* SPDX-License-Identifier: MIT */
/*
 * os/os.h by the simulated machine of machine.c: time is virtual, threads and
 * futexes are its own, and there is no entropy.
 */
#include "os/os.h"

#include "base/alloc.h"
#include "base/time.h"
#include "sim/machine.h"
#include "sim/sim.h"

#include <errno.h>
#include <unistd.h>

int64_t
bly_os_now(void)
{
    if (bly_sim_now.on)
        bly_sim_step();
    return bly_machine.now;
}

int64_t
bly_os_now_boot(void)
{
    return bly_os_now();
}

/* The same in every run: a program that wants to differ asks for a choice. */
uint64_t
bly_os_entropy(void)
{
    return UINT64_C(0x9E3779B97F4A7C15);
}

void
bly_os_futex_wait(uint32_t *addr, uint32_t expect, int64_t deadline)
{
    struct bly_vthread *me = bly_machine.current;

    if (me == NULL) { /* outside a run there is nobody who could wake it */
        if (deadline != BLY_NEVER && deadline > bly_machine.now)
            bly_machine.now = deadline;
        return;
    }
    bly_point(addr);
    if (__atomic_load_n(addr, __ATOMIC_SEQ_CST) != expect ||
        deadline <= bly_machine.now)
        return;
    me->state = BLY_VTHREAD_FUTEX;
    me->futex = addr;
    me->deadline = deadline;
    me->slept = ++bly_machine.sleeps;
    me->about = NULL;
    if (deadline != BLY_NEVER)
        bly_machine.timed++;
    bly_machine_block();
}

void
bly_os_futex_wake(uint32_t *addr, int n)
{
    bly_point(addr);
    while (n-- > 0) {
        struct bly_vthread *first = NULL;
        uint32_t i;

        for (i = 0; i < bly_machine.used; i++) {
            struct bly_vthread *v = &bly_machine.threads[i];

            if (v->futex == addr && (first == NULL || v->slept < first->slept))
                first = v;
        }
        if (first == NULL)
            return;
        bly_machine_ready(first);
    }
}

int
bly_os_thread_start(struct bly_thread *t, void (*main)(void *), void *arg,
    const char *name)
{
    struct bly_vthread *v;
    void *asked;

    if (bly_machine.current == NULL)
        return -EAGAIN; /* no run, no machine */
    bly_point(t);
    asked = bly_alloc(1); /* a thread takes memory: it may fail, too */
    if (asked == NULL)
        return -EAGAIN;
    bly_free(asked);
    v = bly_machine_start(main, arg, name);
    if (v == NULL)
        return -EAGAIN;
    t->id = v->index;
    return 0;
}

void
bly_os_thread_join(struct bly_thread *t)
{
    struct bly_vthread *v = &bly_machine.threads[t->id];
    struct bly_vthread *me = bly_machine.current;

    bly_point(t);
    if (v->state != BLY_VTHREAD_ENDED) {
        me->state = BLY_VTHREAD_JOIN;
        me->joins = v;
        me->about = NULL;
        bly_machine_block();
    }
    v->state = BLY_VTHREAD_FREE;
}

void
bly_os_thread_detach(struct bly_thread *t)
{
    bly_point(t);
    bly_machine.threads[t->id].detached = true;
}

uint64_t
bly_os_thread_self(void)
{
    return bly_machine.current == NULL ? 1 : bly_machine.current->index + 2;
}

unsigned
bly_os_cpus(void)
{
    return 2;
}

/* Simulated threads see each other's stores in order. */
bool
bly_os_barrier_ready(void)
{
    return true;
}

void
bly_os_barrier(void)
{
}

size_t
bly_os_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void
bly_os_write(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t r = write(fd, text, n);

        if (r < 0 && errno != EINTR)
            return;
        if (r > 0) {
            text += r;
            n -= (size_t)r;
        }
    }
}
