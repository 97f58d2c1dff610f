/* SPDX-License-Identifier: MIT */
/* Bytes of the simulated kernel: how they come, wait and are taken. */
#include "sim/vnet.h"

#include "base/alloc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* The error of a reset, which is told once. */
static int
data_error(struct bly_vnet_end *e, bool dry)
{
    int r = -e->error;

    if (!dry)
        e->error = 0;
    return r;
}

/* ---- receiving ---------------------------------------------------------- */

void
bly_vnet_scatter(const struct iovec *iov, const char *from, size_t n)
{
    for (; n > 0; iov++) {
        size_t k = n < iov->iov_len ? n : iov->iov_len;

        if (k > 0)
            memcpy(iov->iov_base, from, k);
        from += k;
        n -= k;
    }
}

/* The first descriptors that have not been taken; NULL: none. */
static struct bly_vnet_gift *
data_gift(struct bly_vnet_end *e)
{
    struct bly_link *l = bly_list_first(&e->gifts);

    return l == NULL ? NULL : BLY_CONTAINER(l, struct bly_vnet_gift, link);
}

/* As Linux does, a read takes at most one message with descriptors, and
 * nothing after it. */
static void
data_take(struct bly_vnet_end *e, const struct bly_vnet_move *m, size_t n)
{
    struct bly_vnet_gift *g = data_gift(e);

    bly_vnet_scatter(m->iov, e->bytes, n);
    if ((m->flags & MSG_PEEK) != 0 || n == 0)
        return;
    if (g != NULL && e->taken + n > g->start) {
        bly_list_remove(&g->link);
        if (m->msg != NULL)
            bly_vnet_gift_unpack(g, m);
        else
            bly_vnet_gift_drop(g);
    }
    e->taken += n;
    e->used -= n;
    memmove(e->bytes, e->bytes + n, e->used);
}

static size_t
data_there(struct bly_vnet_end *e, size_t n)
{
    const struct bly_vnet_gift *g = data_gift(e);

    if (n > e->used - e->hidden)
        n = e->used - e->hidden;
    if (g != NULL && n > g->end - e->taken)
        n = (size_t)(g->end - e->taken);
    return n;
}

int
bly_vnet_recv(struct bly_vnet_end *e, const struct bly_vnet_move *m, bool dry)
{
    size_t n = data_there(e, m->len);

    if (!e->reads)
        return -EBADF;
    if (e->state != BLY_VNET_CONNECTED)
        return e->domain == AF_UNIX ? -EINVAL : -ENOTCONN;
    if (n > 0) {
        if (!dry)
            data_take(e, m, n);
        return (int)n;
    }
    if (e->error != 0 && !e->eof)
        return data_error(e, dry);
    if (e->eof || e->no_more_reads || e->dead || m->len == 0)
        return 0;
    return -EAGAIN;
}

/* ---- sending ------------------------------------------------------------ */

void
bly_vnet_gather(const struct iovec *iov, char *to, size_t n)
{
    for (; n > 0; iov++) {
        size_t k = n < iov->iov_len ? n : iov->iov_len;

        if (k > 0)
            memcpy(to, iov->iov_base, k);
        to += k;
        n -= k;
    }
}

/* n bytes, and what comes with them. */
static int
data_give(struct bly_vnet_end *e, struct bly_vnet_end *to,
    const struct bly_vnet_move *m, size_t n)
{
    struct bly_vnet_gift *g = NULL;
    int r = m->msg != NULL ? bly_vnet_gift_pack(e, m->msg, &g) : 0;

    if (r < 0)
        return r;
    if (to->bytes == NULL)
        to->bytes = bly_alloc_quiet(to->room);
    if (to->bytes == NULL) {
        bly_vnet_gift_drop(g);
        return -ENOMEM;
    }
    if (g != NULL) {
        g->start = to->taken + to->used;
        g->end = g->start + n;
        bly_list_push(&to->gifts, &g->link);
    }
    bly_vnet_gather(m->iov, to->bytes + to->used, n);
    to->used += n;
    bly_vnet_tell(to, BLY_VNET_BYTES, n);
    return (int)n;
}

/* How many of n go into the room of `to'; 0: wait. */
static size_t
data_fits(const struct bly_vnet_end *to, size_t n)
{
    size_t left = to->room > to->used ? to->room - to->used : 0;

    if (to->kind == BLY_VNET_PIPE && n <= to->room && n > left)
        return 0; /* not split */
    return n < left ? n : left;
}

int
bly_vnet_put(struct bly_vnet_end *e, const struct bly_vnet_move *m, bool dry)
{
    struct bly_vnet_end *to = e->peer;
    size_t n;

    if (!e->writes)
        return -EBADF;
    if (e->error != 0)
        return data_error(e, dry);
    if (e->state != BLY_VNET_CONNECTED)
        return e->domain == AF_UNIX ? -ENOTCONN : -EPIPE;
    if (e->no_more_writes)
        return -EPIPE;
    if (m->len == 0)
        return 0;
    if (to == NULL) { /* it answers that nobody is there */
        if (!dry)
            bly_vnet_tell(e, BLY_VNET_RESET, 0);
        return (int)m->len;
    }
    n = data_fits(to, m->len);
    if (n == 0)
        return -EAGAIN;
    return dry ? (int)n : data_give(e, to, m, n);
}

/* ---- readiness ---------------------------------------------------------- */

static int
data_poll_reads(const struct bly_vnet_end *e)
{
    bool pipe = e->kind == BLY_VNET_PIPE;
    bool ended = e->eof || e->dead || e->no_more_reads;
    int got = 0;

    if (e->used > e->hidden || (ended && !pipe))
        got |= POLLIN | POLLRDNORM;
    if ((e->eof || e->dead) && !pipe)
        got |= POLLRDHUP;
    if (e->eof && pipe)
        got |= POLLHUP;
    return got;
}

static int
data_poll_writes(const struct bly_vnet_end *e)
{
    bool full = e->peer != NULL && data_fits(e->peer, 1) == 0;
    int got = full && !e->no_more_writes ? 0 : POLLOUT | POLLWRNORM;

    if (e->kind == BLY_VNET_PIPE && e->peer == NULL)
        got |= POLLERR;
    return got;
}

int
bly_vnet_poll(const struct bly_vnet_end *e, int events)
{
    int got = 0;

    if (e->kind == BLY_VNET_GRAM) {
        got = bly_vnet_gram_poll(e);
    } else if (e->state == BLY_VNET_LISTENS) {
        if (e->nqueue > 0)
            got |= POLLIN | POLLRDNORM;
    } else if (e->state == BLY_VNET_NEW) {
        got |= POLLOUT | POLLWRNORM | POLLHUP;
    } else {
        if (e->reads)
            got |= data_poll_reads(e);
        if (e->writes)
            got |= data_poll_writes(e);
        if (e->dead || (e->reads && e->writes && e->no_more_writes &&
                           (e->eof || e->no_more_reads)))
            got |= POLLHUP;
    }
    if (e->error != 0)
        got |= POLLERR;
    return got & (events | POLLERR | POLLHUP);
}
