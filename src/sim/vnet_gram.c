/* SPDX-License-Identifier: MIT */
/*
 * Datagrams of the simulated kernel.  What has nowhere to go is lost if it was
 * sent by UDP, and an error if it was sent to a unix socket; likewise if there
 * is no room.
 */
#include "sim/vnet.h"

#include "base/alloc.h"
#include "base/time.h"
#include "sim/machine.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum { GRAM_MOST = 65507 }; /* bytes of one, with UDP */

struct gram {
    struct bly_link link;
    struct bly_vnet_addr from;
    struct bly_vnet_gift *gift;
    int64_t at; /* when it arrives */
    size_t len;
    char bytes[];
};

static struct gram *
gram_after(const struct bly_vnet_end *e, const struct gram *g)
{
    const struct bly_link *l = g == NULL ? e->grams.head.next : g->link.next;

    return l == &e->grams.head ? NULL : BLY_CONTAINER(l, struct gram, link);
}

/* The first that is there. */
static struct gram *
gram_first(const struct bly_vnet_end *e)
{
    struct gram *g = gram_after(e, NULL);

    while (g != NULL && g->at > bly_machine.now)
        g = gram_after(e, g);
    return g;
}

int64_t
bly_vnet_gram_next(const struct bly_vnet_end *e)
{
    int64_t next = BLY_NEVER;
    struct gram *g;

    for (g = gram_after(e, NULL); g != NULL; g = gram_after(e, g))
        if (g->at > bly_machine.now && g->at < next)
            next = g->at;
    return next;
}

static void
gram_remove(struct bly_vnet_end *e, struct gram *g)
{
    e->used -= g->len;
    bly_list_remove(&g->link);
    bly_vnet_gift_drop(g->gift);
    bly_free_quiet(g);
}

void
bly_vnet_gram_drop_all(struct bly_vnet_end *e)
{
    struct gram *g;

    while ((g = gram_after(e, NULL)) != NULL)
        gram_remove(e, g);
}

/* ---- where to ----------------------------------------------------------- */

/* The receiver; NULL and *r: why not. */
static struct bly_vnet_end *
gram_find(const struct bly_vnet_addr *to, int *r)
{
    struct bly_vnet_end *found = bly_vnet_find(to, BLY_VNET_GRAM, false);

    *r = 0;
    if (found == NULL)
        *r = bly_vnet_addr_nobody(to);
    else if (found->kind != BLY_VNET_GRAM)
        *r = -EPROTOTYPE;
    return *r < 0 ? NULL : found;
}

/* Whether `to' takes what comes from there. */
static bool
gram_is_for(const struct bly_vnet_end *to, const struct bly_vnet_addr *from)
{
    return to->state != BLY_VNET_CONNECTED || to->domain == AF_UNIX ||
        bly_vnet_addr_covers(&to->remote, from);
}

int
bly_vnet_gram_connect(struct bly_vnet_end *e, const struct bly_vnet_addr *to,
    bool dry)
{
    int r = 0;

    if (e->domain == AF_UNIX)
        (void)gram_find(to, &r);
    if (r < 0 || dry)
        return r;
    r = bly_vnet_name_client(e);
    if (r < 0)
        return r;
    if (to->sa.ss_family == AF_INET)
        bly_vnet_addr_four(&e->local);
    bly_vnet_addr_here(&e->local);
    e->remote = *to;
    bly_vnet_addr_here(&e->remote);
    e->bound |= e->domain != AF_UNIX;
    e->state = BLY_VNET_CONNECTED;
    return 0;
}

/* ---- sending ------------------------------------------------------------ */

static int
gram_push(struct bly_vnet_end *e, struct bly_vnet_end *to,
    const struct bly_vnet_addr *from, const struct bly_vnet_move *m,
    int64_t at)
{
    struct bly_vnet_gift *gift = NULL;
    struct gram *g;
    int r = m->msg != NULL ? bly_vnet_gift_pack(e, m->msg, &gift) : 0;

    if (r < 0)
        return r;
    g = bly_alloc_quiet(sizeof(*g) + m->len);
    if (g == NULL) {
        bly_vnet_gift_drop(gift);
        return -ENOMEM;
    }
    memset(g, 0, sizeof(*g));
    g->gift = gift;
    g->len = m->len;
    g->at = at;
    g->from = *from;
    bly_vnet_addr_map(&g->from, to->domain);
    bly_vnet_gather(m->iov, g->bytes, m->len);
    if (m->fate == BLY_VNET_OVERTAKES)
        bly_list_push_front(&to->grams, &g->link);
    else
        bly_list_push(&to->grams, &g->link);
    to->used += m->len;
    return (int)m->len;
}

/* To whom: the address of the message, or else the peer. */
static int
gram_target(const struct bly_vnet_end *e, const struct bly_vnet_move *m,
    struct bly_vnet_addr *to)
{
    if (m->msg != NULL && m->msg->msg_name != NULL)
        return bly_vnet_addr_to(to, e, m->msg->msg_name, m->msg->msg_namelen);
    if (e->state != BLY_VNET_CONNECTED)
        return e->domain == AF_UNIX ? -ENOTCONN : -EDESTADDRREQ;
    *to = e->remote;
    return 0;
}

