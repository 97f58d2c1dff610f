/* SPDX-License-Identifier: MIT */
/*
 * Broadcast: a ring of the newest values, in which each subscriber has its
 * own place.
 *
 * Values are numbered; `next' is the number of the one to come.  A subscriber
 * at `next' has seen everything, and only such a one sleeps: so a send hands
 * its value to all sleepers directly.  The ring is full when the slowest is
 * cap values behind.  Who that is, is looked up only when the ring seems to
 * be full: `floor' is a number that nobody is below, as of the last look.
 *
 * In a lossy broadcast the ring is never full.  Whoever finds himself more
 * than cap behind is told so once, and goes on with the oldest value there
 * is.
 */
#include <belay/broadcast.h>

#include "base/alloc.h"
#include "base/check.h"
#include "sync/batch.h"
#include "sync/chan.h"
#include "sync/select.h"

#include <stdio.h>
#include <string.h>

enum { BROADCAST_MAGIC = 0x62726f61, SUB_MAGIC = 0x73756273 };

struct belay_broadcast {
    uint32_t magic;
    struct bly_gate gate; /* guards all that follows */
    uint32_t elem, cap;
    bool lossy, closed;
    int32_t err;
    uint32_t at;    /* slot of `next' */
    uint64_t next;  /* number of the next value */
    uint64_t floor; /* no subscriber is below */
    struct bly_list subs;
    struct bly_list senders, receivers;
    const char *name;
    const belay_site *site;
    max_align_t slots[];
};

struct belay_sub {
    uint32_t magic;
    uint32_t at;   /* slot of `pos' */
    uint64_t pos;  /* number of the value that it wants */
    uint64_t lost;
    struct bly_link link; /* in from->subs */
    belay_broadcast *from;
    const belay_site *site;
};

/* What a sleeping receiver's w.data points to. */
struct bly_seat {
    belay_sub *sub;
    void *into;
};

static char *
cast_slot(belay_broadcast *b, uint32_t i)
{
    return (char *)b->slots + (size_t)i * b->elem;
}

static uint32_t
cast_after(const belay_broadcast *b, uint32_t at)
{
    return at + 1 == b->cap ? 0 : at + 1;
}

/* ---- under the lock ----------------------------------------------------- */

static bool
cast_has_room(belay_broadcast *b)
{
    struct bly_link *e;

    if (b->lossy || b->next - b->floor < b->cap)
        return true;
    b->floor = b->next;
    for (e = bly_list_first(&b->subs); e != NULL;
         e = bly_list_next(&b->subs, e)) {
        belay_sub *sub = BLY_CONTAINER(e, belay_sub, link);

        if (sub->pos < b->floor)
            b->floor = sub->pos;
    }
    return b->next - b->floor < b->cap;
}

static void
cast_put(belay_broadcast *b, const void *value, struct bly_batch *batch)
{
    struct bly_link *e, *after;

    bly_chan_copy(cast_slot(b, b->at), value, b->elem);
    b->at = cast_after(b, b->at);
    b->next++;
    for (e = bly_list_first(&b->receivers); e != NULL; e = after) {
        struct bly_waiter *w = BLY_CONTAINER(e, struct bly_waiter, link);
        struct bly_seat *seat = w->data;

        after = bly_list_next(&b->receivers, e);
        if (seat->sub->pos == b->next)
            continue; /* another task has had it for this subscriber */
        if (!bly_claim(w)) {
            bly_list_remove(e);
            continue;
        }
        bly_chan_copy(seat->into, value, b->elem);
        seat->sub->pos = b->next;
        seat->sub->at = b->at;
        bly_batch_add(batch, w, 1);
    }
}

/* There may be room: lets the senders that sleep have it. */
static void
cast_admit(belay_broadcast *b, struct bly_batch *batch)
{
    struct bly_waiter *w;

    while (!bly_list_empty(&b->senders) && cast_has_room(b)) {
        w = bly_queue_claim(&b->senders);
        if (w == NULL)
            return;
        cast_put(b, w->data, batch);
        bly_batch_add(batch, w, 0);
    }
}

