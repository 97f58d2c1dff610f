/* SPDX-License-Identifier: MIT */
/*
 * Values that come from signal handlers and from threads that know nothing of
 * tasks.
 *
 * A pusher may have interrupted anything: it must not lock, allocate, or wait
 * for another pusher, who may be the very thread that it interrupted.  So it
 * gets a ring of its own beside the channel's: each slot has a number that
 * tells whose turn it is (D. Vyukov's bounded queue).  A pusher that was
 * interrupted between taking a slot and filling it hides the slots behind it
 * until it goes on, and then it is the one who wakes.  Receivers take from
 * the ring under the channel's lock.
 *
 * Waking: a receiver that goes to sleep writes down its worker in `to', and
 * looks at the ring afterwards; a pusher publishes its value and looks at
 * `to' afterwards.  One of the two sees the other, and sends that worker a
 * message, which gives the values to whoever sleeps.  The message lies here;
 * `sent' is set while it is on its way, which also spares later pushers the
 * sending.  It is cleared before the ring is looked at, so that whoever comes
 * later than that look sends again.
 *
 * The message may be on its way when the channel is freed: then it is the
 * message that frees this.  `lock' holds the channel in place while the
 * message is at work in it.
 */
#include "sync/chan.h"

#include "base/alloc.h"
#include "base/check.h"
#include "core/deadlock.h"
#include "core/rt.h"

enum { EXTERNAL_MIN = 2 }; /* with one slot, full and empty look the same */

struct bly_external {
    struct bly_msg msg;
    uint32_t sent; /* atomic: the message is on its way */
    struct bly_lock lock;
    bool dead;     /* under lock: the channel is gone */
    bool turn;     /* the rest under the channel's lock, if not atomic */
    uint32_t armed;
    uint32_t mask;
    uint32_t stride;
    uint32_t elem;
    struct belay_chan *ch;
    struct bly_worker *to; /* atomic: who shall get the message, or NULL */
    uint64_t head;
    uint64_t tail BLY_LINE_ALIGNED; /* atomic: the next slot to fill */
    max_align_t cells[];
};

/* A slot is free for value number n when seq == n, full when seq == n + 1. */
struct bly_external_cell {
    uint64_t seq; /* atomic */
    char value[];
};

static struct bly_external_cell *
external_cell(struct bly_external *x, uint64_t n)
{
    return (void *)((char *)x->cells + (n & x->mask) * x->stride);
}

bool
bly_external_any(struct bly_external *x)
{
    /* pairs with external_push */
    return bly_load(&external_cell(x, x->head)->seq) == x->head + 1;
}

bool
bly_external_pop(struct bly_external *x, void *value)
{
    struct bly_external_cell *c = external_cell(x, x->head);

    if (!bly_external_any(x))
        return false;
    bly_chan_copy(value, c->value, x->elem);
    x->head++;
    /* pairs with external_push */
    bly_store_release(&c->seq, x->head + x->mask);
    return true;
}

bool
bly_external_turn(struct bly_external *x)
{
    x->turn = !x->turn;
    return x->turn;
}

uint32_t
bly_external_armed(struct bly_external *x)
{
    return x->armed;
}

/* ---- pushing: no locks from here to belay_try_send_external_at ---------- */

static bool
external_push(struct bly_external *x, const void *value)
{
    uint64_t n = bly_load_relaxed(&x->tail);

    for (;;) {
        struct bly_external_cell *c = external_cell(x, n);
        /* pairs with bly_external_pop */
        uint64_t seq = bly_load_acquire(&c->seq);

        if (seq == n) {
            /* pairs with external_push elsewhere */
            if (!bly_cas(&x->tail, &n, n + 1))
                continue;
            bly_chan_copy(c->value, value, x->elem);
            /* pairs with bly_external_any */
            (void)bly_xchg(&c->seq, n + 1);
            return true;
        }
        if (seq < n)
            return false;
        n = bly_load_relaxed(&x->tail);
    }
}

