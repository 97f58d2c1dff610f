/* SPDX-License-Identifier: MIT */
/*
 * Two kinds of tasks are looked for, in passes over all workers: those that
 * wait for each other (waitfor.c), and those that were cut and do not end.
 *
 * A pass asks each worker for notes, in pieces, and comes back for the answers
 * at the next ticks.  What the workers spend on it is measured, and the passes
 * are spaced so that it stays below PATROL_SHARE: some ten thousand sleepers
 * are looked at five times a second, a million every few seconds.
 *
 * Cuts are looked for only after the epoch has moved, since that walks up the
 * path of every task.
 */
#include "core/patrol.h"

#include "core/report.h"

#include <string.h>

#define PATROL_MS INT64_C(1000000)

enum {
    PATROL_EVERY_MS = 200,
    PATROL_SHARE = 200,  /* at most one part in so many */
    PATROL_STUCK_MS = 500,
    PATROL_LATE_MS = 800, /* after the first sight, a pass after the cut */
    PATROL_LINES = 8
};

void
bly_patrol_init(struct bly_patrol *p, struct bly_rt *rt)
{
    memset(p, 0, sizeof(*p));
    p->rt = rt;
}

void
bly_patrol_fini(struct bly_patrol *p)
{
    bly_notes_free(&p->now);
    bly_notes_free(&p->before);
}

bool
bly_patrol_resting(const struct bly_patrol *p)
{
    uint32_t i;

    for (i = 0; i < p->nlaggards; i++)
        if (!p->laggards[i].told)
            return false;
    return !p->under_way;
}

static void
patrol_begin(struct bly_patrol *p, int64_t now)
{
    struct bly_diag *d = p->rt->diag;
    uint32_t i, epoch = bly_load_relaxed(&p->rt->epoch);
    bool cuts = epoch != p->epoch || p->nlaggards != 0;

    p->epoch = epoch;
    p->began = now;
    p->spent_ns = 0;
    p->under_way = true;
    for (i = 0; i < p->rt->count; i++)
        bly_diag_scan(&d->probes[i], PATROL_STUCK_MS, cuts);
}

/* False: some answers are still to come. */
static bool
patrol_gather(struct bly_patrol *p)
{
    struct bly_diag *d = p->rt->diag;
    bool all = true;
    uint32_t i;

    for (i = 0; i < p->rt->count; i++) {
        struct bly_probe *probe = &d->probes[i];

        if (!bly_diag_scanned(probe)) {
            all = false;
        } else if (probe->more) {
            p->spent_ns += probe->spent_ns;
            bly_diag_scan(probe, probe->scan_min_ms, probe->scan_cuts);
            all = false;
        }
    }
    if (!all)
        return false;
    bly_notes_clear(&p->now);
    for (i = 0; i < p->rt->count; i++) {
        p->spent_ns += d->probes[i].spent_ns;
        bly_notes_append(&p->now, &d->probes[i].notes);
    }
    return true;
}

/* ---- laggards ----------------------------------------------------------- */

static struct bly_laggard *
patrol_laggard(struct bly_patrol *p, uint64_t id, int64_t now)
{
    struct bly_laggard *l;
    uint32_t i;

    for (i = 0; i < p->nlaggards; i++)
        if (p->laggards[i].id == id)
            return &p->laggards[i];
    if (p->nlaggards == BLY_PATROL_LAGGARDS)
        return NULL;
    l = &p->laggards[p->nlaggards++];
    l->id = id;
    l->since = now;
    l->told = false;
    return l;
}

static void
patrol_line(struct bly_text *x, const struct bly_note *e)
{
    bly_text_add(x, "  ");
    bly_task_text(x, e->name, e->id);
    bly_text_add(x, " ");
    bly_state_text(x, &e->state);
    bly_text_site(x, "; spawned at", e->spawned);
    bly_text_add(x, "\n");
}

/* The lines about those that are due; how many these are. */
static uint32_t
patrol_late(struct bly_patrol *p, struct bly_text *x, int64_t now)
{
    uint32_t i, late = 0;

    for (i = 0; i < p->now.count; i++) {
        const struct bly_note *e = &p->now.list[i];
        struct bly_laggard *l;

        if (!e->cut)
            continue;
        l = patrol_laggard(p, e->id, now);
        if (l == NULL)
            continue;
        l->seen = true;
        if (l->told || now - l->since < PATROL_LATE_MS * PATROL_MS)
            continue;
        l->told = true;
        if (late++ < PATROL_LINES)
            patrol_line(x, e);
    }
    return late;
}

static void
patrol_laggards(struct bly_patrol *p, int64_t now)
{
    struct bly_text x = {0};
    uint32_t i, kept = 0, late;

    bly_text_add(&x, "belay: cancelled a second ago, and not ended yet:\n");
    late = patrol_late(p, &x, now);
    if (late > PATROL_LINES)
        bly_text_add(&x, "  and %u more\n", late - PATROL_LINES);
    if (late != 0)
        bly_log(p->rt, "%s", bly_text_get(&x));
    bly_text_free(&x);
    for (i = 0; i < p->nlaggards; i++)
        if (p->laggards[i].seen) {
            p->laggards[kept] = p->laggards[i];
            p->laggards[kept++].seen = false;
        }
    p->nlaggards = kept;
}

/* ---- one pass ----------------------------------------------------------- */

static void
patrol_conclude(struct bly_patrol *p)
{
    struct bly_notes swap;

    if (bly_notes_stuck(&p->now, &p->before) != 0)
        bly_report_stuck(p->rt, &p->now);
    swap = p->before;
    p->before = p->now;
    p->now = swap;
}

void
bly_patrol_tick(struct bly_patrol *p, int64_t now)
{
    int64_t rest;

    if (!p->under_way) {
        if (now >= p->next)
            patrol_begin(p, now);
        return;
    }
    if (!patrol_gather(p))
        return;
    p->under_way = false;
    patrol_laggards(p, now);
    patrol_conclude(p);
    rest = p->spent_ns * PATROL_SHARE;
    if (rest < PATROL_EVERY_MS * PATROL_MS)
        rest = PATROL_EVERY_MS * PATROL_MS;
    p->next = p->began + rest;
}
