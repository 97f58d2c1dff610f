/* SPDX-License-Identifier: MIT */
/*
 * Reports: where they go, and how tasks are named in them.
 *
 * A report is one text, handed over in one call, with no lock held: whoever
 * receives it may do what he likes, but wait.
 */
#include "core/report.h"

#include <belay/diag.h>

#include "base/check.h"
#include "core/errand.h"
#include "core/overflow.h"
#include "core/scope.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    struct bly_lock lock; /* the two below belong together */
    belay_log_fn *fn;
    void *arg;
} report_sink;

void
belay_set_log(belay_log_fn *fn, void *arg)
{
    bly_lock(&report_sink.lock);
    report_sink.fn = fn;
    report_sink.arg = arg;
    bly_unlock(&report_sink.lock);
}

static void
report_send(struct bly_rt *rt, const char *text)
{
    belay_log_fn *fn;
    void *arg;

    bly_lock(&report_sink.lock);
    fn = report_sink.fn;
    arg = report_sink.arg;
    bly_unlock(&report_sink.lock);
    if (fn != NULL)
        fn(arg, text);
    else if (rt->main)
        bly_os_write(STDERR_FILENO, text, strlen(text));
}

void
bly_log(struct bly_rt *rt, const char *fmt, ...)
{
    char text[2048];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    report_send(rt, text);
}

/* ---- what stands still -------------------------------------------------- */

void
bly_report_deadlock(struct bly_rt *rt)
{
    struct bly_notes notes = {0};
    struct bly_census census = {0};
    struct bly_text x = {0};
    uint32_t i;

    for (i = 0; i < rt->count; i++) {
        struct bly_worker *w = &rt->workers[i];
        struct bly_link *mark = bly_diag_mark(w), *l;

        for (l = bly_list_first(&w->tasks); l != NULL;
             l = bly_list_next(&w->tasks, l))
            if (l != mark)
                bly_notes_add(
                    &notes, BLY_CONTAINER(l, struct bly_task, all), 0, false);
        bly_census_worker(&census, w);
    }
    bly_text_add(&x, "belay: deadlock: all tasks wait, and nothing is left "
                     "that could wake one\n");
    if (bly_notes_stuck(&notes, NULL) != 0) {
        (void)bly_notes_tell(&x, &notes);
        bly_text_add(&x, "all tasks:\n");
    }
    bly_census_text(&x, &census);
    report_send(rt, bly_text_get(&x));
    bly_text_free(&x);
    bly_census_free(&census);
    bly_notes_free(&notes);
}

void
bly_report_stuck(struct bly_rt *rt, struct bly_notes *n)
{
    struct bly_text x = {0};

    bly_text_add(&x, "belay: deadlock among some tasks: each waits for the "
                     "next, and nobody else can wake them\n");
    if (bly_notes_tell(&x, n) != 0)
        report_send(rt, bly_text_get(&x));
    bly_text_free(&x);
}

/* ---- hooks -------------------------------------------------------------- */

static void
report_describe_self(char *buf, size_t size)
{
    struct bly_errand *e = bly_errand_self();
    struct bly_task *t = e != NULL ? e->task : bly_self();
    const belay_site *site;
    int used = 0;

    buf[0] = '\0';
    if (t == NULL)
        return;
    if (e != NULL && e->site != NULL)
        used = snprintf(buf, size, " in a call of %s:%d", e->site->file,
            e->site->line);
    if (used < 0 || (size_t)used >= size)
        return;
    buf += used;
    size -= (size_t)used;
    site = t->base.site;
    if (site != NULL)
        (void)snprintf(buf, size, " in task '%s' (spawned at %s:%d)", t->name,
            site->file, site->line);
    else
        (void)snprintf(buf, size, " in task '%s'", t->name);
}

/* In a signal handler. */
static void
report_describe_task(void *task, struct bly_overflow_info *out)
{
    struct bly_task *t = task;

    out->name = t->name;
    if (t->base.site != NULL) {
        out->file = t->base.site->file;
        out->line = t->base.site->line;
    }
    out->next = t->under;
}

void
bly_report_hooks(void)
{
    bly_store_relaxed(&bly_check_describe, report_describe_self);
    bly_store_relaxed(&bly_overflow_describe, report_describe_task);
}
