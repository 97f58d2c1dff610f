/* SPDX-License-Identifier: MIT */
/*
 * Channels: typed, bounded queues between tasks.
 *
 *     typedef BELAY_CHAN(int) int_chan;
 *     int_chan ch;
 *     int v, r;
 *
 *     BELAY_TRY(belay_chan_open(&ch, 16));
 *     BELAY_SCOPE(s) {
 *         belay_spawn_producer(s, &ch, producer, &ch);
 *         while ((r = belay_recv(&ch, &v)) > 0)
 *             use(v);
 *     }
 *     belay_chan_free(&ch);
 *
 * A handle is a value and may be copied.  Capacity 0 is a rendezvous: a send
 * ends when a receiver has the value.  A send that fails has sent nothing and
 * a recv that fails has taken nothing.
 *
 * The functions are the ABI, the macros below them what people write.
 */
#ifndef BELAY_CHAN_H
#define BELAY_CHAN_H

#include <belay/base.h>
#include <belay/error.h>
#include <belay/select.h>
#include <belay/task.h>

BELAY_BEGIN_DECLS

typedef struct belay_chan belay_chan;

typedef struct belay_chan_opts {
    size_t size;      /* sizeof(belay_chan_opts) */
    const char *name; /* for people; not copied */
    /* Called by belay_chan_free for each value that is still inside. */
    void (*undelivered)(void *elem);
    unsigned external; /* slots for belay_try_send_external; 0 = none */
    bool once;         /* one value, then closed; capacity 1 */
    void *reserved[4];
} belay_chan_opts;

/*
 * Makes a channel of cap values of elem bytes.  opts may be NULL.  Returns 0,
 * -EINVAL for sizes that cannot be, or -ENOMEM; *ch is then NULL.
 */
BELAY_API BELAY_MUST_CHECK int belay_chan_open_at(belay_chan **ch, size_t elem,
    size_t cap, const belay_chan_opts *opts, const belay_site *site);

/*
 * Frees *ch, unless it is NULL, and sets it to NULL.  Aborts if a task waits
 * for the channel or a registered producer has not ended, and names both
 * places.  Cancellation point: no.
 */
BELAY_API void belay_chan_free_at(belay_chan **ch, const belay_site *site);
/* The same for a handle, for cleanup attributes. */
BELAY_API void belay_chan_freep(void *handle);

/* Waits until a copy of *value is in the channel or with a receiver.  Returns
 * 0, BELAY_ECLOSED, or the code of a cut. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_send_at(belay_chan *ch,
    const void *value, const belay_site *site);
/* The same, or -EAGAIN at once.  Any thread.  Cancellation point: no. */
BELAY_API BELAY_MUST_CHECK int belay_try_send_at(belay_chan *ch,
    const void *value, const belay_site *site);

/* Waits for a value.  Returns 1 with a value in *value; once the channel is
 * closed and empty 0, or the error it was closed with; or the code of a
 * cut. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_recv_at(belay_chan *ch,
    void *value, const belay_site *site);
/* The same, or -EAGAIN at once.  Any thread.  Cancellation point: no. */
BELAY_API BELAY_MUST_CHECK int belay_try_recv_at(belay_chan *ch, void *value,
    const belay_site *site);

/*
 * Closes: senders get BELAY_ECLOSED, receivers what is inside and then err,
 * which is 0 or negative.  Closing again changes nothing.  Any thread.
 * Cancellation point: no.
 */
BELAY_API void belay_close_at(belay_chan *ch, int err, const belay_site *site);

/*
 * Pushes into one of the slots that .external set aside, without locks or
 * memory: from any thread, also in a signal handler.  Returns 0, -EAGAIN if
 * all slots are full, or BELAY_ECLOSED.  Receivers take such values and sent
 * ones in turn.  Cancellation point: no.
 */
BELAY_API BELAY_MUST_CHECK int belay_try_send_external_at(belay_chan *ch,
    const void *value, const belay_site *site);

