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

/* ---- retry budget --------------------------------------------------- */

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

/* ---- retry ---------------------------------------------------------- */

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

/* ---- rate limit ----------------------------------------------------- */

/*
 * A token bucket: n tokens are added each `per', up to burst.  It starts full.
 * Lives longer than the tasks that use it.
 */
typedef struct belay_rate {
    belay_sem belay_turn_;
    belay_event belay_changed_;
    belay_dur belay_interval_;
    belay_time belay_full_;
    unsigned belay_burst_, belay_queued_;
    unsigned belay_lock_, belay_pad_;
    void *belay_[4];
} belay_rate;

/* The time between two tokens, rounded up. */
#define BELAY_RATE_INTERVAL_(n, per) (((per) + (n) - 1) / (n))
/* belay_rate r = BELAY_RATE_INIT(100, BELAY_S(1), 20); */
#define BELAY_RATE_INIT(n, per, burst)                                         \
    {BELAY_SEM_INIT(1), BELAY_EVENT_INIT, BELAY_RATE_INTERVAL_(n, per), 0,     \
        (burst), 0, 0, 0, {0, 0, 0, 0}}

/*
 * Takes n tokens, first come, first served.  Returns 0, or the code of a cut;
 * -ETIME at once if it would not be its turn before the caller's deadline;
 * -EINVAL if n is more than the burst.  Who is cut has taken nothing
 * and those behind it move up.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_rate_wait_at(belay_rate *r,
    unsigned n, const belay_site *site);
/* 0, or -EAGAIN if that would have to wait; -EINVAL.  Any thread.
 * Cancellation point: no. */
BELAY_API BELAY_MUST_CHECK int belay_rate_try(belay_rate *r, unsigned n);
/* From now on n tokens each `per', up to burst, all of them above 0; as many
 * as are missing in the bucket stay missing.  Any thread.  Cancellation point:
 * no. */
BELAY_API void belay_rate_set(belay_rate *r, unsigned n, belay_dur per,
    unsigned burst);
/* Empties the bucket: the next token comes in d.  Any thread.  Cancellation
 * point: no. */
BELAY_API void belay_rate_pause(belay_rate *r, belay_dur d);

/* ---- circuit breaker ------------------------------------------------ */

typedef struct belay_breaker_opts {
    size_t size;        /* sizeof(belay_breaker_opts) */
    const char *name;   /* for people; not copied */
    double ratio;       /* of failures that opens it; 0 = 0.5 */
    unsigned volume;    /* outcomes in the window before it may; 0 = 10 */
    belay_dur window;   /* what is looked at; 0 = 10 s */
    belay_dur open_for; /* until it is tried again; 0 = 5 s */
    unsigned probes;    /* calls let through then, and successes that close
                         * it; 0 = 1 */
    /* Does this result count as a failure?  NULL: each negative one.  It is
     * not asked about -ECANCELED, which does not count at all. */
    bool (*failed)(void *arg, int result);
    void *failed_arg;
    void *reserved[4];
} belay_breaker_opts;

/* Lives longer than the calls that go through it. */
typedef struct belay_breaker {
    belay_breaker_opts belay_opts_;
    void *belay_[32];
} belay_breaker;

/* belay_breaker b = BELAY_BREAKER_INIT(.name = "db", .ratio = 0.3); */
#define BELAY_BREAKER_INIT(...)                                                \
    {{.size = sizeof(belay_breaker_opts) __VA_OPT__(, ) __VA_ARGS__}, {0}}

typedef enum belay_breaker_state {
    BELAY_BREAKER_CLOSED,    /* calls pass and are counted */
    BELAY_BREAKER_OPEN,      /* calls are refused */
    BELAY_BREAKER_HALF_OPEN, /* a few calls pass, to see */
} belay_breaker_state;

/*
 * May a call pass?  Returns 0 or more, a pass for exactly one
 * belay_breaker_leave(); or BELAY_EOPEN, and belay_why() says whose breaker it
 * is and when it may be tried again.  An attempt of belay_retrying() is then
 * not repeated before that.  In a task.  Cancellation point: no.
 */
BELAY_API BELAY_MUST_CHECK int belay_breaker_enter_at(belay_breaker *b,
    const belay_site *site);
/* The call of that pass has ended with this result.  Any thread.  Cancellation
 * point: no. */
