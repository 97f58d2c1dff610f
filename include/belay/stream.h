/* SPDX-License-Identifier: MIT */
/*
 * Streams: bytes in both directions over anything: a descriptor, TLS on top
 * of another stream, or whatever implements belay_stream_ops.
 *
 *     BELAY_AUTO(belay_stream, st);
 *     BELAY_AUTO(belay_reader, in);
 *     BELAY_TRY(belay_stream_open_fd(&st, &fd));      fd is the stream's now
 *     BELAY_TRY(belay_reader_open(&in, st));
 *     while (BELAY_TRY(belay_read_line(in, &line)) > 0)
 *         ...
 *
 * One task may read a stream while another one writes it.  Two readers or two
 * writers at a time, and to close a stream that is in use, are misuses.
 */
#ifndef BELAY_STREAM_H
#define BELAY_STREAM_H

#include <belay/base.h>
#include <belay/error.h>
#include <belay/slice.h>
#include <belay/task.h>

#include <sys/types.h>
#include <sys/uio.h>

BELAY_BEGIN_DECLS

typedef struct belay_stream belay_stream;

/*
 * What a kind of stream does; static storage.  read, write, writev and finish
 * may wait; they answer as the calls of belay/io.h do: a cut has not moved
 * anything, what has moved is told.  n is not 0.  site is the caller's place,
 * to be passed on to what waits.
 */
typedef struct belay_stream_ops {
    size_t size;      /* sizeof(belay_stream_ops) */
    const char *name; /* of the kind, for people */
    ssize_t (*read)(void *self, void *buf, size_t n, const belay_site *site);
    /* At least one byte, or why not; never 0. */
    ssize_t (*write)(void *self, const void *buf, size_t n,
        const belay_site *site);
    /* The same, of several pieces, the first not empty; NULL: by write. */
    ssize_t (*writev)(void *self, const struct iovec *iov, int count,
        const belay_site *site);
    /* Tells the peer that no more will come; called until it has succeeded
     * once.  NULL: cannot. */
    int (*finish)(void *self, const belay_site *site);
    /* Frees self and closes what is below; never waits. */
    void (*close)(void *self, const belay_site *site);
    /* The descriptor below, or -1; NULL: -1. */
    int (*fd)(void *self);
    void *reserved[4];
} belay_stream_ops;

/*
 * Makes a stream of self, which it owns from then on.  Returns 0, or -ENOMEM:
 * then it owns nothing.  Cancellation point: no, as of the next three.
 */
BELAY_API BELAY_MUST_CHECK int belay_stream_open_at(belay_stream **st,
    const belay_stream_ops *ops, void *self, const belay_site *site);
/* Of a connected socket or a terminal.  Takes *fd over and sets it to -1;
 * on failure leaves it alone. */
BELAY_API BELAY_MUST_CHECK int belay_stream_open_fd_at(belay_stream **st,
    int *fd, const belay_site *site);
/* The same of one descriptor that is read and another that is written, two
 * pipes say; to finish it is to close the latter.  One of them may be -1. */
BELAY_API BELAY_MUST_CHECK int belay_stream_open_fds_at(belay_stream **st,
    int *in, int *out, const belay_site *site);
/* Two streams that are each other's peer: a pair of sockets. */
BELAY_API BELAY_MUST_CHECK int belay_stream_pair_at(belay_stream **a,
    belay_stream **b, const belay_site *site);
/* Closes *st, unless it is NULL, and sets it to NULL.  Bytes that were written
 * are still sent.  Cancellation point: no. */
BELAY_API void belay_stream_close_at(belay_stream **st,
    const belay_site *site);
/* For BELAY_AUTO(belay_stream, st). */
BELAY_API void belay_stream_closep(belay_stream **st);

/* Some bytes, as soon as there are any: their number; 0 at the end (or if n
 * is 0); or a negative code. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK ssize_t belay_stream_read_at(
    belay_stream *st, void *buf, size_t n, const belay_site *site);
/* At least one byte of n, as many as go at once.  -EPIPE: nobody reads, or
 * the stream is finished. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK ssize_t belay_stream_write_at(
    belay_stream *st, const void *buf, size_t n, const belay_site *site);
BELAY_API BELAY_WAITS BELAY_MUST_CHECK ssize_t belay_stream_writev_at(
    belay_stream *st, const struct iovec *iov, int count,
    const belay_site *site);
/* All of them: 0, or why not; *done (if not NULL) is how many went in either
 * case. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_stream_write_all_at(
    belay_stream *st, const void *buf, size_t n, size_t *done,
    const belay_site *site);
/* Ends our direction; the peer's may go on.  Again: 0.  -ENOTSUP: a stream
 * of this kind cannot. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_stream_finish_at(
    belay_stream *st, const belay_site *site);

/* The descriptor under it (of two, the one that is read), or -1; it stays the
 * stream's. */
BELAY_API int belay_stream_fd(belay_stream *st);
/* What it was opened with, if its ops are these; else NULL. */
BELAY_API void *belay_stream_self(belay_stream *st,
    const belay_stream_ops *ops);

typedef struct belay_relay_opts {
    size_t size;    /* sizeof(belay_relay_opts) */
    belay_dur idle; /* so long nothing may move; 0 = for ever */
    /* Bytes from a to b and from b to a, also on failure; or NULL. */
    uint64_t *sent, *received;
    void *reserved[4];
} belay_relay_opts;

