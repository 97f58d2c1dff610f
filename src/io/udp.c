/* SPDX-License-Identifier: MIT */
/* Datagrams. */
#include <belay/net.h>

#include "base/alloc.h"
#include "core/wait.h"
#include "io/net.h"
#include "io/op.h"

#include <errno.h>

struct belay_udp {
    struct bly_bound at;
    const belay_site *site;
};

/* ---- life --------------------------------------------------------------- */

int
belay_udp_open_at(belay_udp **out, const char *text,
    const belay_net_opts *opts, const belay_site *site)
{
    struct bly_task *t = bly_must_self("belay_udp_open", site);
    belay_net_opts o = bly_net_opts(opts);
    belay_udp *u;
    belay_addr a;
    int r = belay_addr_parse(&a, text);

    if (r < 0)
        return r;
    u = bly_zalloc(sizeof *u);
    if (u == NULL)
        return -ENOMEM;
    u->site = site;
    u->at.addr = a;
    r = bly_bound_open(&u->at, t, text, SOCK_DGRAM, &o);
    if (r < 0) {
        bly_free(u);
        return belay_fail_at(r, site, "opening %s for datagrams: %s", text,
            belay_strerror(r));
    }
    *out = u;
    return 0;
}

void
belay_udp_close_at(belay_udp **pu, const belay_site *site)
{
    belay_udp *u = *pu;

    if (u == NULL)
        return;
    bly_fd_check_close(u->at.fd, site);
    *pu = NULL;
    bly_bound_close(&u->at);
    bly_free(u);
}

void
belay_udp_closep(belay_udp **u)
{
    belay_udp_close_at(u, *u != NULL ? (*u)->site : NULL);
}

const belay_addr *
belay_udp_addr(const belay_udp *u)
{
    return &u->at.addr;
}

int
belay_udp_fd(const belay_udp *u)
{
    return u->at.fd;
}

/* ---- talking ------------------------------------------------------------ */

/* A code that is not the caller's cut gets a message that names the address;
 * NULL: the peer. */
static int
udp_failed(int r, const char *what, const belay_addr *a,
    const belay_site *site)
{
    char text[BELAY_ADDR_TEXT];

    if (r == bly_cut_now(bly_must_self(what, site)))
        return r;
    return belay_fail_at(r, site, "%s %s: %s", what,
        a != NULL ? belay_addr_format(a, text, sizeof text) : "the peer",
        belay_strerror(r));
}

int
belay_udp_connect_at(belay_udp *u, const belay_addr *peer,
    const belay_site *site)
{
    int r = bly_net_connect(u->at.fd, peer, site);

    return r < 0 ? udp_failed(r, "connecting to", peer, site) : 0;
}

static int
udp_send(belay_udp *u, struct msghdr *m, const belay_site *site)
{
    struct bly_op op;
    int r = bly_op_begin(
        &op, BLY_OP_SENDMSG, u->at.fd, "belay_udp_send", site);

    if (r < 0)
        return r;
    op.buf = m;
    op.flags = MSG_NOSIGNAL;
    return bly_op_run(&op);
}

int
belay_udp_send_at(belay_udp *u, const void *buf, size_t n,
    const belay_addr *to, const belay_site *site)
{
    struct iovec iov = {(void *)(uintptr_t)buf, n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    int r, pause = 0;

    if (to != NULL) {
        m.msg_name = bly_addr_sa(to);
        m.msg_namelen = to->len;
    }
    do
        r = udp_send(u, &m, site);
    while (bly_net_full(r, to) && (r = bly_net_pause(&pause)) == 0);
    return r < 0 ? udp_failed(r, "sending to", to, site) : 0;
}

ssize_t
belay_udp_recv_at(belay_udp *u, void *buf, size_t n, belay_addr *from,
    const belay_site *site)
{
    belay_addr a = {.len = sizeof a.sa};
    struct iovec iov = {buf, n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &a.sa,
        .msg_namelen = a.len};
    struct bly_op op;
    int r = bly_op_begin(
        &op, BLY_OP_RECVMSG, u->at.fd, "belay_udp_recv", site);

    if (r < 0)
        return r;
    op.buf = &m;
    r = bly_op_run(&op);
    if (r < 0)
        return udp_failed(r, "receiving at", &u->at.addr, site);
    a.len = m.msg_namelen;
    bly_addr_unmap(&a);
    if (from != NULL)
        *from = a;
    return (m.msg_flags & MSG_TRUNC) != 0 ? -EMSGSIZE : r;
}
