/* SPDX-License-Identifier: MIT */
/*
 * One execution for all who ask for the same key.
 *
 * Three parties meet at an entry, which lives as long as one of them: the table
 * (while it may be found), the worker (from being asked for to the result), and
 * those who wait.  All counts are under the flight's lock.
 *
 *     asked for -> running -> finished -> kept -> gone
 *         \___________\__________________________/
 *           nobody waits any more, or no ttl, or forgotten
 *
 * Who asks need not be below the scope of the flight, and so may not spawn into
 * it.  He queues the entry, and a daemon of the scope, the starter, spawns the
 * work into a scope of its own.  That is cut when the flight is closed; what
 * its tasks return they have told the entry before, so they end well always.
 *
 * The last one who leaves takes the entry out of the table, and sets its `off',
 * which cuts the work (see cutoff.c).  Who asks after that starts anew, even
 * while the old work is still on its way out.
 *
 * A result beats a cut: who is cut finds it, or else leaves, under the lock.
 */
#include <belay/flight.h>

#include <belay/sync.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/time.h"
#include "policy/attempt.h"
#include "policy/cutoff.h"

#include <errno.h>
#include <string.h>

enum { FLIGHT_MAX = 1000, FLIGHT_WHY = 120 };

struct flight_entry {
    struct bly_link link;  /* in its bucket, while it may be found */
    struct bly_link order; /* in asked or kept */
    belay_flight *flight;
    const belay_site *site; /* who asked first */
    uint32_t refs;          /* table, worker, those who wait */
    uint32_t waiting;
    bool finished;
    int result;         /* once finished; then also value and why */
    belay_time expires; /* kept: until then */
    belay_event done;
    belay_event off; /* set when nobody waits any more */
    size_t key_size;
    char *key;
    char why[FLIGHT_WHY];
    _Alignas(max_align_t) char value[]; /* and then the key */
};

struct belay_flight {
    belay_flight_opts opts;
    const belay_site *site;
    belay_sem asked_for; /* a permit for each entry in asked, and at the end */
    struct bly_lock lock;
    uint32_t refs; /* the handle, the starter */
    uint32_t waiting;
    bool down;            /* nothing is started any more */
    struct bly_list asked;
    struct bly_list kept; /* the oldest first */
    unsigned nkept;
    unsigned mask;
    struct bly_list buckets[];
};

/* ---- under the lock ------------------------------------------------- */

static struct bly_list *
flight_bucket(belay_flight *f, const void *key, size_t size)
{
    const unsigned char *p = key;
    uint32_t h = UINT32_C(2166136261); /* FNV-1a */

    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * UINT32_C(16777619);
    return &f->buckets[(h ^ h >> 15) & f->mask];
}

/* Whoever brings the count to 0 frees the entry, without the lock. */
static bool
flight_unref(struct flight_entry *e)
{
    return --e->refs == 0;
}

/* It can no longer be found.  True: and is to be freed. */
static bool
flight_unlink(belay_flight *f, struct flight_entry *e)
{
    bly_list_remove(&e->link);
    if (e->finished) {
        bly_list_remove(&e->order);
        f->nkept--;
    }
    return flight_unref(e);
}

static struct flight_entry *
flight_find(belay_flight *f, const void *key, size_t size)
{
    struct bly_list *bucket = flight_bucket(f, key, size);
    struct bly_link *l;

    for (l = bly_list_first(bucket); l != NULL; l = bly_list_next(bucket, l)) {
        struct flight_entry *e = BLY_CONTAINER(l, struct flight_entry, link);

        if (e->key_size == size && memcmp(e->key, key, size) == 0)
            return e;
    }
    return NULL;
}

/* ---- the work ------------------------------------------------------- */

static void
flight_release(belay_flight *f)
{
    uint32_t refs;

    bly_lock(&f->lock);
    refs = --f->refs;
    bly_unlock(&f->lock);
    if (refs == 0)
        bly_free(f);
}

/* The result is there; `why' has been written. */
static void
flight_finish(struct flight_entry *e, int result)
{
    belay_flight *f = e->flight;
    belay_dur ttl = result >= 0 ? f->opts.ttl : f->opts.failed_ttl;
    struct flight_entry *oldest = NULL;
    belay_time now = belay_now();
    bool last;

    bly_lock(&f->lock);
    e->result = result;
    if (bly_linked(&e->link) && (ttl <= 0 || f->down))
        (void)flight_unlink(f, e); /* we have it still */
    e->finished = true;
    if (bly_linked(&e->link)) {
        e->expires = bly_time_add(now, ttl);
        bly_list_push(&f->kept, &e->order);
        if (++f->nkept > f->opts.max) {
            oldest = BLY_CONTAINER(
                bly_list_first(&f->kept), struct flight_entry, order);
            if (!flight_unlink(f, oldest))
                oldest = NULL;
        }
    }
    bly_unlock(&f->lock);
    bly_free(oldest);
    belay_event_set(&e->done);
    bly_lock(&f->lock);
    last = flight_unref(e);
    bly_unlock(&f->lock);
    if (last)
        bly_free(e);
}

