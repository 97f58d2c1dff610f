/* SPDX-License-Identifier: MIT */
/* The contract of sys.h, by Linux. */
#include "os/sys.h"

#include "base/compiler.h"

#if !BLY_SIM

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The result of a system call that says -1 and errno; errno as it was. */
static int
sys_result(int r, int saved)
{
    if (r < 0)
        r = -errno;
    errno = saved;
    return r;
}

int
bly_sys_socket(int domain, int type, int protocol)
{
    int saved = errno;

    return sys_result(socket(domain, type | SOCK_CLOEXEC, protocol), saved);
}

int
bly_sys_socketpair(int domain, int type, int fds[2])
{
    int saved = errno;

    return sys_result(socketpair(domain, type | SOCK_CLOEXEC, 0, fds), saved);
}

int
bly_sys_pipe(int fds[2], int flags)
{
    int saved = errno;

    return sys_result(pipe2(fds, flags | O_CLOEXEC), saved);
}

int
bly_sys_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
    int saved = errno;

    return sys_result(bind(fd, sa, len), saved);
}

int
bly_sys_listen(int fd, int backlog)
{
    int saved = errno;

    return sys_result(listen(fd, backlog), saved);
}

int
bly_sys_shutdown(int fd, int how)
{
    int saved = errno;

    return sys_result(shutdown(fd, how), saved);
}

int
bly_sys_name(int fd, bool peer, struct sockaddr *sa, socklen_t *len)
{
    int saved = errno;

    return sys_result(
        peer ? getpeername(fd, sa, len) : getsockname(fd, sa, len), saved);
}

int
bly_sys_setopt(int fd, int level, int name, int value)
{
    int saved = errno;

    return sys_result(
        setsockopt(fd, level, name, &value, sizeof value), saved);
}

int
bly_sys_getopt(int fd, int level, int name, int *value)
{
    int saved = errno;
    socklen_t len = sizeof *value;

    return sys_result(getsockopt(fd, level, name, value, &len), saved);
}

void
bly_sys_close(int fd)
{
    int saved = errno;

    (void)close(fd); /* also after EINTR the descriptor is gone */
    errno = saved;
}

/* ---- files of Unix sockets ---------------------------------------------- */

uint64_t
bly_sys_sock_id(const char *path)
{
    struct stat st;
    int saved = errno;
    int r = lstat(path, &st);

    errno = saved;
    if (r < 0 || !S_ISSOCK(st.st_mode))
        return 0;
    return (uint64_t)st.st_ino ^ (uint64_t)st.st_dev << 32 ^
        (uint64_t)st.st_mtim.tv_nsec << 16;
}

bool
bly_sys_sock_orphan(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    int saved = errno, fd;
    bool orphan = false;

    if (n >= sizeof un.sun_path)
        return false;
    memcpy(un.sun_path, path, n);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        orphan = connect(fd, (struct sockaddr *)&un, sizeof un) < 0 &&
            errno == ECONNREFUSED;
        (void)close(fd);
    }
    errno = saved;
    return orphan;
}

void
bly_sys_sock_unlink(const char *path, uint64_t id)
{
    int saved = errno;

    if (bly_sys_sock_id(path) == id)
        (void)unlink(path);
    errno = saved;
}

/* ---- names -------------------------------------------------------------- */

static int
sys_resolve_code(int r)
{
    switch (r) {
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return -ENOENT;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return errno > 0 ? -errno : -EIO;
    default:
        return -EAGAIN;
    }
}

int
bly_sys_resolve(const char *host, int family, struct sockaddr_storage *out,
    int n)
{
    /* One type, or each address comes once for each. */
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list, *ai;
    int saved = errno, count = 0;
    int r = getaddrinfo(host, NULL, &hints, &list);

    if (r != 0) {
        r = sys_resolve_code(r);
        errno = saved;
        return r;
    }
    for (ai = list; ai != NULL && count < n; ai = ai->ai_next) {
        if (ai->ai_addrlen > sizeof *out)
            continue;
        memset(&out[count], 0, sizeof *out);
        memcpy(&out[count++], ai->ai_addr, ai->ai_addrlen);
    }
    freeaddrinfo(list);
    errno = saved;
    return count > 0 ? count : -ENOENT;
}

/* ---- readiness ---------------------------------------------------------- */

int
bly_sys_poll(int fd, int events)
{
    struct pollfd p = {.fd = fd, .events = (short)events};
    int saved = errno;
    int n;

    do
        n = poll(&p, 1, 0);
    while (n < 0 && errno == EINTR);
    errno = saved;
    if (n < 0)
        return 0;
    return p.revents & POLLNVAL ? -EBADF : p.revents;
}

#endif
