/* SPDX-License-Identifier: MIT */
/*
 * What to do about a dependency that fails, is slow or must be spared.
 *
 *     static belay_budget budget = BELAY_BUDGET_INIT(0.2, 3);
 *     static const belay_retry gently = {.size = sizeof(belay_retry),
 *         .attempts = 4, .timeout = BELAY_S(2), .budget = &budget};
 *
 *     BELAY_TRY(belay_retrying(&gently, fetch, http, url, &page));
 *
 * Nothing here starts threads or timers of its own, and all of it works under
 * libbelay-test, where chance and time are the explorer's.
 *
 * The functions are the ABI, the macros below them what people write.
 */
#ifndef BELAY_POLICY_H
#define BELAY_POLICY_H

#include <belay/base.h>
#include <belay/error.h>
#include <belay/sync.h>
#include <belay/task.h>

BELAY_BEGIN_DECLS

/* ---- retry budget ---------------------------------------------------- */

/*
 * Bounds the retries of all calls that share it: of n calls in progress, at
 * most the larger of floor and ratio * n may be retrying, which begins with
 * the back-off.  Lives longer than the calls.
 */
typedef struct belay_budget {
    double ratio;
    unsigned floor;
    unsigned belay_lock_;
    unsigned belay_calls_, belay_retries_;
    void *belay_[2];
} belay_budget;

#define BELAY_BUDGET_INIT(ratio, floor) {(ratio), (floor), 0, 0, 0, {0, 0}}

/* ---- retry ----------------------------------------------------------- */

typedef struct belay_retry {
    size_t size;       /* sizeof(belay_retry) */
    unsigned attempts; /* in all; 0 = 3 */
    belay_dur base;    /* bound of the first back-off; 0 = 100 ms */
    belay_dur cap;     /* bound of any; 0 = 10 s */
    belay_dur timeout; /* of each attempt; 0 = none */
    /* Is this failure worth another attempt?  NULL: each is.  It is not asked
     * about -ECANCELED, which never is.  Must not wait. */
    bool (*retryable)(void *arg, int err);
    void *retryable_arg;
    belay_budget *budget; /* NULL: none */
    void *reserved[4];
} belay_retry;

/*
 * Calls the task as a function, in the calling task and with a fresh copy of
 * the arguments for each attempt, until it returns >= 0, and returns that.
 * Between attempts it sleeps for a random part of base, 2 * base, 4 * base...
 * A failure is returned when no attempt is left or allowed, when the next one
 * could not begin before the deadline of the caller, and when the caller is
 * cut.  It is that of the last attempt; belay_why() says how many there were.
 * policy may be NULL.  -ENOMEM also if the arguments cannot be copied.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_retrying_at(
    const belay_retry *policy, belay_task_type *type, const void *args,
    const belay_site *site);

/* In an attempt, or a task below it: the next attempt comes at the earliest in
 * d, whatever .cap says.  Elsewhere nothing.  Cancellation point: no. */
BELAY_API void belay_retry_after(belay_dur d);

/* In an attempt, or a task below it: its number, from 1.  Elsewhere 0. */
BELAY_API unsigned belay_attempt(void);

BELAY_END_DECLS

#if !defined(__cplusplus)

/* belay_retrying(&policy, task, args...) */
#define belay_retrying(policy, task, ...)                                      \
    belay_retrying_at((policy), BELAY_TYPE_(task),                             \
        BELAY_ARGS_(task, ##__VA_ARGS__), BELAY_SITE_(#task))

#endif
#endif