static int
cast_give(belay_broadcast *b, const void *value, struct bly_batch *batch)
{
    if (b->closed)
        return BELAY_ECLOSED;
    if (!cast_has_room(b))
        return BLY_CASE_WAIT;
    cast_put(b, value, batch);
    return 0;
}

static bool
cast_is_behind(const belay_sub *sub)
{
    return sub->from->next - sub->pos > sub->from->cap;
}

static int
cast_take(belay_sub *sub, void *value, struct bly_batch *batch)
{
    belay_broadcast *b = sub->from;

    if (cast_is_behind(sub)) {
        sub->lost += b->next - sub->pos - b->cap;
        sub->pos = b->next - b->cap;
        sub->at = b->at;
        return -EOVERFLOW;
    }
    if (sub->pos == b->next)
        return b->closed ? b->err : BLY_CASE_WAIT;
    bly_chan_copy(value, cast_slot(b, sub->at), b->elem);
    sub->at = cast_after(b, sub->at);
    sub->pos++;
    cast_admit(b, batch);
    return 1;
}

/* ---- sending ------------------------------------------------------------ */

static void
cast_describe(struct bly_waiter *w, char *buf, size_t size)
{
    belay_broadcast *b = BLY_CONTAINER(w->object, belay_broadcast, gate);

    (void)snprintf(buf, size, "broadcast '%s' of %s:%d",
        b->name != NULL ? b->name : "", bly_site_file(b->site),
        bly_site_line(b->site));
}

static const struct bly_wait_kind cast_send_kind = {
    .verb = "broadcast",
    .abort = bly_gate_abort,
    .describe = cast_describe,
};

static const struct bly_wait_kind cast_recv_kind = {
    .verb = "recv",
    .abort = bly_gate_abort,
    .describe = cast_describe,
};

static void
cast_check(const belay_broadcast *b, const char *what, const belay_site *site)
{
    if (b == NULL || b->magic != BROADCAST_MAGIC)
        bly_misuse(site, "%s on a broadcast that is not open", what);
}

static void
cast_check_sub(const belay_sub *sub, const char *what, const belay_site *site)
{
    if (sub == NULL || sub->magic != SUB_MAGIC)
        bly_misuse(site, "%s without a subscription", what);
}

int
belay_broadcast_send_at(belay_broadcast *b, const void *value,
    const belay_site *site)
{
    struct bly_batch batch;
    struct bly_waiter w;
    struct bly_task *t;
    int r = bly_enter(&t, "belay_broadcast_send", site);

    if (r < 0)
        return r;
    cast_check(b, "belay_broadcast_send", site);
    bly_batch_init(&batch);
    bly_lock(&b->gate.lock);
    r = cast_give(b, value, &batch);
    if (r == BLY_CASE_WAIT) {
        bly_waiter_init(&w, t, &cast_send_kind, &b->gate, site);
        w.data = (void *)(uintptr_t)value; /* only read */
        bly_list_push(&b->senders, &w.link);
    }
    bly_unlock(&b->gate.lock);
    if (r == BLY_CASE_WAIT)
        return bly_wait(&w);
    bly_batch_wake(&batch);
    return r;
}

int
belay_broadcast_try_send_at(belay_broadcast *b, const void *value,
    const belay_site *site)
{
    struct bly_batch batch;
    int r;

    cast_check(b, "belay_broadcast_try_send", site);
    bly_batch_init(&batch);
    bly_lock(&b->gate.lock);
    r = cast_give(b, value, &batch);
    bly_unlock(&b->gate.lock);
    bly_batch_wake(&batch);
    return r == BLY_CASE_WAIT ? -EAGAIN : r;
}

static void
cast_flush(struct bly_list *queue, int result, struct bly_batch *batch)
{
    struct bly_waiter *w;

    while ((w = bly_queue_claim(queue)) != NULL)
        bly_batch_add(batch, w, result);
}

