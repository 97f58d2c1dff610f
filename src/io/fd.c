/* SPDX-License-Identifier: MIT */
/* The calls of belay/io.h: each is one operation, or a loop of them. */
#include <belay/io.h>

#include "io/op.h"
#include "os/sys.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum { FD_LEN_MAX = 0x7ffff000 }; /* of one call, as everywhere on Linux */

BLY_INLINE size_t
fd_len(size_t n)
{
    return n < FD_LEN_MAX ? n : FD_LEN_MAX;
}

/* ---- one operation ------------------------------------------------------ */

/* As a message of a socket, or plainly if it is none after all. */
static int
fd_transfer(struct bly_op *op, enum bly_op_kind message)
{
    enum bly_op_kind plain = (enum bly_op_kind)op->kind;
    int r;

    if (BLY_SIM || !bly_fd_is_socket(op->fd))
        return bly_op_run(op);
    op->kind = (uint8_t)message;
    op->flags = message == BLY_OP_SEND || message == BLY_OP_SENDMSG
        ? MSG_NOSIGNAL
        : 0;
    r = bly_op_run(op);
    if (r != -ENOTSOCK)
        return r;
    bly_fd_no_socket(op->fd);
    op->kind = (uint8_t)plain;
    op->flags = 0;
    return bly_op_again(op);
}

ssize_t
belay_read_at(int fd, void *buf, size_t n, const belay_site *site)
{
    struct bly_op op;
    int r = bly_op_begin(&op, BLY_OP_READ, fd, "belay_read", site);

    if (r < 0)
        return r;
    op.buf = buf;
    op.len = fd_len(n);
    return fd_transfer(&op, BLY_OP_RECV);
}

ssize_t
belay_write_at(int fd, const void *buf, size_t n, const belay_site *site)
{
    struct bly_op op;
    int r = bly_op_begin(&op, BLY_OP_WRITE, fd, "belay_write", site);

    if (r < 0)
        return r;
    op.buf = (void *)(uintptr_t)buf;
    op.len = fd_len(n);
    return fd_transfer(&op, BLY_OP_SEND);
}

static ssize_t
fd_vector(struct bly_op *op, const struct iovec *iov, int count,
    enum bly_op_kind message)
{
    struct msghdr m;

    if (count < 0 || count > IOV_MAX)
        return -EINVAL;
    op->buf = (void *)(uintptr_t)iov;
    op->len = (size_t)count;
    if (BLY_SIM || !bly_fd_is_socket(op->fd))
        return bly_op_run(op);
    memset(&m, 0, sizeof m);
    m.msg_iov = op->buf;
    m.msg_iovlen = (size_t)count;
    op->kind = (uint8_t)message;
    op->flags = message == BLY_OP_SENDMSG ? MSG_NOSIGNAL : 0;
    op->buf = &m;
    return bly_op_run(op);
}

ssize_t
belay_readv_at(int fd, const struct iovec *iov, int count,
    const belay_site *site)
{
    struct bly_op op;
    int r = bly_op_begin(&op, BLY_OP_READV, fd, "belay_readv", site);

    return r < 0 ? r : fd_vector(&op, iov, count, BLY_OP_RECVMSG);
}

ssize_t
belay_writev_at(int fd, const struct iovec *iov, int count,
    const belay_site *site)
{
    struct bly_op op;
    int r = bly_op_begin(&op, BLY_OP_WRITEV, fd, "belay_writev", site);

    return r < 0 ? r : fd_vector(&op, iov, count, BLY_OP_SENDMSG);
}

/* A file: what the page cache has is copied here and now. */
static ssize_t
fd_at_place(struct bly_op *op, void *buf, size_t n, off_t offset)
{
    bool lane = false;
    int r, saved = errno;

    if (offset < 0)
        return -EINVAL;
    op->buf = buf;
    op->len = fd_len(n);
    op->off = offset;
    r = bly_op_try(op, &lane);
    errno = saved;
    return r != -EAGAIN ? r : bly_op_run(op);
}

ssize_t
belay_pread_at(int fd, void *buf, size_t n, off_t offset,
    const belay_site *site)
{
    struct bly_op op;
    int r = bly_op_begin(&op, BLY_OP_READ, fd, "belay_pread", site);

    return r < 0 ? r : fd_at_place(&op, buf, n, offset);
}

ssize_t
belay_pwrite_at(int fd, const void *buf, size_t n, off_t offset,
    const belay_site *site)
{
    struct bly_op op;
    int r = bly_op_begin(&op, BLY_OP_WRITE, fd, "belay_pwrite", site);

    return r < 0 ? r : fd_at_place(&op, (void *)(uintptr_t)buf, n, offset);
}

int
belay_wait_fd_at(int fd, int events, const belay_site *site)
{
    struct bly_op op;
    int r = bly_op_begin(&op, BLY_OP_POLL, fd, "belay_wait_fd", site);

    if (r < 0)
        return r;
    op.flags = (uint32_t)events & 0xffff;
    return bly_op_run(&op);
}

/* ---- all of it ---------------------------------------------------------- */

int
belay_read_all_at(int fd, void *buf, size_t n, size_t *done,
    const belay_site *site)
{
    size_t got = 0;
    ssize_t r = 0;

    while (got < n) {
        r = belay_read_at(fd, (char *)buf + got, n - got, site);
        if (r <= 0)
            break;
        got += (size_t)r;
    }
    if (done != NULL)
        *done = got;
    if (got == n)
        return 0;
    return r < 0 ? (int)r : -EPROTO;
}

int
belay_write_all_at(int fd, const void *buf, size_t n, size_t *done,
    const belay_site *site)
{
    size_t sent = 0;
    ssize_t r = 0;

    while (sent < n) {
        r = belay_write_at(fd, (const char *)buf + sent, n - sent, site);
        if (r < 0)
            break;
        sent += (size_t)r;
    }
    if (done != NULL)
        *done = sent;
    return r < 0 ? (int)r : 0;
}

/* ---- opening and closing ------------------------------------------------ */

int
belay_pipe(int fds[2])
{
    struct bly_task *t = bly_must_self("belay_pipe", NULL);
    int flags = bly_io_sock_flags(t->worker);

    return flags < 0 ? flags : bly_sys_pipe(fds, flags);
}

void
belay_fd_close_at(int fd, const belay_site *site)
{
    if (fd < 0)
        return;
    bly_fd_check_close(fd, site);
    bly_sys_close(fd);
}

void
belay_fd_closep(int *fd)
{
    belay_fd_close_at(*fd, NULL);
    *fd = -1;
}
