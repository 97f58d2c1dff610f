/* SPDX-License-Identifier: MIT */
/*
 * The backend on io_uring.
 *
 * One ring per worker, made and used by its thread only, so that the kernel
 * need not lock it (SINGLE_ISSUER) and completes nothing behind our back
 * (DEFER_TASKRUN).  Older kernels get what they know of this.
 *
 * Submission is lazy.  An operation is written into the ring and nothing else
 * happens until the worker has no task left to run; then one system call
 * submits all that has gathered and waits.  While tasks keep running, poll()
 * does the same without waiting, every so many picks.
 *
 * A worker sleeps in its ring.  Others wake it through an eventfd that it
 * reads by an operation of its own.  On virtual machines every kind of wake
 * costs the same, that of a halted processor, and an eventfd works from any
 * thread and with every kernel.
 *
 * user_data is the op, or one of three small numbers.  An op is written to by
 * the kernel until its completion, so a cancel only asks (by user_data, never
 * by descriptor, which is a search), and says PENDING.
 */
#include "io/op.h"

#if !BLY_SIM

#ifndef BLY_URING
#define BLY_URING 0
#endif

#if BLY_URING

#include "base/alloc.h"
#include "base/check.h"
#include "base/time.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    URING_ENTRIES = 256,
    URING_COMPLETIONS = 4096,
    URING_LEN_MAX = 0x7ffff000 /* of one read or write, as everywhere */
};

/* user_data that is no op. */
enum { URING_CANCEL, URING_WOKEN };

struct uring_io {
    struct bly_io io;
    struct io_uring ring;
    struct bly_list flying;
    int event;      /* written to by wakers */
    bool listening; /* a read of it is under way */
    uint64_t word;  /* what that reads */
};

BLY_INLINE struct uring_io *
uring_of(struct bly_io *io)
{
    return BLY_CONTAINER(io, struct uring_io, io);
}

/* ---- life --------------------------------------------------------------- */

/* From the best to what every kernel knows. */
static const unsigned uring_flags[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_SUBMIT_ALL,
    0,
};

static int
uring_setup(struct io_uring *ring)
{
    int r = -EINVAL;

    for (size_t i = 0; r == -EINVAL && i < 3; i++) {
        struct io_uring_params p = {
            .flags = uring_flags[i] | IORING_SETUP_CQSIZE,
            .cq_entries = URING_COMPLETIONS,
        };

        r = io_uring_queue_init_params(URING_ENTRIES, ring, &p);
        if (r == 0 && !(p.features & IORING_FEAT_EXT_ARG)) {
            io_uring_queue_exit(ring);
            return -ENOSYS; /* before Linux 5.11: no wait with a timeout */
        }
    }
    return r;
}

int
bly_io_uring_try(void)
{
    struct io_uring ring;
    int saved = errno;
    int r = uring_setup(&ring);

    if (r == 0)
        io_uring_queue_exit(&ring);
    errno = saved;
    return r;
}

static int
uring_open(struct bly_io **io, struct bly_worker *w)
{
    struct uring_io *u = bly_zalloc(sizeof *u);
    int r;

    (void)w;
    if (u == NULL)
        return -ENOMEM;
    bly_list_init(&u->flying);
    u->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (u->event < 0) {
        r = -errno;
        goto fail_event;
    }
    r = uring_setup(&u->ring);
    if (r < 0)
        goto fail_ring;
    (void)io_uring_register_ring_fd(&u->ring); /* only saves a lookup */
    *io = &u->io;
    return 0;

fail_ring:
    (void)close(u->event);
fail_event:
    bly_free(u);
    return r;
}

/* What still flies has been given up by who began it (see fd_case.c). */
static void
uring_close(struct bly_io *io)
{
    struct uring_io *u = uring_of(io);
    struct bly_link *l;

    io_uring_queue_exit(&u->ring);
    while ((l = bly_list_pop(&u->flying)) != NULL) {
        struct bly_op *op = BLY_CONTAINER(l, struct bly_op, link);

        op->result = -ECANCELED;
        op->done(op);
    }
    (void)close(u->event);
    bly_free(u);
}

/* ---- submitting --------------------------------------------------------- */

static struct io_uring_sqe *
uring_sqe(struct uring_io *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

    while (BLY_UNLIKELY(sqe == NULL)) {
        (void)io_uring_submit(&u->ring); /* full: that makes room */
        sqe = io_uring_get_sqe(&u->ring);
    }
    return sqe;
}

