/* SPDX-License-Identifier: MIT */
/* Sockets and pipes of the simulated kernel: from birth to close. */
#include "sim/vnet.h"

#include <errno.h>

/* ---- names -------------------------------------------------------------- */

/* Numbers belong to a protocol, paths to all. */
static bool
sock_same_names(const struct bly_vnet_end *e, enum bly_vnet_kind kind)
{
    return e->domain == AF_UNIX || e->kind == (uint8_t)kind;
}

struct bly_vnet_end *
bly_vnet_find(const struct bly_vnet_addr *to, enum bly_vnet_kind kind,
    bool listens)
{
    struct bly_vnet_end *e;
    struct bly_link *l;

    for (l = bly_list_first(&bly_vnet.ends); l != NULL;
         l = bly_list_next(&bly_vnet.ends, l)) {
        e = BLY_CONTAINER(l, struct bly_vnet_end, link);
        if (e->bound && bly_vnet_addr_covers(&e->local, to) &&
            !(e->v6only && to->sa.ss_family == AF_INET) &&
            sock_same_names(e, kind) &&
            (!listens || e->state == BLY_VNET_LISTENS))
            return e;
    }
    return NULL;
}

static bool
sock_is_taken(const struct bly_vnet_end *e, const struct bly_vnet_addr *a)
{
    struct bly_link *l;

    for (l = bly_list_first(&bly_vnet.ends); l != NULL;
         l = bly_list_next(&bly_vnet.ends, l)) {
        const struct bly_vnet_end *o =
            BLY_CONTAINER(l, struct bly_vnet_end, link);

        if (o->bound && !(o->reuse_port && e->reuse_port) &&
            sock_same_names(o, (enum bly_vnet_kind)e->kind) &&
            (bly_vnet_addr_covers(&o->local, a) ||
                bly_vnet_addr_covers(a, &o->local)))
            return true;
    }
    return false;
}

/* a gets a number that nobody has. */
static int
sock_number(const struct bly_vnet_end *e, struct bly_vnet_addr *a)
{
    int tries;

    for (tries = 0; tries < UINT16_MAX; tries++) {
        bly_vnet_addr_set_port(a, bly_vnet.port++);
        if (bly_vnet.port != 0 && !sock_is_taken(e, a))
            return 0;
    }
    return -EADDRINUSE;
}

int
bly_vnet_bind(struct bly_vnet_end *e, const struct bly_vnet_addr *a)
{
    struct bly_vnet_addr own = *a;
    int r = 0;

    if (e->local.len > 0)
        return -EINVAL;
    if (bly_vnet_addr_portless(&own))
        r = sock_number(e, &own);
    else if (sock_is_taken(e, &own))
        r = -EADDRINUSE;
    if (r < 0)
        return r;
    e->local = own;
    e->bound = true;
    return 0;
}

int
bly_vnet_listen(struct bly_vnet_end *e, int backlog)
{
    struct bly_vnet_addr any;
    int r = 0;

    if (e->kind == BLY_VNET_PIPE)
        return -ENOTSOCK;
    if (e->kind == BLY_VNET_GRAM)
        return -EOPNOTSUPP;
    if (e->state == BLY_VNET_CONNECTED)
        return -EINVAL;
    if (e->local.len == 0) {
        if (e->domain == AF_UNIX)
            return -EINVAL;
        bly_vnet_addr_any(&any, e->domain);
        r = bly_vnet_bind(e, &any);
    }
    if (r < 0)
        return r;
    e->state = BLY_VNET_LISTENS;
    e->no_more_reads = false;
    e->backlog = backlog > 0 ? (uint32_t)backlog : 0;
    return 0;
}

/* ---- connecting --------------------------------------------------------- */

void
bly_vnet_join(struct bly_vnet_end *a, struct bly_vnet_end *b)
{
    a->peer = b;
    b->peer = a;
    a->state = b->state = BLY_VNET_CONNECTED;
}

int
bly_vnet_name_client(struct bly_vnet_end *e)
{
    int r = 0;

    if (e->local.len == 0) {
        bly_vnet_addr_any(&e->local, e->domain);
        if (e->domain != AF_UNIX)
            r = sock_number(e, &e->local);
    }
    return r;
}

static int
sock_name_both(struct bly_vnet_end *e, const struct bly_vnet_addr *to)
{
    int r = bly_vnet_name_client(e);

    bly_vnet_addr_here(&e->local);
    e->remote = *to;
    bly_vnet_addr_here(&e->remote);
    return r;
}

