/* SPDX-License-Identifier: MIT */
/* Channels as cases of a select. */
#include "sync/chan.h"

#include "core/rt.h"

static struct belay_chan *
case_chan(const belay_case *c)
{
    return c->belay_on;
}

static struct bly_gate *
case_gate(const belay_case *c)
{
    return &case_chan(c)->leaning.gate;
}

/* ---- recv --------------------------------------------------------------- */

static bool
case_recv_ready(struct bly_arm *a)
{
    struct belay_chan *ch = case_chan(a->c);

    return ch->count > 0 || (ch->flags & BLY_CHAN_CLOSED) ||
        (ch->ext != NULL && bly_external_any(ch->ext)) ||
        bly_queue_live(&ch->senders);
}

static int
case_recv_take(struct bly_arm *a, struct bly_batch *b)
{
    return bly_chan_take(case_chan(a->c), a->c->belay_into, b);
}

static void
case_recv_enqueue(struct bly_arm *a)
{
    struct belay_chan *ch = case_chan(a->c);

    a->w.data = a->c->belay_into;
    bly_chan_enqueue(ch, &ch->receivers, &a->w);
}

static void
case_recv_dequeue(struct bly_arm *a)
{
    struct belay_chan *ch = case_chan(a->c);

    bly_chan_dequeue(&a->w);
    if (ch->ext != NULL)
        bly_external_disarm(ch->ext, a->w.task->worker,
            bly_list_empty(&ch->receivers));
}

static const struct bly_case_ops case_recv = {
    .verb = "recv",
    .gate = case_gate,
    .ready = case_recv_ready,
    .take = case_recv_take,
    .enqueue = case_recv_enqueue,
    .dequeue = case_recv_dequeue,
};

belay_case
belay_case_recv(belay_chan *ch, void *into)
{
    return (belay_case){
        .belay_ops = ch != NULL ? &case_recv : NULL,
        .belay_on = ch,
        .belay_into = into,
    };
}

/* ---- send --------------------------------------------------------------- */

static bool
case_send_ready(struct bly_arm *a)
{
    struct belay_chan *ch = case_chan(a->c);

    return ch->count < ch->cap || (ch->flags & BLY_CHAN_CLOSED) ||
        bly_queue_live(&ch->receivers);
}

static int
case_send_take(struct bly_arm *a, struct bly_batch *b)
{
    return bly_chan_give(case_chan(a->c), a->c->belay_from, b);
}

static void
case_send_enqueue(struct bly_arm *a)
{
    struct belay_chan *ch = case_chan(a->c);

    a->w.data = (void *)(uintptr_t)a->c->belay_from; /* only read */
    bly_chan_enqueue(ch, &ch->senders, &a->w);
}

static const struct bly_case_ops case_send = {
    .verb = "send",
    .gate = case_gate,
    .ready = case_send_ready,
    .take = case_send_take,
    .enqueue = case_send_enqueue,
};

belay_case
belay_case_send(belay_chan *ch, const void *from)
{
    return (belay_case){
        .belay_ops = ch != NULL ? &case_send : NULL,
        .belay_on = ch,
        .belay_from = from,
    };
}
