/* SPDX-License-Identifier: MIT */
/* Reads URLs and starts a job for each, as fast as the jobs' limit lets. */
#include <belay/io.h>

#include "cli/fetch_state.h"
#include "cli/lines.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FEED_READ = 64 << 10, FEED_URL = 8192 };

/* Gets it a place in the order of results, which may have to become free. */
static int
feed_place(struct fetch *f, struct fetch_result *r)
{
    int code = f->config->ordered ? belay_sem_acquire(&f->places, 1) : 0;

    if (code == 0)
        r->seq = f->tally.fed++;
    return code;
}

/* A result without a job. */
static int
feed_result(struct fetch *f, struct fetch_result *r)
{
    int code = feed_place(f, r);

    if (code == 0)
        code = belay_send(&f->results, r);
    if (code < 0)
        result_free(r);
    return code;
}

static int
feed_job(struct fetch *f, struct fetch_result *r)
{
    int code = feed_place(f, r);

    if (code == 0) {
        /* Bound to a worker they begin in the order of the input; others
         * would begin with the newest. */
        code = belay_spawn_with(f->jobs, (.worker = 1), fetch_job, f, r);
        if (code < 0) /* the run is over */
            f->tally.fed--;
    }
    if (code < 0)
        result_free(r);
    return code;
}

static int
feed_url(struct fetch *f, const char *url, size_t len, bool too_long)
{
    struct fetch_result *r;

    f->place++;
    if (f->journal != NULL && journal_has(f->journal, url, len)) {
        f->tally.before++;
        return 0;
    }
    r = result_new(f->place, url, len);
    if (too_long || memchr(url, '\0', len) != NULL) {
        result_fail(r, FETCH_FAILED, "bad-url", "input", "%s",
            too_long ? "it is longer than 8192 bytes"
                     : "there is a NUL byte in it");
        return feed_result(f, r);
    }
    if (f->seen != NULL && seen_add(f->seen, digest_key_of(url, len))) {
        result_fail(r, FETCH_SKIPPED, "duplicate", "input",
            "it has come before; --allow-duplicates fetches it again");
        return feed_result(f, r);
    }
    return feed_job(f, r);
}

/* ---- files --------------------------------------------------------------- */

static int
feed_pieces(struct fetch *f, const struct fetch_input *in, struct lines *l,
    char *buf)
{
    ssize_t got;

    while ((got = belay_read(in->fd, buf, FEED_READ)) > 0) {
        const char *data = buf;
        size_t n = (size_t)got;

        f->input_read += n;
        while (lines_next(l, &data, &n))
            BELAY_TRY(feed_url(f, l->item, l->len, l->too_long));
    }
    return (int)got;
}

static int
feed_file(struct fetch *f, const struct fetch_input *in)
{
    struct lines l;
    char *line = belay_alloc(f->jobs, FEED_URL + 1);
    char *buf = belay_alloc(f->jobs, FEED_READ);
    int code;

    if (line == NULL || buf == NULL)
        return -ENOMEM;
    lines_init(&l, f->config->null ? LINES_NULL : LINES_TRIMMED, line,
        FEED_URL);
    if (isatty(in->fd) == 1 && !f->config->quiet)
        fputs("belay fetch: type URLs, one a line; Ctrl-D ends them\n", stderr);
    code = feed_pieces(f, in, &l, buf);
    if (code == 0 && lines_last(&l))
        return feed_url(f, l.item, l.len, l.too_long);
    if (code < 0 && belay_cancelled() == 0)
        fetch_stop(f, FETCH_BROKEN, "cannot read %s: %s", in->name,
            belay_strerror(code));
    return code;
}

int
fetch_feed(struct fetch *f)
{
    const struct fetch_config *c = f->config;

    for (size_t i = 0; i < c->urls.n; i++)
        BELAY_TRY(feed_url(f, c->urls.v[i], strlen(c->urls.v[i]),
            strlen(c->urls.v[i]) > FEED_URL));
    for (size_t i = 0; i < c->inputs.n; i++)
        BELAY_TRY(feed_file(f, &f->inputs[i]));
    f->input_over = true;
    return 0;
}
