/* SPDX-License-Identifier: MIT */
/* The life of a channel: opening, producers, closing, freeing, numbers. */
#include "sync/chan.h"

#include "base/alloc.h"
#include "base/check.h"

#include <string.h>

static uint32_t chan_gates;

uint32_t
bly_gate_number(void)
{
    /* The order alone counts; pairs with bly_gate_number itself. */
    return (bly_fetch_add(&chan_gates, 1u) + 1) & ~BLY_GATE_LEANS;
}

/* ---- closing, producers ------------------------------------------------- */

void
belay_close_at(belay_chan *ch, int err, const belay_site *site)
{
    struct bly_batch b;

    bly_chan_check(ch, "belay_close", site);
    if (err > 0)
        bly_misuse(site, "belay_close with %d, which is no failure", err);
    bly_batch_init(&b);
    bly_gate_lock(&ch->leaning.gate);
    /* A close by the last producer is final as soon as somebody says so. */
    bly_chan_told(ch);
    bly_chan_close(ch, err, BLY_CHAN_CLOSED, &b);
    bly_gate_unlock(&ch->leaning.gate);
    bly_batch_wake(&b);
}

static void
chan_producer_add(struct bly_producers *p)
{
    struct belay_chan *ch = BLY_CONTAINER(p, struct belay_chan, producers);

    bly_gate_lock(&ch->leaning.gate);
    p->count++;
    if (ch->flags & BLY_CHAN_UNTOLD) {
        bly_store_relaxed(&ch->flags, ch->flags &
                ~(uint32_t)(BLY_CHAN_CLOSED | BLY_CHAN_UNTOLD));
        ch->err = 0;
    }
    bly_gate_unlock(&ch->leaning.gate);
}

static void
chan_producer_end(struct bly_producers *p, int err)
{
    struct belay_chan *ch = BLY_CONTAINER(p, struct belay_chan, producers);
    struct bly_batch b;

    bly_batch_init(&b);
    bly_gate_lock(&ch->leaning.gate);
    bly_assert(p->count > 0);
    if (err < 0 && ch->failed == 0)
        ch->failed = err;
    if (--p->count == 0)
        bly_chan_close(ch, ch->failed, BLY_CHAN_CLOSED | BLY_CHAN_UNTOLD, &b);
    bly_gate_unlock(&ch->leaning.gate);
    bly_batch_wake(&b);
}

void
belay_chan_hold_at(belay_chan *ch, const belay_site *site)
{
    bly_chan_check(ch, "belay_chan_hold", site);
    chan_producer_add(&ch->producers);
}

void
belay_chan_release_at(belay_chan *ch, int err, const belay_site *site)
{
    bool held;

    bly_chan_check(ch, "belay_chan_release", site);
    bly_gate_lock(&ch->leaning.gate);
    held = ch->producers.count > 0;
    bly_gate_unlock(&ch->leaning.gate);
    if (!held)
        bly_misuse(site, "belay_chan_release without a belay_chan_hold");
    chan_producer_end(&ch->producers, err);
}

/* ---- making and freeing ------------------------------------------------- */

static void
chan_init(struct belay_chan *ch, size_t elem, size_t cap,
    const belay_chan_opts *o, const belay_site *site)
{
    memset(ch, 0, sizeof(*ch));
    ch->producers.magic = BLY_PRODUCERS_MAGIC;
    ch->producers.add = chan_producer_add;
    ch->producers.end = chan_producer_end;
    ch->leaning.gate.id = bly_gate_number();
    bly_gate_lean(&ch->leaning);
    ch->elem = (uint32_t)elem;
    ch->cap = (uint32_t)cap;
    ch->flags = o->once ? BLY_CHAN_ONCE : 0;
    bly_list_init(&ch->receivers);
    bly_list_init(&ch->senders);
    ch->undelivered = o->undelivered;
    ch->name = o->name;
    ch->site = site;
}

