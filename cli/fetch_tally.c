/* SPDX-License-Identifier: MIT */
/* What a run has come to so far.  See fetch_tally.h. */
#include "cli/fetch_tally.h"

#include "cli/number.h"

#include <string.h>

static void
tally_kind(struct fetch_tally *t, const char *kind)
{
    for (int i = 0; i < TALLY_KINDS; i++) {
        if (t->kinds[i].kind == NULL)
            t->kinds[i].kind = kind;
        if (strcmp(t->kinds[i].kind, kind) == 0) {
            t->kinds[i].n++;
            return;
        }
    }
}

void
tally_add(struct fetch_tally *t, const struct fetch_result *r)
{
    t->bytes += r->bytes;
    switch (r->end) {
    case FETCH_OK:
        t->ok++;
        sketch_add(&t->times, r->total);
        break;
    case FETCH_FAILED:
        t->failed++;
        tally_kind(t, r->kind);
        break;
    case FETCH_SKIPPED:
        t->skipped++;
        break;
    case FETCH_CUT:
        t->cut++;
        break;
    }
}

uint64_t
tally_done(const struct fetch_tally *t)
{
    return t->ok + t->failed + t->cut;
}

/* ---- in words ------------------------------------------------------------ */

static void
tally_count(struct text *out, const char *before, uint64_t n, const char *what)
{
    if (n > 0)
        text_printf(out, "%s%llu %s", before, (unsigned long long)n, what);
}

/* " (timeout 12, reset 8)" */
static void
tally_kinds(const struct fetch_tally *t, struct text *out)
{
    const char *before = " (";

    for (int i = 0; i < TALLY_KINDS && t->kinds[i].kind != NULL; i++) {
        text_printf(out, "%s%s %llu", before, t->kinds[i].kind,
            (unsigned long long)t->kinds[i].n);
        before = ", ";
    }
    if (before[0] == ',')
        text_char(out, ')');
}

void
tally_summary(const struct fetch_tally *t, belay_dur took, struct text *out)
{
    char time[NUMBER_ROOM], size[NUMBER_ROOM];
    uint64_t done = tally_done(t), all = done + t->skipped;

    text_printf(out, "%llu URL%s in %s: %llu ok", (unsigned long long)all,
        all == 1 ? "" : "s", number_show_duration(time, took),
        (unsigned long long)t->ok);
    tally_count(out, ", ", t->failed, "failed");
    tally_kinds(t, out);
    tally_count(out, ", ", t->cut, "cut short");
    tally_count(out, ", ", t->skipped, "duplicate");
    tally_count(out, ", ", t->before, "done before");
    text_printf(out, "; %s", number_show_size(size, t->bytes));
    if (t->ok > 1) {
        text_printf(out, "; p50 %s",
            number_show_duration(time, sketch_at(&t->times, 0.5)));
        text_printf(out, ", p95 %s",
            number_show_duration(time, sketch_at(&t->times, 0.95)));
    }
    if (done > 1 && took > 0)
        text_printf(out, "; %.0f/s", (double)done * 1e9 / (double)took);
    text_char(out, '\n');
}
