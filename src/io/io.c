/* SPDX-License-Identifier: MIT */
/*
 * The driver of a runtime with I/O: which backend, and when.
 *
 * A worker that has never begun an operation has no backend.  It sleeps on its
 * futex like one of a runtime without I/O, and a program that only computes
 * pays nothing.  The first operation makes the instance, on the worker's own
 * thread, as io_uring wants it; from then on the worker sleeps in that.  A
 * waker tells the two apart by driver_data, which was written before the
 * worker said that it sleeps.  A waker may come late, when the worker has long
 * gone on and makes its instance: then nobody needs the wake.
 *
 * From then on the thread blocks SIGPIPE, until the runtime ends.
 *
 * BELAY_DRIVER in the environment says uring, epoll or auto.  With auto, a
 * kernel or container that refuses io_uring is asked once in a process.
 */
#include "base/atomic.h"
#include "core/error.h"
#include "core/rt.h"
#include "io/op.h"
#include "os/sigpipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- choosing ----------------------------------------------------------- */

#if BLY_SIM

static int
io_choose(const struct bly_io_backend **out)
{
    *out = &bly_io_sim;
    return 0;
}

int
bly_io_uring_probe(void)
{
    return -ENOSYS;
}

#else

static int io_known; /* stat: 0 not asked, 1 it works, else -errno */

int
bly_io_uring_probe(void)
{
    int known = bly_stat_load(&io_known);

    if (known == 0) {
        known = bly_io_uring_try();
        if (known == 0)
            known = 1;
        bly_stat_store(&io_known, known);
    }
    return known > 0 ? 0 : known;
}

static int
io_choose(const struct bly_io_backend **out)
{
    const char *wish = getenv("BELAY_DRIVER");
    int r;

    *out = &bly_io_epoll;
    if (wish == NULL || wish[0] == '\0' || strcmp(wish, "auto") == 0) {
        if (bly_io_uring_probe() == 0)
            *out = &bly_io_uring;
        return 0;
    }
    if (strcmp(wish, "epoll") == 0)
        return 0;
    if (strcmp(wish, "uring") != 0)
        return belay_fail_at(-EINVAL, NULL,
            "BELAY_DRIVER is '%s', not uring, epoll or auto", wish);
    r = bly_io_uring_probe();
    if (r < 0)
        return belay_fail_at(r, NULL,
            "BELAY_DRIVER is uring, and io_uring cannot be used here: %s",
            belay_strerror(r));
    *out = &bly_io_uring;
    return 0;
}

#endif

static int
io_make(struct bly_worker *w)
{
    const struct bly_io_backend *b;
    struct bly_io *io;
    int r;

    if (w->rt->driver != &bly_driver_io)
        return belay_fail_at(-ENOTSUP, NULL,
            "a runtime inside another event loop does no I/O of its own");
    r = io_choose(&b);
    if (r < 0)
        return r;
    r = b->open(&io, w);
    if (r < 0)
        return belay_fail_at(r, NULL, "the %s driver cannot start: %s",
            b->name, belay_strerror(r));
    io->backend = b;
    io->unblock = bly_sigpipe_block();
    bly_store_release(&w->driver_data, io); /* pairs with io_driver_wake */
    return 0;
}

int
bly_io_of(struct bly_worker *w, struct bly_io **io)
{
    if (BLY_UNLIKELY(w->driver_data == NULL ||
            w->rt->driver != &bly_driver_io)) {
        int r = io_make(w);

        if (r < 0)
            return r;
    }
    *io = w->driver_data;
    return 0;
}

int
bly_io_sock_flags(struct bly_worker *w)
{
    struct bly_io *io;
    int r = bly_io_of(w, &io);

    return r < 0 ? r : io->backend->sock_flags;
}

/* ---- the driver --------------------------------------------------------- */

static int
io_driver_open(struct bly_worker *w)
{
    w->driver_data = NULL;
    return 0;
}

static void
io_driver_close(struct bly_worker *w)
{
    struct bly_io *io = w->driver_data;

    w->driver_data = NULL;
    if (io == NULL)
        return;
    if (w->index == 0 && io->unblock) /* the threads of the others are gone */
        bly_sigpipe_restore();
    io->backend->close(io);
}

static void
io_driver_poll(struct bly_worker *w)
{
    struct bly_io *io = w->driver_data;

    if (io != NULL && io->flying != 0)
        io->backend->poll(io, w);
}

static void
io_driver_park(struct bly_worker *w, int64_t deadline)
{
    struct bly_io *io = w->driver_data;

    if (io != NULL)
        io->backend->park(io, w, deadline);
    else
        bly_os_futex_wait(&w->sleep, 1, deadline);
}

static void
io_driver_wake(struct bly_worker *w)
{
    /* pairs with io_make */
    struct bly_io *io = bly_load_acquire(&w->driver_data);

    if (io != NULL)
        io->backend->wake(io, w);
    else
        bly_os_futex_wake(&w->sleep, 1);
}

static bool
io_driver_busy(struct bly_worker *w)
{
    struct bly_io *io = w->driver_data;

    if (io == NULL)
        return false;
    return io->backend->busy != NULL ? io->backend->busy(io)
                                     : io->flying != 0;
}

const struct bly_driver bly_driver_io = {
    .name = "io",
    .open = io_driver_open,
    .close = io_driver_close,
    .poll = io_driver_poll,
    .park = io_driver_park,
    .wake = io_driver_wake,
    .busy = io_driver_busy,
};
