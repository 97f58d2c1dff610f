/* SPDX-License-Identifier: MIT */
/* The state of the simulated machine and its threads.  See machine.c. */
#ifndef BLY_SIM_MACHINE_H
#define BLY_SIM_MACHINE_H

#include "arch/ctx.h"
#include "base/time.h"

#include <stdbool.h>

struct bly_worker;

enum { BLY_VTHREADS = 48 };

enum bly_vthread_state {
    BLY_VTHREAD_FREE,
    BLY_VTHREAD_READY,
    BLY_VTHREAD_FUTEX,
    BLY_VTHREAD_JOIN,
    BLY_VTHREAD_ENDED
};

struct bly_vthread {
    struct bly_ctx ctx;
    enum bly_vthread_state state;
    uint32_t index;
    char *stack; /* kept from run to run */
    void (*main)(void *);
    void *arg;
    char name[16];
    uint32_t *futex;
    int64_t deadline;  /* BLY_NEVER unless it waits for a futex until then */
    uint64_t slept;    /* order of falling asleep */
    struct bly_vthread *joins;
    bool detached;     /* nobody joins it: once it has ended it is free */
    uint64_t debts;    /* bits of those that must do something first */
    const void *about; /* the address of the access it was stopped before */
    struct bly_worker *here;
    struct bly_errand *errand;
    int errno_kept;
};

struct bly_machine {
    struct bly_vthread threads[BLY_VTHREADS];
    uint32_t used; /* slots that this run has used */
    struct bly_vthread *current;
    struct bly_ctx home;
    struct bly_ctx left; /* where an abandoned run stood */
    bool adopted;
    bool still;          /* nobody else runs: the kernel is at work */
    bool indebted;       /* somebody has debts */
    uint64_t clock_debts;
    uint32_t ready;      /* threads in BLY_VTHREAD_READY */
    uint32_t timed;      /* threads with a deadline */
    uint32_t lonely;     /* spins since somebody else could run */
    uint64_t sleeps;
    uintptr_t ignored, ignored_size;
    int64_t now;
};
extern struct bly_machine bly_machine;

/* A thread that could run now; NULL: too many, or no memory. */
struct bly_vthread *bly_machine_start(void (*main)(void *), void *arg,
    const char *name);
/* What v waited for has come. */
void bly_machine_ready(struct bly_vthread *v);
/* The current thread cannot go on in its state: others run, until it is made
 * ready and chosen. */
void bly_machine_block(void);

#endif
