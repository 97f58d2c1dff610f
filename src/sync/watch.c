/* SPDX-License-Identifier: MIT */
/*
 * Watch: one value with a version, and a queue of those who want the next.
 * A set copies the value to all of them; who sleeps has seen the version that
 * there is, so there is nothing to compare.
 */
#include <belay/broadcast.h>

#include "base/alloc.h"
#include "base/check.h"
#include "sync/batch.h"
#include "sync/chan.h"
#include "sync/select.h"

#include <stdio.h>
#include <string.h>

enum { WATCH_MAGIC = 0x77617463 };

struct belay_watch {
    uint32_t magic;
    struct bly_gate gate; /* guards all that follows */
    uint32_t elem;
    bool closed;
    int32_t err;
    uint64_t version;
    struct bly_list queue;
    const char *name;
    const belay_site *site;
    max_align_t value[];
};

/* What a sleeper's w.data points to. */
struct bly_look_out {
    uint64_t *seen;
    void *into;
};

static void
watch_check(const belay_watch *w, const char *what, const belay_site *site)
{
    if (w == NULL || w->magic != WATCH_MAGIC)
        bly_misuse(site, "%s on a watch that is not open", what);
}

/* ---- under the lock ----------------------------------------------------- */

static void
watch_show(belay_watch *w, struct bly_look_out *l)
{
    bly_chan_copy(l->into, w->value, w->elem);
    *l->seen = w->version;
}

static int
watch_take(belay_watch *w, struct bly_look_out *l)
{
    if (w->version == *l->seen)
        return w->closed ? w->err : BLY_CASE_WAIT;
    watch_show(w, l);
    return 1;
}

/* ---- the calls ---------------------------------------------------------- */

int
belay_watch_set_at(belay_watch *watch, const void *value,
    const belay_site *site)
{
    struct bly_waiter *w;
    struct bly_batch b;
    int r = BELAY_ECLOSED;

    watch_check(watch, "belay_watch_set", site);
    bly_batch_init(&b);
    bly_lock(&watch->gate.lock);
    if (!watch->closed) {
        bly_chan_copy(watch->value, value, watch->elem);
        watch->version++;
        while ((w = bly_queue_claim(&watch->queue)) != NULL) {
            watch_show(watch, w->data);
            bly_batch_add(&b, w, 1);
        }
        r = 0;
    }
    bly_unlock(&watch->gate.lock);
    bly_batch_wake(&b);
    return r;
}

uint64_t
belay_watch_get_at(belay_watch *watch, void *value, const belay_site *site)
{
    uint64_t version;

    watch_check(watch, "belay_watch_get", site);
    bly_lock(&watch->gate.lock);
    version = watch->version;
    if (value != NULL)
        bly_chan_copy(value, watch->value, watch->elem);
    bly_unlock(&watch->gate.lock);
    return version;
}

static void
watch_describe(struct bly_waiter *w, char *buf, size_t size)
{
    belay_watch *watch = BLY_CONTAINER(w->object, belay_watch, gate);

    (void)snprintf(buf, size, "watch '%s' of %s:%d",
        watch->name != NULL ? watch->name : "", bly_site_file(watch->site),
        bly_site_line(watch->site));
}

static const struct bly_wait_kind watch_kind = {
    .verb = "watch",
    .abort = bly_gate_abort,
    .describe = watch_describe,
};

int
belay_watch_wait_at(belay_watch *watch, uint64_t *seen, void *value,
    const belay_site *site)
{
    struct bly_look_out l = {seen, value};
    struct bly_waiter w;
    struct bly_task *t;
    int r = bly_enter(&t, "belay_watch_wait", site);

    if (r < 0)
        return r;
    watch_check(watch, "belay_watch_wait", site);
    bly_lock(&watch->gate.lock);
    r = watch_take(watch, &l);
    if (r == BLY_CASE_WAIT) {
        bly_waiter_init(&w, t, &watch_kind, &watch->gate, site);
        w.data = &l;
        bly_list_push(&watch->queue, &w.link);
    }
    bly_unlock(&watch->gate.lock);
    return r == BLY_CASE_WAIT ? bly_wait(&w) : r;
}

void
belay_watch_close_at(belay_watch *watch, int err, const belay_site *site)
{
    struct bly_waiter *w;
    struct bly_batch b;

    watch_check(watch, "belay_watch_close", site);
    if (err > 0)
        bly_misuse(site, "belay_watch_close with %d, which is no failure",
            err);
    bly_batch_init(&b);
    bly_lock(&watch->gate.lock);
    if (!watch->closed) {
        watch->closed = true;
        watch->err = err;
        while ((w = bly_queue_claim(&watch->queue)) != NULL)
            bly_batch_add(&b, w, err);
    }
    bly_unlock(&watch->gate.lock);
    bly_batch_wake(&b);
}

/* ---- as a case of a select ---------------------------------------------- */

static struct bly_gate *
watch_case_gate(const belay_case *c)
{
    return &((belay_watch *)c->belay_on)->gate;
}

/* The place where the version goes is a const field of the case. */
static struct bly_look_out
watch_case_look(const belay_case *c)
{
    return (struct bly_look_out){
        (uint64_t *)(uintptr_t)c->belay_from, c->belay_into};
}

static bool
watch_case_ready(struct bly_arm *a)
{
    belay_watch *watch = a->c->belay_on;

    return watch->closed || watch->version != *watch_case_look(a->c).seen;
}

static int
watch_case_take(struct bly_arm *a, struct bly_batch *b)
{
    struct bly_look_out l = watch_case_look(a->c);

    (void)b;
    return watch_take(a->c->belay_on, &l);
}

static void
watch_case_enqueue(struct bly_arm *a)
{
    struct bly_look_out *l = (struct bly_look_out *)(void *)a->own;
    belay_watch *watch = a->c->belay_on;

    *l = watch_case_look(a->c);
    a->w.data = l;
    bly_list_push(&watch->queue, &a->w.link);
}

static const struct bly_case_ops watch_case = {
    .verb = "watch",
    .gate = watch_case_gate,
    .ready = watch_case_ready,
    .take = watch_case_take,
    .enqueue = watch_case_enqueue,
};

belay_case
belay_case_watch(belay_watch *watch, uint64_t *seen, void *into)
{
    return (belay_case){
        .belay_ops = watch != NULL ? &watch_case : NULL,
        .belay_on = watch,
        .belay_into = into,
        .belay_from = seen,
    };
}

/* ---- making and freeing ------------------------------------------------- */

int
belay_watch_open_at(belay_watch **out, size_t elem, const char *name,
    const belay_site *site)
{
    belay_watch *w;

    *out = NULL;
    if (elem == 0 || elem > INT32_MAX)
        return -EINVAL;
    w = bly_zalloc(sizeof(*w) + elem);
    if (w == NULL)
        return -ENOMEM;
    w->magic = WATCH_MAGIC;
    w->gate.id = bly_gate_number();
    w->elem = (uint32_t)elem;
    bly_list_init(&w->queue);
    w->name = name;
    w->site = site;
    *out = w;
    return 0;
}

void
belay_watch_free_at(belay_watch **handle, const belay_site *site)
{
    belay_watch *w = *handle;

    *handle = NULL;
    if (w == NULL)
        return;
    watch_check(w, "belay_watch_free", site);
    bly_sync_check_idle(&w->gate, &w->queue, "free of a watch", site);
    w->magic = 0;
    bly_free(w);
}
