/* SPDX-License-Identifier: MIT */
/*
 * Channels.
 *
 * A ring of values, a queue of receivers and a queue of senders, under one
 * lock that is held for a copy or two.  Who comes second does the work of who
 * came first: a send that finds a sleeping receiver copies the value into the
 * receiver's own variable and wakes it with its result; a receive that makes
 * room in a full ring moves the value of the oldest sleeping sender into it
 * and wakes that sender, which is done.  So a task that is woken has nothing
 * left to do and does not touch the channel again, nobody is woken in vain,
 * and values keep their order: those in the ring, then those of the senders.
 *
 * What follows from "taken out of the queue under the lock is the claim":
 *
 *   - A cut that finds the waiter still queued takes it out: the sender still
 *     has its value, the receiver has none.  A cut that does not find it is
 *     too late, and the operation counts.  Nothing is lost or doubled, since
 *     the value moves in the same critical section.
 *   - A waiter of a select stands in several queues and can be ended under
 *     another lock.  So it has to be claimed as well (wait.h).  One that
 *     cannot be is thrown out of the queue; it may stand there for a while
 *     next to values or free slots that concern it no longer.
 *
 * Closing empties both queues: sleeping receivers prove the ring to be empty,
 * so they get the end at once.  Waking happens after the unlock in all cases,
 * by way of a batch; a waiter in a batch is in no queue, so that a cut leaves
 * it alone, and its frame stands until it is woken.
 *
 * Producers.  The end of the last registered producer closes the channel.  If
 * somebody spawns producers one by one, the first may have ended before the
 * second is spawned.  Such a close takes effect when somebody is told of it:
 * until then a new producer opens the channel again, and nobody can tell that
 * this order of events was not another.  Where a receiver is asleep already,
 * it is told at once; belay_chan_hold is for that.
 *
 * Quick paths.  One exchange for the lock, no zeroing, no division, no clock.
 * flags == 0 says in one test that nothing special is about.
 *
 * Considered and not done: a lock-free ring.  It would save the exchange in
 * buffered channels, but a sleeping sender, a select or a cut would each need
 * a protocol of its own beside it.  And waking a sender only when the ring is
 * half empty: it saves switches if sender and receiver take turns, but here a
 * woken sender's value is already in the ring, so that turns are long anyway:
 * a receiver drains the ring while the woken senders wait to run.
 */
#include "sync/chan.h"

#include "core/rt.h"

#include <stdio.h>

/* ---- the ring ----------------------------------------------------------- */

BLY_INLINE void
chan_put(struct belay_chan *ch, const void *value)
{
    /* cap is below 2^31, so the sum does not wrap. */
    uint32_t i = ch->head + ch->count;

    if (i >= ch->cap)
        i -= ch->cap;
    bly_chan_copy(bly_chan_slot(ch, i), value, ch->elem);
    ch->sent++;
    if (++ch->count > ch->high)
        ch->high = ch->count;
}

BLY_INLINE void
chan_get(struct belay_chan *ch, void *value)
{
    uint32_t next = ch->head + 1;

    bly_chan_copy(value, bly_chan_slot(ch, ch->head), ch->elem);
    ch->head = next == ch->cap ? 0 : next;
    ch->count--;
}

/* ---- under the lock ----------------------------------------------------- */

void
bly_chan_told(struct belay_chan *ch)
{
    if (ch->flags & BLY_CHAN_UNTOLD)
        bly_store_relaxed(&ch->flags,
            ch->flags & ~(uint32_t)BLY_CHAN_UNTOLD);
}

static void
chan_flush(struct belay_chan *ch, struct bly_list *queue, int result,
    struct bly_batch *b)
{
    struct bly_waiter *w;

    while ((w = bly_queue_claim(queue)) != NULL) {
        bly_batch_add(b, w, result);
        bly_chan_told(ch);
    }
}

void
bly_chan_close(struct belay_chan *ch, int err, uint32_t how,
    struct bly_batch *b)
{
    if (ch->flags & BLY_CHAN_CLOSED)
        return;
    bly_store_relaxed(&ch->flags, ch->flags | how);
    ch->err = err;
    chan_flush(ch, &ch->senders, BELAY_ECLOSED, b);
    /* They sleep, so there is nothing for them to drain. */
    chan_flush(ch, &ch->receivers, err, b);
}

