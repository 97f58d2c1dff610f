/* SPDX-License-Identifier: MIT */
/* The contract of proc.h, by Linux: pidfds and /proc.  Starting is next door,
 * in proc_start.c. */
#include "os/proc.h"

#if !BLY_SIM

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROC_PIDFD = 3 }; /* P_PIDFD, which older headers lack */

#define PROC_SECOND INT64_C(1000000000)

static int
proc_result(long r, int saved)
{
    if (r < 0)
        r = -errno;
    errno = saved;
    return (int)r;
}

/* ---- how it ended ------------------------------------------------------- */

static int64_t
proc_time(const struct timeval *tv)
{
    return (int64_t)tv->tv_sec * PROC_SECOND + (int64_t)tv->tv_usec * 1000;
}

int
bly_proc_reap(int pid, int pidfd, struct bly_proc_end *out)
{
    int saved = errno, r;
    struct rusage used;
    siginfo_t si;

    memset(&si, 0, sizeof si);
    /* libc's has no room for the last argument. */
    r = proc_result(syscall(SYS_waitid, pidfd >= 0 ? PROC_PIDFD : P_PID,
                        pidfd >= 0 ? pidfd : pid, &si, WEXITED | WNOHANG,
                        &used),
        saved);
    if (r < 0 || si.si_pid == 0)
        return r;
    out->code = si.si_code == CLD_EXITED ? si.si_status : -1;
    out->signal = si.si_code == CLD_EXITED ? 0 : si.si_status;
    out->core = si.si_code == CLD_DUMPED;
    out->user_ns = proc_time(&used.ru_utime);
    out->system_ns = proc_time(&used.ru_stime);
    out->max_rss = (int64_t)used.ru_maxrss * 1024;
    return 1;
}

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)

const char *
bly_proc_signal_text(int number)
{
    return sigdescr_np(number);
}

#else

const char *
bly_proc_signal_text(int number)
{
    (void)number;
    return NULL; /* strsignal() is not for threads */
}

#endif

int
bly_proc_signal(int pidfd, int number)
{
    int saved = errno;

    return proc_result(
        syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0), saved);
}

int
bly_proc_signal_group(int pid, int number)
{
    int saved = errno;

    return proc_result(kill(-pid, number), saved);
}

int
bly_proc_signal_one(int pid, int number)
{
    int saved = errno;

    return proc_result(kill(pid, number), saved);
}

int
bly_proc_open(int pid)
{
    int saved = errno;

    return proc_result(syscall(SYS_pidfd_open, pid, 0), saved);
}

/* ---- /proc -------------------------------------------------------------- */

static int
proc_read_stat(int pid, char *buf, size_t size)
{
    char path[40];
    ssize_t n;
    int fd;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    n = read(fd, buf, size - 1);
    if (n < 0)
        n = -errno;
    (void)close(fd);
    if (n > 0)
        buf[n] = '\0';
    return n == 0 ? -ESRCH : (int)n;
}

/* "pid (any (thing)) S parent group ..." with the beginning as the 22nd. */
static bool
proc_parse(const char *text, struct bly_proc_info *out)
{
    const char *p = strrchr(text, ')');
    unsigned long long began;
    char state;

    if (p == NULL ||
        sscanf(p + 1,
            " %c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
            "%*d %*d %*d %llu",
            &state, &out->parent, &out->group, &began) != 4)
        return false;
    out->ended = state == 'Z' || state == 'X';
    out->began = (int64_t)(began * (unsigned long long)PROC_SECOND /
        (unsigned long long)sysconf(_SC_CLK_TCK));
    return true;
}

int
bly_proc_look(int pid, struct bly_proc_info *out)
{
    char text[1024];
    int saved = errno;
    int r = proc_read_stat(pid, text, sizeof text);

    errno = saved;
    if (r < 0)
        return r;
    out->pid = pid;
    return proc_parse(text, out) ? 0 : -EPROTO;
}

int
bly_proc_list(bool (*fn)(void *arg, const struct bly_proc_info *p), void *arg)
{
    struct bly_proc_info info;
    int saved = errno;
    struct dirent *e;
    bool more = true;
    DIR *dir = opendir("/proc");
    int r;

    if (dir == NULL)
        return proc_result(-1, saved);
    while (more && (e = readdir(dir)) != NULL) {
        long pid = e->d_name[0] >= '1' && e->d_name[0] <= '9'
            ? strtol(e->d_name, NULL, 10)
            : 0;

        r = pid > 0 ? bly_proc_look((int)pid, &info) : -ENOENT;
        if (r == 0)
            more = fn(arg, &info);
    }
    (void)closedir(dir);
    errno = saved;
    return 0;
}

/* ---- descriptors -------------------------------------------------------- */

void
bly_proc_blocking(int fd)
{
    int saved = errno, flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && (flags & O_NONBLOCK) != 0)
        (void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    errno = saved;
}

#endif
