/* SPDX-License-Identifier: MIT */
/*
 * Questions to the workers.
 *
 * A task's fields belong to its worker.  Whoever wants to know sends the worker
 * a message and gets copies: it answers between two tasks, on its own thread.
 * So there is no lock that a dump could wait for in vain, and nothing is read
 * while it changes.  A worker that does not come back from a task does not
 * answer; then only its atomics are looked at, and the task that it runs is
 * read as a debugger would (os/peek.h).
 *
 * A question is a number: asked by one side, done by the other.  What the
 * answer consists of belongs to the worker while they differ.  A late answer
 * is to an old number and is not looked at.
 *
 * A scan of many tasks goes in pieces, so that it holds no worker for long.  In
 * between a mark stands in the list of tasks; everybody else who walks the
 * list passes over it.
 *
 * A simulation has one thread, so that it can look directly.
 */
#include "core/diag.h"

#include <belay/diag.h>

#include "base/alloc.h"
#include "core/scope.h"
#include "os/peek.h"

#include <errno.h>
#include <string.h>

enum {
    DIAG_CHUNK = 512,
    DIAG_PATIENCE_NS = 100000000,
    DIAG_TURN_NS = 10000000
};

/* All runtimes of the process, for threads that belong to none. */
static struct {
    uint32_t lock;
    struct bly_diag *first;
} diag_registry;

/* A lock that may be held for long. */
static void
diag_lock(uint32_t *lock)
{
    while (bly_xchg(lock, 1u) != 0) /* pairs with diag_unlock */
        bly_os_futex_wait(lock, 1, bly_os_now() + DIAG_TURN_NS);
}

static void
diag_unlock(uint32_t *lock)
{
    bly_store_release(lock, 0u); /* pairs with diag_lock */
    bly_os_futex_wake(lock, 1);
}

/* ---- the worker's side -------------------------------------------------- */

struct bly_link *
bly_diag_mark(struct bly_worker *w)
{
    struct bly_diag *d = w->rt->diag;

    return d != NULL ? &d->probes[w->index].mark : NULL;
}

/* While a deadlock is being reported, another thread reads the list. */
static bool
diag_is_frozen(struct bly_rt *rt)
{
    bool frozen;

    bly_lock(&rt->lock);
    frozen = rt->deadlocked;
    bly_unlock(&rt->lock);
    return frozen;
}

static void
diag_scan_some(struct bly_probe *p, struct bly_worker *w)
{
    int64_t start = bly_os_now();
    struct bly_link *l;
    int n;

    if (bly_linked(&p->mark)) {
        l = bly_list_next(&w->tasks, &p->mark);
        bly_list_remove(&p->mark);
    } else {
        l = bly_list_first(&w->tasks);
        bly_notes_clear(&p->notes);
    }
    for (n = 0; l != NULL && n < DIAG_CHUNK; n++) {
        bly_notes_add(&p->notes, BLY_CONTAINER(l, struct bly_task, all),
            p->scan_min_ms, p->scan_cuts);
        l = bly_list_next(&w->tasks, l);
    }
    if (l != NULL)
        bly_list_insert_before(l, &p->mark);
    p->more = l != NULL;
    p->spent_ns = bly_os_now() - start;
}

static void
diag_message(struct bly_msg *m, struct bly_worker *w)
{
    struct bly_probe *p = BLY_CONTAINER(m, struct bly_probe, msg);
    uint32_t asked;

    (void)bly_xchg(&p->sent, 0u); /* pairs with diag_send */
    asked = bly_load_acquire(&p->scan_asked); /* pairs with bly_diag_scan */
    if (asked != p->scan_done) {
        if (!diag_is_frozen(w->rt))
            diag_scan_some(p, w);
        else if (!bly_linked(&p->mark))
            bly_notes_clear(&p->notes);
        /* pairs with bly_diag_scanned */
        bly_store_release(&p->scan_done, asked);
    }
    asked = bly_load_acquire(&p->dump_asked); /* pairs with diag_ask_all */
    if (asked != p->dump_done) {
        bly_census_clear(&p->census);
        bly_census_worker(&p->census, w);
        bly_store_release(&p->dump_done, asked); /* pairs with diag_answered */
        bly_os_futex_wake(&p->dump_done, 1);
    }
}

void
bly_diag_thread(struct bly_worker *w, bool on)
{
    struct bly_diag *d = w->rt->diag;

    if (d != NULL) /* pairs with watchdog_stack */
        bly_store_release(
            &d->probes[w->index].thread, on ? bly_os_thread_self() : 0);
}

/* ---- asking ------------------------------------------------------------- */

static void
diag_send(struct bly_probe *p)
{
    if (bly_xchg(&p->sent, 1u) == 0) /* pairs with diag_message */
        bly_send_msg(p->worker, &p->msg);
}

void
bly_diag_scan(struct bly_probe *p, uint32_t min_ms, bool cuts)
{
    p->scan_min_ms = min_ms;
    p->scan_cuts = cuts;
    /* pairs with diag_message */
    bly_store_release(&p->scan_asked, p->scan_asked + 1);
    diag_send(p);
}

bool
bly_diag_scanned(struct bly_probe *p)
{
    /* pairs with diag_message */
    return bly_load_acquire(&p->scan_done) == p->scan_asked;
}

