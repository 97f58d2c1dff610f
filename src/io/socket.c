/* SPDX-License-Identifier: MIT */
/* Sockets: their options, connecting them. */
#include "io/net.h"

#include "io/op.h"
#include "os/sys.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

enum { SOCKET_PROBES = 3 };

/* ---- options ------------------------------------------------------------ */

belay_net_opts
bly_net_opts(const belay_net_opts *opts)
{
    belay_net_opts o = {.size = sizeof o};

    if (opts != NULL)
        memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);
    o.size = sizeof o;
    return o;
}

static int
socket_keepalive(int fd, belay_dur every)
{
    int64_t s = every / 1000000000 + (every % 1000000000 != 0);
    int seconds = s < 32767 ? (int)s : 32767; /* the most that Linux takes */
    int r = bly_sys_setopt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);

    if (r == 0)
        r = bly_sys_setopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
    if (r == 0)
        r = bly_sys_setopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds);
    if (r == 0)
        r = bly_sys_setopt(fd, IPPROTO_TCP, TCP_KEEPCNT, SOCKET_PROBES);
    return r;
}

static int
socket_options(int fd, int family, int type, const belay_net_opts *o)
{
    bool tcp = family != AF_UNIX && type == SOCK_STREAM;
    int r = 0;

    if (tcp && !o->delay)
        r = bly_sys_setopt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (r == 0 && tcp && o->keepalive > 0)
        r = socket_keepalive(fd, o->keepalive);
    /* The system's default is a setting of each machine. */
    if (r == 0 && family == AF_INET6)
        r = bly_sys_setopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, o->only_v6);
    if (r == 0 && o->reuse_port && family != AF_UNIX)
        r = bly_sys_setopt(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r == 0 && o->broadcast)
        r = bly_sys_setopt(fd, SOL_SOCKET, SO_BROADCAST, 1);
    if (r == 0 && o->send_buffer > 0)
        r = bly_sys_setopt(fd, SOL_SOCKET, SO_SNDBUF, o->send_buffer);
    if (r == 0 && o->recv_buffer > 0)
        r = bly_sys_setopt(fd, SOL_SOCKET, SO_RCVBUF, o->recv_buffer);
    return r;
}

int
bly_net_socket(struct bly_task *t, int family, int type,
    const belay_net_opts *opts)
{
    int flags = bly_io_sock_flags(t->worker), fd, r;

    if (flags < 0)
        return flags;
    fd = bly_sys_socket(family, type | flags, 0);
    if (fd < 0)
        return fd;
    r = socket_options(fd, family, type, opts);
    if (r < 0) {
        bly_sys_close(fd);
        return r;
    }
    return fd;
}

int
bly_net_bind(int fd, const belay_addr *a)
{
    return bly_sys_bind(fd, bly_addr_sa(a), a->len);
}

/* ---- connecting --------------------------------------------------------- */

enum { SOCKET_PAUSE_MAX_MS = 64 };

bool
bly_net_full(int r, const belay_addr *to)
{
    return r == -ENOBUFS && to != NULL && to->sa.ss_family == AF_UNIX;
}

int
bly_net_pause(int *ms)
{
    if (*ms < SOCKET_PAUSE_MAX_MS)
        *ms = *ms == 0 ? 1 : *ms * 2;
    return belay_sleep(BELAY_MS(*ms));
}

int
bly_net_connect(int fd, const belay_addr *to, const belay_site *site)
{
    int r, pause = 0;

    for (;;) {
        struct bly_op op;

        r = bly_op_begin(&op, BLY_OP_CONNECT, fd, "belay_connect", site);
        if (r < 0)
            return r;
        op.buf = bly_addr_sa(to);
        op.len = to->len;
        r = bly_op_run(&op);
        if (!bly_net_full(r, to))
            return r;
        r = bly_net_pause(&pause);
        if (r < 0)
            return r;
    }
}

static int
socket_bind_from(int fd, const char *from)
{
    belay_addr a;
    int r;

    if (from == NULL)
        return 0;
    r = belay_addr_parse(&a, from);
    return r < 0 ? r : bly_net_bind(fd, &a);
}

int
bly_net_dial(struct bly_task *t, const belay_addr *to,
    const belay_net_opts *opts, const belay_site *site)
{
    int r, fd = bly_net_socket(t, to->sa.ss_family, SOCK_STREAM, opts);

    if (fd < 0)
        return fd;
    r = socket_bind_from(fd, opts->from);
    if (r == 0)
        r = bly_net_connect(fd, to, site);
    if (r < 0) {
        bly_sys_close(fd);
        return r;
    }
    return fd;
}

int
belay_connect_at(belay_stream **out, const belay_addr *to,
    const belay_net_opts *opts, const belay_site *site)
{
    belay_net_opts o = bly_net_opts(opts);
    char text[BELAY_ADDR_TEXT];
    belay_stream *st;
    struct bly_task *t;
    int r = bly_enter(&t, "belay_connect", site);

    if (r < 0)
        return r;
    r = bly_stream_fd_prepare(&st, site);
    if (r < 0)
        return r;
    r = bly_net_dial(t, to, &o, site);
    if (r >= 0) {
        bly_stream_fd_set(st, r);
        *out = st;
        return 0;
    }
    belay_stream_close_at(&st, site);
    if (r == bly_cut_now(t))
        return r;
    return belay_fail_at(r, site, "connecting to %s: %s",
        belay_addr_format(to, text, sizeof text), belay_strerror(r));
}