int
bly_chan_give(struct belay_chan *ch, const void *value, struct bly_batch *b)
{
    struct bly_waiter *w;

    if (BLY_UNLIKELY(ch->flags & BLY_CHAN_CLOSED)) {
        bly_chan_told(ch);
        return BELAY_ECLOSED;
    }
    w = bly_queue_claim(&ch->receivers);
    if (w != NULL) {
        bly_chan_copy(w->data, value, ch->elem);
        bly_batch_add(b, w, 1);
        ch->sent++;
    } else if (ch->count < ch->cap) {
        chan_put(ch, value);
    } else {
        return BLY_CASE_WAIT;
    }
    if (BLY_UNLIKELY(ch->flags & BLY_CHAN_ONCE))
        bly_chan_close(ch, 0, BLY_CHAN_CLOSED, b);
    return 0;
}

/* Takes what was sent, if there is something. */
static bool
chan_take_sent(struct belay_chan *ch, void *value, struct bly_batch *b)
{
    struct bly_waiter *w;

    if (ch->count > 0) {
        chan_get(ch, value);
        w = bly_queue_claim(&ch->senders);
        if (w == NULL)
            return true;
        chan_put(ch, w->data);
    } else {
        w = bly_queue_claim(&ch->senders);
        if (w == NULL)
            return false;
        bly_chan_copy(value, w->data, ch->elem);
        ch->sent++;
    }
    bly_batch_add(b, w, 0);
    return true;
}

int
bly_chan_take(struct belay_chan *ch, void *value, struct bly_batch *b)
{
    if (BLY_UNLIKELY(ch->flags & BLY_CHAN_EXTERNAL) &&
        bly_external_turn(ch->ext) && bly_external_pop(ch->ext, value))
        return 1;
    if (chan_take_sent(ch, value, b))
        return 1;
    if (BLY_LIKELY(ch->flags == 0))
        return BLY_CASE_WAIT;
    if (ch->ext != NULL && bly_external_pop(ch->ext, value))
        return 1;
    if (!(ch->flags & BLY_CHAN_CLOSED))
        return BLY_CASE_WAIT;
    bly_chan_told(ch);
    return ch->err;
}

void
bly_chan_enqueue(struct belay_chan *ch, struct bly_list *queue,
    struct bly_waiter *w)
{
    struct bly_worker *here = w->task->worker;

    bly_list_push(queue, &w->link);
    bly_store_relaxed(&ch->producers.near, here);
    if (queue == &ch->senders) {
        ch->send_waits++;
        return;
    }
    ch->recv_waits++;
    if (BLY_UNLIKELY(ch->ext != NULL))
        bly_external_arm(ch->ext, here);
}

/* ---- waiting ------------------------------------------------------------ */

static void
chan_describe(struct bly_waiter *w, char *buf, size_t size)
{
    struct belay_chan *ch = bly_chan_of(w->object);

    (void)snprintf(buf, size, "channel '%s' of %s:%d",
        ch->name != NULL ? ch->name : "", bly_site_file(ch->site),
        bly_site_line(ch->site));
}

static const struct bly_wait_kind chan_send_kind = {
    .verb = "send",
    .abort = bly_gate_abort,
    .describe = chan_describe,
};

static const struct bly_wait_kind chan_recv_kind = {
    .verb = "recv",
    .abort = bly_gate_abort,
    .describe = chan_describe,
};

/* The oldest sleeper of a queue, if it is not in a select: nobody has to win
 * a claim for it. */
BLY_INLINE struct bly_waiter *
chan_plain(struct bly_list *queue)
{
    struct bly_waiter *w =
        BLY_CONTAINER(queue->head.next, struct bly_waiter, link);

    return queue->head.next != &queue->head && w->claim == NULL ? w : NULL;
}

/* From here on the lock is held at entry, and released. */

static BLY_NOINLINE int
chan_send_sleep(struct belay_chan *ch, const void *value, struct bly_task *t,
    const belay_site *site)
{
    struct bly_waiter w;

    bly_waiter_init(&w, t, &chan_send_kind, &ch->leaning.gate, site);
    w.data = (void *)(uintptr_t)value; /* only read, by receivers */
    bly_chan_enqueue(ch, &ch->senders, &w);
    bly_gate_unlock(&ch->leaning.gate);
    return bly_wait(&w);
}

static BLY_NOINLINE int
chan_send_on(struct belay_chan *ch, const void *value, struct bly_task *t,
    const belay_site *site)
{
    struct bly_batch b;
    int r;

    bly_batch_init(&b);
    r = bly_chan_give(ch, value, &b);
    if (r == BLY_CASE_WAIT)
        return chan_send_sleep(ch, value, t, site);
    bly_gate_unlock(&ch->leaning.gate);
    bly_batch_wake(&b);
    return r;
}

