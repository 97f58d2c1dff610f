/* SPDX-License-Identifier: MIT */
/* Operations of a backend on ends of the simulated kernel. */
#include "sim/vnet.h"

#include "base/alloc.h"
#include "io/op.h"
#include "sim/machine.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

struct op_how {
    size_t most; /* bytes to be moved */
    enum bly_vnet_fate fate;
    bool dry;    /* only what it would be */
};

static size_t
op_sum(const struct iovec *iov, size_t count)
{
    size_t sum = 0;

    for (; count > 0; count--, iov++)
        sum += iov->iov_len;
    return sum;
}

static struct bly_vnet_move
op_message(const struct bly_op *op, bool dry)
{
    struct msghdr *msg = op->buf;
    struct bly_vnet_move m = {.iov = msg->msg_iov,
        .len = op_sum(msg->msg_iov, msg->msg_iovlen), .flags = op->flags,
        .msg = msg, .control = msg->msg_controllen};

    if (!dry && op->kind == BLY_OP_RECVMSG) {
        msg->msg_controllen = 0;
        msg->msg_flags = 0;
    }
    return m;
}

static bool
op_receives(const struct bly_op *op)
{
    return op->kind == BLY_OP_READ || op->kind == BLY_OP_READV ||
        op->kind == BLY_OP_RECV || op->kind == BLY_OP_RECVMSG;
}

static int
op_move_on(struct bly_op *op, struct bly_vnet_end *e, struct bly_vnet_move *m,
    bool dry)
{
    if (e->kind == BLY_VNET_GRAM)
        return op_receives(op) ? bly_vnet_gram_recv(e, m, dry)
                               : bly_vnet_gram_put(e, m, dry);
    if (!op_receives(op))
        return bly_vnet_put(e, m, dry);
    if (m->msg != NULL && !dry)
        m->msg->msg_namelen = 0;
    return bly_vnet_recv(e, m, dry);
}

static int
op_move(struct bly_op *op, struct bly_vnet_end *e, const struct op_how *how)
{
    struct iovec one = {op->buf, op->len};
    struct bly_vnet_move m = {.iov = &one, .len = op->len, .flags = op->flags};
    bool plain = op->kind == BLY_OP_READ || op->kind == BLY_OP_WRITE ||
        op->kind == BLY_OP_READV || op->kind == BLY_OP_WRITEV;

    if (plain && op->off >= 0)
        return -ESPIPE;
    if (!plain && e->kind == BLY_VNET_PIPE)
        return -ENOTSOCK;
    if (plain)
        m.flags = 0;
    if (op->kind == BLY_OP_READV || op->kind == BLY_OP_WRITEV) {
        m.iov = op->buf;
        m.len = op_sum(m.iov, op->len);
    } else if (!plain && op->kind != BLY_OP_RECV && op->kind != BLY_OP_SEND) {
        m = op_message(op, how->dry);
    }
    if (m.len > how->most)
        m.len = how->most;
    m.fate = how->fate;
    return op_move_on(op, e, &m, how->dry);
}

static int
op_accept(struct bly_op *op, struct bly_vnet_end *listener, bool dry)
{
    struct bly_vnet_addr from;
    int fd = bly_vnet_accept(listener, &from, dry);

    if (fd >= 0 && !dry)
        bly_vnet_addr_get(&from, op->buf, op->addrlen);
    return fd;
}

static int
op_connect(struct bly_op *op, struct bly_vnet_end *e, bool dry)
{
    socklen_t len = (socklen_t)op->len;
    struct bly_vnet_addr to;
    int r;

    if (e->kind == BLY_VNET_GRAM) {
        r = bly_vnet_addr_to(&to, e, op->buf, len);
        return r < 0 ? r : bly_vnet_gram_connect(e, &to, dry);
    }
    r = bly_vnet_addr_set(&to, e->domain, op->buf, len);
    return r < 0 ? r : bly_vnet_connect(e, &to, dry);
}

static int
op_on_end(struct bly_op *op, const struct op_how *how)
{
    struct bly_vnet_end *e = bly_vnet_end_of(op->fd);
    int r;

    if (e == NULL)
        return -EBADF;
    switch (op->kind) {
    case BLY_OP_ACCEPT:
        return op_accept(op, e, how->dry);
    case BLY_OP_CONNECT:
        return op_connect(op, e, how->dry);
    case BLY_OP_POLL:
        r = bly_vnet_poll(e, (int)op->flags);
        return r == 0 ? -EAGAIN : r;
    case BLY_OP_FSYNC:
    case BLY_OP_SPLICE:
        return -EINVAL;
    default:
        return op_move(op, e, how);
    }
}

int
bly_vnet_look(struct bly_op *op)
{
    struct op_how how = {INT_MAX, BLY_VNET_COMES, true};

    return op_on_end(op, &how);
}

int
bly_vnet_do(struct bly_op *op, size_t most, enum bly_vnet_fate fate)
{
    struct op_how how = {most < INT_MAX ? most : INT_MAX, fate, false};

    return op_on_end(op, &how);
}

/* ---- what takes time ---------------------------------------------------- */

void
bly_vnet_begin(const struct bly_op *op)
{
    struct bly_vnet_end *e = bly_vnet_end_of(op->fd);

    if (op->kind != BLY_OP_CONNECT || e == NULL ||
        e->kind != BLY_VNET_STREAM || e->state != BLY_VNET_NEW)
        return;
    if (bly_vnet_addr_set(&e->via, e->domain, op->buf, (socklen_t)op->len) == 0)
        e->syn = bly_machine.now;
}

void
bly_vnet_forget(const struct bly_op *op)
{
    struct bly_vnet_end *e = bly_vnet_end_of(op->fd);

    if (op->kind == BLY_OP_CONNECT && e != NULL)
        e->syn = 0;
}

/* ---- chance ------------------------------------------------------------- */

static bool
op_moves(const struct bly_op *op)
{
    switch (op->kind) {
    case BLY_OP_ACCEPT:
    case BLY_OP_CONNECT:
    case BLY_OP_POLL:
    case BLY_OP_FSYNC:
    case BLY_OP_SPLICE:
        return false;
    default:
        return true;
    }
}

/* What goes into a pipe at once comes out at once. */
bool
bly_vnet_may_be_short(const struct bly_op *op)
{
    const struct bly_vnet_end *e = bly_vnet_end_of(op->fd);

    return e != NULL && e->kind == BLY_VNET_STREAM && op_moves(op);
}

bool
bly_vnet_is_lossy(const struct bly_op *op)
{
    const struct bly_vnet_end *e = bly_vnet_end_of(op->fd);
    const struct msghdr *msg = op->kind == BLY_OP_SENDMSG ? op->buf : NULL;

    return e != NULL && e->kind == BLY_VNET_GRAM && op_moves(op) &&
        !op_receives(op) && bly_vnet_gram_is_lossy(e, msg);
}

int
bly_vnet_fail(const struct bly_op *op)
{
    struct bly_vnet_end *e = bly_vnet_end_of(op->fd);

    if (op->kind == BLY_OP_ACCEPT)
        return -EMFILE;
    if (op->kind == BLY_OP_CONNECT)
        return -ECONNREFUSED;
    if (e != NULL && e->kind == BLY_VNET_GRAM)
        return -ENOBUFS;
    if (e == NULL || e->kind != BLY_VNET_STREAM || !op_moves(op) ||
        e->state != BLY_VNET_CONNECTED)
        return -EIO;
    bly_vnet_is_reset(e);
    if (e->peer != NULL)
        bly_vnet_is_reset(e->peer);
    e->error = 0; /* told here */
    return -ECONNRESET;
}
