/* SPDX-License-Identifier: MIT */
/* Streams over descriptors: one for both directions, or one for each. */
#include <belay/io.h>
#include <belay/stream.h>

#include "base/alloc.h"
#include "core/wait.h"
#include "io/net.h"
#include "io/op.h"
#include "os/sys.h"

#include <errno.h>

struct fd_stream {
    int in;  /* -1: it is only written */
    int out; /* is `in', another one, or -1: closed to say that it ended */
};

static ssize_t
fd_stream_read(void *self, void *buf, size_t n, const belay_site *site)
{
    return belay_read_at(((struct fd_stream *)self)->in, buf, n, site);
}

static ssize_t
fd_stream_write(void *self, const void *buf, size_t n, const belay_site *site)
{
    return belay_write_at(((struct fd_stream *)self)->out, buf, n, site);
}

static ssize_t
fd_stream_writev(void *self, const struct iovec *iov, int count,
    const belay_site *site)
{
    return belay_writev_at(((struct fd_stream *)self)->out, iov, count, site);
}

static int
fd_stream_finish(void *self, const belay_site *site)
{
    struct fd_stream *f = self;
    int r;

    if (f->in != f->out) {
        belay_fd_close_at(f->out, site);
        f->out = -1;
        return 0;
    }
    r = bly_sys_shutdown(f->out, SHUT_WR);
    return r == -ENOTSOCK ? -ENOTSUP : r;
}

static void
fd_stream_close(void *self, const belay_site *site)
{
    struct fd_stream *f = self;

    if (f->in != f->out)
        belay_fd_close_at(f->out, site);
    belay_fd_close_at(f->in, site);
    bly_free(f);
}

static int
fd_stream_fd(void *self)
{
    return ((struct fd_stream *)self)->in;
}

static const belay_stream_ops fd_stream_ops = {
    .size = sizeof(belay_stream_ops),
    .name = "descriptor",
    .read = fd_stream_read,
    .write = fd_stream_write,
    .writev = fd_stream_writev,
    .finish = fd_stream_finish,
    .close = fd_stream_close,
    .fd = fd_stream_fd,
};

static int
fd_stream_open(belay_stream **st, int in, int out, const belay_site *site)
{
    struct fd_stream *f = bly_alloc(sizeof *f);
    int r;

    if (f == NULL)
        return -ENOMEM;
    f->in = in;
    f->out = out;
    r = belay_stream_open_at(st, &fd_stream_ops, f, site);
    if (r < 0)
        bly_free(f);
    return r;
}

int
bly_stream_fd_prepare(belay_stream **st, const belay_site *site)
{
    return fd_stream_open(st, -1, -1, site);
}

void
bly_stream_fd_set(belay_stream *st, int fd)
{
    struct fd_stream *f = belay_stream_self(st, &fd_stream_ops);

    f->in = f->out = fd;
}

int
belay_stream_open_fd_at(belay_stream **st, int *fd, const belay_site *site)
{
    int r = *fd < 0 ? -EBADF : fd_stream_open(st, *fd, *fd, site);

    if (r == 0)
        *fd = -1;
    return r;
}

int
belay_stream_open_fds_at(belay_stream **st, int *in, int *out,
    const belay_site *site)
{
    int r = *in < 0 && *out < 0 ? -EBADF
                                : fd_stream_open(st, *in, *out, site);

    if (r == 0)
        *in = *out = -1;
    return r;
}

int
belay_stream_pair_at(belay_stream **a, belay_stream **b,
    const belay_site *site)
{
    struct bly_task *t = bly_must_self("belay_stream_pair", site);
    int flags = bly_io_sock_flags(t->worker), r;
    belay_stream *first;
    int fds[2];

    if (flags < 0)
        return flags;
    r = bly_sys_socketpair(AF_UNIX, SOCK_STREAM | flags, fds);
    if (r < 0)
        return r;
    r = fd_stream_open(&first, fds[0], fds[0], site);
    if (r < 0)
        goto fail_first;
    r = fd_stream_open(b, fds[1], fds[1], site);
    if (r < 0)
        goto fail_second;
    *a = first;
    return 0;

fail_second:
    belay_stream_close_at(&first, site);
    fds[0] = -1;
fail_first:
    belay_fd_close_at(fds[0], site);
    belay_fd_close_at(fds[1], site);
    return r;
}
