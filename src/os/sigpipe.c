/* SPDX-License-Identifier: MIT */
/* See sigpipe.h. */
#include "os/sigpipe.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

static void
sigpipe_set(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGPIPE);
}

bool
bly_sigpipe_block(void)
{
    sigset_t set, old;

    sigpipe_set(&set);
    if (pthread_sigmask(SIG_BLOCK, &set, &old) != 0)
        return false;
    return sigismember(&old, SIGPIPE) == 0;
}

void
bly_sigpipe_restore(void)
{
    static const struct timespec at_once = {0, 0};
    int saved = errno;
    sigset_t set;

    sigpipe_set(&set);
    while (sigtimedwait(&set, NULL, &at_once) == SIGPIPE)
        ;
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    errno = saved;
}
