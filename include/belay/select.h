/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the first of several operations.
 *
 *     enum { MSG, TICK, STOP };
 *     int r, which = belay_select(&r, [MSG] = BELAY_RECV(in, &it),
 *         [TICK] = BELAY_AFTER(BELAY_S(1)), [STOP] = BELAY_STOP);
 *
 * Exactly one of the operations is done, and its index is returned; the
 * others have not happened.  *r is that operation's own result.
 */
#ifndef BELAY_SELECT_H
#define BELAY_SELECT_H

#include <belay/base.h>
#include <belay/error.h>
#include <belay/task.h>

BELAY_BEGIN_DECLS

struct belay_chan;

/* One operation to wait for; made by the functions below and by those of
 * other headers.  All zero bytes: a case that never happens. */
typedef struct belay_case {
    const void *belay_ops;
    void *belay_on;
    void *belay_into;
    const void *belay_from;
    int64_t belay_number;
} belay_case;

/* Room that a select needs for each of its cases; need not be set. */
typedef struct belay_case_room {
    void *belay_[24];
} belay_case_room;

/* Its result is 1 got, 0 closed and drained, or the error it was closed with.
 * ch NULL: never happens. */
BELAY_API belay_case belay_case_recv(struct belay_chan *ch, void *into);
/* Its result is 0, or BELAY_ECLOSED.  *from is read when it happens. */
BELAY_API belay_case belay_case_send(struct belay_chan *ch, const void *from);
/* The next tagged child of s that ended, as belay_next gives it: result 1 and
 * *done, or 0 if none is left.  s is the calling task's. */
BELAY_API belay_case belay_case_next(belay_scope *s, belay_done *done);
/* d after the select began to wait; result 0.  Other cases that can be done at
 * once go first. */
BELAY_API belay_case belay_case_after(belay_dur d);
/* A gentle stop of the calling task; result -ESHUTDOWN.  It goes before
 * others that can be done at once. */
BELAY_API belay_case belay_case_stop(void);

/*
 * Waits until one of n cases can be done, does it, and returns its index.
 * One that is picked among several is picked by chance.  Stores its result in
 * *r if r is not NULL.  room has n elements.  Returns the code of a cut, or
 * -EINVAL if every case is disabled, or -ENOMEM; then nothing has happened,
 * and *r is that code too.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_select_at(int *r,
    const belay_case *cases, belay_case_room *room, size_t n,
    const belay_site *site);
/* The same, but -EAGAIN instead of waiting.  Cancellation point: no. */
BELAY_API BELAY_MUST_CHECK int belay_try_select_at(int *r,
    const belay_case *cases, belay_case_room *room, size_t n,
    const belay_site *site);

BELAY_END_DECLS

#if !defined(__cplusplus)

#define BELAY_SELECT_(call, r, what, ...)                                      \
    (__extension__({                                                           \
        const belay_case belay_cases_[] = {__VA_ARGS__};                       \
        belay_case_room                                                        \
            belay_room_[sizeof belay_cases_ / sizeof *belay_cases_];           \
        call((r), belay_cases_, belay_room_,                                   \
            sizeof belay_cases_ / sizeof *belay_cases_, BELAY_SITE_(what));    \
    }))
#define belay_select(r, ...)                                                   \
    BELAY_SELECT_(belay_select_at, (r), "select", __VA_ARGS__)
#define belay_try_select(r, ...)                                               \
    BELAY_SELECT_(belay_try_select_at, (r), "try_select", __VA_ARGS__)

/* Cases.  A channel whose handle is all zero disables its case. */
#define BELAY_RECV(c, p)                                                       \
    belay_case_recv((c)->base, (__typeof__((c)->elem)){(p)})
#define BELAY_SEND(c, p)                                                       \
    belay_case_send((c)->base, (const __typeof__(*(c)->elem) *){(p)})
#define BELAY_NEXT(s, done) belay_case_next((s), (done))
#define BELAY_AFTER(d) belay_case_after(d)
#define BELAY_STOP belay_case_stop()

#endif
#endif
