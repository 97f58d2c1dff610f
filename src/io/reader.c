/* SPDX-License-Identifier: MIT */
/*
 * A buffer in front of a stream.
 *
 *     data          start              fill                room
 *      | handed out |  read ahead, not  |  free             |
 *                   |  yet taken        |
 *                      searched: so much of it has no delimiter
 *
 * What a call hands out stays where it is until the next call, which may move
 * what is left to the front or to a larger buffer.  Nothing is taken before a
 * call succeeds, so a cut or a failure changes nothing but how much has been
 * read ahead.  The buffer is made by the first read and grows to what the
 * longest line needs.
 */
#include <belay/stream.h>

#include "base/alloc.h"
#include "core/wait.h"

#include <errno.h>
#include <string.h>

enum {
    READER_MAX = 64 << 10, /* unless told otherwise */
    READER_ROOM = 4 << 10, /* of the first buffer */
    READER_MORE = 2        /* CR and LF are no part of a line */
};

struct belay_reader {
    belay_stream *st;
    size_t max;
    char *data;
    size_t start, fill, room;
    bool ended;
};

int
belay_reader_open_at(belay_reader **out, belay_stream *st,
    const belay_reader_opts *opts)
{
    belay_reader *r = bly_alloc(sizeof *r);

    if (r == NULL)
        return -ENOMEM;
    *r = (belay_reader){.st = st, .max = READER_MAX};
    if (opts != NULL && opts->max != 0)
        r->max = opts->max;
    *out = r;
    return 0;
}

void
belay_reader_close(belay_reader **pr)
{
    belay_reader *r = *pr;

    if (r == NULL)
        return;
    *pr = NULL;
    bly_free(r->data);
    bly_free(r);
}

void
belay_reader_closep(belay_reader **r)
{
    belay_reader_close(r);
}

size_t
belay_reader_buffered(const belay_reader *r)
{
    return r->fill - r->start;
}

/* ---- filling ------------------------------------------------------------ */

/* The largest buffer. */
static size_t
reader_cap(const belay_reader *r)
{
    return r->max <= SIZE_MAX - READER_MORE ? r->max + READER_MORE : r->max;
}

/* Makes room for `want' bytes from the start on; more than are held, and no
 * more than the cap.  What is moved is a part of one line or block, once. */
static int
reader_make_room(belay_reader *r, size_t want)
{
    size_t held = r->fill - r->start, cap = reader_cap(r), room = r->room;
    char *data;

    if (r->start > 0) {
        memmove(r->data, r->data + r->start, held);
        r->start = 0;
        r->fill = held;
    }
    if (want <= room)
        return 0;
    if (room == 0)
        room = cap < READER_ROOM ? cap : (size_t)READER_ROOM;
    while (room < want)
        room = room <= cap / 2 ? room * 2 : cap;
    data = bly_realloc(r->data, room);
    if (data == NULL)
        return -ENOMEM;
    r->data = data;
    r->room = room;
    return 0;
}

/* Reads some more.  1, 0 at the end, or a negative code. */
static int
reader_fill(belay_reader *r, size_t want, const belay_site *site)
{
    ssize_t n;
    int e;

    if (r->ended)
        return 0;
    e = reader_make_room(r, want);
    if (e < 0)
        return e;
    n = belay_stream_read_at(r->st, r->data + r->fill, r->room - r->fill,
        site);
    if (n < 0)
        return (int)n;
    r->fill += (size_t)n;
    r->ended = n == 0;
    return n > 0;
}

/* ---- taking ------------------------------------------------------------- */

/* Takes n bytes, of which the first `len' are handed out. */
static int
reader_take(belay_reader *r, size_t len, size_t n, belay_slice *out)
{
    out->data = r->data + r->start;
    out->len = len;
    r->start += n;
    return 1;
}

static int
reader_too_long(belay_reader *r, const belay_site *site)
{
    return belay_fail_at(-EMSGSIZE, site, "a line of more than %zu bytes",
        r->max);
}

/* Looks for `end'; 1: *len bytes stand before it, or, if *last, before the
 * end of the stream.  0: there are none any more. */
static int
reader_find(belay_reader *r, char end, size_t limit, size_t *len, bool *last,
    const belay_site *site)
{
    size_t searched = 0, held;
    const char *hit = NULL;
    int e;

    for (;;) {
        held = r->fill - r->start;
        if (held > searched)
            hit = memchr(r->data + r->start + searched, end, held - searched);
        *last = hit == NULL;
        if (hit != NULL)
            held = (size_t)(hit - r->data) - r->start;
        *len = held;
        if (hit != NULL)
            return 1;
        if (held >= limit)
            return reader_too_long(r, site);
        searched = held;
        e = reader_fill(r, held + 1, site);
        if (e < 0)
            return e;
        if (e == 0)
            return held > 0;
    }
}

/* cr: a CR before the end belongs to it. */
static int
reader_until(belay_reader *r, char end, bool cr, belay_slice *out,
    const belay_site *site)
{
    size_t len, n;
    bool last;
    int e = reader_find(r, end, reader_cap(r), &len, &last, site);

    if (e <= 0)
        return e;
    n = last ? len : len + 1;
    if (cr && !last && len > 0 && r->data[r->start + len - 1] == '\r')
        len--;
    if (len > r->max)
        return reader_too_long(r, site);
    return reader_take(r, len, n, out);
}

static int
reader_enter(const char *what, const belay_site *site)
{
    struct bly_task *t;

    return bly_enter(&t, what, site);
}

int
belay_read_line_at(belay_reader *r, belay_slice *line, const belay_site *site)
{
    int e = reader_enter("belay_read_line", site);

    return e < 0 ? e : reader_until(r, '\n', true, line, site);
}

int
belay_read_until_at(belay_reader *r, char end, belay_slice *out,
    const belay_site *site)
{
    int e = reader_enter("belay_read_until", site);

    return e < 0 ? e : reader_until(r, end, false, out, site);
}

int
belay_read_block_at(belay_reader *r, size_t n, belay_slice *out,
    const belay_site *site)
{
    int e = reader_enter("belay_read_block", site);
    size_t held;

    if (e < 0)
        return e;
    if (n > r->max)
        return belay_fail_at(-EMSGSIZE, site,
            "a block of %zu bytes, more than %zu", n, r->max);
    while ((held = r->fill - r->start) < n) {
        e = reader_fill(r, n, site);
        if (e < 0)
            return e;
        if (e == 0 && held == 0)
            return 0;
        if (e == 0)
            return belay_fail_at(-EPROTO, site,
                "the stream ended after %zu of %zu bytes", held, n);
    }
    return reader_take(r, n, n, out);
}

ssize_t
belay_reader_read_at(belay_reader *r, void *buf, size_t n,
    const belay_site *site)
{
    size_t held = r->fill - r->start;
    ssize_t got;
    int e;

    if (held == 0 && !r->ended) {
        got = belay_stream_read_at(r->st, buf, n, site);
        r->ended = got == 0 && n > 0;
        return got;
    }
    e = reader_enter("belay_reader_read", site);
    if (e < 0)
        return e;
    if (n > held)
        n = held;
    if (n > 0)
        memcpy(buf, r->data + r->start, n);
    r->start += n;
    return (ssize_t)n;
}
