/* SPDX-License-Identifier: MIT */
/*
 * The system call of an operation, blocking or not.
 *
 * "Not" is less simple than it should be, since a descriptor may be in
 * blocking mode, shared with other processes, and must not be put into the
 * other mode by us:
 *
 *   sockets     have MSG_DONTWAIT
 *   files       RWF_NOWAIT reads what is in the page cache; what is not there
 *               is for a lane
 *   pipes       RWF_NOWAIT
 *   the rest    (terminals) are asked for readiness first; and then written in
 *               pieces so small that they fit
 */
#include "base/check.h"
#include "io/op.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

static int
op_result(ssize_t r)
{
    return r < 0 ? -errno : (int)r;
}

/* What of READ, WRITE and the like is moved where; off -1: at the position. */
static int
op_move(struct bly_op *op, int flags)
{
    struct iovec one = {op->buf, op->len};
    const struct iovec *iov = &one;
    int n = 1;

    if (op->kind == BLY_OP_READV || op->kind == BLY_OP_WRITEV) {
        iov = op->buf;
        n = (int)op->len;
    }
    if (op->kind == BLY_OP_READ || op->kind == BLY_OP_READV)
        return op_result(preadv2(op->fd, iov, n, op->off, flags));
    return op_result(pwritev2(op->fd, iov, n, op->off, flags));
}

static int
op_plain(struct bly_op *op)
{
    switch (op->kind) {
    case BLY_OP_READ:
        return op_result(read(op->fd, op->buf, op->len));
    case BLY_OP_WRITE:
        return op_result(write(op->fd, op->buf, op->len));
    case BLY_OP_READV:
        return op_result(readv(op->fd, op->buf, (int)op->len));
    default:
        return op_result(writev(op->fd, op->buf, (int)op->len));
    }
}

static int
op_connect(struct bly_op *op)
{
    int r;

    if (op->state == 0) {
        op->state = 1;
        r = op_result(connect(op->fd, op->buf, (socklen_t)op->len));
        if (r == -EAGAIN) /* the queue of a Unix listener is full */
            return -ENOBUFS;
        return r == -EINPROGRESS ? -EAGAIN : r;
    }
    if (bly_op_events(op) != 0) {
        struct pollfd p = {.fd = op->fd, .events = POLLOUT};
        socklen_t size = sizeof r;

        if (poll(&p, 1, 0) == 0)
            return -EAGAIN;
        if (getsockopt(op->fd, SOL_SOCKET, SO_ERROR, &r, &size) < 0)
            return -errno;
        return -r;
    }
    return 0;
}

bool
bly_op_is_blind(const struct bly_op *op)
{
    const struct msghdr *m = op->buf;
    const struct sockaddr *to;

    if (op->kind != BLY_OP_SENDMSG)
        return false;
    to = m->msg_name;
    return to != NULL && to->sa_family == AF_UNIX;
}

static int
op_sendmsg(struct bly_op *op, int flags)
{
    int r = op_result(sendmsg(op->fd, op->buf, flags));

    return r == -EAGAIN && bly_op_is_blind(op) ? -ENOBUFS : r;
}

static int
op_message(struct bly_op *op, int flags)
{
    flags |= (int)op->flags;
    switch (op->kind) {
    case BLY_OP_RECV:
        return op_result(recv(op->fd, op->buf, op->len, flags));
    case BLY_OP_SEND:
        return op_result(send(op->fd, op->buf, op->len, flags));
    case BLY_OP_RECVMSG:
        return op_result(recvmsg(op->fd, op->buf, flags));
    default:
        return op_sendmsg(op, flags);
    }
}

int
bly_op_call(struct bly_op *op)
{
    struct pollfd p = {.fd = op->fd, .events = (short)op->flags};

    switch (op->kind) {
    case BLY_OP_READ:
    case BLY_OP_WRITE:
    case BLY_OP_READV:
    case BLY_OP_WRITEV:
        return op->off < 0 ? op_plain(op) : op_move(op, 0);
    case BLY_OP_ACCEPT:
        return op_result(
            accept4(op->fd, op->buf, op->addrlen, (int)op->flags));
    case BLY_OP_CONNECT:
        return op_connect(op);
    case BLY_OP_POLL:
        while (poll(&p, 1, 0) < 0)
            if (errno != EINTR)
                return -errno;
        return p.revents;
    case BLY_OP_FSYNC:
        return op_result(op->flags ? fdatasync(op->fd) : fsync(op->fd));
    case BLY_OP_SPLICE:
        return op_result(splice(op->fd, NULL, op->out, NULL, op->len,
            op->flags));
    default:
        return op_message(op, 0);
    }
}