void
belay_broadcast_close_at(belay_broadcast *b, int err, const belay_site *site)
{
    struct bly_batch batch;

    cast_check(b, "belay_broadcast_close", site);
    if (err > 0)
        bly_misuse(site, "belay_broadcast_close with %d, which is no failure",
            err);
    bly_batch_init(&batch);
    bly_lock(&b->gate.lock);
    if (!b->closed) {
        b->closed = true;
        b->err = err;
        cast_flush(&b->senders, BELAY_ECLOSED, &batch);
        cast_flush(&b->receivers, err, &batch);
    }
    bly_unlock(&b->gate.lock);
    bly_batch_wake(&batch);
}

/* ---- receiving ---------------------------------------------------------- */

int
belay_sub_recv_at(belay_sub *sub, void *value, const belay_site *site)
{
    struct bly_seat seat = {sub, value};
    struct bly_batch batch;
    struct bly_waiter w;
    struct bly_task *t;
    int r = bly_enter(&t, "belay_sub_recv", site);

    if (r < 0)
        return r;
    cast_check_sub(sub, "belay_sub_recv", site);
    bly_batch_init(&batch);
    bly_lock(&sub->from->gate.lock);
    r = cast_take(sub, value, &batch);
    if (r == BLY_CASE_WAIT) {
        bly_waiter_init(&w, t, &cast_recv_kind, &sub->from->gate, site);
        w.data = &seat;
        bly_list_push(&sub->from->receivers, &w.link);
    }
    bly_unlock(&sub->from->gate.lock);
    if (r == BLY_CASE_WAIT)
        return bly_wait(&w);
    bly_batch_wake(&batch);
    return r;
}

int
belay_sub_try_recv_at(belay_sub *sub, void *value, const belay_site *site)
{
    struct bly_batch batch;
    int r;

    cast_check_sub(sub, "belay_sub_try_recv", site);
    bly_batch_init(&batch);
    bly_lock(&sub->from->gate.lock);
    r = cast_take(sub, value, &batch);
    bly_unlock(&sub->from->gate.lock);
    bly_batch_wake(&batch);
    return r == BLY_CASE_WAIT ? -EAGAIN : r;
}

uint64_t
belay_sub_lost_at(belay_sub *sub, const belay_site *site)
{
    uint64_t lost;

    cast_check_sub(sub, "belay_sub_lost", site);
    bly_lock(&sub->from->gate.lock);
    lost = sub->lost;
    if (cast_is_behind(sub))
        lost += sub->from->next - sub->pos - sub->from->cap;
    bly_unlock(&sub->from->gate.lock);
    return lost;
}

/* ---- as a case of a select ---------------------------------------------- */

static struct bly_gate *
cast_case_gate(const belay_case *c)
{
    return &((belay_sub *)c->belay_on)->from->gate;
}

static bool
cast_case_ready(struct bly_arm *a)
{
    belay_sub *sub = a->c->belay_on;

    return sub->pos != sub->from->next || sub->from->closed;
}

static int
cast_case_take(struct bly_arm *a, struct bly_batch *batch)
{
    return cast_take(a->c->belay_on, a->c->belay_into, batch);
}

static void
cast_case_enqueue(struct bly_arm *a)
{
    struct bly_seat *seat = (struct bly_seat *)(void *)a->own;
    belay_sub *sub = a->c->belay_on;

    *seat = (struct bly_seat){sub, a->c->belay_into};
    a->w.data = seat;
    bly_list_push(&sub->from->receivers, &a->w.link);
}

static const struct bly_case_ops cast_case = {
    .verb = "recv",
    .gate = cast_case_gate,
    .ready = cast_case_ready,
    .take = cast_case_take,
    .enqueue = cast_case_enqueue,
};

belay_case
belay_case_sub_recv(belay_sub *sub, void *into)
{
    return (belay_case){
        .belay_ops = sub != NULL ? &cast_case : NULL,
        .belay_on = sub,
        .belay_into = into,
    };
}

/* ---- making and freeing ------------------------------------------------- */