int
belay_send_at(belay_chan *ch, const void *value, const belay_site *site)
{
    struct bly_waiter *w;
    struct bly_task *t;
    int r = bly_enter(&t, "belay_send", site);

    if (BLY_UNLIKELY(r < 0))
        return r;
    bly_chan_check(ch, "belay_send", site);
    bly_gate_lock(&ch->leaning.gate);
    if (BLY_UNLIKELY(ch->flags != 0))
        return chan_send_on(ch, value, t, site);
    if (bly_list_empty(&ch->receivers)) {
        if (ch->count == ch->cap)
            return chan_send_sleep(ch, value, t, site);
        chan_put(ch, value);
        bly_gate_unlock(&ch->leaning.gate);
        return 0;
    }
    w = chan_plain(&ch->receivers);
    if (BLY_UNLIKELY(w == NULL))
        return chan_send_on(ch, value, t, site);
    bly_list_remove(&w->link);
    bly_chan_copy(w->data, value, ch->elem);
    ch->sent++;
    bly_gate_unlock(&ch->leaning.gate);
    bly_wake(w, 1);
    return 0;
}

/* The receiver's sleep with external values: it has to say when it goes. */
static BLY_NOINLINE int
chan_recv_external(struct belay_chan *ch, struct bly_waiter *w)
{
    struct bly_worker *here = w->task->worker;
    int r = bly_wait(w);

    bly_gate_lock(&ch->leaning.gate);
    bly_external_disarm(ch->ext, here, bly_list_empty(&ch->receivers));
    bly_gate_unlock(&ch->leaning.gate);
    return r;
}

static BLY_NOINLINE int
chan_recv_sleep(struct belay_chan *ch, void *value, struct bly_task *t,
    const belay_site *site)
{
    struct bly_waiter w;
    bool external = ch->ext != NULL;

    bly_waiter_init(&w, t, &chan_recv_kind, &ch->leaning.gate, site);
    w.data = value;
    bly_chan_enqueue(ch, &ch->receivers, &w);
    bly_gate_unlock(&ch->leaning.gate);
    if (BLY_UNLIKELY(external))
        return chan_recv_external(ch, &w);
    return bly_wait(&w);
}

static BLY_NOINLINE int
chan_recv_on(struct belay_chan *ch, void *value, struct bly_task *t,
    const belay_site *site)
{
    struct bly_batch b;
    int r;

    bly_batch_init(&b);
    r = bly_chan_take(ch, value, &b);
    if (r == BLY_CASE_WAIT)
        return chan_recv_sleep(ch, value, t, site);
    bly_gate_unlock(&ch->leaning.gate);
    bly_batch_wake(&b);
    return r;
}

int
belay_recv_at(belay_chan *ch, void *value, const belay_site *site)
{
    struct bly_waiter *w;
    struct bly_task *t;
    int r = bly_enter(&t, "belay_recv", site);

    if (BLY_UNLIKELY(r < 0))
        return r;
    bly_chan_check(ch, "belay_recv", site);
    bly_gate_lock(&ch->leaning.gate);
    if (BLY_UNLIKELY(ch->flags != 0))
        return chan_recv_on(ch, value, t, site);
    if (bly_list_empty(&ch->senders)) {
        if (ch->count == 0)
            return chan_recv_sleep(ch, value, t, site);
        chan_get(ch, value);
        bly_gate_unlock(&ch->leaning.gate);
        return 1;
    }
    w = chan_plain(&ch->senders);
    if (BLY_UNLIKELY(w == NULL || ch->cap != 0))
        return chan_recv_on(ch, value, t, site);
    bly_list_remove(&w->link);
    bly_chan_copy(value, w->data, ch->elem);
    ch->sent++;
    bly_gate_unlock(&ch->leaning.gate);
    bly_wake(w, 0);
    return 1;
}

int
belay_try_send_at(belay_chan *ch, const void *value, const belay_site *site)
{
    struct bly_batch b;
    int r;

    bly_chan_check(ch, "belay_try_send", site);
    bly_batch_init(&b);
    bly_gate_lock(&ch->leaning.gate);
    r = bly_chan_give(ch, value, &b);
    bly_gate_unlock(&ch->leaning.gate);
    bly_batch_wake(&b);
    return r == BLY_CASE_WAIT ? -EAGAIN : r;
}

int
belay_try_recv_at(belay_chan *ch, void *value, const belay_site *site)
{
    struct bly_batch b;
    int r;

    bly_chan_check(ch, "belay_try_recv", site);
    bly_batch_init(&b);
    bly_gate_lock(&ch->leaning.gate);
    r = bly_chan_take(ch, value, &b);
    bly_gate_unlock(&ch->leaning.gate);
    bly_batch_wake(&b);
    return r == BLY_CASE_WAIT ? -EAGAIN : r;
}
