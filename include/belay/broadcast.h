/* SPDX-License-Identifier: MIT */
/*
 * One sender, many listeners: a broadcast gives every value to every
 * subscriber; a watch holds one value, and tells when it has changed.
 *
 *     typedef BELAY_BROADCAST(struct news) news_cast;
 *     typedef BELAY_SUB(struct news) news_sub;
 *
 * The functions are the ABI, the macros below them what people write.
 */
#ifndef BELAY_BROADCAST_H
#define BELAY_BROADCAST_H

#include <belay/base.h>
#include <belay/error.h>
#include <belay/select.h>

BELAY_BEGIN_DECLS

/* ---- broadcast ----------------------------------------------------------- */

typedef struct belay_broadcast belay_broadcast;
typedef struct belay_sub belay_sub;

typedef struct belay_broadcast_opts {
    size_t size;      /* sizeof(belay_broadcast_opts) */
    const char *name; /* for people; not copied */
    /* A subscriber that falls behind loses the oldest values; otherwise it
     * makes the sender wait. */
    bool lossy;
    void *reserved[4];
} belay_broadcast_opts;

/* Keeps the newest cap values, each of elem bytes, for those who lag.
 * Returns 0, -EINVAL or -ENOMEM; *b is then NULL. */
BELAY_API BELAY_MUST_CHECK int belay_broadcast_open_at(belay_broadcast **b,
    size_t elem, size_t cap, const belay_broadcast_opts *opts,
    const belay_site *site);
/* Frees *b and sets it to NULL.  Aborts if it has subscribers or if a task
 * waits for it. */
BELAY_API void belay_broadcast_free_at(belay_broadcast **b,
    const belay_site *site);

/* Gives a copy of *value to all who are subscribed now.  Waits, unless it is
 * lossy, while somebody is cap values behind.  Returns 0, BELAY_ECLOSED, or
 * the code of a cut. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_broadcast_send_at(
    belay_broadcast *b, const void *value, const belay_site *site);
/* The same, or -EAGAIN at once.  Any thread.  Cancellation point: no. */
BELAY_API BELAY_MUST_CHECK int belay_broadcast_try_send_at(belay_broadcast *b,
    const void *value, const belay_site *site);
/* Subscribers get what they have not yet, then err, which is 0 or negative;
 * senders BELAY_ECLOSED.  Any thread.  Cancellation point: no. */
BELAY_API void belay_broadcast_close_at(belay_broadcast *b, int err,
    const belay_site *site);

/* Subscribes to what is sent from now on.  Returns 0 or -ENOMEM. */
BELAY_API BELAY_MUST_CHECK int belay_broadcast_subscribe_at(belay_broadcast *b,
    belay_sub **sub, const belay_site *site);
/* Ends *sub and sets it to NULL.  Cancellation point: no. */
BELAY_API void belay_sub_free_at(belay_sub **sub, const belay_site *site);

/*
 * Waits for the next value.  Returns 1, or 0 or the error if the broadcast
 * was closed and all has been received, or -EOVERFLOW once after values were
 * lost, or the code of a cut.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_sub_recv_at(belay_sub *sub,
    void *value, const belay_site *site);
/* The same, or -EAGAIN at once.  Any thread.  Cancellation point: no. */
BELAY_API BELAY_MUST_CHECK int belay_sub_try_recv_at(belay_sub *sub,
    void *value, const belay_site *site);
/* As a case of a select; sub NULL: never happens. */
BELAY_API belay_case belay_case_sub_recv(belay_sub *sub, void *into);
/* How many values it has lost, all in all. */
BELAY_API uint64_t belay_sub_lost_at(belay_sub *sub, const belay_site *site);

/* ---- watch --------------------------------------------------------------- */

typedef struct belay_watch belay_watch;

/* Holds elem bytes, zero at first, in version 0.  Returns 0, -EINVAL or
 * -ENOMEM; *w is then NULL. */
BELAY_API BELAY_MUST_CHECK int belay_watch_open_at(belay_watch **w,
    size_t elem, const char *name, const belay_site *site);
/* Frees *w and sets it to NULL; aborts if a task waits for it. */
BELAY_API void belay_watch_free_at(belay_watch **w, const belay_site *site);

/* Sets the value; the version grows by 1.  Returns 0 or BELAY_ECLOSED.  Any
 * thread.  Cancellation point: no. */
BELAY_API BELAY_MUST_CHECK int belay_watch_set_at(belay_watch *w,
    const void *value, const belay_site *site);
/* Copies the value, unless value is NULL, and returns its version.  Any
 * thread.  Cancellation point: no. */
BELAY_API uint64_t belay_watch_get_at(belay_watch *w, void *value,
    const belay_site *site);