/*
 * Counts the caller as a producer until the release, which tells whether it
 * failed.  The channel closes when nobody is left, with the first failure.
 * For who spawns producers one by one while others may end.  Any thread.
 * Cancellation point: no.
 */
BELAY_API void belay_chan_hold_at(belay_chan *ch, const belay_site *site);
BELAY_API void belay_chan_release_at(belay_chan *ch, int err,
    const belay_site *site);

typedef struct belay_chan_info {
    const char *name;
    size_t capacity;
    size_t depth;        /* values inside now */
    size_t high;         /* the most there have been */
    uint64_t sent;       /* values taken in, all in all */
    uint64_t send_waits; /* sends that had to wait */
    uint64_t recv_waits;
    size_t senders;      /* tasks that wait now */
    size_t receivers;
    unsigned producers; /* registered and not ended */
    bool closed;
} belay_chan_info;

/* What there is to know as of now.  Any thread. */
BELAY_API void belay_chan_stats_at(belay_chan *ch, belay_chan_info *out,
    const belay_site *site);

BELAY_END_DECLS

#if !defined(__cplusplus)

/* typedef BELAY_CHAN(struct item) item_chan; */
#define BELAY_CHAN(T)                                                          \
    struct {                                                                   \
        belay_chan *base;                                                      \
        T *elem;                                                               \
    }

/* BELAY_AUTO_CHAN(int_chan, ch): a closed handle, freed on every way out of
 * the block.  Declare it before the scope whose tasks use it. */
#define BELAY_AUTO_CHAN(T, ch)                                                 \
    T ch BELAY_CLEANUP_(belay_chan_freep) = {NULL, NULL}

/* belay_chan_open(&ch, 16, .undelivered = item_free, .name = "jobs") */
#define belay_chan_open(c, cap, ...)                                           \
    belay_chan_open_at(&(c)->base, sizeof *(c)->elem, (cap),                   \
        &(const belay_chan_opts){                                              \
            .size = sizeof(belay_chan_opts) __VA_OPT__(, ) __VA_ARGS__},       \
        BELAY_SITE_(#c))
/* A channel for one value; the send never waits and closes it. */
#define belay_oneshot_open(c, ...)                                             \
    belay_chan_open((c), 1, .once = true __VA_OPT__(, ) __VA_ARGS__)
#define belay_chan_free(c) belay_chan_free_at(&(c)->base, BELAY_SITE_(#c))

/* The rest of the arguments is the value: an expression, which may be a
 * struct literal. */
#define BELAY_SEND_(call, c, what, ...)                                        \
    call((c)->base, (const __typeof__(*(c)->elem)[1]){(__VA_ARGS__)},          \
        BELAY_SITE_(what))
#define belay_send(c, ...) BELAY_SEND_(belay_send_at, c, #c, __VA_ARGS__)
#define belay_try_send(c, ...)                                                 \
    BELAY_SEND_(belay_try_send_at, c, #c, __VA_ARGS__)
#define belay_try_send_external(c, ...)                                        \
    BELAY_SEND_(belay_try_send_external_at, c, #c, __VA_ARGS__)

#define belay_recv(c, p)                                                       \
    belay_recv_at((c)->base, (__typeof__((c)->elem)){(p)}, BELAY_SITE_(#c))
#define belay_try_recv(c, p)                                                   \
    belay_try_recv_at((c)->base, (__typeof__((c)->elem)){(p)}, BELAY_SITE_(#c))

#define belay_close(c, err) belay_close_at((c)->base, (err), BELAY_SITE_(#c))
#define belay_chan_hold(c) belay_chan_hold_at((c)->base, BELAY_SITE_(#c))
#define belay_chan_release(c, err)                                             \
    belay_chan_release_at((c)->base, (err), BELAY_SITE_(#c))
#define belay_chan_stats(c, out)                                               \
    belay_chan_stats_at((c)->base, (out), BELAY_SITE_(#c))

#endif
#endif
