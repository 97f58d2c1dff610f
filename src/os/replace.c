/* SPDX-License-Identifier: MIT */
/*
 * A file gets its new content at once: it is written beside it, under a name
 * that nobody else has, and takes its place when it is complete.  What is no
 * regular file (a pipe, /dev/stdout) cannot be replaced and is written to.
 * A link is followed, so that it goes on leading to the file.
 */
#include "os/replace.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REPLACE_NAMES = 100, REPLACE_MODE = 0666 };

static int
replace_write(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t r = write(fd, data, n);

        if (r < 0 && errno != EINTR)
            return -errno;
        if (r > 0) {
            data += r;
            n -= (size_t)r;
        }
    }
    return 0;
}

/* A new file beside path, whose name goes to beside[0..size). */
static int
replace_open(const char *path, char *beside, size_t size)
{
    int i, fd = -1;

    for (i = 0; i < REPLACE_NAMES && fd < 0; i++) {
        if (i != 0 && errno != EEXIST)
            return -errno;
        if ((size_t)snprintf(beside, size, "%s.new%d", path, i) >= size)
            return -ENAMETOOLONG;
        fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
            REPLACE_MODE);
    }
    return fd >= 0 ? fd : -errno;
}

static int
replace_file(const char *path, mode_t mode, const void *data, size_t n)
{
    char beside[PATH_MAX];
    int fd = replace_open(path, beside, sizeof(beside)), r;

    if (fd < 0)
        return fd;
    r = replace_write(fd, data, n);
    if (r == 0 && mode != 0 && fchmod(fd, mode) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(beside, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(beside);
    return r;
}

static int
replace_other(const char *path, const void *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY), r;

    if (fd < 0)
        return -errno;
    r = replace_write(fd, data, n);
    if (close(fd) < 0 && r == 0)
        r = -errno;
    return r;
}

int
bly_os_replace(const char *path, const void *data, size_t n)
{
    char real[PATH_MAX];
    int saved = errno, r;
    struct stat st;

    if (stat(path, &st) < 0)
        r = errno == ENOENT ? replace_file(path, 0, data, n) : -errno;
    else if (!S_ISREG(st.st_mode))
        r = replace_other(path, data, n);
    else if (realpath(path, real) == NULL)
        r = -errno;
    else
        r = replace_file(real, st.st_mode & 07777, data, n);
    errno = saved;
    return r;
}
