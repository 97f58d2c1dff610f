/* SPDX-License-Identifier: MIT */
/*
 * A pool of the user's resources.
 *
 * A slot is a permit of `slots', a semaphore that is fair.  Who has one may
 * have one item: an idle one, or a new one, or none if opening fails.  It is
 * released on every way out, after the item is back in the list or has been
 * closed; so there are never more than `max' items, those that are being
 * opened, checked and closed included.
 *
 *     take:   slot -> idle? -> check -> leased
 *                       |no      |bad: close, look again
 *                       open -> leased      (failed: slot back)
 *     put:    idle list, or close -> slot back
 *
 * The calls of the user may wait and may be cut.  An open that is cut has
 * opened nothing, by its contract.  A check that is cut may have left a
 * question unanswered in a connection, so that item is closed.  Closing is
 * shielded, with a limit: it is the way out of a task that was cut.
 *
 * Idle items form a stack: the warm end is used, and what grows old gathers at
 * the cold end, from where each take and put removes it.  The lock guards the
 * lists and is held for a few instructions only.
 */
#include <belay/pool.h>

#include <belay/sync.h>
#include <belay/task.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/time.h"

#include <errno.h>

enum { POOL_MAX = 8 };

struct pool_item {
    struct bly_link link; /* in idle or taken, or on the way */
    void *item;
    belay_time opened;
    belay_time idle_since;
    const belay_site *site; /* taken: where */
};

struct belay_pool {
    belay_pool_opts opts;
    const belay_site *site;
    belay_sem slots;
    struct bly_lock lock;
    struct bly_list idle; /* the first was used last */
    struct bly_list taken;
    belay_pool_info info; /* under the lock */
};

/* ---- items ---------------------------------------------------------- */

static bool
pool_is_old(const belay_pool *p, const struct pool_item *i, belay_time now)
{
    return p->opts.max_age > 0 &&
        bly_time_add(i->opened, p->opts.max_age) <= now;
}

/* The caller alone has it; it is in no list. */
static void
pool_end_item(belay_pool *p, struct pool_item *i)
{
    belay_block shield;

    if (p->opts.close != NULL) {
        belay_shield_open(&shield,
            p->opts.close_limit > 0 ? p->opts.close_limit : BELAY_S(5),
            p->site);
        p->opts.close(p->opts.arg, i->item);
        belay_block_close(&shield);
    }
    bly_free(i);
    bly_lock(&p->lock);
    p->info.closed++;
    bly_unlock(&p->lock);
}

/* Takes the newest idle item, or the oldest if that is too old. */
static struct pool_item *
pool_pop(belay_pool *p, belay_time now, bool *old)
{
    struct pool_item *i = NULL;
    struct bly_link *l;

    bly_lock(&p->lock);
    *old = false;
    if (!bly_list_empty(&p->idle)) {
        l = p->idle.head.prev;
        *old = pool_is_old(p, BLY_CONTAINER(l, struct pool_item, link), now);
        if (!*old)
            l = p->idle.head.next;
        bly_list_remove(l);
        p->info.idle--;
        i = BLY_CONTAINER(l, struct pool_item, link);
    }
    bly_unlock(&p->lock);
    return i;
}

/* Is it good enough to be given out?  Else it is gone. */
static bool
pool_check(belay_pool *p, struct pool_item *i, bool old)
{
    if (!old &&
        (p->opts.check == NULL ||
            belay_now() - i->idle_since < p->opts.check_after ||
            p->opts.check(p->opts.arg, i->item) >= 0))
        return true;
    pool_end_item(p, i);
    return false;
}

/* With a slot: an item that was idle and is good, or NULL.  Under a cut each
 * check would fail, so that one taker could empty the pool. */
static struct pool_item *
pool_reuse(belay_pool *p)
{
    struct pool_item *i;
    bool old;

    while (belay_cancelled() == 0 &&
        (i = pool_pop(p, belay_now(), &old)) != NULL)
        if (pool_check(p, i, old))
            return i;
    return NULL;
}

/* With a slot. */
static int
pool_make(belay_pool *p, struct pool_item **out)
{
    struct pool_item *i = bly_zalloc(sizeof *i);
    int r;

    if (i == NULL)
        return -ENOMEM;
    r = p->opts.open(p->opts.arg, &i->item);
    if (r < 0) {
        bly_free(i);
        return r;
    }
    i->opened = belay_now();
    bly_lock(&p->lock);
    p->info.opened++;
    bly_unlock(&p->lock);
    *out = i;
    return 0;
}

/* ---- leases --------------------------------------------------------- */