/* Waits for the answer to the newest dump. */
static bool
diag_answered(struct bly_probe *p, int64_t until)
{
    uint32_t seen;

    /* pairs with diag_message */
    while ((seen = bly_load_acquire(&p->dump_done)) != p->dump_asked) {
        if (bly_os_now() >= until)
            return false;
        bly_os_futex_wait(&p->dump_done, seen, until);
    }
    return true;
}

bool
bly_diag_peek(struct bly_worker *w, struct bly_peeked *out)
{
    struct bly_task *t = bly_load_relaxed(&w->current);
    uint32_t ticks = bly_load_relaxed(&w->ticks);
    const char *name = NULL;

    if (t == NULL || !bly_peek(&t->id, &out->id, sizeof(out->id)) ||
        !bly_peek(&t->name, &name, sizeof(name)) ||
        !bly_peek(&t->base.site, &out->spawned, sizeof(out->spawned)))
        return false;
    (void)bly_peek_text(name, out->name, sizeof(out->name));
    return t == bly_load_relaxed(&w->current) &&
        ticks == bly_load_relaxed(&w->ticks);
}

static void
diag_silent(struct bly_text *x, struct bly_worker *w)
{
    struct bly_peeked now;

    bly_text_add(x, "  worker %u does not answer", w->index + 1);
    if (bly_diag_peek(w, &now)) {
        bly_text_add(x, ": it runs ");
        bly_task_text(x, now.name, now.id);
        bly_text_site(x, ", spawned at", now.spawned);
    }
    bly_text_add(x, "\n");
}

static void
diag_ask_all(struct bly_diag *d, struct bly_worker *here)
{
    uint32_t i, number = ++d->dump_number;

    for (i = 0; i < d->rt->count; i++) {
        struct bly_probe *p = &d->probes[i];

        if (p->worker == here)
            continue;
        /* pairs with diag_message */
        bly_store_release(&p->dump_asked, number);
        diag_send(p);
    }
}

/* Everybody tells about himself. */
static void
diag_collect(struct bly_text *x, struct bly_census *c, struct bly_diag *d)
{
    struct bly_worker *here = bly_worker_here;
    int64_t until = bly_os_now() + DIAG_PATIENCE_NS;
    uint32_t i;

    if (here != NULL && here->rt != d->rt)
        here = NULL;
    diag_ask_all(d, here);
    if (here != NULL)
        bly_census_worker(c, here);
    for (i = 0; i < d->rt->count; i++) {
        struct bly_probe *p = &d->probes[i];

        if (p->worker == here)
            continue;
        if (diag_answered(p, until))
            bly_census_merge(c, &p->census);
        else
            diag_silent(x, p->worker);
    }
}

void
bly_diag_dump(struct bly_text *x, struct bly_rt *rt)
{
    struct bly_text silent = {0};
    struct bly_census c = {0};
    struct bly_diag *d = rt->diag;
    uint32_t i;

    if (d == NULL) {
        for (i = 0; i < rt->count; i++)
            bly_census_worker(&c, &rt->workers[i]);
    } else {
        diag_lock(&d->dumping);
        diag_collect(&silent, &c, d);
        diag_unlock(&d->dumping);
    }
    bly_text_add(x, "belay: ");
    bly_text_number(x, c.tasks + c.queued);
    bly_text_add(x, " task%s on %u worker%s\n%s",
        c.tasks + c.queued == 1 ? "" : "s", rt->count,
        rt->count == 1 ? "" : "s", bly_text_get(&silent));
    bly_census_text(x, &c);
    bly_text_free(&silent);
    bly_census_free(&c);
}

void
belay_dump(int fd)
{
    struct bly_text x = {0};
    struct bly_diag *d;

    if (bly_worker_here != NULL) {
        bly_diag_dump(&x, bly_worker_here->rt);
    } else {
        diag_lock(&diag_registry.lock);
        for (d = diag_registry.first; d != NULL; d = d->next)
            bly_diag_dump(&x, d->rt);
        diag_unlock(&diag_registry.lock);
    }
    bly_os_write(fd, bly_text_get(&x), x.used);
    bly_text_free(&x);
}

/* ---- opening ------------------------------------------------------------ */

int
bly_diag_open(struct bly_rt *rt)
{
    struct bly_diag *d;
    uint32_t i;

    if (BLY_SIM)
        return 0;
    d = bly_zalloc(sizeof(*d) + rt->count * sizeof(struct bly_probe));
    if (d == NULL)
        return -ENOMEM;
    d->rt = rt;
    for (i = 0; i < rt->count; i++) {
        d->probes[i].msg.run = diag_message;
        d->probes[i].worker = &rt->workers[i];
    }
    rt->diag = d;
    diag_lock(&diag_registry.lock);
    d->next = diag_registry.first;
    diag_registry.first = d;
    diag_unlock(&diag_registry.lock);
    return 0;
}

void
bly_diag_close(struct bly_rt *rt)
{
    struct bly_diag *d = rt->diag, **at;
    uint32_t i;

    if (d == NULL)
        return;
    diag_lock(&diag_registry.lock);
    for (at = &diag_registry.first; *at != d; at = &(*at)->next)
        continue;
    *at = d->next;
    diag_unlock(&diag_registry.lock);
    rt->diag = NULL;
    for (i = 0; i < rt->count; i++) {
        bly_notes_free(&d->probes[i].notes);
        bly_census_free(&d->probes[i].census);
    }
    bly_free(d);
}
