/* SPDX-License-Identifier: MIT */
/*
 * A pool of things that are expensive to open: connections, sessions.
 *
 *     BELAY_LEASE(conn);
 *
 *     BELAY_TRY(belay_pool_take(pool, &conn));
 *     r = query(conn.item);
 *     belay_pool_put(&conn, r < 0);
 *
 * Whoever holds an item has a lease.  Whatever is cancelled or fails, its slot
 * is free again in the end; what a block leaves without having put it back
 * counts as broken.
 *
 * The functions are the ABI, the macros below them what people write.
 */
#ifndef BELAY_POOL_H
#define BELAY_POOL_H

#include <belay/base.h>
#include <belay/error.h>

BELAY_BEGIN_DECLS

typedef struct belay_pool belay_pool;

typedef struct belay_pool_opts {
    size_t size;      /* sizeof(belay_pool_opts) */
    const char *name; /* for people; not copied */
    /* Makes an item; may wait.  A failure is that of belay_pool_take(). */
    int (*open)(void *arg, void **item);
    /* Ends one; may wait, shielded for .close_limit.  NULL: nothing to do. */
    void (*close)(void *arg, void *item);
    /* Asked before an idle item is given out: negative, and it is closed; may
     * wait.  NULL: all are good. */
    int (*check)(void *arg, void *item);
    void *arg;              /* of all three */
    unsigned max;           /* items at a time; 0 = 8 */
    unsigned max_idle;      /* kept while nobody wants them; 0 = max */
    belay_dur max_age;      /* since it was opened; 0 = any */
    belay_dur check_after;  /* only if it has been idle for longer */
    belay_dur close_limit;  /* 0 = 5 s */
    void *reserved[4];
} belay_pool_opts;

/* One item in the hands of one task; all zero: none. */
typedef struct belay_lease {
    void *item;
    belay_pool *belay_pool_;
    void *belay_[2];
} belay_lease;

/* Makes an empty pool.  0, -EINVAL without .open, or -ENOMEM. */
BELAY_API BELAY_MUST_CHECK int belay_pool_open_at(belay_pool **pool,
    const belay_pool_opts *opts, const belay_site *site);

/*
 * Closes what is idle, frees *pool, unless it is NULL, and sets it to NULL.
 * In a task.  Aborts while items are out, or waited for, and names the place
 * that took one.  A cut does not keep it from anything.
 */
BELAY_API BELAY_WAITS void belay_pool_close_at(belay_pool **pool,
    const belay_site *site);
/* For BELAY_AUTO(belay_pool, p). */
BELAY_API BELAY_WAITS void belay_pool_closep(belay_pool **pool);

/*
 * Takes the item that was used last, or opens one; waits while all are out,
 * first come, first served.  Returns 0, or the code of a cut, or what .open
 * failed with; then *lease is as it was.  *lease must hold nothing.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_pool_take_at(
    belay_pool *pool, belay_lease *lease, const belay_site *site);

/*
 * Gives the item back, or has it closed if it is broken, too old or one too
 * many, which may wait.  The lease then holds nothing; one that holds nothing
 * already is no mistake.  A cut does not keep it from anything.
 */
BELAY_API BELAY_WAITS void belay_pool_put(belay_lease *lease, bool broken);
/* The same for one that was not put: it is broken.  For BELAY_LEASE. */
BELAY_API BELAY_WAITS void belay_pool_drop(belay_lease *lease);

typedef struct belay_pool_info {
    const char *name;
    unsigned idle, taken; /* items now */
    uint64_t opened, closed, takes;
} belay_pool_info;

/* What there is to know as of now.  Any thread. */
BELAY_API void belay_pool_stats(belay_pool *pool, belay_pool_info *out);

BELAY_END_DECLS

#if !defined(__cplusplus)

/* belay_pool_open(&pool, .open = connect_db, .close = close_db, .max = 4) */
#define belay_pool_open(pool, ...)                                             \
    belay_pool_open_at((pool),                                                 \
        &(const belay_pool_opts){                                              \
            .size = sizeof(belay_pool_opts) __VA_OPT__(, ) __VA_ARGS__},       \
        BELAY_SITE_(#pool))
#define belay_pool_close(pool)                                                 \
    belay_pool_close_at((pool), BELAY_SITE_(#pool))
#define belay_pool_take(pool, lease)                                           \
    belay_pool_take_at((pool), (lease), BELAY_SITE_(#pool))
/* Declares an empty lease; what it holds at the end of the block is broken. */
#define BELAY_LEASE(lease)                                                     \
    belay_lease lease BELAY_CLEANUP_(belay_pool_drop) = {                      \
        NULL, NULL, {NULL, NULL}}

#endif
#endif
