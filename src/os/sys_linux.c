/* SPDX-License-Identifier: MIT */
/* The contract of sys.h, by Linux. */
#include "os/sys.h"

#include "base/compiler.h"

#if !BLY_SIM

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
