/* SPDX-License-Identifier: MIT */
/*
 * What people see of a run while it goes on, all on stderr: a bar that is drawn
 * over, or a line now and then.  Lines of others come in between, so each
 * write is made under a lock, and takes the bar away first.
 */
#include <belay/io.h>
#include <belay/select.h>

#include "cli/fetch_state.h"
#include "cli/jot.h"
#include "cli/number.h"
#include "cli/term.h"

#include <string.h>
#include <unistd.h>

enum { SHOW_BAR_WIDTH = 20, SHOW_SAMPLES = 32 };

/* The rate is that of the last SHOW_SAMPLES looks. */
struct show {
    struct fetch *f;
    enum fetch_show kind;
    belay_time at[SHOW_SAMPLES];
    uint64_t done[SHOW_SAMPLES];
    unsigned looks;
};

/* ---- writing ------------------------------------------------------------- */

#define SHOW_ERASE "\r\033[K"

/* Under the lock.  If it cannot be written, whom could we tell? */
static void
show_write(struct fetch *f, const char *data, size_t n, bool drawn)
{
    struct text all = {NULL, 0, 0};

    if (f->drawn)
        text_add(&all, SHOW_ERASE);
    text_bytes(&all, data, n);
    f->drawn = drawn;
    belay_ignore(belay_write_all(STDERR_FILENO, all.p, all.n, NULL),
        "it is about stderr");
    text_free(&all);
}

static void
show_put(struct fetch *f, const char *data, size_t n, bool drawn)
{
    BELAY_SHIELD(BELAY_S(1));

    if (belay_mutex_lock(&f->people) < 0)
        return;
    show_write(f, data, n, drawn);
    belay_mutex_unlock(&f->people);
}

void
fetch_say(struct fetch *f, const struct text *lines)
{
    show_put(f, lines->p, lines->n, false);
}

void
fetch_undraw(struct fetch *f)
{
    if (f->drawn && term_is(STDOUT_FILENO))
        show_put(f, "", 0, false);
}

/* ---- figures ------------------------------------------------------------- */

static void
show_look(struct show *s)
{
    unsigned i = s->looks++ % SHOW_SAMPLES;

    s->at[i] = belay_now();
    s->done[i] = tally_done(&s->f->tally);
}

/* URLs in a second, of late. */
static double
show_rate(const struct show *s)
{
    unsigned last = (s->looks - 1) % SHOW_SAMPLES;
    unsigned first = s->looks <= SHOW_SAMPLES ? 0 : s->looks % SHOW_SAMPLES;
    belay_dur d = s->at[last] - s->at[first];

    return d > 0 ? (double)(s->done[last] - s->done[first]) * 1e9 / (double)d
                 : 0;
}

/* How many there will be: from the part of the input that has been read;
 * negative: nobody knows. */
static double
show_all(const struct fetch *f)
{
    double known = (double)f->tally.fed;

    if (f->input_over)
        return known;
    if (f->input_size == 0 || f->input_read == 0)
        return -1;
    return known * (double)f->input_size / (double)f->input_read;
}

static belay_dur
show_eta(const struct show *s, double all)
{
    double rate = show_rate(s), left = all - (double)tally_done(&s->f->tally);

    return all < 0 || rate <= 0 || left / rate > 1e6 ? -1
                                                     : BELAY_S(left / rate);
}

/* Requests that have a slot; what waits for one is not under way. */
static unsigned
show_active(const struct fetch *f)
{
    belay_http_info info;

    belay_http_stats(f->http, &info);
    return info.active;
}

/* ---- lines --------------------------------------------------------------- */

static void
show_times(const struct fetch *f, struct text *t)
{
    char buf[NUMBER_ROOM];

    if (f->tally.ok == 0)
        return;
    text_printf(t, "  p50 %s",
        number_show_duration(buf, sketch_at(&f->tally.times, 0.5)));
    text_printf(t, "  p95 %s",
        number_show_duration(buf, sketch_at(&f->tally.times, 0.95)));
}

