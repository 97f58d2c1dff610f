/* SPDX-License-Identifier: MIT */
/*
 * A worker that stays in one task is seen from outside by two atomics that do
 * not change: the task it runs and the count of switches.
 *
 * That is not yet proof, because short tasks may follow each other in one
 * descriptor without a switch.  So the task is looked at twice, some time
 * apart, and must have the same id.
 */
#include "core/watchdog.h"

#include "base/alloc.h"
#include "core/report.h"
#include "os/native.h"

#include <errno.h>

#define WATCHDOG_MS INT64_C(1000000)

enum {
    WATCHDOG_LOOK_MS = 20,
    WATCHDOG_LIMIT_MS = 100,
    WATCHDOG_AGAIN_MS = 60000,
    WATCHDOG_SKIP = 2 /* frames of the signal itself */
};

int
bly_watchdog_init(struct bly_watchdog *d, struct bly_rt *rt)
{
    d->rt = rt;
    d->workers = bly_zalloc(rt->count * sizeof(*d->workers));
    return d->workers != NULL ? 0 : -ENOMEM;
}

void
bly_watchdog_fini(struct bly_watchdog *d)
{
    bly_free(d->workers);
}

/* Once a minute for one place of spawn. */
static bool
watchdog_is_new(struct bly_watchdog *d, const belay_site *site, int64_t now)
{
    uint32_t i;

    for (i = 0; i < BLY_WATCHDOG_SITES; i++)
        if (d->told[i].when != 0 && d->told[i].site == site) {
            if (now - d->told[i].when < WATCHDOG_AGAIN_MS * WATCHDOG_MS)
                return false;
            d->told[i].when = now;
            return true;
        }
    d->told[d->next].site = site;
    d->told[d->next].when = now;
    d->next = (d->next + 1) % BLY_WATCHDOG_SITES;
    return true;
}

static bool
watchdog_still(const struct bly_watch *look, struct bly_worker *w)
{
    return look->current == bly_load_relaxed(&w->current) &&
        look->ticks == bly_load_relaxed(&w->ticks);
}

/* Where the thread of w is now; only a program gave us its signals. */
static void
watchdog_stack(struct bly_text *x, const struct bly_watch *look,
    struct bly_worker *w)
{
    /* pairs with bly_diag_thread */
    uint64_t thread = bly_load_acquire(&w->rt->diag->probes[w->index].thread);
    void *pcs[BLY_NATIVE_DEPTH];
    char name[160];
    int i, n;

    if (!w->rt->main || thread == 0)
        return;
    n = bly_native_ask(thread, pcs, BLY_NATIVE_DEPTH);
    if (!watchdog_still(look, w))
        return;
    for (i = WATCHDOG_SKIP; i < n; i++) {
        bly_native_name(pcs[i], name, sizeof(name));
        bly_text_add(x, "    %s\n", name);
    }
}

static void
watchdog_report(struct bly_watch *look, struct bly_worker *w,
    const struct bly_peeked *task, int64_t now)
{
    struct bly_text x = {0};

    bly_text_add(&x, "belay: ");
    bly_task_text(&x, task->name, task->id);
    bly_text_add(&x, " has held worker %u for ", w->index + 1);
    bly_text_ms(&x, (uint32_t)((now - look->since) / WATCHDOG_MS));
    bly_text_add(&x, ", and no other task can run there");
    bly_text_site(&x, "; spawned at", task->spawned);
    bly_text_add(&x, "\n");
    watchdog_stack(&x, look, w);
    bly_log(w->rt, "%s", bly_text_get(&x));
    bly_text_free(&x);
}

/* Nothing has moved for held. */
static void
watchdog_suspect(struct bly_watchdog *d, struct bly_watch *look,
    struct bly_worker *w, int64_t now)
{
    int64_t held = (now - look->since) / WATCHDOG_MS;
    struct bly_peeked task;

    if (look->told || held < WATCHDOG_LOOK_MS ||
        (look->id != 0 && held < WATCHDOG_LIMIT_MS))
        return;
    if (!bly_diag_peek(w, &task) || task.id != look->id) {
        if (look->id != 0) /* another one than at the first look */
            look->since = now;
        look->id = watchdog_still(look, w) ? task.id : 0;
        return;
    }
    look->told = true;
    if (watchdog_is_new(d, task.spawned, now))
        watchdog_report(look, w, &task, now);
}

bool
bly_watchdog_tick(struct bly_watchdog *d, int64_t now)
{
    bool moved = false;
    uint32_t i;

    for (i = 0; i < d->rt->count; i++) {
        struct bly_worker *w = &d->rt->workers[i];
        struct bly_watch *look = &d->workers[i];

        if (look->current == NULL || !watchdog_still(look, w)) {
            uint32_t ticks = bly_load_relaxed(&w->ticks);

            moved |= ticks != look->ticks;
            look->ticks = ticks;
            look->current = bly_load_relaxed(&w->current);
            look->since = now;
            look->id = 0;
            look->told = false;
        } else {
            watchdog_suspect(d, look, w, now);
        }
    }
    return moved;
}
