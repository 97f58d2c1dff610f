/* SPDX-License-Identifier: MIT */
/*
 * The contract of os.h, by Linux.
 *
 * errno is the calling task's: what is called on its behalf while it sleeps
 * or wakes somebody leaves it as it was.
 */
#include "base/atomic.h"
#include "base/compiler.h"

#if !BLY_SIM

#include "base/alloc.h"
#include "base/check.h"
#include "base/time.h"
#include "os/cgroup.h"
#include "os/os.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { OS_NAME_MAX = 16, OS_CPUS_FIRST = 1024, OS_CPUS_MAX = 1 << 20 };

#define OS_SECOND INT64_C(1000000000)

static int64_t
os_clock(clockid_t clock)
{
    struct timespec ts;

    (void)clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * OS_SECOND + (int64_t)ts.tv_nsec;
}

int64_t
bly_os_now(void)
{
    return os_clock(CLOCK_MONOTONIC);
}

int64_t
bly_os_now_boot(void)
{
    return os_clock(CLOCK_BOOTTIME);
}

uint64_t
bly_os_entropy(void)
{
    int saved = errno;
    uint64_t x;

    /* Early in a boot the kernel has none yet; ours is no secret. */
    if (getrandom(&x, sizeof(x), GRND_NONBLOCK) != (ssize_t)sizeof(x))
        x = (uint64_t)os_clock(CLOCK_MONOTONIC) ^ (uint64_t)(uintptr_t)&x;
    errno = saved;
    return x;
}

void
bly_os_futex_wait(uint32_t *addr, uint32_t expect, int64_t deadline)
{
    int saved = errno;
    struct timespec ts, *until = NULL;

    if (deadline != BLY_NEVER) {
        if (deadline < 0)
            deadline = 0;
        ts.tv_sec = (time_t)(deadline / OS_SECOND);
        ts.tv_nsec = (long)(deadline % OS_SECOND);
        until = &ts;
    }
    /* The plain wait counts from now; this one takes an instant. */
    (void)syscall(SYS_futex, addr, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
        expect, until, NULL, FUTEX_BITSET_MATCH_ANY);
    errno = saved;
}

void
bly_os_futex_wake(uint32_t *addr, int n)
{
    int saved = errno;

    (void)syscall(
        SYS_futex, addr, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n, NULL, NULL, 0);
    errno = saved;
}

struct os_start {
    void (*main)(void *);
    void *arg;
    char name[OS_NAME_MAX];
};

static void *
os_thread_main(void *p)
{
    struct os_start start = *(struct os_start *)p;

    bly_free(p);
    (void)pthread_setname_np(pthread_self(), start.name);
    /* Our deadlines are rounded by ourselves, not by the kernel. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    start.main(start.arg);
    return NULL;
}

/* A thread of ours takes no signal that was sent to the process: the program
 * did not ask for the thread.  What an instruction of its own raises must
 * still arrive, and so must a profiler's tick. */
static void
os_signal_mask(sigset_t *set)
{
    static const int kept[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
        SIGSYS, SIGABRT, SIGPROF};

    (void)sigfillset(set);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        (void)sigdelset(set, kept[i]);
}

int
bly_os_thread_start(struct bly_thread *t, void (*main)(void *), void *arg,
    const char *name)
{
    struct os_start *start = bly_alloc(sizeof(*start));
    pthread_attr_t attr;
    sigset_t ours, old;
    pthread_t id;
    int r;

    if (start == NULL)
        return -ENOMEM;
    start->main = main;
    start->arg = arg;
    (void)snprintf(start->name, sizeof(start->name), "%s", name);
    r = pthread_attr_init(&attr);
    if (r != 0)
        goto fail;
    (void)pthread_attr_setguardsize(&attr, bly_os_page_size());
    os_signal_mask(&ours);
    (void)pthread_sigmask(SIG_SETMASK, &ours, &old);
    r = pthread_create(&id, &attr, os_thread_main, start);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void)pthread_attr_destroy(&attr);
    if (r != 0)
        goto fail;
    t->id = (uintptr_t)id;
    return 0;

fail:
    bly_free(start);
    return -r;
}

void
bly_os_thread_join(struct bly_thread *t)
{
    int r = pthread_join((pthread_t)t->id, NULL);

    bly_assert(r == 0);
    (void)r;
}

void
bly_os_thread_detach(struct bly_thread *t)
{
    int r = pthread_detach((pthread_t)t->id);

    bly_assert(r == 0);
    (void)r;
}

uint64_t
bly_os_thread_self(void)
{
    return (uint64_t)(uintptr_t)pthread_self();
}

/* The processors that the scheduler may put us on; 0: not known. */
static unsigned
os_cpus_allowed(void)
{
    for (size_t n = OS_CPUS_FIRST; n <= OS_CPUS_MAX; n *= 2) {
        cpu_set_t *set = CPU_ALLOC(n);
        unsigned count = 0;
        int r;

        if (set == NULL)
            return 0;
        r = sched_getaffinity(0, CPU_ALLOC_SIZE(n), set);
        if (r == 0)
            count = (unsigned)CPU_COUNT_S(CPU_ALLOC_SIZE(n), set);
        CPU_FREE(set);
        if (r == 0)
            return count;
        if (errno != EINVAL)
            return 0;
    }
    return 0;
}

unsigned
bly_os_cpus(void)
{
    int saved = errno;
    unsigned allowed = os_cpus_allowed();
    unsigned granted = bly_cgroup_cpus("/proc/self/cgroup", "/sys/fs/cgroup");

    errno = saved;
    if (granted < allowed)
        allowed = granted;
    return allowed > 0 ? allowed : 1;
}

bool
bly_os_barrier_ready(void)
{
    static int ready; /* 1 yes, -1 no; whoever asks first finds out */
    int known = bly_stat_load(&ready);

    if (known == 0) {
        known = syscall(SYS_membarrier,
                    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0
            ? 1
            : -1;
        bly_stat_store(&ready, known);
    }
    return known > 0;
}

void
bly_os_barrier(void)
{
    (void)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

size_t
bly_os_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void
bly_os_write(int fd, const char *text, size_t n)
{
    int saved = errno;

    while (n > 0) {
        ssize_t done = write(fd, text, n);

        if (done > 0) {
            text += done;
            n -= (size_t)done;
        } else if (done < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};

            (void)poll(&p, 1, -1);
        } else if (done == 0 || errno != EINTR) {
            break;
        }
    }
    errno = saved;
}

#endif