int
bly_vnet_connect(struct bly_vnet_end *e, const struct bly_vnet_addr *to,
    bool dry)
{
    struct bly_vnet_end *listener, *other, *s;
    int r;

    if (e->kind == BLY_VNET_PIPE)
        return -ENOTSOCK;
    if (e->state != BLY_VNET_NEW)
        return -EISCONN;
    r = bly_vnet_path_connects(e);
    if (r < 0)
        return r;
    listener = bly_vnet_find(to, BLY_VNET_STREAM, true);
    if (listener == NULL) {
        other = bly_vnet_find(to, BLY_VNET_STREAM, false);
        if (other == NULL)
            return bly_vnet_addr_nobody(to);
        return other->kind == BLY_VNET_GRAM ? -EPROTOTYPE : -ECONNREFUSED;
    }
    if (listener->nqueue > listener->backlog)
        return -EAGAIN;
    if (dry)
        return 0;
    s = bly_vnet_end_new(listener->domain, BLY_VNET_STREAM);
    if (s == NULL)
        return -ENOMEM;
    r = sock_name_both(e, to);
    if (r < 0) {
        bly_vnet_end_free(s);
        return r;
    }
    s->local = e->remote;
    s->remote = e->local;
    bly_vnet_addr_map(&s->local, s->domain);
    bly_vnet_addr_map(&s->remote, s->domain);
    s->room = listener->room;
    s->via = e->via;
    bly_vnet_join(e, s);
    bly_list_push(&listener->queue, &s->queued);
    listener->nqueue++;
    return 0;
}

static struct bly_vnet_end *
sock_first(struct bly_vnet_end *listener)
{
    struct bly_link *l = bly_list_first(&listener->queue);

    return l == NULL ? NULL : BLY_CONTAINER(l, struct bly_vnet_end, queued);
}

static void
sock_unqueue(struct bly_vnet_end *listener, struct bly_vnet_end *s)
{
    bly_list_remove(&s->queued);
    listener->nqueue--;
}

int
bly_vnet_accept(struct bly_vnet_end *listener, struct bly_vnet_addr *from,
    bool dry)
{
    struct bly_vnet_end *s = sock_first(listener);
    int fd;

    if (listener->kind == BLY_VNET_PIPE)
        return -ENOTSOCK;
    if (listener->kind == BLY_VNET_GRAM)
        return -EOPNOTSUPP;
    if (listener->state != BLY_VNET_LISTENS || listener->no_more_reads)
        return -EINVAL;
    if (s == NULL)
        return -EAGAIN;
    if (dry)
        return 0;
    fd = bly_vnet_fd_new(s);
    if (fd < 0) /* it stays in the queue */
        return fd;
    sock_unqueue(listener, s);
    *from = s->remote;
    return fd;
}

/* ---- ending ------------------------------------------------------------- */

void
bly_vnet_is_reset(struct bly_vnet_end *e)
{
    if (e->dead)
        return;
    e->dead = true;
    e->no_more_writes = true;
    e->error = e->eof ? EPIPE : ECONNRESET;
}

/* Tells the peer of e, whose end this is, and parts the two. */
static void
sock_part(struct bly_vnet_end *e)
{
    struct bly_vnet_end *p = e->peer;

    if (p == NULL)
        return;
    if (e->used > 0 && e->kind == BLY_VNET_STREAM)
        bly_vnet_tell(p, BLY_VNET_RESET, 0);
    if (e->kind != BLY_VNET_GRAM) {
        bly_vnet_tell(p, BLY_VNET_EOF, 0);
        if (e->domain == AF_UNIX) /* nothing can be sent to a dead name */
            p->no_more_writes = true;
    }
    p->peer = NULL;
    e->peer = NULL;
}

static void
sock_drop_queue(struct bly_vnet_end *listener)
{
    struct bly_vnet_end *s;

    while ((s = sock_first(listener)) != NULL) {
        sock_unqueue(listener, s);
        if (s->peer != NULL)
            bly_vnet_tell(s->peer, BLY_VNET_RESET, 0);
        bly_vnet_end_free(s);
    }
}

int
bly_vnet_shut(struct bly_vnet_end *e, int how)
{
    bool reads = how == SHUT_RD || how == SHUT_RDWR;
    bool writes = how == SHUT_WR || how == SHUT_RDWR;

    if (e->kind == BLY_VNET_PIPE)
        return -ENOTSOCK;
    if (!reads && !writes)
        return -EINVAL;
    if (e->state == BLY_VNET_LISTENS) {
        if (reads) {
            e->no_more_reads = true;
            sock_drop_queue(e);
        }
        return 0;
    }
    if (e->state != BLY_VNET_CONNECTED && e->domain != AF_UNIX)
        return -ENOTCONN;
    e->no_more_reads |= reads;
    e->no_more_writes |= writes;
    if (e->peer != NULL && e->kind != BLY_VNET_GRAM) {
        if (writes)
            bly_vnet_tell(e->peer, BLY_VNET_EOF, 0);
        e->peer->no_more_writes |= reads && e->domain == AF_UNIX;
    }
    return 0;
}

void
bly_vnet_close(struct bly_vnet_end *e)
{
    sock_drop_queue(e);
    sock_part(e);
    bly_vnet_end_free(e);
}
