/* SPDX-License-Identifier: MIT */
/* How far a run is.  See progress.h. */
#include "cli/progress.h"

#include <belay/select.h>

#include "cli/jot.h"
#include "cli/number.h"
#include "cli/pulse.h"
#include "cli/term.h"

#include <unistd.h>

enum { SHOW_BAR_WIDTH = 20 };

struct show {
    const struct progress *p;
    struct progress_figures now;
    struct pulse pulse;
    double all; /* how many there will be; negative: nobody knows */
};

static void
show_look(struct show *s)
{
    struct progress_figures *now = &s->now;

    s->p->look(s->p->arg, now);
    s->all = now->fed_all ? (double)now->fed
                          : pulse_all(now->fed, now->read, now->size);
    pulse_look(&s->pulse, belay_now(), now->done);
}

/* ---- lines --------------------------------------------------------------- */

static void
show_times(const struct show *s, struct text *t)
{
    char buf[NUMBER_ROOM];

    if (s->now.ok == 0)
        return;
    text_printf(t, "  p50 %s",
        number_show_duration(buf, sketch_at(s->now.times, 0.5)));
    text_printf(t, "  p95 %s",
        number_show_duration(buf, sketch_at(s->now.times, 0.95)));
}

/* "1234/10000 done  3 failed  64 in flight  812/s  p50 ..." */
static void
show_line(const struct show *s, struct text *t)
{
    const struct progress_figures *now = &s->now;
    belay_dur eta = pulse_eta(&s->pulse, s->all);
    char buf[NUMBER_ROOM];

    text_printf(t, "%llu", (unsigned long long)now->done);
    if (s->all >= 0)
        text_printf(t, "/%s%.0f", now->fed_all ? "" : "~", s->all);
    text_printf(t, " done  %llu failed  %u %s  %.0f/s",
        (unsigned long long)now->failed, now->active, s->p->active,
        pulse_rate(&s->pulse));
    show_times(s, t);
    if (eta >= 0)
        text_printf(t, "  ETA %s", number_show_clock(buf, eta));
}

static void
show_bar(const struct show *s)
{
    struct text t = {NULL, 0, 0};

    if (s->all > 0) {
        int full = (int)((double)s->now.done / s->all * SHOW_BAR_WIDTH);

        text_char(&t, '[');
        for (int i = 0; i < SHOW_BAR_WIDTH; i++)
            text_char(&t, i < full ? '#' : '.');
        text_add(&t, "] ");
    }
    show_line(s, &t);
    term_fit(&t, term_width(STDERR_FILENO) - 1);
    people_draw(s->p->people, &t);
    text_free(&t);
}

static void
show_plain(const struct show *s)
{
    struct text t = {NULL, 0, 0};

    text_printf(&t, "%s: ", s->p->command);
    show_line(s, &t);
    text_char(&t, '\n');
    people_say(s->p->people, &t);
    text_free(&t);
}

static void
show_json(const struct show *s)
{
    const struct progress_figures *now = &s->now;
    struct text t = {NULL, 0, 0};
    struct jot j = {&t, false};

    jot_open(&j, NULL, '{');
    jot_number(&j, "v", 1);
    jot_number(&j, "done", (int64_t)now->done);
    if (s->all >= 0)
        jot_number(&j, "all", (int64_t)s->all);
    else
        jot_null(&j, "all");
    jot_number(&j, "ok", (int64_t)now->ok);
    jot_number(&j, "failed", (int64_t)now->failed);
    jot_number(&j, "in_flight", now->active);
    jot_number(&j, "bytes", (int64_t)now->bytes);
    jot_number(&j, "per_second", (int64_t)pulse_rate(&s->pulse));
    jot_ms(&j, "p50", sketch_at(now->times, 0.5));
    jot_ms(&j, "p95", sketch_at(now->times, 0.95));
    jot_ms(&j, "eta", pulse_eta(&s->pulse, s->all));
    jot_close(&j, '}');
    text_char(&t, '\n');
    people_say(s->p->people, &t);
    text_free(&t);
}

/* ---- the task ------------------------------------------------------------ */

enum progress_kind
progress_kind(enum progress_kind asked)
{
    if (asked != SHOW_AUTO)
        return asked;
    return term_is(STDERR_FILENO) ? SHOW_BAR : SHOW_PLAIN;
}

static belay_dur
show_period(const struct show *s)
{
    switch (s->p->kind) {
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
    switch (s->p->kind) {
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

BELAY_TASK_DEFINE(progress_show, (const struct progress *, p))
{
    enum { TICK, WISH };
    struct show s = {.p = p};

    show_look(&s);
    for (;;) {
        int wish, r;
        int which = BELAY_TRY(belay_select(&r,
            [TICK] = BELAY_AFTER(show_period(&s)),
            [WISH] = BELAY_RECV(p->wishes, &wish)));

        show_now(&s, which == WISH);
    }
}
