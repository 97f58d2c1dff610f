/* SPDX-License-Identifier: MIT */
/*
 * Listening and accepting.
 *
 * A process that has no descriptor left cannot accept.  The connection stays
 * in the listener's queue then, and the kernel would say that the listener is
 * ready again and again.  So accept waits, longer each time, and tries again;
 * it says so once.  To keep a descriptor in reserve, with which to take the
 * connection and drop it, would serve nobody: the client can wait as well.
 */
#include <belay/net.h>
#include <belay/select.h>

#include "base/alloc.h"
#include "base/atomic.h"
#include "core/cancel.h"
#include "core/report.h"
#include "io/net.h"
#include "io/op.h"
#include "os/sys.h"

#include <errno.h>
#include <limits.h>

enum { LISTEN_PAUSE_MS = 1, LISTEN_PAUSE_MAX_MS = 128 };

struct belay_listener {
    struct bly_bound at;
    uint32_t starved; /* atomic: it has been said */
    const belay_site *site;
};

/* ---- opening ------------------------------------------------------------ */

static int
listen_open(belay_listener *l, struct bly_task *t, const char *text,
    const belay_net_opts *o)
{
    int r = bly_bound_open(&l->at, t, text, SOCK_STREAM, o);

    if (r < 0)
        return r;
    r = bly_sys_listen(l->at.fd,
        o->backlog != 0 && o->backlog < INT_MAX ? (int)o->backlog : INT_MAX);
    if (r < 0)
        bly_bound_close(&l->at);
    return r;
}

int
belay_listen_at(belay_listener **out, const char *text,
    const belay_net_opts *opts, const belay_site *site)
{
    struct bly_task *t = bly_must_self("belay_listen", site);
    belay_net_opts o = bly_net_opts(opts);
    belay_listener *l;
    belay_addr a;
    int r = belay_addr_parse(&a, text);

    if (r < 0)
        return r;
    l = bly_zalloc(sizeof *l);
    if (l == NULL)
        return -ENOMEM;
    l->site = site;
    l->at.addr = a;
    r = listen_open(l, t, text, &o);
    if (r < 0) {
        bly_free(l);
        return belay_fail_at(r, site, "listening on %s: %s", text,
            belay_strerror(r));
    }
    *out = l;
    return 0;
}

/* ---- closing ------------------------------------------------------------ */

void
belay_listener_close_at(belay_listener **pl, const belay_site *site)
{
    belay_listener *l = *pl;

    if (l == NULL)
        return;
    bly_fd_check_close(l->at.fd, site);
    *pl = NULL;
    bly_bound_close(&l->at);
    bly_free(l);
}

void
belay_listener_closep(belay_listener **l)
{
    belay_listener_close_at(l, *l != NULL ? (*l)->site : NULL);
}

const belay_addr *
belay_listener_addr(const belay_listener *l)
{
    return &l->at.addr;
}

int
belay_listener_fd(const belay_listener *l)
{
    return l->at.fd;
}

/* ---- accepting ---------------------------------------------------------- */

/* What has become of the connection, not of the listener: accept(2). */
static bool
accept_passes_over(int r)
{
    switch (r) {
    case -ECONNABORTED:
    case -EPROTO:
    case -EPERM:
    case -ENETDOWN:
    case -ENOPROTOOPT:
    case -EHOSTDOWN:
    case -ENONET:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
        return true;
    default:
        return false;
    }
}

static bool
accept_starves(int r)
{
    return r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM;
}

/* Waits a while, or for a stop. */
static int
accept_pause(belay_listener *l, struct bly_task *t, int why, int *pause,
    const belay_site *site)
{
    belay_case cases[] = {
        belay_case_stop(), belay_case_after(BELAY_MS(*pause))};
    belay_case_room room[2];
    char text[BELAY_ADDR_TEXT];
    int r;

    /* pairs with accept_pause elsewhere */
    if (*pause >= LISTEN_PAUSE_MAX_MS && bly_xchg(&l->starved, 1u) == 0)
        bly_log(t->worker->rt, "accept on %s waits: %s",
            belay_addr_format(&l->at.addr, text, sizeof text),
            belay_strerror(why));
    if (*pause < LISTEN_PAUSE_MAX_MS)
        *pause *= 2;
    r = belay_select_at(NULL, cases, room, 2, site);
    return r == 0 ? -ESHUTDOWN : r < 0 ? r : 0;
}

static int
accept_once(belay_listener *l, struct bly_task *t, const belay_site *site)
{
    struct bly_op op;
    int r = bly_op_begin(&op, BLY_OP_ACCEPT, l->at.fd, "belay_accept", site);

    if (r < 0)
        return r;
    if (bly_node_stopped(t->node))
        return -ESHUTDOWN;
    r = bly_io_sock_flags(t->worker);
    if (r < 0)
        return r;
    op.flags = (uint32_t)(SOCK_CLOEXEC | r);
    return bly_op_run(&op);
}

static int
accept_next(belay_listener *l, const belay_site *site)
{
    struct bly_task *t = bly_must_self("belay_accept", site);
    int r, e, pause = LISTEN_PAUSE_MS;

    for (;;) {
        r = accept_once(l, t, site);
        if (accept_starves(r)) {
            e = accept_pause(l, t, r, &pause, site);
            if (e < 0)
                return e;
        } else if (!accept_passes_over(r)) {
            if (r >= 0)
                bly_store_relaxed(&l->starved, 0u);
            return r;
        }
    }
}

int
belay_accept_at(belay_listener *l, belay_stream **out, const belay_site *site)
{
    belay_stream *st;
    int r = bly_stream_fd_prepare(&st, site);

    if (r < 0)
        return r;
    r = accept_next(l, site);
    if (r < 0) {
        belay_stream_close_at(&st, site);
        return r;
    }
    bly_stream_fd_set(st, r);
    *out = st;
    return 0;
}
