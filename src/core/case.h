/* SPDX-License-Identifier: MIT */
/*
 * What a thing must offer so that a select can wait for it.
 *
 * A public constructor makes a belay_case whose ops point to a table of
 * these; select.c knows no other kinds than its own (time and stop), so any
 * floor above this one may add some:
 *
 *     belay_case
 *     belay_case_event(belay_event *e)
 *     {
 *         return (belay_case){.belay_ops = e ? &event_case : NULL,
 *             .belay_on = e};
 *     }
 *
 * A zeroed case is disabled, so a constructor that is given NULL returns one.
 */
#ifndef BLY_CORE_CASE_H
#define BLY_CORE_CASE_H

#include <belay/select.h>

#include "core/timer.h"
#include "core/wait.h"

struct bly_batch; /* sync/batch.h */

/* What take() answers when it cannot be done now; no public code. */
enum { BLY_CASE_WAIT = INT32_MIN };

/*
 * One case of a running select, in the frame of the selecting task.  w is
 * ready to be put into the object's queue: its task, kind, claim, index and
 * object (the gate) are set; enqueue() sets w.data if its wakers want it.
 * Whoever takes w out of the queue must win bly_claim(&w) before he touches
 * *w.data, all under the gate's lock; he then calls bly_wake(&w, result), and
 * the result is what the select stores in *r.
 */
struct bly_arm {
    struct bly_waiter w;
    const belay_case *c;
    const struct bly_case_ops *ops;
    struct bly_lock *lock;
    uint32_t order;       /* of the lock */
    struct bly_arm *next; /* in the order in which locks are taken */
    bool ready;
    struct bly_timer timer; /* BELAY_AFTER */
    void *own[2];           /* of the ops, from enqueue() to dequeue() */
};

struct bly_case_ops {
    const char *verb; /* "recv": for people */
    /* What guards the object.  Things without a gate have a lock that is
     * taken after all gates, and by whose holder no gate is taken. */
    struct bly_gate *(*gate)(const belay_case *c);
    struct bly_lock *(*lock)(const belay_case *c);
    /* The next four run with that locked, and must not sleep, allocate or
     * call back.  Could take() succeed?  It may yet fail, if the peer is a
     * select that is being ended elsewhere. */
    bool (*ready)(struct bly_arm *a);
    /* Completes the operation: its own result, or BLY_CASE_WAIT.  Waiters
     * that this completes go into b and are woken after the unlock. */
    int (*take)(struct bly_arm *a, struct bly_batch *b);
    void (*enqueue)(struct bly_arm *a);
    /* After the sleep, also if the waiter was taken out by a waker.  NULL:
     * unlink it if it is linked. */
    void (*dequeue)(struct bly_arm *a);
    /* Without locks, on the arm whose operation was done; w.result is what
     * take() or the waker said.  Its answer goes to *r.  NULL: the same. */
    int (*finish)(struct bly_arm *a);
    /* A thing outside, with neither gate nor lock, has these three instead,
     * and all that happens to it happens on the selecting worker.  Its state
     * now, which asking does not change: a result, or BLY_CASE_WAIT. */
    int (*probe)(struct bly_arm *a);
    /* The select goes to sleep: from now on the first result is to be claimed
     * and to wake, perhaps at once.  -ENOMEM and the like: nothing begun. */
    int (*start)(struct bly_arm *a);
    /* It is over; after a start that succeeded.  Does not wait. */
    void (*stop)(struct bly_arm *a);
};

#endif
