/* SPDX-License-Identifier: MIT */
/* The backend of libbelay-test. */
#include "base/alloc.h"
#include "io/op.h"
#include "os/sys.h"

#include <errno.h>
#include <unistd.h>
static int
sim_io_open(struct bly_io **io, struct bly_worker *w)
{
    (void)w;
    *io = bly_zalloc(sizeof **io);
    return *io ? 0 : -ENOMEM;
}
static void
sim_io_close(struct bly_io *io)
{
    bly_free(io);
}
static enum bly_op_course
sim_io_submit(struct bly_io *io, struct bly_op *op)
{
    (void)io;
    op->result = bly_op_call(op);
    return BLY_OP_IS_DONE;
}
static enum bly_abort
sim_io_cancel(struct bly_io *io, struct bly_op *op)
{
    (void)io;
    (void)op;
    return BLY_ABORT_PENDING;
}
static void
sim_io_poll(struct bly_io *io, struct bly_worker *w)
{
    (void)io;
    (void)w;
}
static void
sim_io_park(struct bly_io *io, struct bly_worker *w, int64_t d)
{
    (void)io;
    bly_os_futex_wait(&w->sleep, 1, d);
}
static void
sim_io_wake(struct bly_io *io, struct bly_worker *w)
{
    (void)io;
    bly_os_futex_wake(&w->sleep, 1);
}
const struct bly_io_backend bly_io_sim = {.name = "sim",
    .open = sim_io_open,
    .close = sim_io_close,
    .submit = sim_io_submit,
    .cancel = sim_io_cancel,
    .poll = sim_io_poll,
    .park = sim_io_park,
    .wake = sim_io_wake};
int
bly_sys_socket(int a, int b, int c)
{
    (void)a;
    (void)b;
    (void)c;
    return -ENOSYS;
}
int
bly_sys_socketpair(int a, int b, int f[2])
{
    (void)a;
    (void)b;
    (void)f;
    return -ENOSYS;
}
int
bly_sys_pipe(int f[2], int b)
{
    (void)f;
    (void)b;
    return -ENOSYS;
}
int
bly_sys_bind(int a, const struct sockaddr *s, socklen_t l)
{
    (void)a;
    (void)s;
    (void)l;
    return -ENOSYS;
}
int
bly_sys_listen(int a, int b)
{
    (void)a;
    (void)b;
    return -ENOSYS;
}
int
bly_sys_shutdown(int a, int b)
{
    (void)a;
    (void)b;
    return -ENOSYS;
}
int
bly_sys_name(int a, bool p, struct sockaddr *s, socklen_t *l)
{
    (void)a;
    (void)p;
    (void)s;
    (void)l;
    return -ENOSYS;
}
int
bly_sys_setopt(int a, int b, int c, int d)
{
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return -ENOSYS;
}
int
bly_sys_getopt(int a, int b, int c, int *d)
{
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return -ENOSYS;
}
void
bly_sys_close(int fd)
{
    (void)close(fd);
}
int
bly_sys_poll(int fd, int e)
{
    (void)fd;
    (void)e;
    return 0;
}