/* "1234/10000 done  3 failed  64 in flight  812/s  p50 ..." */
static void
show_line(const struct show *s, struct text *t)
{
    const struct fetch *f = s->f;
    uint64_t done = tally_done(&f->tally);
    double all = show_all(f);
    belay_dur eta = show_eta(s, all);
    char buf[NUMBER_ROOM];

    text_printf(t, "%llu", (unsigned long long)done);
    if (all >= 0)
        text_printf(t, "/%s%.0f", f->input_over ? "" : "~", all);
    text_printf(t, " done  %llu failed  %u in flight  %.0f/s",
        (unsigned long long)f->tally.failed, show_active(f), show_rate(s));
    show_times(f, t);
    if (eta >= 0)
        text_printf(t, "  ETA %s", number_show_clock(buf, eta));
}

static void
show_bar(struct show *s)
{
    double all = show_all(s->f);
    struct text t = {NULL, 0, 0};

    if (all > 0) {
        int full = (int)((double)tally_done(&s->f->tally) / all *
            SHOW_BAR_WIDTH);

        text_char(&t, '[');
        for (int i = 0; i < SHOW_BAR_WIDTH; i++)
            text_char(&t, i < full ? '#' : '.');
        text_add(&t, "] ");
    }
    show_line(s, &t);
    term_fit(&t, term_width(STDERR_FILENO) - 1);
    if (s->f->drawn || t.n > 0) {
        struct text line = {NULL, 0, 0};

        text_add(&line, SHOW_ERASE);
        text_bytes(&line, t.p, t.n);
        show_put(s->f, line.p, line.n, true);
        text_free(&line);
    }
    text_free(&t);
}

static void
show_plain(struct show *s)
{
    struct text t = {NULL, 0, 0};

    text_add(&t, "belay fetch: ");
    show_line(s, &t);
    text_char(&t, '\n');
    fetch_say(s->f, &t);
    text_free(&t);
}

static void
show_json(struct show *s)
{
    const struct fetch_tally *y = &s->f->tally;
    double all = show_all(s->f);
    struct text t = {NULL, 0, 0};
    struct jot j = {&t, false};

    jot_open(&j, NULL, '{');
    jot_number(&j, "v", 1);
    jot_number(&j, "done", (int64_t)tally_done(y));
    if (all >= 0)
        jot_number(&j, "all", (int64_t)all);
    else
        jot_null(&j, "all");
    jot_number(&j, "ok", (int64_t)y->ok);
    jot_number(&j, "failed", (int64_t)y->failed);
    jot_number(&j, "in_flight", show_active(s->f));
    jot_number(&j, "bytes", (int64_t)y->bytes);
    jot_number(&j, "per_second", (int64_t)show_rate(s));
    jot_ms(&j, "p50", sketch_at(&y->times, 0.5));
    jot_ms(&j, "p95", sketch_at(&y->times, 0.95));
    jot_ms(&j, "eta", show_eta(s, all));
    jot_close(&j, '}');
    text_char(&t, '\n');
    fetch_say(s->f, &t);
    text_free(&t);
}

/* ---- the task ------------------------------------------------------------ */

enum fetch_show
fetch_show_kind(const struct fetch *f)
{
    const struct fetch_config *c = f->config;

    if (c->quiet || c->show == SHOW_NONE)
        return SHOW_NONE;
    if (c->show != SHOW_AUTO)
        return (enum fetch_show)c->show;
    if (c->body == BODY_STDOUT)
        return SHOW_NONE;
    return term_is(STDERR_FILENO) ? SHOW_BAR : SHOW_PLAIN;
}

static belay_dur
show_period(const struct show *s)
{
    switch (s->kind) {
    case SHOW_BAR:
        return BELAY_MS(100);
    case SHOW_JSON:
        return BELAY_S(1);
    default:
        return BELAY_S(10);
    }
}

static void
show_now(struct show *s, bool asked)
{
    show_look(s);
    switch (s->kind) {
    case SHOW_BAR:
        show_bar(s);
        break;
    case SHOW_JSON:
        show_json(s);
        break;
    case SHOW_PLAIN:
        show_plain(s);
        break;
    default:
        if (asked)
            show_plain(s);
        break;
    }
}

BELAY_TASK_DEFINE(fetch_show, (struct fetch *, f))
{
    enum { TICK, WISH };
    struct show s = {.f = f, .kind = fetch_show_kind(f)};

    show_look(&s);
    for (;;) {
        int wish, r;
        int which = BELAY_TRY(belay_select(&r,
            [TICK] = BELAY_AFTER(show_period(&s)),
            [WISH] = BELAY_RECV(&f->wishes, &wish)));

        show_now(&s, which == WISH);
    }
}