static int
flight_run(void *arg)
{
    struct flight_entry *e = arg;
    const belay_flight_opts *o = &e->flight->opts;

    return o->run(o->arg, e->key, e->key_size, e->value);
}

static int
flight_work(void *arg)
{
    struct flight_entry *e = *(struct flight_entry **)arg;
    int r = bly_cutoff_run(flight_run, e, &e->off, "nobody waits for it",
        e->site);

    if (r < 0)
        bly_attempt_why(e->why, sizeof e->why);
    /* Who waits elsewhere has not been cut. */
    if (r < 0 && belay_cancelled() != 0)
        r = -ESHUTDOWN;
    flight_finish(e, r);
    return 0;
}

static struct flight_entry *
flight_next_asked(belay_flight *f, bool *wanted)
{
    struct flight_entry *e = NULL;
    struct bly_link *l;

    bly_lock(&f->lock);
    l = bly_list_pop(&f->asked);
    if (l != NULL) {
        e = BLY_CONTAINER(l, struct flight_entry, order);
        *wanted = e->waiting > 0;
    }
    bly_unlock(&f->lock);
    return e;
}

static bool
flight_is_down(belay_flight *f)
{
    bool down;

    bly_lock(&f->lock);
    down = f->down;
    bly_unlock(&f->lock);
    return down;
}

static void
flight_start(belay_flight *f, belay_scope *s)
{
    belay_spawn_opts how = {.size = sizeof how, .name = f->opts.name};
    bool wanted = false;
    struct flight_entry *e = flight_next_asked(f, &wanted);
    int r = -ECANCELED;

    if (e == NULL)
        return;
    if (wanted)
        r = belay_scope_spawn(s, flight_work, &e, sizeof e, &how, e->site);
    if (r < 0)
        flight_finish(e, r == -ECANCELED ? -ESHUTDOWN : r);
}

/* The daemon. */
static int
flight_starter(void *arg)
{
    belay_flight *f = *(belay_flight **)arg;
    belay_scope_opts opts = {.size = sizeof opts, .name = f->opts.name,
        .policy = BELAY_COLLECT};
    struct flight_entry *e;
    belay_scope s;
    bool wanted;
    int r;

    belay_scope_open(&s, &opts, f->site);
    while ((r = belay_sem_acquire_at(&f->asked_for, 1, f->site)) == 0 &&
        !flight_is_down(f))
        flight_start(f, &s);
    bly_lock(&f->lock);
    f->down = true;
    bly_unlock(&f->lock);
    belay_cancel_at(&s, f->site, "the flight was closed");
    while ((e = flight_next_asked(f, &wanted)) != NULL)
        flight_finish(e, -ESHUTDOWN);
    belay_ignore(belay_scope_close(&s), "who asked has been told");
    flight_release(f);
    return r;
}

/* ---- asking --------------------------------------------------------- */

static struct flight_entry *
flight_make(belay_flight *f, const void *key, size_t size,
    const belay_site *site)
{
    struct flight_entry *e = bly_alloc(sizeof *e + f->opts.value_size + size);

    if (e == NULL)
        return NULL;
    memset(e, 0, sizeof *e);
    e->flight = f;
    e->site = site;
    e->refs = 2; /* table and worker */
    e->key = e->value + f->opts.value_size;
    e->key_size = size;
    if (size > 0)
        memcpy(e->key, key, size);
    return e;
}

/* Under the lock: the entry that the caller joins, or NULL.  *dead is to be
 * freed. */
static struct flight_entry *
flight_join(belay_flight *f, const void *key, size_t size, belay_time now,
    struct flight_entry **dead)
{
    struct flight_entry *e = flight_find(f, key, size);

    if (e != NULL && e->finished && e->expires <= now) {
        if (flight_unlink(f, e))
            *dead = e;
        e = NULL;
    }
    if (e != NULL) {
        e->refs++;
        e->waiting++;
        f->waiting++;
    }
    return e;
}

/* Joins the entry of the key, or makes one and asks for it. */
static int
flight_enter(belay_flight *f, const void *key, size_t size,
    struct flight_entry **out, const belay_site *site)
{
    struct flight_entry *fresh = NULL, *dead, *e;
    belay_time now = belay_now();
    bool down, ask = false;

