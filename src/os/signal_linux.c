/* SPDX-License-Identifier: MIT */
/*
 * Handlers of signals that several listen to.
 *
 * A handler may interrupt anything, this file included, so it takes no lock.
 * It looks at a fixed number of places.  Each counts the handlers that are at
 * it: whoever takes a sink away waits until that is 0.  A handler that sees the
 * sink has counted before, and he who takes it away looks at the count
 * afterwards.  The handler cannot be on the thread that waits.
 *
 * A signal has our handler while somebody listens.  What was there before is
 * put back, unless somebody else has set another one meanwhile.  He may put
 * ours back later, when nobody listens any more: then the handler itself puts
 * back what was there before, and sends the signal again.
 */
#include "os/signal.h"

#include "base/atomic.h"

#if !BLY_SIM

#include "base/lock.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

struct signal_place {
    struct bly_signal_sink *sink; /* atomic; NULL: free */
    uint32_t users;               /* atomic: handlers that look at it */
};

static struct {
    struct bly_lock lock; /* not for handlers */
    struct signal_place places[BLY_SIGNAL_SINKS];
    uint32_t listeners[BLY_SIGNAL_MAX]; /* atomic: written under the lock */
    struct sigaction before[BLY_SIGNAL_MAX];
} signal_all;

bool
bly_signal_can(int number)
{
    switch (number) {
    case SIGKILL:
    case SIGSTOP:
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
    case SIGABRT:
    case SIGPIPE: /* our threads block it */
        return false;
    default:
        return number > 0 && number <= BLY_SIGNAL_MAX;
    }
}

/* ---- the handler -------------------------------------------------------- */

static void
signal_come(int number)
{
    int saved = errno, i;

    /* pairs with signal_leave */
    if (bly_load(&signal_all.listeners[number - 1]) == 0) {
        (void)sigaction(number, &signal_all.before[number - 1], NULL);
        (void)raise(number); /* comes when the handler returns */
    }
    for (i = 0; i < BLY_SIGNAL_SINKS; i++) {
        struct signal_place *p = &signal_all.places[i];
        struct bly_signal_sink *s;

        if (bly_load_relaxed(&p->sink) == NULL)
            continue;
        (void)bly_fetch_add(&p->users, 1u); /* pairs with bly_signal_drop */
        s = bly_load(&p->sink); /* pairs with bly_signal_add, bly_signal_drop */
        if (s != NULL && (s->numbers >> (number - 1) & 1) != 0)
            s->fn(s, number);
        /* pairs with bly_signal_drop */
        (void)bly_fetch_add(&p->users, UINT32_MAX);
    }
    errno = saved;
}

/* ---- under the lock ----------------------------------------------------- */

static int
signal_enter(int number)
{
    struct sigaction act = {.sa_handler = signal_come,
        .sa_flags = SA_ONSTACK | SA_RESTART};
    struct sigaction *before = &signal_all.before[number - 1];
    uint32_t *count = &signal_all.listeners[number - 1];
    struct sigaction now;

    if (*count == 0) {
        if (sigaction(number, NULL, &now) < 0)
            return -errno;
        if ((now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != signal_come)
            *before = now; /* else it was put back by somebody */
    }
    bly_store_release(count, *count + 1); /* pairs with signal_come */
    (void)sigfillset(&act.sa_mask);
    if (*count == 1 && sigaction(number, &act, NULL) < 0) {
        bly_store_release(count, 0u); /* the same */
        return -errno;
    }
    return 0;
}

static void
signal_leave(int number)
{
    uint32_t *count = &signal_all.listeners[number - 1];
    struct sigaction now;

    if (*count == 1 && sigaction(number, NULL, &now) == 0 &&
        (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == signal_come)
        (void)sigaction(number, &signal_all.before[number - 1], NULL);
    bly_store_release(count, *count - 1); /* pairs with signal_come */
}

static struct signal_place *
signal_place(const struct bly_signal_sink *s)
{
    int i;

    for (i = 0; i < BLY_SIGNAL_SINKS; i++)
        if (bly_load_relaxed(&signal_all.places[i].sink) == s &&
            (s != NULL || bly_load_relaxed(&signal_all.places[i].users) == 0))
            return &signal_all.places[i];
    return NULL;
}

static void
signal_take_away(struct signal_place *p)
{
    (void)bly_xchg(&p->sink, NULL); /* pairs with signal_come */
    while (bly_load(&p->users) != 0) /* pairs with signal_come */
        (void)sched_yield();
}

/* Those of the signals up to this one. */
static void
signal_leave_all(const struct bly_signal_sink *s, int last)
{
    int n;

    for (n = 1; n <= last; n++)
        if ((s->numbers >> (n - 1) & 1) != 0)
            signal_leave(n);
}

int
bly_signal_add(struct bly_signal_sink *s)
{
    int saved = errno, n, r = 0;
    struct signal_place *p;

    bly_lock(&signal_all.lock);
    p = signal_place(NULL);
    if (p == NULL)
        r = -ENOBUFS;
    else
        (void)bly_xchg(&p->sink, s); /* pairs with signal_come */
    for (n = 1; n <= BLY_SIGNAL_MAX && r == 0; n++) {
        if ((s->numbers >> (n - 1) & 1) != 0)
            r = signal_enter(n);
        if (r < 0) {
            signal_leave_all(s, n - 1);
            signal_take_away(p);
        }
    }
    bly_unlock(&signal_all.lock);
    errno = saved;
    return r;
}

void
bly_signal_drop(struct bly_signal_sink *s)
{
    int saved = errno;

    bly_lock(&signal_all.lock);
    signal_leave_all(s, BLY_SIGNAL_MAX);
    signal_take_away(signal_place(s));
    bly_unlock(&signal_all.lock);
    errno = saved;
}

#endif
