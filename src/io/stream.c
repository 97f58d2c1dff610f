/* SPDX-License-Identifier: MIT */
/*
 * What all streams have in common: the check of every wait, who uses which
 * direction, the end of ours, and that a kind keeps its word.
 */
#include <belay/stream.h>

#include "base/alloc.h"
#include "base/check.h"
#include "core/wait.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

struct belay_stream {
    const belay_stream_ops *ops;
    void *self;
    const belay_site *site;    /* where it was opened */
    const belay_site *reading; /* atomic: who reads now, or NULL */
    const belay_site *writing; /* atomic: who writes or finishes now */
    bool finished;             /* the writer's */
};

static const belay_site stream_somewhere = {"?", 0, "?", "call"};

/* ---- life --------------------------------------------------------------- */

int
belay_stream_open_at(belay_stream **out, const belay_stream_ops *ops,
    void *self, const belay_site *site)
{
    belay_stream *st = bly_alloc(sizeof *st);

    if (st == NULL)
        return -ENOMEM;
    *st = (belay_stream){.ops = ops, .self = self, .site = site};
    *out = st;
    return 0;
}

static void
stream_check_unused(const belay_site *user, const belay_site *site)
{
    if (user != NULL)
        bly_misuse(site, "a stream is closed while the %s of %s:%d uses it",
            user->what, user->file, user->line);
}

void
belay_stream_close_at(belay_stream **pst, const belay_site *site)
{
    belay_stream *st = *pst;

    if (st == NULL)
        return;
    stream_check_unused(bly_load_relaxed(&st->reading), site);
    stream_check_unused(bly_load_relaxed(&st->writing), site);
    *pst = NULL;
    st->ops->close(st->self, site);
    bly_free(st);
}

void
belay_stream_closep(belay_stream **st)
{
    belay_stream_close_at(st, *st != NULL ? (*st)->site : NULL);
}

int
belay_stream_fd(belay_stream *st)
{
    return st->ops->fd != NULL ? st->ops->fd(st->self) : -1;
}

void *
belay_stream_self(belay_stream *st, const belay_stream_ops *ops)
{
    return st->ops == ops ? st->self : NULL;
}

/* ---- moving bytes ------------------------------------------------------- */

/* The check of every wait; then the direction is the caller's. */
static int
stream_enter(const belay_site **user, const char *what,
    const belay_site *site)
{
    const belay_site *other;
    struct bly_task *t;
    int r = bly_enter(&t, what, site);

    if (r < 0)
        return r;
    other = bly_load_relaxed(user);
    if (BLY_UNLIKELY(other != NULL))
        bly_misuse(site, "%s while the %s of %s:%d has not returned", what,
            other->what, other->file, other->line);
    bly_store_relaxed(user, site != NULL ? site : &stream_somewhere);
    return 0;
}

static void
stream_leave(const belay_site **user)
{
    bly_store_relaxed(user, (const belay_site *)NULL);
}

/* What a kind has answered, if it can be. */
static ssize_t
stream_answer(belay_stream *st, const char *what, ssize_t r, ssize_t least,
    size_t most)
{
    if (BLY_UNLIKELY(r >= 0 && (r < least || (size_t)r > most)))
        bly_misuse(st->site, "the %s of a stream of kind '%s' answered %zd, "
            "not %zd to %zu", what, st->ops->name, r, least, most);
    return r;
}

ssize_t
belay_stream_read_at(belay_stream *st, void *buf, size_t n,
    const belay_site *site)
{
    ssize_t r = stream_enter(&st->reading, "belay_stream_read", site);

    if (r < 0)
        return r;
    if (n > 0)
        r = stream_answer(st, "read", st->ops->read(st->self, buf, n, site),
            0, n);
    stream_leave(&st->reading);
    return r;
}

/* The writer: some of n bytes, n > 0. */
static ssize_t
stream_write(belay_stream *st, const void *buf, size_t n,
    const belay_site *site)
{
    if (st->finished)
        return -EPIPE;
    return stream_answer(st, "write", st->ops->write(st->self, buf, n, site),
        1, n);
}

ssize_t
belay_stream_write_at(belay_stream *st, const void *buf, size_t n,
    const belay_site *site)
{
    ssize_t r = stream_enter(&st->writing, "belay_stream_write", site);

    if (r < 0)
        return r;
    if (n > 0)
        r = stream_write(st, buf, n, site);
    stream_leave(&st->writing);
    return r;
}

int
belay_stream_write_all_at(belay_stream *st, const void *buf, size_t n,
    size_t *done, const belay_site *site)
{
    ssize_t r = stream_enter(&st->writing, "belay_stream_write_all", site);
    size_t sent = 0;

    if (r == 0) {
        while (sent < n) {
            r = stream_write(st, (const char *)buf + sent, n - sent, site);
            if (r < 0)
                break;
            sent += (size_t)r;
        }
        stream_leave(&st->writing);
    }
    if (done != NULL)
        *done = sent;
    return r < 0 ? (int)r : 0;
}

/* The writer: some of what iov has, the first of which is not empty. */
static ssize_t
stream_writev(belay_stream *st, const struct iovec *iov, int count,
    const belay_site *site)
{
    size_t sum = 0;

    if (st->ops->writev == NULL || count == 1)
        return stream_write(st, iov->iov_base, iov->iov_len, site);
    if (st->finished)
        return -EPIPE;
    for (int i = 0; i < count; i++)
        sum += iov[i].iov_len;
    return stream_answer(st, "writev",
        st->ops->writev(st->self, iov, count, site), 1, sum);
}

ssize_t
belay_stream_writev_at(belay_stream *st, const struct iovec *iov, int count,
    const belay_site *site)
{
    ssize_t r = stream_enter(&st->writing, "belay_stream_writev", site);

    if (r < 0)
        return r;
    for (; count > 0 && iov->iov_len == 0; count--)
        iov++;
    if (count < 0 || count > IOV_MAX)
        r = -EINVAL;
    else if (count > 0)
        r = stream_writev(st, iov, count, site);
    stream_leave(&st->writing);
    return r;
}

int
belay_stream_finish_at(belay_stream *st, const belay_site *site)
{
    int r = stream_enter(&st->writing, "belay_stream_finish", site);

    if (r < 0)
        return r;
    if (!st->finished) {
        r = st->ops->finish != NULL ? st->ops->finish(st->self, site)
                                    : -ENOTSUP;
        st->finished = r >= 0;
    }
    stream_leave(&st->writing);
    return r < 0 ? r : 0;
}
