/* SPDX-License-Identifier: MIT */
/*
 * Readiness of a descriptor as a case of a select.
 *
 * A select must be able to leave without a wait, but a poll that flies may
 * belong to the kernel for a while longer.  So it does not lie in a frame: it
 * is allocated when the select goes to sleep, and if the select is over first,
 * it is asked to end and frees itself when it does.  There is no buffer that
 * it could still write to.
 */
#include <belay/io.h>

#include "base/alloc.h"
#include "core/case.h"
#include "io/op.h"
#include "os/sys.h"

#include <errno.h>

struct fd_poll {
    struct bly_op op;
    struct bly_arm *arm; /* NULL: the select is over */
    bool ended;
};

static void
fd_poll_done(struct bly_op *op)
{
    struct fd_poll *p = BLY_CONTAINER(op, struct fd_poll, op);

    p->ended = true;
    if (p->arm == NULL)
        bly_free(p);
    else if (bly_claim(&p->arm->w))
        bly_wake(&p->arm->w, op->result);
}

static int
fd_case_probe(struct bly_arm *a)
{
    int r = bly_sys_poll((int)(a->c->belay_number >> 16),
        (int)a->c->belay_number & 0xffff);

    return r == 0 ? BLY_CASE_WAIT : r;
}

static int
fd_case_start(struct bly_arm *a)
{
    struct fd_poll *p;
    struct bly_io *io;
    int r = bly_io_of(a->w.task->worker, &io);

    if (r < 0)
        return r;
    p = bly_zalloc(sizeof *p);
    if (p == NULL)
        return -ENOMEM;
    a->own[0] = p;
    p->arm = a;
    p->op.kind = BLY_OP_POLL;
    p->op.fd = (int)(a->c->belay_number >> 16);
    p->op.flags = (uint32_t)a->c->belay_number & 0xffff;
    p->op.done = fd_poll_done;
    bly_fd_hold(p->op.fd, a->w.site);
    if (io->backend->submit(io, &p->op) == BLY_OP_IS_DONE)
        fd_poll_done(&p->op);
    return 0;
}

static void
fd_case_stop(struct bly_arm *a)
{
    struct fd_poll *p = a->own[0];
    struct bly_io *io = a->w.task->worker->driver_data;

    bly_fd_drop(p->op.fd);
    p->arm = NULL;
    if (p->ended || io->backend->cancel(io, &p->op) == BLY_ABORT_DONE)
        bly_free(p);
}

static const struct bly_case_ops fd_case = {
    .verb = "readiness",
    .probe = fd_case_probe,
    .start = fd_case_start,
    .stop = fd_case_stop,
};

belay_case
belay_case_fd(int fd, int events)
{
    return (belay_case){.belay_ops = fd >= 0 ? &fd_case : NULL,
        .belay_number = (int64_t)fd * 0x10000 + (events & 0xffff)};
}
