/* SPDX-License-Identifier: MIT */
/*
 * Starting a program.
 *
 * Never by fork: of a program with threads, the child could wait for a lock
 * that nobody will release, and of one with much memory a fork takes long.
 * The child shares our memory until it executes (CLONE_VM), and the thread
 * that made it stands still as long (CLONE_VFORK).  So the child must not
 * touch what other threads look at: no locks, no allocation, nothing of libc
 * but syscall(), whose errno is that of the thread that stands still, and no
 * handler of ours may run in it, which is why all signals are blocked.  The
 * sanitizers would take what it does for that thread's deeds; they are kept
 * out.
 *
 * Why not posix_spawn, which does the same: it cannot ask for a signal at the
 * parent's death.  That is sent when the *thread* ends that made the child.
 * So one thread makes all of them, and stays until the last one has been
 * reaped.  It is the process's, not a runtime's.
 *
 * What went wrong comes through a pipe that closes on exec, and not through
 * the shared memory: an emulator may make a fork of this.
 */
#include "os/proc.h"

#if !BLY_SIM

#include "base/alloc.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    START_STACK = 64 * 1024,
    START_SIGNALS = 64,
    START_SET = 8,    /* bytes of the kernel's sigset_t */
    START_ACTION = 16, /* words, no less than the kernel's struct sigaction */
    START_LIMIT = 1 << 20,
    START_SLACK = 50000 /* the kernel's usual timer slack, in nanoseconds */
};

#define START_PATH "/usr/local/bin:/usr/bin:/bin"

struct start_report {
    int err, stage, fd;
};

/* What the child needs, made ready before. */
struct start_job {
    struct start_job *next;
    struct bly_proc_start *how;
    char *const *paths; /* to be tried one after the other */
    int parent;
    int report;         /* written to by the child; not below high */
    int high;           /* above all descriptors that it will have */
    int *raised;        /* room for how->nmore */
    unsigned limit;     /* no descriptor of ours is above */
    int pid;            /* or -errno */
    bool over;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t news;
    struct start_job *first; /* newest first */
    unsigned children;       /* with those that are being started */
    bool runs;               /* the thread */
} start_all = {.lock = PTHREAD_MUTEX_INITIALIZER,
    .news = PTHREAD_COND_INITIALIZER};

static char start_stack[START_STACK] __attribute__((aligned(16)));

/* ---- in the child ------------------------------------------------------- */

#if defined(__clang__)
#define START_CHILD                                                            \
    __attribute__((noinline, disable_sanitizer_instrumentation))
#else
#define START_CHILD                                                            \
    __attribute__((noinline, no_sanitize("address", "thread", "undefined")))
#endif

START_CHILD static void
start_fail(const struct start_job *j, int stage, int fd)
{
    struct start_report report = {errno, stage, fd};

    (void)syscall(SYS_write, j->report, &report, sizeof report);
    (void)syscall(SYS_exit, 127);
}

/* No handler of ours may run once signals are unblocked. */
START_CHILD static void
start_signals(void)
{
    static const uint64_t none;
    uintptr_t act[START_ACTION];
    int i, k;

    for (i = 1; i <= START_SIGNALS; i++) {
        if (syscall(SYS_rt_sigaction, i, NULL, act, START_SET) < 0)
            continue;
        if (act[0] == (uintptr_t)SIG_DFL ||
            (act[0] == (uintptr_t)SIG_IGN && i != SIGPIPE))
            continue;
        for (k = 0; k < START_ACTION; k++)
            *(volatile uintptr_t *)&act[k] = 0;
        (void)syscall(SYS_rt_sigaction, i, act, NULL, START_SET);
    }
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, START_SET);
}

/* All close on exec, until some are put where they belong. */
START_CHILD static void
start_close_all(const struct start_job *j)
{
    unsigned fd;

    if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    for (fd = 3; fd < j->limit; fd++)
        (void)syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
}

/* Out of the way of those that it will have. */
START_CHILD static int
start_raise(const struct start_job *j, int fd)
{
    return (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, j->high);
}