/*
 * Waits until the version is not *seen, then copies the value and sets *seen.
 * Versions in between may be missed, the last one is not.  Returns 1, or 0 or
 * the error if it was closed, or the code of a cut.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_watch_wait_at(belay_watch *w,
    uint64_t *seen, void *value, const belay_site *site);
/* As a case of a select; w NULL: never happens. */
BELAY_API belay_case belay_case_watch(belay_watch *w, uint64_t *seen,
    void *into);
/* Nothing will change any more; err is 0 or negative.  Any thread.
 * Cancellation point: no. */
BELAY_API void belay_watch_close_at(belay_watch *w, int err,
    const belay_site *site);

BELAY_END_DECLS

#if !defined(__cplusplus)

#define BELAY_HANDLE_(base_type, T)                                            \
    struct {                                                                   \
        base_type *base;                                                       \
        T *elem;                                                               \
    }
#define BELAY_BROADCAST(T) BELAY_HANDLE_(belay_broadcast, T)
#define BELAY_SUB(T) BELAY_HANDLE_(belay_sub, T)
#define BELAY_WATCH(T) BELAY_HANDLE_(belay_watch, T)

/* The rest of the arguments is the value: it may be a struct literal. */
#define BELAY_GIVE_(call, h, ...)                                              \
    (__extension__({                                                           \
        __typeof__(*(h)->elem) belay_value_ = (__VA_ARGS__);                   \
        call((h)->base, &belay_value_, BELAY_SITE_(#h));                       \
    }))
#define BELAY_INTO_(h, p) ((__typeof__((h)->elem)){(p)})

/* belay_broadcast_open(&b, 16, .lossy = true) */
#define belay_broadcast_open(b, cap, ...)                                      \
    belay_broadcast_open_at(&(b)->base, sizeof *(b)->elem, (cap),              \
        &(const belay_broadcast_opts){                                         \
            .size = sizeof(belay_broadcast_opts) __VA_OPT__(, ) __VA_ARGS__},  \
        BELAY_SITE_(#b))
#define belay_broadcast_free(b)                                                \
    belay_broadcast_free_at(&(b)->base, BELAY_SITE_(#b))
#define belay_broadcast_send(b, ...)                                           \
    BELAY_GIVE_(belay_broadcast_send_at, b, __VA_ARGS__)
#define belay_broadcast_try_send(b, ...)                                       \
    BELAY_GIVE_(belay_broadcast_try_send_at, b, __VA_ARGS__)
#define belay_broadcast_close(b, err)                                          \
    belay_broadcast_close_at((b)->base, (err), BELAY_SITE_(#b))
#define belay_broadcast_subscribe(b, s)                                        \
    ((void)sizeof(BELAY_INTO_(b, (s)->elem)),                                  \
        belay_broadcast_subscribe_at(                                          \
            (b)->base, &(s)->base, BELAY_SITE_(#b)))
#define belay_sub_free(s) belay_sub_free_at(&(s)->base, BELAY_SITE_(#s))
#define belay_sub_recv(s, p)                                                   \
    belay_sub_recv_at((s)->base, BELAY_INTO_(s, p), BELAY_SITE_(#s))
#define belay_sub_try_recv(s, p)                                               \
    belay_sub_try_recv_at((s)->base, BELAY_INTO_(s, p), BELAY_SITE_(#s))
#define belay_sub_lost(s) belay_sub_lost_at((s)->base, BELAY_SITE_(#s))
#define BELAY_SUB_RECV(s, p)                                                   \
    belay_case_sub_recv((s)->base, BELAY_INTO_(s, p))

#define belay_watch_open(w, name)                                              \
    belay_watch_open_at(                                                       \
        &(w)->base, sizeof *(w)->elem, (name), BELAY_SITE_(#w))
#define belay_watch_free(w) belay_watch_free_at(&(w)->base, BELAY_SITE_(#w))
#define belay_watch_set(w, ...) BELAY_GIVE_(belay_watch_set_at, w, __VA_ARGS__)
#define belay_watch_get(w, p)                                                  \
    belay_watch_get_at((w)->base, BELAY_INTO_(w, p), BELAY_SITE_(#w))
#define belay_watch_wait(w, seen, p)                                           \
    belay_watch_wait_at((w)->base, (seen), BELAY_INTO_(w, p), BELAY_SITE_(#w))
#define BELAY_WATCH_WAIT(w, seen, p)                                           \
    belay_case_watch((w)->base, (seen), BELAY_INTO_(w, p))
#define belay_watch_close(w, err)                                              \
    belay_watch_close_at((w)->base, (err), BELAY_SITE_(#w))

#endif
#endif