static void
uring_prepare(struct io_uring_sqe *sqe, struct bly_op *op)
{
    unsigned len =
        op->len < URING_LEN_MAX ? (unsigned)op->len : (unsigned)URING_LEN_MAX;
    __u64 off = (__u64)op->off;

    switch ((enum bly_op_kind)op->kind) {
    case BLY_OP_READ:
        io_uring_prep_read(sqe, op->fd, op->buf, len, off);
        break;
    case BLY_OP_WRITE:
        io_uring_prep_write(sqe, op->fd, op->buf, len, off);
        break;
    case BLY_OP_READV:
        io_uring_prep_readv(sqe, op->fd, op->buf, len, off);
        break;
    case BLY_OP_WRITEV:
        io_uring_prep_writev(sqe, op->fd, op->buf, len, off);
        break;
    case BLY_OP_RECV:
        io_uring_prep_recv(sqe, op->fd, op->buf, len, (int)op->flags);
        break;
    case BLY_OP_SEND:
        io_uring_prep_send(sqe, op->fd, op->buf, len, (int)op->flags);
        break;
    case BLY_OP_RECVMSG:
        io_uring_prep_recvmsg(sqe, op->fd, op->buf, op->flags);
        break;
    case BLY_OP_SENDMSG:
        /* The kernel would wait and try again with what the first try has left
         * of the bytes, which of a datagram may be nothing. */
        io_uring_prep_sendmsg(sqe, op->fd, op->buf,
            op->flags | MSG_DONTWAIT);
        break;
    case BLY_OP_ACCEPT:
        io_uring_prep_accept(sqe, op->fd, op->buf, op->addrlen,
            (int)op->flags);
        break;
    case BLY_OP_CONNECT:
        io_uring_prep_connect(sqe, op->fd, op->buf, (socklen_t)op->len);
        break;
    case BLY_OP_POLL:
        io_uring_prep_poll_add(sqe, op->fd, op->flags);
        break;
    case BLY_OP_FSYNC:
        io_uring_prep_fsync(sqe, op->fd,
            op->flags ? IORING_FSYNC_DATASYNC : 0);
        break;
    case BLY_OP_SPLICE:
        io_uring_prep_splice(sqe, op->fd, -1, op->out, -1, len, op->flags);
        break;
    case BLY_OP_KINDS:
        break;
    }
}

static enum bly_op_course
uring_submit(struct bly_io *io, struct bly_op *op)
{
    struct uring_io *u = uring_of(io);
    struct io_uring_sqe *sqe = uring_sqe(u);

    uring_prepare(sqe, op);
    io_uring_sqe_set_data(sqe, op);
    bly_list_push(&u->flying, &op->link);
    io->flying++;
    return BLY_OP_FLIES;
}

static enum bly_abort
uring_cancel(struct bly_io *io, struct bly_op *op)
{
    struct io_uring_sqe *sqe = uring_sqe(uring_of(io));

    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data64(sqe, URING_CANCEL);
    op->cancelled = true;
    return BLY_ABORT_PENDING;
}

/* ---- completing --------------------------------------------------------- */

static void
uring_complete(struct uring_io *u, const struct io_uring_cqe *cqe)
{
    struct bly_op *op;

    if (cqe->user_data == URING_CANCEL ||
        cqe->user_data == LIBURING_UDATA_TIMEOUT)
        return;
    if (cqe->user_data == URING_WOKEN) {
        u->listening = false;
        return;
    }
    op = (struct bly_op *)(uintptr_t)cqe->user_data;
    op->result = cqe->res;
    bly_list_remove(&op->link);
    u->io.flying--;
    op->done(op);
}

static void
uring_reap(struct uring_io *u)
{
    struct io_uring_cqe *cqe;
    unsigned head, n = 0;

    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        uring_complete(u, cqe);
        n++;
    }
    io_uring_cq_advance(&u->ring, n);
}

static void
uring_poll(struct bly_io *io, struct bly_worker *w)
{
    struct uring_io *u = uring_of(io);
    unsigned marks;

    /* A worker that is about to sleep asks the kernel then, once. */
    if (w->ready_head != NULL || w->spinning ||
        bly_runq_count(&w->runq) != 0) {
        /* The kernel writes it; nothing but the wish to ask depends on it. */
        marks = *(volatile unsigned *)u->ring.sq.kflags;
        if (io_uring_sq_ready(&u->ring) != 0 ||
            (marks & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0)
            (void)io_uring_submit_and_get_events(&u->ring);
    }
    if (io_uring_cq_ready(&u->ring) != 0)
        uring_reap(u);
}

static void
uring_listen(struct uring_io *u)
{
    struct io_uring_sqe *sqe;

    if (u->listening)
        return;
    sqe = uring_sqe(u);
    io_uring_prep_read(sqe, u->event, &u->word, sizeof u->word, 0);
    io_uring_sqe_set_data64(sqe, URING_WOKEN);
    u->listening = true;
}

static void
uring_park(struct bly_io *io, struct bly_worker *w, int64_t deadline)
{
    struct uring_io *u = uring_of(io);
    struct __kernel_timespec ts;
    struct io_uring_cqe *cqe;

    uring_listen(u);
    /* pairs with bly_idle_wake */
    if (bly_load(&w->sleep) == 0 || io_uring_cq_ready(&u->ring) != 0) {
        (void)io_uring_submit_and_get_events(&u->ring);
    } else if (deadline == BLY_NEVER) {
        (void)io_uring_submit_and_wait(&u->ring, 1);
    } else {
        int64_t left = deadline - bly_os_now();

        if (left < 0)
            left = 0;
        ts.tv_sec = left / 1000000000;
        ts.tv_nsec = left % 1000000000;
        (void)io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &ts, NULL);
    }
    uring_reap(u);
}

static void
uring_wake(struct bly_io *io, struct bly_worker *w)
{
    static const uint64_t one = 1;
    int saved = errno;

    (void)w;
    if (write(uring_of(io)->event, &one, sizeof one) < 0)
        bly_assert(errno == EAGAIN); /* it has been woken four billion times */
    errno = saved;
}

const struct bly_io_backend bly_io_uring = {
    .name = "uring",
    .open = uring_open,
    .close = uring_close,
    .submit = uring_submit,
    .cancel = uring_cancel,
    .poll = uring_poll,
    .park = uring_park,
    .wake = uring_wake,
};

#else

#include <errno.h>

int
bly_io_uring_try(void)
{
    return -ENOSYS;
}

const struct bly_io_backend bly_io_uring = {.name = "uring"};

#endif
#endif