BELAY_API void belay_breaker_leave(belay_breaker *b, int pass, int result);
/* The state as of now.  Any thread. */
BELAY_API belay_breaker_state belay_breaker_look(belay_breaker *b);

/* Calls the task as a function if the breaker lets it, and returns its result,
 * which is counted; or BELAY_EOPEN, or the code of a cut. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_breaking_at(belay_breaker *b,
    belay_task_type *type, const void *args, const belay_site *site);

/* ---- hedging -------------------------------------------------------- */

typedef struct belay_hedge {
    size_t size;      /* sizeof(belay_hedge) */
    belay_dur delay;  /* until the next attempt joins those that run */
    unsigned max;     /* attempts, at most 16; 0 = 2 */
    unsigned *winner; /* gets the number of the one that won; may be NULL */
    /* Undoes the success of one that came too late, in its own task, where
     * belay_attempt() is its number; must not wait.  May be NULL. */
    void (*discard)(const void *args);
    void *reserved[4];
} belay_hedge;

/*
 * Runs the task as a child, and another one after each delay, or at once when
 * one has failed, until one returns >= 0.  Returns that; the others are
 * cancelled and joined before.  Attempts run at the same time, each with its
 * copy of the arguments: what one writes, it must write where no other does,
 * for which belay_attempt() helps.  Else the first failure, or the code of a
 * cut; -EINVAL for more than 16.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_hedged_at(
    const belay_hedge *how, belay_task_type *type, const void *args,
    const belay_site *site);

/* ---- all together --------------------------------------------------- */

/* Each field may be left out, but for size. */
typedef struct belay_plan {
    size_t size;              /* sizeof(belay_plan) */
    belay_dur timeout;        /* of everything */
    const belay_retry *retry; /* NULL: one attempt */
    belay_breaker *breaker;
    belay_rate *rate;         /* a token for each attempt */
    belay_sem *limit;         /* a permit during each attempt */
    belay_dur attempt;        /* of the call itself; 0 = that of the retry */
    void *reserved[4];
} belay_plan;

/*
 * Calls the task as a function, in the one order in which policies make sense:
 * the total deadline around the retries, around the breaker, around rate and
 * limit, around the deadline of the attempt.  So waiting for a turn is no
 * failure of the dependency, and takes no time from the attempt.  Returns what
 * belay_retrying() does.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_call_at(
    const belay_plan *plan, belay_task_type *type, const void *args,
    const belay_site *site);

BELAY_END_DECLS

#if !defined(__cplusplus)

/* belay_retrying(&policy, task, args...) */
#define belay_retrying(policy, task, ...)                                      \
    belay_retrying_at((policy), BELAY_TYPE_(task),                             \
        BELAY_ARGS_(task __VA_OPT__(, ) __VA_ARGS__), BELAY_SITE_(#task))
#define belay_rate_wait(r, n) belay_rate_wait_at((r), (n), BELAY_SITE_(#r))
#define belay_breaker_enter(b) belay_breaker_enter_at((b), BELAY_SITE_(#b))
/* belay_breaking(&breaker, task, args...) */
#define belay_breaking(b, task, ...)                                           \
    belay_breaking_at((b), BELAY_TYPE_(task),                                  \
        BELAY_ARGS_(task __VA_OPT__(, ) __VA_ARGS__), BELAY_SITE_(#task))
/* belay_hedged(BELAY_MS(50), 2, task, args...) */
#define belay_hedged(wait, most, task, ...)                                    \
    belay_hedged_with(                                                         \
        (.delay = (wait), .max = (most)), task __VA_OPT__(, ) __VA_ARGS__)
/* belay_hedged_with((.delay = BELAY_MS(50), .winner = &n), task, args...) */
#define BELAY_HEDGE_(...)                                                      \
    (&(const belay_hedge){                                                     \
        .size = sizeof(belay_hedge) __VA_OPT__(, ) __VA_ARGS__})
#define belay_hedged_with(how, task, ...)                                      \
    belay_hedged_at(BELAY_HEDGE_ how, BELAY_TYPE_(task),                       \
        BELAY_ARGS_(task __VA_OPT__(, ) __VA_ARGS__), BELAY_SITE_(#task))
/* belay_call(&plan, task, args...) */
#define belay_call(plan, task, ...)                                            \
    belay_call_at((plan), BELAY_TYPE_(task),                                   \
        BELAY_ARGS_(task __VA_OPT__(, ) __VA_ARGS__), BELAY_SITE_(#task))

#endif
#endif
