/* SPDX-License-Identifier: MIT */
/*
 * The contract of os/sys.h by the simulated kernel.  Of real descriptors, only
 * readiness and closing are known here.
 */
#include "os/sys.h"

#include "base/check.h"
#include "base/choice.h"
#include "sim/vnet.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Another thread may be in the kernel before. */
static struct bly_vnet_end *
sys_end(int fd)
{
    bly_point(&bly_vnet);
    return bly_vnet_end_of(fd);
}

/* The explorer may let the call fail; nobody would be told of EINTR. */
static bool
sys_fails(void)
{
    bly_point(&bly_vnet);
    return bly_choose(BLY_CHOOSE_FAULT, 2) != 0;
}

/* ---- making ------------------------------------------------------------- */

/* Two descriptors for two ends, or neither. */
static int
sys_pair(struct bly_vnet_end *a, struct bly_vnet_end *b, int fds[2])
{
    int r = -ENOMEM;

    if (a == NULL || b == NULL)
        goto fail;
    r = bly_vnet_fd_new(a);
    if (r < 0)
        goto fail;
    fds[0] = r;
    r = bly_vnet_fd_new(b);
    if (r < 0) {
        bly_vnet_fd_close(fds[0]);
        bly_vnet_end_free(b);
        return r;
    }
    fds[1] = r;
    bly_vnet_join(a, b);
    return 0;

fail:
    if (a != NULL)
        bly_vnet_end_free(a);
    if (b != NULL)
        bly_vnet_end_free(b);
    return r;
}

static int
sys_check_type(int domain, int type)
{
    if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX)
        return -EAFNOSUPPORT;
    type &= ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
    return type == SOCK_STREAM || type == SOCK_DGRAM ? 0 : -EPROTONOSUPPORT;
}

static enum bly_vnet_kind
sys_kind(int type)
{
    return (type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_DGRAM
        ? BLY_VNET_GRAM
        : BLY_VNET_STREAM;
}

int
bly_sys_socket(int domain, int type, int protocol)
{
    struct bly_vnet_end *e;
    int r = sys_check_type(domain, type);

    (void)protocol;
    if (r < 0)
        return r;
    if (sys_fails())
        return -EMFILE;
    e = bly_vnet_end_new(domain, sys_kind(type));
    if (e == NULL)
        return -ENOMEM;
    r = bly_vnet_fd_new(e);
    if (r < 0)
        bly_vnet_end_free(e);
    return r;
}

int
bly_sys_socketpair(int domain, int type, int fds[2])
{
    struct bly_vnet_end *a, *b;
    int r = domain != AF_UNIX ? -EOPNOTSUPP : sys_check_type(domain, type);

    if (r < 0)
        return r;
    if (sys_fails())
        return -EMFILE;
    a = bly_vnet_end_new(domain, sys_kind(type));
    b = bly_vnet_end_new(domain, sys_kind(type));
    r = sys_pair(a, b, fds);
    if (r < 0)
        return r;
    bly_vnet_addr_any(&a->local, domain);
    a->remote = b->local = b->remote = a->local;
    return 0;
}

int
bly_sys_pipe(int fds[2], int flags)
{
    struct bly_vnet_end *out, *in;
    int r;

    (void)flags;
    if (sys_fails())
        return -EMFILE;
    out = bly_vnet_end_new(AF_UNIX, BLY_VNET_PIPE);
    in = bly_vnet_end_new(AF_UNIX, BLY_VNET_PIPE);
    r = sys_pair(out, in, fds);
    if (r < 0)
        return r;
    out->writes = false;
    in->reads = false;
    return 0;
}

/* ---- asking and setting ------------------------------------------------- */

int
bly_sys_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
    struct bly_vnet_end *e = sys_end(fd);
    struct bly_vnet_addr a;
    int r;

    if (e == NULL)
        return -EBADF;
    if (e->kind == BLY_VNET_PIPE)
        return -ENOTSOCK;
    r = bly_vnet_addr_set(&a, e->domain, sa, len);
    if (r < 0)
        return r;
    return sys_fails() ? -EADDRINUSE : bly_vnet_bind(e, &a);
}

