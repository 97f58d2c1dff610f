/* SPDX-License-Identifier: MIT */
/*
 * Quotas of version 2 (cpu.max) and 1 (cpu.cfs_quota_us).
 *
 * A line of the membership file is "number:controllers:path"; number 0 with
 * no controllers is version 2.  Inside a container the path may be that of
 * the host while the mount starts at our own group.  Then most of the way
 * does not exist, which is no failure: the root is looked at in any case.
 */
#include "os/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CGROUP_FILE_MAX = 8192, CGROUP_PATH_MAX = 4096 };

/* The file's text, at most size - 1 bytes of it; false if there is none. */
static bool
cgroup_read(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t n;

    if (fd < 0)
        return false;
    while (used < size - 1) {
        n = read(fd, text + used, size - 1 - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    close(fd);
    text[used] = '\0';
    return used > 0;
}

static unsigned
cgroup_whole(long long quota, long long period)
{
    long long n;

    if (quota <= 0 || period <= 0)
        return UINT_MAX;
    n = (quota - 1) / period + 1;
    return n < INT_MAX ? (unsigned)n : UINT_MAX;
}

/* "max 100000" or "150000 100000". */
static unsigned
cgroup_quota_2(const char *dir)
{
    char path[CGROUP_PATH_MAX + 32], text[64];
    long long quota, period;

    (void)snprintf(path, sizeof(path), "%s/cpu.max", dir);
    if (!cgroup_read(path, text, sizeof(text)) ||
        sscanf(text, "%lld %lld", &quota, &period) != 2)
        return UINT_MAX;
    return cgroup_whole(quota, period);
}

/* Two files with a number each; a quota of -1 is none. */
static unsigned
cgroup_quota_1(const char *dir)
{
    char path[CGROUP_PATH_MAX + 32], quota[64], period[64];

    (void)snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", dir);
    if (!cgroup_read(path, quota, sizeof(quota)))
        return UINT_MAX;
    (void)snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", dir);
    if (!cgroup_read(path, period, sizeof(period)))
        return UINT_MAX;
    return cgroup_whole(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* From the group at mount and path up to mount itself. */
static unsigned
cgroup_climb(const char *mount, const char *path,
    unsigned (*quota)(const char *dir))
{
    char dir[CGROUP_PATH_MAX];
    size_t root = strlen(mount);
    unsigned least = UINT_MAX;
    char *slash;
    int n = snprintf(dir, sizeof(dir), "%s%s", mount, path);

    if (n < 0 || (size_t)n >= sizeof(dir))
        return UINT_MAX;
    for (;;) {
        unsigned q = quota(dir);

        if (q < least)
            least = q;
        slash = strrchr(dir + root, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

/* Is cpu one of the words between the commas? */
static bool
cgroup_has_cpu(const char *controllers)
{
    const char *p = controllers;

    while (p != NULL) {
        if (strncmp(p, "cpu", 3) == 0 && (p[3] == ',' || p[3] == '\0'))
            return true;
        p = strchr(p, ',');
        if (p != NULL)
            p++;
    }
    return false;
}

static unsigned
cgroup_line(char *line, const char *mount)
{
    char dir[CGROUP_PATH_MAX];
    char *controllers = strchr(line, ':'), *path;

    if (controllers == NULL)
        return UINT_MAX;
    path = strchr(++controllers, ':');
    if (path == NULL)
        return UINT_MAX;
    *path++ = '\0';
    if (*controllers == '\0')
        return cgroup_climb(mount, path, cgroup_quota_2);
    if (!cgroup_has_cpu(controllers))
        return UINT_MAX;
    (void)snprintf(dir, sizeof(dir), "%s/%s", mount, controllers);
    return cgroup_climb(dir, path, cgroup_quota_1);
}

unsigned
bly_cgroup_cpus(const char *membership, const char *mount)
{
    char text[CGROUP_FILE_MAX];
    unsigned least = UINT_MAX;
    char *line = text, *end;

    if (!cgroup_read(membership, text, sizeof(text)))
        return UINT_MAX;
    for (; line != NULL && *line != '\0'; line = end) {
        unsigned q;

        end = strchr(line, '\n');
        if (end != NULL)
            *end++ = '\0';
        q = cgroup_line(line, mount);
        if (q < least)
            least = q;
    }
    return least;
}
