/* SPDX-License-Identifier: MIT */
/*
 * SIGURG carries the question: its default is to be ignored, so one that
 * arrives late does no harm.
 *
 * One question is out at a time.  `want' is its number; whoever takes it back
 * to 0 owns the answer: the handler, which then writes, or the asker that has
 * waited long enough, and then nobody writes.
 *
 * backtrace() may load a library on its first call, so that one is made in
 * bly_native_open.  It needs more stack than a small task has left, so the
 * handler refuses to run anywhere but on an alternate stack.
 */
#include "os/native.h"

#include "base/atomic.h"
#include "os/os.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { NATIVE_PATIENCE_NS = 50000000 };

static struct {
    uint32_t want; /* atomic: the question that waits for an answer, or 0 */
    uint32_t done; /* atomic, futex: the question last answered */
    uint32_t last; /* the newest question; the asker's */
    int count;
    void *pcs[BLY_NATIVE_DEPTH];
    struct sigaction old;
} native;

static void
native_handler(int number, siginfo_t *info, void *context)
{
    /* pairs with bly_native_ask */
    uint32_t question = bly_xchg(&native.want, 0u);
    int saved = errno;
    stack_t here;

    (void)number;
    (void)info;
    (void)context;
    if (question != 0) {
        native.count = 0;
        if (sigaltstack(NULL, &here) == 0 && (here.ss_flags & SS_ONSTACK) != 0)
            native.count = backtrace(native.pcs, BLY_NATIVE_DEPTH);
        /* pairs with bly_native_ask */
        bly_store_release(&native.done, question);
        bly_os_futex_wake(&native.done, 1);
    }
    errno = saved;
}

void
bly_native_open(void)
{
    struct sigaction sa = {.sa_sigaction = native_handler,
        .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    void *pcs[4];

    (void)backtrace(pcs, 4);
    (void)sigfillset(&sa.sa_mask);
    (void)sigaction(SIGURG, &sa, &native.old);
}

void
bly_native_close(void)
{
    (void)sigaction(SIGURG, &native.old, NULL);
}

void
bly_native_allow(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGURG);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int
bly_native_ask(uint64_t thread, void **pcs, int n)
{
    int64_t until = bly_os_now() + NATIVE_PATIENCE_NS;
    uint32_t question = ++native.last, seen;

    if (question == 0)
        question = ++native.last;
    bly_store_release(&native.want, question); /* pairs with native_handler */
    if (pthread_kill((pthread_t)(uintptr_t)thread, SIGURG) != 0)
        return 0;
    /* pairs with native_handler */
    while ((seen = bly_load_acquire(&native.done)) != question) {
        /* pairs with native_handler: after that it is answering */
        if (bly_os_now() >= until && bly_xchg(&native.want, 0u) != 0)
            return 0;
        bly_os_futex_wait(&native.done, seen, until);
    }
    if (n > native.count)
        n = native.count;
    memcpy(pcs, native.pcs, (size_t)n * sizeof(*pcs));
    return n;
}

void
bly_native_name(const void *pc, char *buf, size_t size)
{
    Dl_info at;
    const char *file;

    memset(&at, 0, sizeof(at));
    if (dladdr(pc, &at) == 0 || at.dli_fname == NULL) {
        (void)snprintf(buf, size, "%p", pc);
        return;
    }
    file = strrchr(at.dli_fname, '/');
    file = file != NULL ? file + 1 : at.dli_fname;
    if (at.dli_sname != NULL)
        (void)snprintf(buf, size, "%s+0x%lx (%s)", at.dli_sname,
            (unsigned long)((uintptr_t)pc - (uintptr_t)at.dli_saddr), file);
    else
        (void)snprintf(buf, size, "%s+0x%lx", file,
            (unsigned long)((uintptr_t)pc - (uintptr_t)at.dli_fbase));
}
