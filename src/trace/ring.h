/* SPDX-License-Identifier: MIT */
/*
 * A worker's newest events.
 *
 * One thread writes, any number read what is there meanwhile.  When the ring
 * is full the oldest events go, and are counted.
 *
 * Events have numbers from 0 on.  The writer announces a number in `begun',
 * writes the slot and publishes the number in `done'.  A reader copies a slot
 * and looks at `begun' afterwards: if the slot has been begun anew, the copy is
 * worth nothing.  Each word of a slot is stored with release order, so whoever
 * has copied a word of the newer event also sees that it was announced.
 */
#ifndef BLY_TRACE_RING_H
#define BLY_TRACE_RING_H

#include "base/compiler.h"
#include "trace/event.h"

struct bly_ring {
    struct bly_ring *next; /* of all rings; never changes once it is linked */
    void *owner;           /* whose worker writes, or NULL; registry's lock */
    uint32_t recording;    /* that its events are of; the same lock */
    uint64_t first;        /* the first of them; the same lock */
    uint32_t size;         /* in events, a power of two */

    uint32_t runtime;      /* atomic: what events of its writer are of; set */
    uint16_t worker;       /* when it is lent */

    uint64_t task; /* writer only: who runs, as far as events tell; or 0 */
    uint64_t begun BLY_LINE_ALIGNED; /* atomic */
    uint64_t done;                   /* atomic */
    uint64_t slots[] BLY_LINE_ALIGNED;
};

/* At least so many events; NULL: no memory. */
struct bly_ring *bly_ring_new(size_t events) BLY_MUST_CHECK;
void bly_ring_free(struct bly_ring *r);

/* Its writer only. */
void bly_ring_put(struct bly_ring *r, const struct bly_trace_event *e);

/* How many have been put. */
uint64_t bly_ring_count(const struct bly_ring *r);

/* Copies to out, which has room for r->size, those from number `first' on that
 * are still there, oldest first.  Returns their number; *lost is raised by
 * those that are not. */
size_t bly_ring_read(const struct bly_ring *r, uint64_t first,
    struct bly_trace_event *out, uint64_t *lost);

#endif
