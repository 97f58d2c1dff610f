/* SPDX-License-Identifier: MIT */
/*
 * The backend on epoll, where io_uring is refused.
 *
 * An operation is tried at once.  If it would block, it waits in the list of
 * its descriptor, and the descriptor is armed for what its list wants.  When it
 * is ready, each of the list is tried again.  The kernel never holds a buffer,
 * so a cancel forgets the operation and is DONE.
 *
 * Descriptors are armed once for each time (EPOLLONESHOT), by a MOD that
 * becomes an ADD if the kernel does not know the descriptor.  To remember what
 * is registered would save that call, but a descriptor that was closed by
 * somebody else, and its number used again, would then never be ready.
 *
 * What epoll refuses (EPERM: files) and what can only block is for a lane.
 */
#include "io/op.h"

#if !BLY_SIM

#include "base/alloc.h"
#include "base/check.h"
#include "base/time.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EPOLL_BATCH = 128, EPOLL_ROOM = 64 };

struct epoll_fd {
    struct bly_list ops; /* all zero: never used */
    uint32_t armed;      /* for these events; 0: not */
};

struct epoll_io {
    struct bly_io io;
    int ep;
    int event; /* written to by wakers */
    bool coarse; /* the kernel knows only milliseconds */
    struct epoll_fd **fds; /* by descriptor */
    uint32_t room;
};

BLY_INLINE struct epoll_io *
epoll_of(struct bly_io *io)
{
    return BLY_CONTAINER(io, struct epoll_io, io);
}

/* ---- life --------------------------------------------------------------- */

static int
epoll_open(struct bly_io **io, struct bly_worker *w)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = -1};
    struct epoll_io *e = bly_zalloc(sizeof *e);
    int r;

    (void)w;
    if (e == NULL)
        return -ENOMEM;
    e->ep = epoll_create1(EPOLL_CLOEXEC);
    if (e->ep < 0) {
        r = -errno;
        goto fail_epoll;
    }
    e->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->event < 0 || epoll_ctl(e->ep, EPOLL_CTL_ADD, e->event, &ev) < 0) {
        r = -errno;
        goto fail_event;
    }
    *io = &e->io;
    return 0;

fail_event:
    if (e->event >= 0)
        (void)close(e->event);
    (void)close(e->ep);
fail_epoll:
    bly_free(e);
    return r;
}

static void
epoll_close(struct bly_io *io)
{
    struct epoll_io *e = epoll_of(io);

    bly_assert(io->flying == 0);
    for (uint32_t i = 0; i < e->room; i++)
        bly_free(e->fds[i]);
    bly_free(e->fds);
    (void)close(e->event);
    (void)close(e->ep);
    bly_free(e);
}

/* The entry of a descriptor, or NULL: no memory. */
static struct epoll_fd *
epoll_entry(struct epoll_io *e, int fd)
{
    uint32_t i = (uint32_t)fd, room = e->room;
    struct epoll_fd **fds;

    if (i >= room) {
        for (room = room == 0 ? (uint32_t)EPOLL_ROOM : room; room <= i;)
            room *= 2;
        fds = bly_realloc(e->fds, room * sizeof *fds);
        if (fds == NULL)
            return NULL;
        memset(fds + e->room, 0, (room - e->room) * sizeof *fds);
        e->fds = fds;
        e->room = room;
    }
    if (e->fds[i] == NULL) {
        e->fds[i] = bly_zalloc(sizeof *e->fds[i]);
        if (e->fds[i] != NULL)
            bly_list_init(&e->fds[i]->ops);
    }
    return e->fds[i];
}

/* ---- submitting --------------------------------------------------------- */

static uint32_t
epoll_wants(struct epoll_fd *f)
{
    uint32_t events = 0;
    struct bly_link *l;

    for (l = bly_list_first(&f->ops); l != NULL; l = bly_list_next(&f->ops, l))
        events |=
            (uint32_t)bly_op_events(BLY_CONTAINER(l, struct bly_op, link));
    return events;
}

/* Arms fd for what its list wants; -EPERM: it can not be waited for. */
static int
epoll_arm(struct epoll_io *e, struct epoll_fd *f, int fd)
{
    struct epoll_event ev = {.data.fd = fd};
    int r;

    f->armed = epoll_wants(f);
    ev.events = f->armed | EPOLLONESHOT;
    r = epoll_ctl(e->ep, EPOLL_CTL_MOD, fd, &ev);
    if (r < 0 && errno == ENOENT)
        r = epoll_ctl(e->ep, EPOLL_CTL_ADD, fd, &ev);
    return r < 0 ? -errno : 0;
}