int
belay_pool_take_at(belay_pool *p, belay_lease *lease, const belay_site *site)
{
    struct pool_item *i;
    int r;

    if (lease->belay_pool_ != NULL)
        bly_misuse(site, "a lease that holds an item takes another");
    r = belay_sem_acquire_at(&p->slots, 1, site);
    if (r < 0)
        return r;
    i = pool_reuse(p);
    if (i == NULL) {
        r = belay_cancelled();
        if (r == 0)
            r = pool_make(p, &i);
        if (r < 0) {
            belay_sem_release(&p->slots, 1);
            return belay_trace(r, site);
        }
    }
    i->site = site;
    bly_lock(&p->lock);
    bly_list_push(&p->taken, &i->link);
    p->info.taken++;
    p->info.takes++;
    bly_unlock(&p->lock);
    *lease = (belay_lease){i->item, p, {i, NULL}};
    return 0;
}

/* Ends what has grown old in the meantime. */
static void
pool_sweep(belay_pool *p)
{
    belay_time now = belay_now();
    struct pool_item *i;
    bool found;

    do {
        i = NULL;
        bly_lock(&p->lock);
        found = !bly_list_empty(&p->idle);
        if (found) {
            i = BLY_CONTAINER(p->idle.head.prev, struct pool_item, link);
            found = pool_is_old(p, i, now);
        }
        if (found) {
            bly_list_remove(&i->link);
            p->info.idle--;
        }
        bly_unlock(&p->lock);
        if (found)
            pool_end_item(p, i);
    } while (found);
}

void
belay_pool_put(belay_lease *lease, bool broken)
{
    belay_pool *p = lease->belay_pool_;
    struct pool_item *i = lease->belay_[0];
    belay_time now;

    if (p == NULL)
        return;
    *lease = (belay_lease){NULL, NULL, {NULL, NULL}};
    now = belay_now();
    bly_lock(&p->lock);
    bly_list_remove(&i->link);
    p->info.taken--;
    broken = broken || pool_is_old(p, i, now) ||
        p->info.idle >= p->opts.max_idle;
    if (!broken) {
        i->idle_since = now;
        bly_list_push_front(&p->idle, &i->link);
        p->info.idle++;
    }
    bly_unlock(&p->lock);
    if (broken)
        pool_end_item(p, i);
    pool_sweep(p);
    belay_sem_release(&p->slots, 1);
}

void
belay_pool_drop(belay_lease *lease)
{
    belay_pool_put(lease, true);
}

/* ---- the pool ------------------------------------------------------- */

int
belay_pool_open_at(belay_pool **pool, const belay_pool_opts *opts,
    const belay_site *site)
{
    belay_pool *p;

    if (opts->open == NULL)
        return belay_fail_at(-EINVAL, site, "a pool needs a way to open");
    p = bly_zalloc(sizeof *p);
    if (p == NULL)
        return -ENOMEM;
    p->opts = *opts;
    p->site = site;
    if (p->opts.max == 0)
        p->opts.max = POOL_MAX;
    if (p->opts.max_idle == 0)
        p->opts.max_idle = p->opts.max;
    belay_sem_release(&p->slots, p->opts.max);
    bly_list_init(&p->idle);
    bly_list_init(&p->taken);
    p->info.name = p->opts.name;
    *pool = p;
    return 0;
}

void
belay_pool_close_at(belay_pool **pool, const belay_site *site)
{
    belay_pool *p = *pool;
    struct bly_link *l;

    if (p == NULL)
        return;
    l = bly_list_first(&p->taken);
    if (l != NULL) {
        const belay_site *by =
            BLY_CONTAINER(l, struct pool_item, link)->site;

        bly_misuse(site, "closing pool '%s' while %u of its items are out, "
            "one taken at %s:%d", p->opts.name != NULL ? p->opts.name : "?",
            p->info.taken, by->file, by->line);
    }
    if (belay_sem_available(&p->slots) != p->opts.max)
        bly_misuse(site, "closing pool '%s' while tasks are taking items",
            p->opts.name != NULL ? p->opts.name : "?");
    while ((l = bly_list_pop(&p->idle)) != NULL)
        pool_end_item(p, BLY_CONTAINER(l, struct pool_item, link));
    belay_sem_fini_at(&p->slots, site);
    bly_free(p);
    *pool = NULL;
}

void
belay_pool_closep(belay_pool **pool)
{
    belay_pool_close_at(pool, *pool != NULL ? (*pool)->site : NULL);
}

void
belay_pool_stats(belay_pool *p, belay_pool_info *out)
{
    bly_lock(&p->lock);
    *out = p->info;
    bly_unlock(&p->lock);
}