START_CHILD static int
start_source(const struct start_job *j, int wish)
{
    if (wish == BLY_PROC_NULL)
        wish = (int)syscall(
            SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
    return wish < 0 ? -1 : start_raise(j, wish);
}

/* Each is copied out of the way first: they may be swapped. */
START_CHILD static void
start_standard(const struct start_job *j)
{
    const int *fds = j->how->fds;
    int high[3], i;

    for (i = 0; i < 3; i++) {
        high[i] = -1;
        if (fds[i] == BLY_PROC_SAME || fds[i] == BLY_PROC_OUT)
            continue;
        high[i] = start_source(j, fds[i]);
        if (high[i] < 0)
            start_fail(j, BLY_PROC_FD, i);
    }
    for (i = 0; i < 3; i++) {
        if (fds[i] == BLY_PROC_SAME)
            (void)syscall(SYS_fcntl, i, F_SETFD, 0); /* it may be closed */
        else if (syscall(SYS_dup3, fds[i] == BLY_PROC_OUT ? 1 : high[i], i,
                     0) < 0)
            start_fail(j, BLY_PROC_FD, i);
    }
}

/* Those above 2, which the standard ones must not overwrite either. */
START_CHILD static void
start_others(const struct start_job *j)
{
    int *high = j->raised;
    size_t i;

    for (i = 0; i < j->how->nmore; i++) {
        high[i] = start_raise(j, j->how->more[i].ours);
        if (high[i] < 0)
            start_fail(j, BLY_PROC_FD, j->how->more[i].theirs);
    }
    start_standard(j);
    for (i = 0; i < j->how->nmore; i++)
        if (syscall(SYS_dup3, high[i], j->how->more[i].theirs, 0) < 0)
            start_fail(j, BLY_PROC_FD, j->how->more[i].theirs);
}

START_CHILD static int
start_child(void *arg)
{
    struct start_job *j = arg;
    const struct bly_proc_start *how = j->how;
    int why = ENOENT;
    size_t i;

    (void)syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (syscall(SYS_getppid) != j->parent) /* it has died before that */
        (void)syscall(SYS_exit, 127);
    (void)syscall(SYS_setpgid, 0, 0);
    start_close_all(j);
    start_others(j);
    if (how->dir != NULL && syscall(SYS_chdir, how->dir) < 0)
        start_fail(j, BLY_PROC_DIR, -1);
    start_signals();
    for (i = 0; j->paths[i] != NULL; i++) {
        (void)syscall(SYS_execve, j->paths[i], how->argv,
            how->env != NULL ? (char *const *)(uintptr_t)how->env : environ);
        if (errno != ENOENT && errno != ENOTDIR)
            why = errno;
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
            break;
    }
    errno = why;
    start_fail(j, BLY_PROC_PROGRAM, -1);
    return 0;
}

/* ---- our thread --------------------------------------------------------- */

/* ThreadSanitizer takes each clone for a fork, and then finds one thread of
 * its own twice.  It does not know libc's other name for it. */
#if BLY_TSAN
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define START_CLONE __clone
#else
#define START_CLONE clone
#endif

/* Its number, or -errno. */
static int
start_clone(struct start_job *j)
{
    sigset_t all, old;
    int r;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    r = START_CLONE(start_child, start_stack + START_STACK,
        CLONE_VM | CLONE_VFORK | SIGCHLD, j);
    if (r < 0)
        r = -errno;
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r;
}

static struct start_job *
start_oldest(void)
{
    struct start_job **j = &start_all.first, *oldest;

    while ((*j)->next != NULL)
        j = &(*j)->next;
    oldest = *j;
    *j = NULL;
    return oldest;
}

static void
start_main(void *arg)
{
    (void)arg;
    /* Children inherit it, and our threads have none. */
    (void)prctl(PR_SET_TIMERSLACK, (unsigned long)START_SLACK, 0UL, 0UL, 0UL);
    (void)pthread_mutex_lock(&start_all.lock);
    while (start_all.children != 0) {
        struct start_job *j;

        if (start_all.first == NULL) {
            (void)pthread_cond_wait(&start_all.news, &start_all.lock);
            continue;
        }
        j = start_oldest();
        (void)pthread_mutex_unlock(&start_all.lock);
        j->pid = start_clone(j);
        (void)pthread_mutex_lock(&start_all.lock);
        j->over = true;
        (void)pthread_cond_broadcast(&start_all.news);
    }
    start_all.runs = false;
    (void)pthread_mutex_unlock(&start_all.lock);
}

/* Under the lock. */
static int
start_thread(void)
{
    struct bly_thread thread;
    int r;

    if (start_all.runs)
        return 0;
    r = bly_os_thread_start(&thread, start_main, NULL, "belay-start");
    if (r < 0)
        return r;
    bly_os_thread_detach(&thread);
    start_all.runs = true;
    return 0;
}

static int
start_by_thread(struct start_job *j)
{
    int r;

    (void)pthread_mutex_lock(&start_all.lock);
    start_all.children++;
    r = start_thread();
    if (r < 0) {
        start_all.children--;
        (void)pthread_mutex_unlock(&start_all.lock);
        return r;
    }
    j->next = start_all.first;
    start_all.first = j;
    (void)pthread_cond_broadcast(&start_all.news);
    while (!j->over)
        (void)pthread_cond_wait(&start_all.news, &start_all.lock);
    (void)pthread_mutex_unlock(&start_all.lock);
    if (j->pid < 0)
        bly_proc_gone();
    return j->pid;
}

void
bly_proc_gone(void)
{
    (void)pthread_mutex_lock(&start_all.lock);
    start_all.children--;
    (void)pthread_cond_broadcast(&start_all.news);
    (void)pthread_mutex_unlock(&start_all.lock);
}

/* ---- getting ready ------------------------------------------------------ */

/* Where argv[0] may be, in one block; ended by NULL. */
static char **
start_paths(const char *name)
{
    const char *path = getenv("PATH"), *at;
    size_t n = 2, len = strlen(name), dir;
    char **list, *text;

    if (path == NULL)
        path = START_PATH;
    if (len == 0 || strchr(name, '/') != NULL)
        path = "";
    for (at = path; *at != '\0'; at++)
        n += *at == ':';
    list = bly_alloc(n * sizeof *list + strlen(path) + n * (len + 2));
    if (list == NULL)
        return NULL;
    text = (char *)(list + n);
    for (n = 0, at = path;; at += dir + 1, n++) {
        dir = strcspn(at, ":");
        list[n] = text;
        memcpy(text, at, dir);
        text += dir;
        if (dir != 0)
            *text++ = '/';
        memcpy(text, name, len + 1);
        text += len + 1;
        if (at[dir] == '\0')
            break;
    }
    list[n + 1] = NULL;
    return list;
}

static int
start_pipe(struct start_job *j, int *read_end)
{
    int fds[2], r;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    j->report = fcntl(fds[1], F_DUPFD_CLOEXEC, j->high);
    r = j->report < 0 ? -errno : 0;
    (void)close(fds[1]);
    if (r < 0)
        (void)close(fds[0]);
    else
        *read_end = fds[0];
    return r;
}

/* 0: it has begun; or why not, and it has ended. */
static int
start_hear(struct bly_proc_start *how, int fd)
{
    struct start_report report;
    ssize_t n;

    do
        n = read(fd, &report, sizeof report);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof report)
        return 0;
    how->stage = (enum bly_proc_stage)report.stage;
    how->bad_fd = report.fd;
    return -report.err;
}

