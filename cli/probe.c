/* SPDX-License-Identifier: MIT */
/* What the machine offers, found by trying.  See probe.h. */
#include "cli/probe.h"

#include <belay/io.h>
#include <belay/run.h>
#include <belay/task.h>

#include "cli/number.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

enum { PROBE_GUARD_INSTALL = 102 }; /* MADV_GUARD_INSTALL */

/* ---- the kernel ---------------------------------------------------------- */

static int
probe_ring(unsigned flags)
{
    struct io_uring_params params = {.flags = flags};
    long fd = syscall(SYS_io_uring_setup, 4, &params);

    if (fd < 0)
        return -errno;
    close((int)fd);
    return 0;
}

static bool
probe_guards(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *p = mmap(NULL, page, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool can;

    if (p == MAP_FAILED)
        return false;
    can = madvise(p, page, PROBE_GUARD_INSTALL) == 0;
    munmap(p, page);
    return can;
}

static void
probe_kernel(struct probe *p)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC};
    struct utsname u;
    int fd;

    if (uname(&u) == 0)
        snprintf(p->kernel, sizeof p->kernel, "%.31s %.63s %.31s", u.sysname,
            u.release, u.machine);
    p->uring_errno = -probe_ring(0);
    p->uring = p->uring_errno == 0;
    p->uring_defer = probe_ring(IORING_SETUP_SINGLE_ISSUER |
                         IORING_SETUP_DEFER_TASKRUN) == 0;
    p->guards = probe_guards();
    fd = (int)syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how);
    p->openat2 = fd >= 0;
    if (fd >= 0)
        close(fd);
    fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    p->pidfd = fd >= 0;
    if (fd >= 0)
        close(fd);
    fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    p->tmpfile = fd >= 0;
    if (fd >= 0)
        close(fd);
}

/* ---- limits -------------------------------------------------------------- */

/* The number that a file holds; "max" is UINT64_MAX. */
static bool
probe_file(const char *path, uint64_t *out)
{
    char line[64] = "";
    FILE *f = fopen(path, "re");
    bool good = f != NULL && fgets(line, sizeof line, f) != NULL;

    if (f != NULL)
        fclose(f);
    line[strcspn(line, "\n")] = '\0';
    if (good && strcmp(line, "max") == 0)
        *out = UINT64_MAX;
    else
        good = good && number_count(line, out) == 0;
    return good;
}

/* The smallest of a file's values from this control group up to the root. */
static uint64_t
probe_group(const char *name)
{
    char line[512] = "", path[640];
    uint64_t least = UINT64_MAX, n;
    FILE *f = fopen("/proc/self/cgroup", "re");
    char *end;

    if (f == NULL)
        return least;
    while (fgets(line, sizeof line, f) != NULL && strncmp(line, "0::/", 4) != 0)
        line[0] = '\0';
    fclose(f);
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '\0')
        return least;
    for (;;) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", line + 3, name);
        if (probe_file(path, &n) && n < least)
            least = n;
        end = strrchr(line + 3, '/');
        if (end == NULL)
            return least;
        *end = '\0';
    }
}

static uint64_t
probe_rlimit(int which, bool hard)
{
    struct rlimit r;
    rlim_t n;

    if (getrlimit((__rlimit_resource_t)which, &r) < 0)
        return 0;
    n = hard ? r.rlim_max : r.rlim_cur;
    return n == RLIM_INFINITY ? UINT64_MAX : n;
}

static void
probe_limits(struct probe *p)
{
    cpu_set_t set;

    p->files = probe_rlimit(RLIMIT_NOFILE, false);
    p->files_hard = probe_rlimit(RLIMIT_NOFILE, true);
    p->processes = probe_rlimit(RLIMIT_NPROC, false);
    if (!probe_file("/proc/sys/vm/max_map_count", &p->maps))
        p->maps = 0;
    p->memory = probe_group("memory.max");
    p->pids = probe_group("pids.max");
    p->cpus = sched_getaffinity(0, sizeof set, &set) == 0
        ? (unsigned)CPU_COUNT(&set)
        : 1;
}

/* ---- the runtime --------------------------------------------------------- */

/* Whether the process has a ring open. */
static bool
probe_has_ring(void)
{
    DIR *d = opendir("/proc/self/fd");
    struct dirent *e;
    bool found = false;

    while (d != NULL && !found && (e = readdir(d)) != NULL) {
        char target[64];
        ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof target - 1);

        if (n > 0) {
            target[n] = '\0';
            found = strcmp(target, "anon_inode:[io_uring]") == 0;
        }
    }
    if (d != NULL)
        closedir(d);
    return found;
}

/* Sleeps for a byte, so that the driver has to open what it works with. */
BELAY_TASK(probe_writer, (int, fd))
{
    BELAY_TRY(belay_sleep(BELAY_MS(1)));
    return belay_write_all(fd, "x", 1, NULL);
}

BELAY_TASK(probe_runtime, (bool *, used))
{
    BELAY_AUTO_FD(in);
    BELAY_AUTO_FD(out);
    int fds[2];
    char byte;

    BELAY_TRY(belay_pipe(fds));
    in = fds[0];
    out = fds[1];
    BELAY_SCOPE(s) {
        belay_spawn(s, probe_writer, out);
        BELAY_TRY(belay_read(in, &byte, 1));
        *used = probe_has_ring();
    }
    return 0;
}

void
probe_all(struct probe *p)
{
    *p = (struct probe){0};
    probe_kernel(p);
    probe_limits(p);
    p->runtime = belay_run(probe_runtime, &p->uring_used);
}
