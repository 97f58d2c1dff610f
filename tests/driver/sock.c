/* SPDX-License-Identifier: MIT */
/* See sock.h. */
#include "sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

int
sock_op(enum bly_op_kind kind, int fd, void *buf, size_t len,
    socklen_t *addrlen)
{
    struct bly_op op;
    int r = bly_op_begin(&op, kind, fd, "sock_op", BELAY_SITE_("sock_op"));

    if (r < 0)
        return r;
    op.buf = buf;
    op.len = len;
    op.addrlen = addrlen;
    if (kind == BLY_OP_SEND)
        op.flags = MSG_NOSIGNAL;
    if (kind == BLY_OP_ACCEPT)
        op.flags = SOCK_CLOEXEC;
    return bly_op_run(&op);
}

int
sock_recv(int fd, void *buf, size_t n)
{
    return sock_op(BLY_OP_RECV, fd, buf, n, NULL);
}

int
sock_send(int fd, const char *text)
{
    size_t done = 0, len = strlen(text);

    while (done < len) {
        int r = sock_op(BLY_OP_SEND, fd, (void *)(uintptr_t)(text + done),
            len - done, NULL);

        if (r < 0)
            return r;
        done += (size_t)r;
    }
    return (int)done;
}

int
sock_accept(int fd)
{
    return sock_op(BLY_OP_ACCEPT, fd, NULL, 0, NULL);
}

int
sock_expect(int fd, const char *text)
{
    char buf[64];
    size_t want = strlen(text);

    BELAY_TRY(belay_read_all(fd, buf, want, NULL));
    HOLDS(memcmp(buf, text, want) == 0);
    return 0;
}

struct sockaddr *
sock_sa(struct sock_addr *a)
{
    return (struct sockaddr *)(void *)&a->sa;
}

int
sock_new(int *fd, int domain, int type)
{
    int flags = bly_io_sock_flags(bly_must_self("sock_new", NULL)->worker);

    *fd = flags < 0 ? flags : bly_sys_socket(domain, type | flags, 0);
    return *fd < 0 ? *fd : 0;
}

void
sock_any(struct sock_addr *a, int domain)
{
    struct sockaddr_in *in = (void *)&a->sa;

    memset(a, 0, sizeof *a);
    a->sa.ss_family = (sa_family_t)domain;
    a->len = sizeof(sa_family_t);
    if (domain == AF_INET) {
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        a->len = sizeof *in;
    }
}

int
sock_bound(int *fd, struct sock_addr *a, int domain, int type)
{
    BELAY_TRY(sock_new(fd, domain, type));
    sock_any(a, domain);
    BELAY_TRY(bly_sys_bind(*fd, sock_sa(a), a->len));
    a->len = sizeof a->sa;
    return bly_sys_name(*fd, false, sock_sa(a), &a->len);
}

int
sock_listen(int *fd, struct sock_addr *a, int domain, int backlog)
{
    BELAY_TRY(sock_bound(fd, a, domain, SOCK_STREAM));
    return bly_sys_listen(*fd, backlog);
}

int
sock_connect(int *fd, struct sock_addr *a)
{
    BELAY_TRY(sock_new(fd, a->sa.ss_family, SOCK_STREAM));
    return sock_op(BLY_OP_CONNECT, *fd, &a->sa, a->len, NULL);
}

int
sock_pair(int domain, int *client, int *server)
{
    BELAY_AUTO_FD(l);
    struct sock_addr a;

    BELAY_TRY(sock_listen(&l, &a, domain, 8));
    BELAY_TRY(sock_connect(client, &a));
    *server = sock_accept(l);
    return *server < 0 ? *server : 0;
}

int
sock_poll(int fd)
{
    return bly_sys_poll(fd, POLLIN | POLLOUT | POLLRDHUP);
}