static void
external_kick(struct bly_external *x, struct bly_worker *w)
{
    /* pairs with external_run */
    if (bly_xchg(&x->sent, 1u) == 0)
        bly_send_msg(w, &x->msg);
}

int
belay_try_send_external_at(belay_chan *ch, const void *value,
    const belay_site *site)
{
    struct bly_worker *to;

    if (ch == NULL || ch->producers.magic != BLY_PRODUCERS_MAGIC ||
        ch->ext == NULL)
        bly_misuse(site, "belay_try_send_external on a channel without "
            ".external");
    if (bly_load_relaxed(&ch->flags) & BLY_CHAN_CLOSED)
        return BELAY_ECLOSED;
    if (!external_push(ch->ext, value))
        return -EAGAIN;
    to = bly_load(&ch->ext->to); /* pairs with bly_external_arm */
    if (to != NULL)
        external_kick(ch->ext, to);
    return 0;
}

/* ---- the receivers' side ------------------------------------------------ */

/* On the worker of some receiver, between two tasks. */
static void
external_run(struct bly_msg *m, struct bly_worker *w)
{
    struct bly_external *x = BLY_CONTAINER(m, struct bly_external, msg);
    struct bly_waiter *sleeper;
    struct bly_batch b;
    bool dead;

    (void)w;
    bly_batch_init(&b);
    bly_lock(&x->lock);
    (void)bly_xchg(&x->sent, 0u); /* pairs with external_kick */
    dead = x->dead;
    if (!dead) {
        bly_gate_lock(&x->ch->leaning.gate);
        while (bly_external_any(x) &&
            (sleeper = bly_queue_claim(&x->ch->receivers)) != NULL) {
            (void)bly_external_pop(x, sleeper->data);
            bly_batch_add(&b, sleeper, 1);
        }
        bly_gate_unlock(&x->ch->leaning.gate);
    }
    bly_unlock(&x->lock);
    bly_batch_wake(&b);
    if (dead)
        bly_free(x);
}

void
bly_external_arm(struct bly_external *x, struct bly_worker *w)
{
    x->armed++;
    bly_source_add(w->rt);
    (void)bly_xchg(&x->to, w); /* pairs with belay_try_send_external_at */
    if (bly_external_any(x))
        external_kick(x, w);
}

void
bly_external_disarm(struct bly_external *x, struct bly_worker *w, bool last)
{
    x->armed--;
    if (last)
        /* pairs with belay_try_send_external_at */
        (void)bly_xchg(&x->to, NULL);
    bly_source_drop(w->rt);
}

int
bly_external_open(struct belay_chan *ch, uint32_t slots)
{
    uint32_t count = EXTERNAL_MIN, i;
    size_t stride = sizeof(struct bly_external_cell) + ch->elem;
    struct bly_external *x;
    size_t bytes;

    while (count < slots)
        count *= 2;
    stride = (stride + sizeof(uint64_t) - 1) & ~(sizeof(uint64_t) - 1);
    if (__builtin_mul_overflow(stride, (size_t)count, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(*x), &bytes))
        return -EINVAL;
    x = bly_zalloc(bytes);
    if (x == NULL)
        return -ENOMEM;
    x->msg.run = external_run;
    x->mask = count - 1;
    x->stride = (uint32_t)stride;
    x->elem = ch->elem;
    x->ch = ch;
    for (i = 0; i < count; i++)
        external_cell(x, i)->seq = i;
    ch->ext = x;
    return 0;
}

void
bly_external_close(struct belay_chan *ch)
{
    struct bly_external *x = ch->ext;
    bool on_its_way;

    for (; bly_external_any(x); x->head++)
        if (ch->undelivered != NULL)
            ch->undelivered(external_cell(x, x->head)->value);
    bly_lock(&x->lock);
    x->dead = true;
    on_its_way = bly_load(&x->sent) != 0; /* pairs with external_run */
    bly_unlock(&x->lock);
    if (!on_its_way)
        bly_free(x);
}