/*
 * Copies both ways until both directions have ended, and passes each end on
 * (if the kind of stream can).  The first failure of either stream ends both.
 * -ETIMEDOUT: nothing has moved for so long as .idle.  opts may be NULL.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_relay_at(belay_stream *a,
    belay_stream *b, const belay_relay_opts *opts, const belay_site *site);

/* ---- reading in pieces -------------------------------------------------- */

/* A buffer in front of a stream, for one task at a time. */
typedef struct belay_reader belay_reader;

typedef struct belay_reader_opts {
    size_t size; /* sizeof(belay_reader_opts) */
    size_t max;  /* the longest line or block; 0 = 64 KiB */
    void *reserved[4];
} belay_reader_opts;

/* Does not own the stream, which has to be there as long.  opts may be NULL.
 * Returns 0 or -ENOMEM.  Cancellation point: no. */
BELAY_API BELAY_MUST_CHECK int belay_reader_open_at(belay_reader **r,
    belay_stream *st, const belay_reader_opts *opts);
/* Frees *r, unless it is NULL, with what it has read ahead, and sets it to
 * NULL. */
BELAY_API void belay_reader_close(belay_reader **r);
/* For BELAY_AUTO(belay_reader, r). */
BELAY_API void belay_reader_closep(belay_reader **r);

/*
 * The next line, without its LF or CRLF; a last one without LF counts.  *line
 * is good until the next call.  Returns 1; 0 at the end; -EMSGSIZE: it is
 * longer than .max; -ENOMEM; or why the stream cannot be read.  Each call that
 * fails has taken nothing.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_read_line_at(belay_reader *r,
    belay_slice *line, const belay_site *site);
/* The same up to the next byte `end', which is taken, but not part of *out. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_read_until_at(belay_reader *r,
    char end, belay_slice *out, const belay_site *site);
/* Exactly n bytes: 1; 0 at the end before the first; -EPROTO at the end
 * within; -EMSGSIZE: n is more than .max. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_read_block_at(belay_reader *r,
    size_t n, belay_slice *out, const belay_site *site);
/* Some bytes, those that were read ahead first, as belay_stream_read. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK ssize_t belay_reader_read_at(
    belay_reader *r, void *buf, size_t n, const belay_site *site);
/* How many bytes have been read ahead. */
BELAY_API size_t belay_reader_buffered(const belay_reader *r);

BELAY_END_DECLS

#if !defined(__cplusplus)

#define belay_stream_open(st, ops, self)                                       \
    belay_stream_open_at((st), (ops), (self), BELAY_SITE_("stream_open"))
#define belay_stream_open_fd(st, fd)                                           \
    belay_stream_open_fd_at((st), (fd), BELAY_SITE_("stream_open_fd"))
#define belay_stream_open_fds(st, in, out)                                     \
    belay_stream_open_fds_at((st), (in), (out), BELAY_SITE_("stream_open_fds"))
#define belay_stream_pair(a, b)                                                \
    belay_stream_pair_at((a), (b), BELAY_SITE_("stream_pair"))
#define belay_stream_close(st)                                                 \
    belay_stream_close_at((st), BELAY_SITE_("stream_close"))
#define belay_stream_read(st, buf, n)                                          \
    belay_stream_read_at((st), (buf), (n), BELAY_SITE_("stream_read"))
#define belay_stream_write(st, buf, n)                                         \
    belay_stream_write_at((st), (buf), (n), BELAY_SITE_("stream_write"))
#define belay_stream_writev(st, iov, count)                                    \
    belay_stream_writev_at((st), (iov), (count), BELAY_SITE_("stream_writev"))
#define belay_stream_write_all(st, buf, n, done)                               \
    belay_stream_write_all_at(                                                 \
        (st), (buf), (n), (done), BELAY_SITE_("stream_write_all"))
#define belay_stream_finish(st)                                                \
    belay_stream_finish_at((st), BELAY_SITE_("stream_finish"))

/* belay_relay(a, b, .idle = BELAY_S(60)) */
#define belay_relay(a, b, ...)                                                 \
    belay_relay_at((a), (b),                                                   \
        &(const belay_relay_opts){                                             \
            .size = sizeof(belay_relay_opts) __VA_OPT__(, ) __VA_ARGS__},      \
        BELAY_SITE_("relay"))

/* belay_reader_open(&r, st, .max = 1 << 20) */
#define belay_reader_open(r, st, ...)                                          \
    belay_reader_open_at((r), (st),                                            \
        &(const belay_reader_opts){                                            \
            .size = sizeof(belay_reader_opts) __VA_OPT__(, ) __VA_ARGS__})
#define belay_read_line(r, line)                                               \
    belay_read_line_at((r), (line), BELAY_SITE_("read_line"))
#define belay_read_until(r, end, out)                                          \
    belay_read_until_at((r), (end), (out), BELAY_SITE_("read_until"))
#define belay_read_block(r, n, out)                                            \
    belay_read_block_at((r), (n), (out), BELAY_SITE_("read_block"))
#define belay_reader_read(r, buf, n)                                           \
    belay_reader_read_at((r), (buf), (n), BELAY_SITE_("reader_read"))

#endif
#endif
