/* SPDX-License-Identifier: MIT */
/* Bodies as files below one directory.  See store.h. */
#include "cli/store.h"

#include "cli/own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STORE_TEMP ".belay-"

enum { STORE_NAME = 1024, STORE_TRIES = 100 };

struct store {
    int dir;
    struct store_opts opts;
    bool has_tmpfile;
    unsigned removed;
    uint32_t counter; /* of temporary names; atomic */
};

/* ---- temporary files ----------------------------------------------------- */

/* Random enough to be new: others are refused by O_EXCL. */
static void
store_temp_name(struct store *st, char *buf, size_t size)
{
    unsigned n = __atomic_add_fetch(&st->counter, 1, __ATOMIC_RELAXED);

    snprintf(buf, size, STORE_TEMP "%ld-%u.tmp", (long)getpid(), n);
}

/* The lock says that its owner lives.  A run that cleans up may take the file
 * between the two calls; then it has no name, and the next one is tried. */
static int
store_open_named(struct store *st, struct store_file *f)
{
    struct stat s;

    for (int i = 0; i < STORE_TRIES; i++) {
        store_temp_name(st, f->temp, sizeof f->temp);
        f->fd = openat(st->dir, f->temp,
            O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (f->fd < 0 && errno == EEXIST)
            continue;
        if (f->fd < 0)
            return -errno;
        (void)flock(f->fd, LOCK_EX);
        if (fstat(f->fd, &s) == 0 && s.st_nlink > 0)
            return 0;
        close(f->fd);
    }
    return -EEXIST;
}

int
store_begin(struct store *st, struct store_file *f)
{
    int r;

    f->temp[0] = '\0';
    f->fd = st->has_tmpfile
        ? openat(st->dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0666)
        : -1;
    if (st->has_tmpfile && f->fd < 0)
        return -errno;
    if (f->fd < 0) {
        r = store_open_named(st, f);
        if (r < 0)
            return r;
    }
    f->open = true;
    return 0;
}

int
store_again(struct store_file *f)
{
    if (ftruncate(f->fd, 0) < 0 || lseek(f->fd, 0, SEEK_SET) < 0)
        return -errno;
    return 0;
}

void
store_drop(struct store *st, struct store_file *f)
{
    if (!f->open)
        return;
    if (f->temp[0] != '\0')
        (void)unlinkat(st->dir, f->temp, 0);
    close(f->fd);
    f->open = false;
}

/* Removes what dead runs have left. */
static void
store_clean(struct store *st)
{
    int fd = openat(st->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;

    if (d == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((e = readdir(d)) != NULL) {
        size_t len = strlen(e->d_name);
        int file;

        if (strncmp(e->d_name, STORE_TEMP, strlen(STORE_TEMP)) != 0 ||
            len < 4 || strcmp(e->d_name + len - 4, ".tmp") != 0)
            continue;
        file = openat(st->dir, e->d_name,
            O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0 &&
            unlinkat(st->dir, e->d_name, 0) == 0)
            st->removed++;
        if (file >= 0)
            close(file);
    }
    closedir(d);
}

/* ---- the directory ------------------------------------------------------- */

static int
store_probe(struct store *st)
{
    struct store_file f = {false, -1, ""};
    int r;

    st->has_tmpfile = !st->opts.no_tmpfile;
    r = store_begin(st, &f);
    if (r == -EOPNOTSUPP || r == -EISDIR || r == -EINVAL || r == -ENOENT) {
        st->has_tmpfile = false;
        r = store_begin(st, &f);
    }
    store_drop(st, &f);
    return r;
}

int
store_open(struct store **out, const char *dir, const struct store_opts *opts)
{
    struct store *st = own_alloc(sizeof *st);
    int r = 0;

    st->opts = *opts;
    if (mkdir(dir, 0777) < 0 && errno != EEXIST)
        r = -errno;
    st->dir = r == 0 ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (r == 0 && st->dir < 0)
        r = -errno;
    if (r == 0)
        r = store_probe(st);
    if (r < 0) {
        store_close(st);
        return r;
    }
    store_clean(st);
    *out = st;
    return 0;
}

unsigned
store_removed(const struct store *st)
{
    return st->removed;
}

void
store_close(struct store *st)
{
    if (st == NULL)
        return;
    if (st->dir >= 0)
        close(st->dir);
    free(st);
}

/* ---- names --------------------------------------------------------------- */

/* Opens what lies below dir, without following any link. */
static int
store_below(int dir, const char *name, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    long fd = syscall(SYS_openat2, dir, name, &how, sizeof how);

    return fd < 0 ? -errno : (int)fd;
}

/* The directory that name is in, made if need be; *last is the name there. */
static int
store_parent(struct store *st, const char *name, const char **last)
{
    char path[STORE_NAME];
    const char *slash = strrchr(name, '/');
    size_t n = slash != NULL ? (size_t)(slash - name) : 0;
    int fd, at;

    *last = slash != NULL ? slash + 1 : name;
    if (n >= sizeof path)
        return -ENAMETOOLONG;
    if (n == 0)
        return store_below(st->dir, ".", O_PATH | O_DIRECTORY);
    memcpy(path, name, n);
    path[n] = '\0';
    fd = store_below(st->dir, path, O_PATH | O_DIRECTORY);
    if (fd != -ENOENT)
        return fd;
    fd = store_below(st->dir, ".", O_PATH | O_DIRECTORY);
    for (char *p = path; fd >= 0 && p != NULL;) {
        char *end = strchr(p, '/');

        if (end != NULL)
            *end++ = '\0';
        if (mkdirat(fd, p, 0777) < 0 && errno != EEXIST)
            at = -errno;
        else
            at = store_below(fd, p, O_PATH | O_DIRECTORY);
        close(fd);
        fd = at;
        p = end;
    }
    return fd;
}

/* Do both hold the same bytes? */
static bool
store_same(int a, int b)
{
    static const size_t block = 64 * 1024;
    char *data;
    struct stat sa, sb;
    off_t at = 0;
    bool same;

    if (fstat(a, &sa) < 0 || fstat(b, &sb) < 0 || !S_ISREG(sb.st_mode) ||
        sa.st_size != sb.st_size)
        return false;
    data = own_alloc(2 * block);
    for (same = true; same && at < sa.st_size;) {
        ssize_t n = pread(a, data, block, at);

        same = n > 0 && pread(b, data + block, (size_t)n, at) == n &&
            memcmp(data, data + block, (size_t)n) == 0;
        at += n;
    }
    free(data);
    return same;
}

static int
store_link(struct store *st, struct store_file *f, int to, const char *last)
{
    char self[40];

    if (f->temp[0] != '\0')
        return linkat(st->dir, f->temp, to, last, 0) < 0 ? -errno : 0;
    snprintf(self, sizeof self, "/proc/self/fd/%d", f->fd);
    if (linkat(AT_FDCWD, self, to, last, AT_SYMLINK_FOLLOW) < 0)
        return -errno;
    return 0;
}

/* Takes the place of what is there, at once. */
static int
store_replace(struct store *st, struct store_file *f, int to,
    const char *last)
{
    int r = 0;

    if (f->temp[0] == '\0') {
        char temp[sizeof f->temp];

        store_temp_name(st, temp, sizeof temp);
        (void)flock(f->fd, LOCK_EX | LOCK_NB); /* against store_clean */
        r = store_link(st, f, st->dir, temp);
        if (r == 0)
            memcpy(f->temp, temp, sizeof temp);
    }
    if (r == 0 && renameat(st->dir, f->temp, to, last) < 0)
        r = -errno;
    if (r == 0)
        f->temp[0] = '\0';
    return r;
}

/* The directory's entries to the disk. */
static int
store_sync(int dir)
{
    int fd = store_below(dir, ".", O_RDONLY | O_DIRECTORY), r = 0;

    if (fd < 0)
        return fd;
    if (fsync(fd) < 0)
        r = -errno;
    close(fd);
    return r;
}

int
store_finish(struct store *st, struct store_file *f, const char *name)
{
    const char *last;
    int to = -1, there, r = 0;

    if (st->opts.sync && fsync(f->fd) < 0)
        r = -errno;
    if (r == 0) {
        to = store_parent(st, name, &last);
        r = to < 0 ? to : store_link(st, f, to, last);
    }
    if (r == -EEXIST && to >= 0) {
        there = store_below(to, last, O_RDONLY | O_NONBLOCK);
        if (there >= 0 && store_same(f->fd, there))
            r = 0;
        else if (st->opts.overwrite)
            r = store_replace(st, f, to, last);
        if (there >= 0)
            close(there);
    }
    if (r == 0 && st->opts.sync)
        r = store_sync(to);
    if (to >= 0)
        close(to);
    store_drop(st, f);
    return r;
}