int
belay_chan_open_at(belay_chan **out, size_t elem, size_t cap,
    const belay_chan_opts *opts, const belay_site *site)
{
    belay_chan_opts o = {0};
    struct belay_chan *ch;
    size_t bytes;
    int r;

    *out = NULL;
    if (opts != NULL)
        memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);
    if (o.once)
        cap = 1;
    if (elem == 0 || elem > INT32_MAX || cap > INT32_MAX ||
        o.external > INT32_MAX / 2 ||
        __builtin_mul_overflow(elem, cap, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(*ch), &bytes))
        return -EINVAL;
    ch = bly_alloc(bytes);
    if (ch == NULL)
        return -ENOMEM;
    chan_init(ch, elem, cap, &o, site);
    if (o.external != 0) {
        r = bly_external_open(ch, o.external);
        if (r < 0) {
            bly_free(ch);
            return r;
        }
        ch->flags |= BLY_CHAN_EXTERNAL;
    }
    *out = ch;
    return 0;
}

static struct bly_waiter *
chan_anybody(struct belay_chan *ch)
{
    struct bly_link *e = bly_list_first(&ch->receivers);

    if (e == NULL)
        e = bly_list_first(&ch->senders);
    return e == NULL ? NULL : BLY_CONTAINER(e, struct bly_waiter, link);
}

/* Nobody may need it any more.  A select that was ended through another of
 * its cases, but has not run since, still does. */
static void
chan_check_idle(struct belay_chan *ch, const belay_site *site)
{
    const struct bly_waiter *w;
    const belay_site *there = NULL;
    const char *task = NULL;
    uint32_t producers, armed = 0;

    bly_gate_lock(&ch->leaning.gate);
    w = chan_anybody(ch);
    if (w != NULL) {
        there = w->site;
        task = w->task->name;
    }
    producers = ch->producers.count;
    if (ch->ext != NULL)
        armed = bly_external_armed(ch->ext);
    bly_gate_unlock(&ch->leaning.gate);
    if (w != NULL)
        bly_misuse(site, "channel '%s' of %s:%d freed while task '%s' waits "
            "for it at %s:%d", ch->name != NULL ? ch->name : "",
            bly_site_file(ch->site), bly_site_line(ch->site),
            task != NULL ? task : "", bly_site_file(there),
            bly_site_line(there));
    if (producers > 0 || armed > 0)
        bly_misuse(site, "channel '%s' of %s:%d freed while %u %s still use "
            "it", ch->name != NULL ? ch->name : "", bly_site_file(ch->site),
            bly_site_line(ch->site), producers > 0 ? producers : armed,
            producers > 0 ? "producers" : "receivers");
}

void
belay_chan_free_at(belay_chan **handle, const belay_site *site)
{
    struct belay_chan *ch = *handle;

    *handle = NULL;
    if (ch == NULL)
        return;
    bly_chan_check(ch, "belay_chan_free", site);
    chan_check_idle(ch, site);
    for (; ch->count > 0; ch->count--) {
        if (ch->undelivered != NULL)
            ch->undelivered(bly_chan_slot(ch, ch->head));
        if (++ch->head == ch->cap)
            ch->head = 0;
    }
    if (ch->ext != NULL)
        bly_external_close(ch);
    ch->producers.magic = 0;
    bly_free(ch);
}

void
belay_chan_freep(void *handle)
{
    belay_chan_free_at(handle, NULL);
}

/* ---- statistics --------------------------------------------------------- */

static size_t
chan_length(struct bly_list *l)
{
    struct bly_link *e;
    size_t n = 0;

    for (e = bly_list_first(l); e != NULL; e = bly_list_next(l, e))
        n++;
    return n;
}

void
belay_chan_stats_at(belay_chan *ch, belay_chan_info *out,
    const belay_site *site)
{
    bly_chan_check(ch, "belay_chan_stats", site);
    bly_gate_lock(&ch->leaning.gate);
    (void)bly_queue_live(&ch->senders);
    (void)bly_queue_live(&ch->receivers);
    *out = (belay_chan_info){
        .name = ch->name,
        .capacity = ch->cap,
        .depth = ch->count,
        .high = ch->high,
        .sent = ch->sent,
        .send_waits = ch->send_waits,
        .recv_waits = ch->recv_waits,
        .senders = chan_length(&ch->senders),
        .receivers = chan_length(&ch->receivers),
        .producers = ch->producers.count,
        .closed = (ch->flags & BLY_CHAN_CLOSED) != 0,
    };
    bly_gate_unlock(&ch->leaning.gate);
}
