/* SPDX-License-Identifier: MIT */
/* The inside of a channel, for the files chan*.c and external.c. */
#ifndef BLY_SYNC_CHAN_H
#define BLY_SYNC_CHAN_H

#include <belay/chan.h>

#include "core/producer.h"
#include "sync/batch.h"
#include "sync/select.h"

struct bly_external;

enum bly_chan_flag {
    BLY_CHAN_CLOSED = 1u << 0,
    /* Closed by the end of the last producer, and nobody has been told: a
     * new producer may still open it again. */
    BLY_CHAN_UNTOLD = 1u << 1,
    BLY_CHAN_ONCE = 1u << 2,
    BLY_CHAN_EXTERNAL = 1u << 3,
};

struct belay_chan {
    struct bly_producers producers; /* first: the core knows it */
    struct bly_leaning leaning;     /* guards all that follows */
    uint32_t elem;
    uint32_t cap;
    uint32_t head;  /* slot of the oldest value */
    uint32_t count; /* values inside */
    uint32_t flags; /* bly_chan_flag; 0 on the quick paths; stored atomically */
    int32_t err;    /* of the close */
    /* While a receiver is asleep the ring is empty and no sender is asleep,
     * while a sender is asleep the ring is full; a select that has been ended
     * elsewhere may still stand in either queue. */
    struct bly_list receivers, senders;
    uint64_t sent;
    uint32_t high;
    int32_t failed; /* the first failure of a producer */
    uint64_t send_waits, recv_waits;
    struct bly_external *ext;
    void (*undelivered)(void *elem);
    const char *name;
    const belay_site *site; /* of the open */
    max_align_t slots[];
};

/* The operations under the gate's lock.  Each answers the public result, or
 * BLY_CASE_WAIT if it has to wait; b gets the waiters that it completed. */
int bly_chan_give(struct belay_chan *ch, const void *value,
    struct bly_batch *b);
int bly_chan_take(struct belay_chan *ch, void *value, struct bly_batch *b);

/* Closes it, unless it is closed; how: BLY_CHAN_CLOSED and perhaps UNTOLD. */
void bly_chan_close(struct belay_chan *ch, int err, uint32_t how,
    struct bly_batch *b);
/* Somebody learns that the channel is closed. */
void bly_chan_told(struct belay_chan *ch);

/* Puts a waiter into one of the queues, and takes it out again. */
void bly_chan_enqueue(struct belay_chan *ch, struct bly_list *queue,
    struct bly_waiter *w);

BLY_INLINE void
bly_chan_dequeue(struct bly_waiter *w)
{
    if (bly_linked(&w->link))
        bly_list_remove(&w->link);
}

BLY_INLINE struct belay_chan *
bly_chan_of(struct bly_gate *g)
{
    return BLY_CONTAINER(g, struct belay_chan, leaning.gate);
}

BLY_INLINE void
bly_chan_check(const struct belay_chan *ch, const char *what,
    const belay_site *site)
{
    if (BLY_UNLIKELY(ch == NULL))
        bly_misuse(site, "%s on a channel that is not open", what);
    if (BLY_UNLIKELY(ch->producers.magic != BLY_PRODUCERS_MAGIC))
        bly_misuse(site, "%s on a channel that was freed", what);
}

BLY_INLINE char *
bly_chan_slot(struct belay_chan *ch, uint32_t i)
{
    return (char *)ch->slots + (size_t)i * ch->elem;
}

/* Copies one value; most are a word. */
BLY_INLINE void
bly_chan_copy(void *to, const void *from, uint32_t elem)
{
    if (BLY_LIKELY(elem == 8))
        __builtin_memcpy(to, from, 8);
    else if (elem == 4)
        __builtin_memcpy(to, from, 4);
    else if (elem == 16)
        __builtin_memcpy(to, from, 16);
    else
        __builtin_memcpy(to, from, elem);
}

/* ---- external.c: values from signal handlers ---------------------------- */

int bly_external_open(struct belay_chan *ch, uint32_t slots);
/* Nobody pushes any more; what is inside goes to undelivered. */
void bly_external_close(struct belay_chan *ch);
/* The oldest value, under the gate's lock: false if there is none. */
bool bly_external_pop(struct bly_external *x, void *value);
bool bly_external_any(struct bly_external *x);
/* A receiver is in the queue, or has left it: under the gate's lock, on its
 * worker.  From the first on, a push sends that worker a message. */
void bly_external_arm(struct bly_external *x, struct bly_worker *w);
void bly_external_disarm(struct bly_external *x, struct bly_worker *w,
    bool last);
/* Receivers that have not disarmed. */
uint32_t bly_external_armed(struct bly_external *x);
/* Whose turn is it, if both have values: true for the external ones. */
bool bly_external_turn(struct bly_external *x);

#endif