int
bly_op_events(const struct bly_op *op)
{
    switch (op->kind) {
    case BLY_OP_READ:
    case BLY_OP_READV:
    case BLY_OP_RECV:
    case BLY_OP_RECVMSG:
    case BLY_OP_ACCEPT:
        return POLLIN;
    case BLY_OP_POLL:
        return (int)op->flags;
    case BLY_OP_FSYNC:
        return 0;
    default:
        return POLLOUT;
    }
}

/* ---- without blocking --------------------------------------------------- */

/* A terminal or the like, where only readiness tells. */
static int
op_try_ready(struct bly_op *op)
{
    struct pollfd p = {.fd = op->fd, .events = (short)bly_op_events(op)};
    struct bly_op small = *op;

    if (poll(&p, 1, 0) == 0)
        return -EAGAIN;
    if (op->kind == BLY_OP_WRITEV) {
        const struct iovec *iov = op->buf;
        size_t i = 0;

        while (i + 1 < op->len && iov[i].iov_len == 0)
            i++;
        small.kind = BLY_OP_WRITE;
        small.buf = iov[i].iov_base;
        small.len = iov[i].iov_len;
    }
    if (small.kind == BLY_OP_WRITE && small.len > PIPE_BUF)
        small.len = PIPE_BUF;
    return op_plain(&small);
}

static bool
op_is_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 &&
        (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) || S_ISDIR(st.st_mode));
}

static int
op_try_move(struct bly_op *op, bool *lane)
{
    int r = op_move(op, RWF_NOWAIT);

    if (r >= 0 || (r != -EAGAIN && r != -EOPNOTSUPP && r != -ENOSYS &&
                      r != -ESPIPE && r != -EINVAL))
        return r;
    if (op_is_file(op->fd)) {
        *lane = true;
        return -EAGAIN;
    }
    return r == -EAGAIN ? r : op_try_ready(op);
}

/* In blocking mode, accept might wait although one was there just now.  What
 * does not listen is never ready. */
static int
op_try_accept(struct bly_op *op)
{
    struct pollfd p = {.fd = op->fd, .events = POLLIN};
    int listens = 0;
    socklen_t size = sizeof listens;

    if (poll(&p, 1, 0) != 0)
        return bly_op_call(op);
    if (getsockopt(op->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0)
        return -errno;
    return listens ? -EAGAIN : bly_op_call(op); /* says why not */
}

static int
op_try_connect(struct bly_op *op)
{
    int mode = fcntl(op->fd, F_GETFL), r;

    if (mode < 0)
        return -errno;
    if (op->state == 0 && (mode & O_NONBLOCK) == 0)
        (void)fcntl(op->fd, F_SETFL, mode | O_NONBLOCK);
    r = op_connect(op);
    if ((mode & O_NONBLOCK) == 0)
        (void)fcntl(op->fd, F_SETFL, mode);
    return r;
}

int
bly_op_try(struct bly_op *op, bool *lane)
{
    switch (op->kind) {
    case BLY_OP_READ:
    case BLY_OP_WRITE:
    case BLY_OP_READV:
    case BLY_OP_WRITEV:
        return op_try_move(op, lane);
    case BLY_OP_ACCEPT:
        return op_try_accept(op);
    case BLY_OP_CONNECT:
        return op_try_connect(op);
    case BLY_OP_POLL: {
        int r = bly_op_call(op);

        return r == 0 ? -EAGAIN : r & POLLNVAL ? -EBADF : r;
    }
    case BLY_OP_FSYNC:
    case BLY_OP_SPLICE:
        *lane = true;
        return -EAGAIN;
    default:
        return op_message(op, MSG_DONTWAIT);
    }
}
