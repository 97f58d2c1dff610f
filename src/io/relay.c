/* SPDX-License-Identifier: MIT */
/*
 * Copying between two streams, both ways at a time.
 *
 * One task for each direction, both on the caller's worker, so that what they
 * share needs no lock.  That nothing moves is a matter of both directions
 * together: a long download is not idle because the way up is.  So there is
 * one timer, which looks how long ago something moved, sets itself anew for
 * the rest, or cuts the two.
 */
#include <belay/stream.h>

#include "base/alloc.h"
#include "core/scope.h"

#include <errno.h>
#include <string.h>

enum { RELAY_PIECE = 32 << 10 };

struct relay {
    belay_scope scope;
    struct bly_worker *worker;
    struct bly_timer timer;
    int64_t idle;  /* 0: any time */
    int64_t moved; /* when something last has */
    bool idled;
    const belay_site *site;
};

struct relay_way {
    struct relay *relay;
    belay_stream *from, *to;
    uint64_t bytes;
};

/* ---- nothing moves ------------------------------------------------------ */

static void
relay_fire(struct bly_timer *timer)
{
    struct relay *x = BLY_CONTAINER(timer, struct relay, timer);
    int64_t due = bly_time_add(x->moved, x->idle);

    /* There is room for it, since it has just left. */
    if (due > bly_os_now() &&
        bly_timer_arm(&x->worker->timers, timer, due) == 0)
        return;
    x->idled = true;
    bly_scope_cut(bly_scope_of(&x->scope), -ECANCELED, x->site,
        "nothing moves");
}

static void
relay_moved(struct relay *x)
{
    if (x->idle > 0)
        x->moved = bly_os_now();
}

/* ---- one direction ------------------------------------------------------ */

static int
relay_copy(struct relay_way *way, char *buf)
{
    const belay_site *site = way->relay->site;
    ssize_t n;
    size_t done;
    int r;

    for (;;) {
        n = belay_stream_read_at(way->from, buf, RELAY_PIECE, site);
        if (n <= 0)
            return (int)n;
        relay_moved(way->relay);
        r = belay_stream_write_all_at(way->to, buf, (size_t)n, &done, site);
        way->bytes += done;
        relay_moved(way->relay);
        if (r < 0)
            return r;
    }
}

static int
relay_run(void *arg)
{
    struct relay_way *way = *(struct relay_way **)arg;
    char *buf = bly_alloc(RELAY_PIECE);
    int r;

    if (buf == NULL)
        return -ENOMEM;
    r = relay_copy(way, buf);
    bly_free(buf);
    if (r < 0)
        return r;
    r = belay_stream_finish_at(way->to, way->relay->site);
    /* It cannot be told, or there is nobody left to tell. */
    return r == -ENOTSUP || r == -ENOTCONN ? 0 : r;
}

/* ---- both --------------------------------------------------------------- */

static int
relay_both(struct relay *x, struct relay_way *ways)
{
    belay_scope_opts opts = {
        .size = sizeof opts, .name = "relay", .local = true};
    struct bly_timers *timers = &x->worker->timers;
    int r;

    if (x->idle > 0) {
        x->moved = bly_os_now();
        r = bly_timer_arm(timers, &x->timer, bly_time_add(x->moved, x->idle));
        if (r < 0)
            return r;
    }
    belay_scope_open(&x->scope, &opts, x->site);
    for (int i = 0; i < 2; i++) {
        struct relay_way *way = &ways[i];

        r = belay_scope_spawn(&x->scope, relay_run, &way, sizeof way, NULL,
            x->site);
        if (r < 0)
            break; /* the scope has failed */
    }
    r = belay_scope_close(&x->scope);
    bly_timer_disarm(timers, &x->timer);
    return r;
}

int
belay_relay_at(belay_stream *a, belay_stream *b, const belay_relay_opts *opts,
    const belay_site *site)
{
    struct relay x = {.site = site, .timer.fire = relay_fire};
    struct relay_way ways[2] = {{&x, a, b, 0}, {&x, b, a, 0}};
    belay_relay_opts o = {.size = sizeof o};
    struct bly_task *t;
    int r = bly_enter(&t, "belay_relay", site);

    if (r < 0)
        return r;
    if (opts != NULL)
        memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);
    x.worker = t->worker;
    x.idle = o.idle;
    r = relay_both(&x, ways);
    if (o.sent != NULL)
        *o.sent = ways[0].bytes;
    if (o.received != NULL)
        *o.received = ways[1].bytes;
    if (r == -ECANCELED && x.idled && bly_cut_now(t) == 0)
        return belay_fail_at(-ETIMEDOUT, site,
            "nothing has moved for %.3f s", (double)x.idle / 1e9);
    return r;
}