/* Who sends, to an address of this family. */
static struct bly_vnet_addr
gram_sender(const struct bly_vnet_end *e, int family)
{
    struct bly_vnet_addr from = e->local;

    if (family == AF_INET)
        bly_vnet_addr_four(&from);
    bly_vnet_addr_here(&from);
    return from;
}

/* Nobody is there: UDP learns of it later, and only if it is connected. */
static int
gram_refused(struct bly_vnet_end *e, const struct bly_vnet_move *m)
{
    if (e->state == BLY_VNET_CONNECTED)
        e->error = ECONNREFUSED;
    return (int)m->len;
}

/* Of the two addresses the one that more is said about. */
static const struct bly_vnet_addr *
gram_via(const struct bly_vnet_addr *from, const struct bly_vnet_addr *to)
{
    const struct bly_vnet_path *there = bly_vnet_path_to(to);
    const struct bly_vnet_path *back = bly_vnet_path_to(from);

    if (back == NULL || (there != NULL &&
                            bly_vnet_addr_says(&there->where, to) >=
                                bly_vnet_addr_says(&back->where, from)))
        return to;
    return from;
}

bool
bly_vnet_gram_is_lossy(const struct bly_vnet_end *e, const struct msghdr *msg)
{
    struct bly_vnet_move m = {.msg = (struct msghdr *)(uintptr_t)msg};
    const struct bly_vnet_path *p;
    struct bly_vnet_addr to;

    if (e->domain == AF_UNIX || gram_target(e, &m, &to) < 0)
        return false;
    p = bly_vnet_path_to(gram_via(&e->local, &to));
    return p != NULL && p->lossy;
}

/* Over IP. */
static int
gram_travel(struct bly_vnet_end *e, struct bly_vnet_end *to,
    const struct bly_vnet_addr *from, const struct bly_vnet_addr *addr,
    const struct bly_vnet_move *m)
{
    int64_t at =
        bly_vnet_arrival(gram_via(from, addr), bly_machine.now, 1);
    int r = (int)m->len;

    if (at == BLY_NEVER || m->fate == BLY_VNET_IS_LOST)
        return r;
    r = gram_push(e, to, from, m, at);
    if (r >= 0 && m->fate == BLY_VNET_COMES_TWICE)
        r = gram_push(e, to, from, m, at);
    return r;
}

int
bly_vnet_gram_put(struct bly_vnet_end *e, const struct bly_vnet_move *m,
    bool dry)
{
    struct bly_vnet_end *to = e->peer; /* of a pair, which has no names */
    struct bly_vnet_addr addr = {0}, from;
    int r = to != NULL ? 0 : gram_target(e, m, &addr);

    if (r < 0)
        return r;
    if (m->len > GRAM_MOST)
        return -EMSGSIZE;
    if (e->no_more_writes)
        return -EPIPE;
    if (e->error != 0) {
        r = -e->error;
        e->error = dry ? e->error : 0;
        return r;
    }
    if (to == NULL)
        to = gram_find(&addr, &r);
    if (to != NULL && to->used > 0 && to->used + m->len > to->room)
        return e->domain == AF_UNIX ? -EAGAIN : (int)m->len; /* lost */
    if (dry)
        return r < 0 && e->domain == AF_UNIX ? r : (int)m->len;
    if (e->domain == AF_UNIX) {
        from = gram_sender(e, AF_UNIX);
        return to == NULL ? r : gram_push(e, to, &from, m, bly_machine.now);
    }
    r = bly_vnet_name_client(e);
    if (r < 0)
        return r;
    e->bound = true;
    if (to == NULL)
        return gram_refused(e, m);
    from = gram_sender(e, addr.sa.ss_family);
    return gram_is_for(to, &from) ? gram_travel(e, to, &from, &addr, m)
                                  : (int)m->len;
}

/* ---- receiving ---------------------------------------------------------- */

static void
gram_tell(const struct gram *g, const struct bly_vnet_move *m)
{
    if (m->msg->msg_name != NULL)
        bly_vnet_addr_get(&g->from, m->msg->msg_name, &m->msg->msg_namelen);
    if (g->len > m->len)
        m->msg->msg_flags |= MSG_TRUNC;
}

int
bly_vnet_gram_recv(struct bly_vnet_end *e, const struct bly_vnet_move *m,
    bool dry)
{
    struct gram *g = gram_first(e);
    size_t n;
    int r;

    if (e->error != 0) {
        r = -e->error;
        e->error = dry ? e->error : 0;
        return r;
    }
    if (g == NULL)
        return e->no_more_reads ? 0 : -EAGAIN;
    n = g->len < m->len ? g->len : m->len;
    r = (int)((m->flags & MSG_TRUNC) != 0 ? g->len : n);
    if (dry)
        return r;
    bly_vnet_scatter(m->iov, g->bytes, n);
    if (m->msg != NULL)
        gram_tell(g, m);
    if ((m->flags & MSG_PEEK) != 0)
        return r;
    if (m->msg != NULL && g->gift != NULL) {
        bly_vnet_gift_unpack(g->gift, m);
        g->gift = NULL;
    }
    gram_remove(e, g);
    return r;
}

int
bly_vnet_gram_poll(const struct bly_vnet_end *e)
{
    int got = POLLOUT | POLLWRNORM;

    if (gram_first(e) != NULL || e->no_more_reads)
        got |= POLLIN | POLLRDNORM;
    return got;
}