int
belay_broadcast_open_at(belay_broadcast **out, size_t elem, size_t cap,
    const belay_broadcast_opts *opts, const belay_site *site)
{
    belay_broadcast_opts o = {0};
    belay_broadcast *b;
    size_t bytes;

    *out = NULL;
    if (opts != NULL)
        memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);
    if (elem == 0 || elem > INT32_MAX || cap == 0 || cap > INT32_MAX ||
        __builtin_mul_overflow(elem, cap, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(*b), &bytes))
        return -EINVAL;
    b = bly_alloc(bytes);
    if (b == NULL)
        return -ENOMEM;
    memset(b, 0, sizeof(*b));
    b->magic = BROADCAST_MAGIC;
    b->gate.id = bly_gate_number();
    b->elem = (uint32_t)elem;
    b->cap = (uint32_t)cap;
    b->lossy = o.lossy;
    bly_list_init(&b->subs);
    bly_list_init(&b->senders);
    bly_list_init(&b->receivers);
    b->name = o.name;
    b->site = site;
    *out = b;
    return 0;
}

void
belay_broadcast_free_at(belay_broadcast **handle, const belay_site *site)
{
    belay_broadcast *b = *handle;
    const belay_site *there = NULL;
    struct bly_link *e;

    *handle = NULL;
    if (b == NULL)
        return;
    cast_check(b, "belay_broadcast_free", site);
    bly_sync_check_idle(&b->gate, &b->senders, "free of a broadcast", site);
    bly_lock(&b->gate.lock);
    e = bly_list_first(&b->subs);
    if (e != NULL)
        there = BLY_CONTAINER(e, belay_sub, link)->site;
    bly_unlock(&b->gate.lock);
    if (e != NULL)
        bly_misuse(site, "free of a broadcast that has a subscription of "
            "%s:%d", bly_site_file(there), bly_site_line(there));
    b->magic = 0;
    bly_free(b);
}

int
belay_broadcast_subscribe_at(belay_broadcast *b, belay_sub **out,
    const belay_site *site)
{
    belay_sub *sub;

    *out = NULL;
    cast_check(b, "belay_broadcast_subscribe", site);
    sub = bly_zalloc(sizeof(*sub));
    if (sub == NULL)
        return -ENOMEM;
    sub->magic = SUB_MAGIC;
    sub->from = b;
    sub->site = site;
    bly_lock(&b->gate.lock);
    sub->pos = b->next;
    sub->at = b->at;
    bly_list_push(&b->subs, &sub->link);
    bly_unlock(&b->gate.lock);
    *out = sub;
    return 0;
}

static const belay_site *
cast_waits_on(belay_broadcast *b, const belay_sub *sub, bool *waits)
{
    struct bly_link *e;

    *waits = false;
    for (e = bly_list_first(&b->receivers); e != NULL;
         e = bly_list_next(&b->receivers, e)) {
        struct bly_waiter *w = BLY_CONTAINER(e, struct bly_waiter, link);

        if (((struct bly_seat *)w->data)->sub != sub)
            continue;
        *waits = true;
        return w->site;
    }
    return NULL;
}

void
belay_sub_free_at(belay_sub **handle, const belay_site *site)
{
    belay_sub *sub = *handle;
    const belay_site *there;
    struct bly_batch batch;
    bool waits;

    *handle = NULL;
    if (sub == NULL)
        return;
    cast_check_sub(sub, "belay_sub_free", site);
    bly_batch_init(&batch);
    bly_lock(&sub->from->gate.lock);
    there = cast_waits_on(sub->from, sub, &waits);
    if (!waits) {
        bly_list_remove(&sub->link);
        cast_admit(sub->from, &batch);
    }
    bly_unlock(&sub->from->gate.lock);
    if (waits)
        bly_misuse(site, "free of a subscription for which a task waits at "
            "%s:%d", bly_site_file(there), bly_site_line(there));
    bly_batch_wake(&batch);
    sub->magic = 0;
    bly_free(sub);
}