static void
start_bury(int pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    bly_proc_gone();
}

static int
start_run(struct start_job *j, int *pidfd)
{
    int in = -1, pid, r = start_pipe(j, &in);

    if (r < 0)
        return r;
    pid = start_by_thread(j);
    (void)close(j->report);
    if (pid >= 0) {
        r = start_hear(j->how, in);
        if (r < 0) {
            start_bury(pid);
            pid = r;
        } else {
            *pidfd = bly_proc_open(pid);
        }
    }
    (void)close(in);
    return pid;
}

/* Children that nobody has to reap tell nobody how they ended. */
static bool
start_ends_get_lost(void)
{
    struct sigaction act;

    return sigaction(SIGCHLD, NULL, &act) == 0 &&
        ((act.sa_flags & SA_NOCLDWAIT) != 0 ||
            ((act.sa_flags & SA_SIGINFO) == 0 && act.sa_handler == SIG_IGN));
}

int
bly_proc_start(struct bly_proc_start *how, int *pidfd)
{
    struct start_job j = {.how = how, .parent = (int)getpid(), .high = 3};
    int saved = errno, r = -ENOMEM;
    struct rlimit limit;
    char **paths;
    size_t i;

    how->stage = BLY_PROC_PROGRAM;
    how->bad_fd = -1;
    if (start_ends_get_lost())
        return -ECHILD;
    j.limit = START_LIMIT;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < START_LIMIT)
        j.limit = (unsigned)limit.rlim_cur;
    for (i = 0; i < how->nmore; i++)
        if (how->more[i].theirs >= j.high)
            j.high = how->more[i].theirs + 1;
    paths = start_paths(how->argv[0]);
    j.paths = paths;
    j.raised = bly_alloc((how->nmore + 1) * sizeof *j.raised);
    if (j.paths != NULL && j.raised != NULL)
        r = start_run(&j, pidfd);
    bly_free(j.raised);
    bly_free(paths);
    errno = saved;
    return r;
}

#endif