    for (;;) {
        dead = NULL;
        bly_lock(&f->lock);
        down = f->down;
        e = down ? NULL : flight_join(f, key, size, now, &dead);
        if (e == NULL && !down && fresh != NULL) {
            bly_list_push(flight_bucket(f, key, size), &fresh->link);
            bly_list_push(&f->asked, &fresh->order);
            e = flight_join(f, key, size, now, &dead);
            ask = true;
        }
        bly_unlock(&f->lock);
        bly_free(dead);
        if (e != NULL || down)
            break;
        fresh = flight_make(f, key, size, site);
        if (fresh == NULL)
            return -ENOMEM;
    }
    if (ask)
        belay_sem_release(&f->asked_for, 1);
    else
        bly_free(fresh);
    *out = e;
    return down ? -ESHUTDOWN : 0;
}

/* The caller has the result, or has been cut and gives up. */
static int
flight_leave(belay_flight *f, struct flight_entry *e, int cut, void *value,
    const belay_site *site)
{
    bool finished, abandoned, last;
    int r;

    bly_lock(&f->lock);
    finished = e->finished;
    e->waiting--;
    abandoned = !finished && e->waiting == 0;
    if (abandoned && bly_linked(&e->link))
        (void)flight_unlink(f, e);
    bly_unlock(&f->lock);
    r = finished ? e->result : cut;
    if (finished && r >= 0 && f->opts.value_size > 0)
        memcpy(value, e->value, f->opts.value_size);
    else if (finished && r < 0 && e->why[0] != '\0')
        r = belay_fail_at(r, site, "%s", e->why);
    if (abandoned)
        belay_event_set(&e->off);
    bly_lock(&f->lock);
    last = flight_unref(e);
    f->waiting--;
    bly_unlock(&f->lock);
    if (last)
        bly_free(e);
    return r;
}

int
belay_flight_get_at(belay_flight *f, const void *key, size_t key_size,
    void *value, const belay_site *site)
{
    struct flight_entry *e = NULL;
    int r = belay_checkpoint();

    if (r == 0)
        r = flight_enter(f, key, key_size, &e, site);
    if (r < 0)
        return r;
    r = belay_event_wait_at(&e->done, site);
    return flight_leave(f, e, r, value, site);
}

void
belay_flight_forget(belay_flight *f, const void *key, size_t key_size)
{
    struct flight_entry *e;
    bool last = false;

    bly_lock(&f->lock);
    e = flight_find(f, key, key_size);
    if (e != NULL)
        last = flight_unlink(f, e);
    bly_unlock(&f->lock);
    if (last)
        bly_free(e);
}

/* ---- the flight ----------------------------------------------------- */

int
belay_flight_open_at(belay_flight **out, belay_scope *s,
    const belay_flight_opts *opts, const belay_site *site)
{
    belay_spawn_opts daemon = {.size = sizeof daemon, .daemon = true,
        .name = "flight"};
    unsigned max = opts->max > 0 ? opts->max : FLIGHT_MAX, n = 16;
    belay_flight *f;
    int r;

    if (opts->run == NULL)
        return belay_fail_at(-EINVAL, site, "a flight needs work to do");
    while (n < max && n < 1u << 20)
        n *= 2;
    f = bly_zalloc(sizeof *f + n * sizeof f->buckets[0]);
    if (f == NULL)
        return -ENOMEM;
    f->opts = *opts;
    f->opts.max = max;
    f->site = site;
    f->refs = 2;
    f->mask = n - 1;
    bly_list_init(&f->asked);
    bly_list_init(&f->kept);
    for (unsigned i = 0; i < n; i++)
        bly_list_init(&f->buckets[i]);
    r = belay_scope_spawn(s, flight_starter, &f, sizeof f, &daemon, site);
    if (r < 0) {
        bly_free(f);
        return r;
    }
    *out = f;
    return 0;
}

void
belay_flight_close_at(belay_flight **flight, const belay_site *site)
{
    belay_flight *f = *flight;
    struct bly_list dead;
    struct bly_link *l;
    unsigned waiting;

    if (f == NULL)
        return;
    *flight = NULL;
    bly_list_init(&dead);
    bly_lock(&f->lock);
    waiting = f->waiting;
    f->down = true;
    while ((l = bly_list_first(&f->kept)) != NULL) {
        struct flight_entry *e = BLY_CONTAINER(l, struct flight_entry, order);

        if (flight_unlink(f, e))
            bly_list_push(&dead, &e->order);
    }
    bly_unlock(&f->lock);
    if (waiting > 0)
        bly_misuse(site, "closing a flight with tasks that wait: %u", waiting);
    while ((l = bly_list_pop(&dead)) != NULL)
        bly_free(BLY_CONTAINER(l, struct flight_entry, order));
    belay_sem_release(&f->asked_for, 1);
    flight_release(f);
}

void
belay_flight_closep(belay_flight **f)
{
    belay_flight_close_at(f, *f != NULL ? (*f)->site : NULL);
}
