/* SPDX-License-Identifier: MIT */
/*
 * Noticing a fork costs no call anything: the handler that runs in the child
 * takes the worker away from its thread, so that what needs a task says that
 * it is outside one, and the line goes on with the reason.
 *
 * A child that was made while no runtime was open is a program like any other.
 */
#include "core/fork.h"

#include "base/check.h"
#include "base/lock.h"
#include "core/rt.h"

#include <pthread.h>
#include <stdio.h>

static struct {
    struct bly_lock lock;
    bool handler;
    uint32_t open; /* runtimes; atomic */
    bool child;
} fork_state;

#if !BLY_SIM

static void
fork_describe(char *buf, size_t size)
{
    snprintf(buf, size, " in the child of a fork, which may only exec or "
        "_exit");
}

static void
fork_in_child(void)
{
    if (bly_load_relaxed(&fork_state.open) == 0)
        return;
    fork_state.child = true;
    bly_worker_here = NULL;
    bly_check_describe = fork_describe;
}

static void
fork_handle(void)
{
    bly_lock(&fork_state.lock);
    if (!fork_state.handler)
        fork_state.handler = pthread_atfork(NULL, NULL, fork_in_child) == 0;
    bly_unlock(&fork_state.lock);
}

#else

static void
fork_handle(void)
{
}

#endif

void
bly_fork_opened(void)
{
    fork_handle();
    (void)bly_fetch_add(&fork_state.open, 1u); /* pairs with itself */
}

void
bly_fork_closed(void)
{
    /* pairs with itself */
    (void)bly_fetch_add(&fork_state.open, UINT32_MAX);
}

void
bly_fork_check(const char *what, const belay_site *site)
{
    if (fork_state.child)
        bly_misuse(site, "%s", what);
}
