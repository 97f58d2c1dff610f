/* SPDX-License-Identifier: MIT */
/*
 * What a task sends another thread to do while it sleeps.  That thread is then
 * its deputy: what does not sleep and only asks (is it cut, until when, which
 * values hold) is answered as in the task, and failures are told to it.
 */
#ifndef BLY_CORE_ERRAND_H
#define BLY_CORE_ERRAND_H

#include "core/rt.h"

/* In the frame of the task. */
struct bly_errand {
    struct bly_task *task; /* asleep: what it has is read without locks */
    const belay_site *site;
    int64_t deadline;        /* of the task as it went to sleep; 0: none */
    struct bly_trace *trace; /* of the newest failure, the task's later */
};

/* Of the calling thread, or NULL. */
#if BLY_SIM
extern struct bly_errand *bly_errand_here; /* the explorer swaps it */
#else
extern __thread struct bly_errand *bly_errand_here
    __attribute__((tls_model("initial-exec")));
#endif

/* The same, but NULL in a runtime that was opened on such a thread. */
BLY_INLINE struct bly_errand *
bly_errand_self(void)
{
    return bly_worker_here == NULL ? bly_errand_here : NULL;
}

/* The code with which the next wait of its task would fail, or 0. */
int bly_errand_cut(const struct bly_errand *e);

/* Stops the program: what is for tasks only, and this thread runs none. */
BLY_COLD BLY_NORETURN void bly_errand_no_task(const char *what,
    const belay_site *site);

#endif