int
bly_sys_listen(int fd, int backlog)
{
    struct bly_vnet_end *e = sys_end(fd);

    if (e == NULL)
        return -EBADF;
    return sys_fails() ? -EADDRINUSE : bly_vnet_listen(e, backlog);
}

int
bly_sys_name(int fd, bool peer, struct sockaddr *sa, socklen_t *len)
{
    struct bly_vnet_end *e = sys_end(fd);
    struct bly_vnet_addr none;

    if (e == NULL)
        return -EBADF;
    if (e->kind == BLY_VNET_PIPE)
        return -ENOTSOCK;
    if (peer && (e->state != BLY_VNET_CONNECTED || e->dead))
        return -ENOTCONN;
    bly_vnet_addr_any(&none, e->domain);
    if (!peer && e->local.len == 0)
        bly_vnet_addr_get(&none, sa, len);
    else
        bly_vnet_addr_get(peer ? &e->remote : &e->local, sa, len);
    return 0;
}

/* What else programs set has no meaning here. */
int
bly_sys_setopt(int fd, int level, int name, int value)
{
    struct bly_vnet_end *e = sys_end(fd);

    if (e == NULL)
        return -EBADF;
    if (e->kind == BLY_VNET_PIPE)
        return -ENOTSOCK;
    if (level == SOL_SOCKET && name == SO_REUSEPORT)
        e->reuse_port = value != 0;
    else if (level == SOL_SOCKET && name == SO_RCVBUF && e->bytes == NULL &&
        value > 0)
        e->room = (size_t)value;
    else if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
        e->v6only = value != 0;
    return 0;
}

int
bly_sys_getopt(int fd, int level, int name, int *value)
{
    struct bly_vnet_end *e = sys_end(fd);

    if (e == NULL)
        return -EBADF;
    if (e->kind == BLY_VNET_PIPE)
        return -ENOTSOCK;
    if (level != SOL_SOCKET)
        return -ENOPROTOOPT;
    switch (name) {
    case SO_ERROR:
        *value = e->error;
        e->error = 0;
        return 0;
    case SO_TYPE:
        *value = e->kind == BLY_VNET_GRAM ? SOCK_DGRAM : SOCK_STREAM;
        return 0;
    case SO_DOMAIN:
        *value = e->domain;
        return 0;
    case SO_ACCEPTCONN:
        *value = e->state == BLY_VNET_LISTENS;
        return 0;
    case SO_RCVBUF:
        *value = (int)e->room;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int
bly_sys_poll(int fd, int events)
{
    struct pollfd p = {.fd = fd, .events = (short)events};
    struct bly_vnet_end *e;
    int saved = errno, n;

    if (fd >= BLY_SIM_FD) {
        e = sys_end(fd);
        return e == NULL ? -EBADF : bly_vnet_poll(e, events);
    }
    n = poll(&p, 1, 0);
    errno = saved;
    if (n < 0)
        return 0;
    return p.revents & POLLNVAL ? -EBADF : p.revents;
}

/* ---- ending ------------------------------------------------------------- */

int
bly_sys_shutdown(int fd, int how)
{
    struct bly_vnet_end *e = sys_end(fd);
    int r = e == NULL ? -EBADF : bly_vnet_shut(e, how);

    bly_vnet_changed();
    return r;
}

void
bly_sys_close(int fd)
{
    int saved = errno;

    if (fd < BLY_SIM_FD) {
        (void)close(fd);
        errno = saved;
        return;
    }
    if (sys_end(fd) == NULL)
        bly_misuse(NULL, "descriptor %d is closed and is not open", fd);
    bly_vnet_io_closing(fd);
    bly_vnet_fd_close(fd);
    bly_vnet_changed();
}

/* A name goes with its socket: no files here. */
uint64_t
bly_sys_sock_id(const char *path)
{
    (void)path;
    return 0;
}

bool
bly_sys_sock_orphan(const char *path)
{
    (void)path;
    return false;
}

void
bly_sys_sock_unlink(const char *path, uint64_t id)
{
    (void)path;
    (void)id;
}
