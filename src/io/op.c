/* SPDX-License-Identifier: MIT */
/*
 * One request to the kernel is one wait.
 *
 *   begin   the check of every wait; the op is in the caller's frame
 *   submit  the worker's backend takes it.  Three courses:
 *             it is done at once (epoll tries first, and so does a simulated
 *             short way);
 *             it flies: the task sleeps, and done() wakes it;
 *             only a call that blocks can do it (a file, with epoll): a thread
 *             of the lane for files makes it
 *   cut     the backend is asked to end it.  epoll has only waited for
 *           readiness: it forgets the op, and the cut's code is the result.
 *           io_uring may be writing into the buffer: the answer is PENDING,
 *           and the task sleeps on until the completion comes.  That says
 *           ECANCELED, which becomes the cut's code, or a result, which then
 *           stands: a completed operation beats a cut.
 *
 * All this happens on one worker: started tasks stay, so a backend is called
 * by its own thread only, and the race between a completion and a cut is an
 * order of two events in one queue.
 *
 * EINTR is no answer for users, and EAGAIN of a descriptor that is in
 * non-blocking mode is none either: then readiness is waited for first.
 */
#include "io/op.h"

#include "core/cancel.h"
#include "core/lane.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static enum bly_abort
op_abort(struct bly_waiter *w)
{
    struct bly_op *op = BLY_CONTAINER(w, struct bly_op, w);
    struct bly_io *io = w->task->worker->driver_data;

    /* not linked: it has completed, and its task has not run since */
    if (op->cancelled || !bly_linked(&op->link))
        return BLY_ABORT_PENDING;
    return io->backend->cancel(io, op);
}

static void
op_describe(struct bly_waiter *w, char *buf, size_t size)
{
    struct bly_op *op = BLY_CONTAINER(w, struct bly_op, w);

    (void)snprintf(buf, size, "descriptor %d", op->fd);
}

#define OP_KIND(name)                                                          \
    {                                                                          \
        .verb = name, .abort = op_abort, .describe = op_describe               \
    }

static const struct bly_wait_kind op_kinds[BLY_OP_KINDS] = {
    [BLY_OP_READ] = OP_KIND("read"),
    [BLY_OP_WRITE] = OP_KIND("write"),
    [BLY_OP_READV] = OP_KIND("read"),
    [BLY_OP_WRITEV] = OP_KIND("write"),
    [BLY_OP_RECV] = OP_KIND("receive"),
    [BLY_OP_SEND] = OP_KIND("send"),
    [BLY_OP_RECVMSG] = OP_KIND("receive"),
    [BLY_OP_SENDMSG] = OP_KIND("send"),
    [BLY_OP_ACCEPT] = {.verb = "accept", .abort = op_abort, .stoppable = true,
        .describe = op_describe},
    [BLY_OP_CONNECT] = OP_KIND("connect"),
    [BLY_OP_POLL] = OP_KIND("readiness"),
    [BLY_OP_FSYNC] = OP_KIND("fsync"),
    [BLY_OP_SPLICE] = OP_KIND("splice"),
};

static void
op_wake(struct bly_op *op)
{
    bly_wake(&op->w, op->result);
}

int
bly_op_begin(struct bly_op *op, enum bly_op_kind kind, int fd,
    const char *what, const belay_site *site)
{
    struct bly_task *t;
    int r = bly_enter(&t, what, site);

    if (r < 0)
        return r;
    memset(op, 0, sizeof *op);
    bly_waiter_init(&op->w, t, &op_kinds[kind], NULL, site);
    op->done = op_wake;
    op->kind = (uint8_t)kind;
    op->fd = fd;
    op->out = -1;
    op->off = -1;
    return 0;
}

/* ---- doing it ----------------------------------------------------------- */

/* The code of what made the backend end an op, if anything did. */
static int
op_cut_code(struct bly_op *op)
{
    struct bly_task *t = op->w.task;
    int code = bly_cut_now(t);

    if (code == 0 && op->w.kind->stoppable && bly_node_stopped(t->node))
        code = -ESHUTDOWN;
    return code;
}

static int
op_on_lane(void *arg)
{
    return bly_op_call(arg);
}

/* Once: a result, which may be EINTR or EAGAIN; or a cut's code, *cut. */
static int
op_once(struct bly_io *io, struct bly_op *op, bool *cut)
{
    int r;

    op->cancelled = false;
    op->state = 0;
    switch (io->backend->submit(io, op)) {
    case BLY_OP_IS_DONE:
        return op->result;
    case BLY_OP_TO_LANE:
        *cut = true; /* the lane answers for it */
        return bly_lane_run(BLY_LANE_FILE, op_on_lane, op, op->w.site);
    case BLY_OP_FLIES:
        break;
    }
    op->result = INT32_MIN;
    r = bly_wait(&op->w);
    *cut = op->result == INT32_MIN; /* done() was not called */
    if (op->cancelled && (r == -ECANCELED || r == -EINTR)) {
        int code = op_cut_code(op);

        *cut = true;
        return code != 0 ? code : -ECANCELED;
    }
    return r;
}

/* op's descriptor is in non-blocking mode. */
static int
op_await_ready(struct bly_io *io, struct bly_op *op, bool *cut)
{
    struct bly_op ready = *op;

    bly_waiter_init(&ready.w, op->w.task, &op_kinds[op->kind], NULL,
        op->w.site);
    ready.done = op_wake;
    ready.kind = BLY_OP_POLL;
    ready.flags = (uint32_t)bly_op_events(op);
    return op_once(io, &ready, cut);
}

static int
op_loop(struct bly_io *io, struct bly_op *op)
{
    for (;;) {
        bool cut = false;
        int r = op_once(io, op, &cut);

        if (cut || (r != -EINTR && r != -EAGAIN))
            return r;
        if (r == -EAGAIN && bly_op_is_blind(op))
            return -ENOBUFS;
        if (r == -EAGAIN) {
            r = op_await_ready(io, op, &cut);
            if (cut || (r < 0 && r != -EINTR))
                return r;
        }
        r = op_cut_code(op);
        if (r != 0)
            return r;
    }
}

int
bly_op_run(struct bly_op *op)
{
    struct bly_worker *w = op->w.task->worker;
    int saved = *w->errno_at;
    struct bly_io *io;
    int r = op->fd < 0 ? -EBADF : bly_io_of(w, &io);

    if (r < 0)
        return r;
    bly_fd_hold(op->fd, op->w.site);
    r = op_loop(io, op);
    bly_fd_drop(op->fd);
    *w->errno_at = saved;
    return r;
}

int
bly_op_again(struct bly_op *op)
{
    struct bly_task *t;
    int r = bly_enter(&t, op->w.kind->verb, op->w.site);

    if (r < 0)
        return r;
    bly_waiter_init(&op->w, t, &op_kinds[op->kind], NULL, op->w.site);
    return bly_op_run(op);
}