static enum bly_op_course
epoll_submit(struct bly_io *io, struct bly_op *op)
{
    struct epoll_io *e = epoll_of(io);
    struct epoll_fd *f;
    bool lane = false;
    int r;

    op->result = bly_op_try(op, &lane);
    if (lane)
        return BLY_OP_TO_LANE;
    if (op->result != -EAGAIN)
        return BLY_OP_IS_DONE;
    f = epoll_entry(e, op->fd);
    if (f == NULL) {
        op->result = -ENOMEM;
        return BLY_OP_IS_DONE;
    }
    bly_list_push(&f->ops, &op->link);
    r = epoll_arm(e, f, op->fd);
    if (r < 0) {
        bly_list_remove(&op->link);
        op->result = r;
        return BLY_OP_IS_DONE;
    }
    io->flying++;
    return BLY_OP_FLIES;
}

static enum bly_abort
epoll_cancel(struct bly_io *io, struct bly_op *op)
{
    bly_list_remove(&op->link);
    io->flying--;
    return BLY_ABORT_DONE;
}

/* ---- completing --------------------------------------------------------- */

static void
epoll_ready(struct epoll_io *e, int fd)
{
    struct epoll_fd *f = e->fds[fd];
    struct bly_link *l, *next;

    for (l = bly_list_first(&f->ops); l != NULL; l = next) {
        struct bly_op *op = BLY_CONTAINER(l, struct bly_op, link);
        bool lane = false;

        next = bly_list_next(&f->ops, l);
        op->result = bly_op_try(op, &lane);
        if (op->result == -EAGAIN)
            continue;
        bly_list_remove(l);
        e->io.flying--;
        op->done(op);
    }
    if (bly_list_first(&f->ops) != NULL)
        (void)epoll_arm(e, f, fd); /* it was possible before */
}

static void
epoll_take(struct epoll_io *e, const struct epoll_event *list, int n)
{
    uint64_t count;

    for (int i = 0; i < n; i++) {
        if (list[i].data.fd >= 0)
            epoll_ready(e, list[i].data.fd);
        else if (read(e->event, &count, sizeof count) < 0)
            bly_assert(errno == EAGAIN);
    }
}

static void
epoll_poll(struct bly_io *io, struct bly_worker *w)
{
    struct epoll_io *e = epoll_of(io);
    struct epoll_event list[EPOLL_BATCH];

    /* A worker that is about to sleep asks the kernel then, once. */
    if (w->ready_head != NULL || w->spinning ||
        bly_runq_count(&w->runq) != 0)
        epoll_take(e, list, epoll_wait(e->ep, list, EPOLL_BATCH, 0));
}

static int
epoll_sleep(struct epoll_io *e, struct epoll_event *list, int64_t deadline)
{
    struct timespec ts, *until = NULL;
    int64_t left = 0;
    int n, ms = -1;

    if (deadline != BLY_NEVER) {
        left = deadline - bly_os_now();
        if (left < 0)
            left = 0;
        ts.tv_sec = (time_t)(left / 1000000000);
        ts.tv_nsec = (long)(left % 1000000000);
        until = &ts;
        left = (left + 999999) / 1000000;
        ms = left < INT_MAX ? (int)left : INT_MAX;
    }
    if (!e->coarse) {
        n = (int)syscall(SYS_epoll_pwait2, e->ep, list, EPOLL_BATCH, until,
            NULL, 0);
        if (n >= 0 || errno != ENOSYS)
            return n;
        e->coarse = true;
    }
    return epoll_wait(e->ep, list, EPOLL_BATCH, ms);
}

static void
epoll_park(struct bly_io *io, struct bly_worker *w, int64_t deadline)
{
    struct epoll_io *e = epoll_of(io);
    struct epoll_event list[EPOLL_BATCH];

    if (bly_load(&w->sleep) == 0) /* pairs with bly_idle_wake */
        return;
    epoll_take(e, list, epoll_sleep(e, list, deadline));
}

static void
epoll_wake(struct bly_io *io, struct bly_worker *w)
{
    static const uint64_t one = 1;
    int saved = errno;

    (void)w;
    if (write(epoll_of(io)->event, &one, sizeof one) < 0)
        bly_assert(errno == EAGAIN); /* it has been woken four billion times */
    errno = saved;
}

const struct bly_io_backend bly_io_epoll = {
    .name = "epoll",
    .sock_flags = SOCK_NONBLOCK,
    .open = epoll_open,
    .close = epoll_close,
    .submit = epoll_submit,
    .cancel = epoll_cancel,
    .poll = epoll_poll,
    .park = epoll_park,
    .wake = epoll_wake,
};

#endif
