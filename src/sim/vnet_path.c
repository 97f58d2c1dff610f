/* SPDX-License-Identifier: MIT */
/*
 * How far it is to an address of the simulated kernel, and what is on its way.
 *
 * Without a path all arrives at once.  With one, what is sent to an end lies
 * in it as a wave, in order, until it arrives; when that is, is computed when
 * it is asked for, so a path that changes changes that.  Bytes take room at
 * the receiver from the beginning, like those of a window that is full.
 *
 * A path is found by the server's address, for both directions.
 */
#include "sim/vnet.h"

#include "base/alloc.h"
#include "base/time.h"
#include "sim/machine.h"

#include <errno.h>
#include <string.h>

struct path_wave {
    struct bly_link link;
    enum bly_vnet_news what;
    size_t bytes;
    int64_t sent;
};

/* ---- paths -------------------------------------------------------------- */

struct bly_vnet_path *
bly_vnet_path_new(const struct bly_vnet_addr *where)
{
    struct bly_vnet_path *p;

    for (uint32_t i = 0; i < bly_vnet.npaths; i++) {
        p = &bly_vnet.paths[i];
        if (p->where.len == where->len &&
            memcmp(&p->where.sa, &where->sa, where->len) == 0)
            return p;
    }
    if (bly_vnet.npaths == BLY_VNET_PATHS)
        return NULL;
    p = &bly_vnet.paths[bly_vnet.npaths++];
    memset(p, 0, sizeof(*p));
    p->where = *where;
    return p;
}

/* The one that says most about `to'. */
const struct bly_vnet_path *
bly_vnet_path_to(const struct bly_vnet_addr *to)
{
    const struct bly_vnet_path *best = NULL;
    int most = -1;

    for (uint32_t i = 0; i < bly_vnet.npaths; i++) {
        const struct bly_vnet_path *p = &bly_vnet.paths[i];
        int says = bly_vnet_addr_says(&p->where, to);

        if (says > most) {
            most = says;
            best = p;
        }
    }
    return best;
}

int64_t
bly_vnet_arrival(const struct bly_vnet_addr *server, int64_t sent, int ways)
{
    const struct bly_vnet_path *p = bly_vnet_path_to(server);

    if (p == NULL)
        return sent;
    if (p->stall)
        return BLY_NEVER;
    if (sent < p->since)
        sent = p->since;
    while (ways-- > 0)
        sent = bly_time_add(sent, p->latency);
    return sent;
}

/* ---- waves -------------------------------------------------------------- */

static struct path_wave *
path_first(const struct bly_vnet_end *e)
{
    const struct bly_link *l = e->waves.head.next;

    return l == &e->waves.head ? NULL
                               : BLY_CONTAINER(l, struct path_wave, link);
}

static void
path_hear(struct bly_vnet_end *e, enum bly_vnet_news what)
{
    if (what == BLY_VNET_RESET)
        bly_vnet_is_reset(e);
    else if (what == BLY_VNET_EOF)
        e->eof |= !e->dead;
}

void
bly_vnet_tell(struct bly_vnet_end *e, enum bly_vnet_news what, size_t bytes)
{
    int64_t now = bly_machine.now;
    struct path_wave *w = NULL;

    if (path_first(e) != NULL || bly_vnet_arrival(&e->via, now, 1) > now)
        w = bly_alloc_quiet(sizeof(*w));
    if (w == NULL) {
        path_hear(e, what);
        return;
    }
    memset(w, 0, sizeof(*w));
    w->what = what;
    w->bytes = bytes;
    w->sent = now;
    e->hidden += bytes;
    bly_list_push(&e->waves, &w->link);
}

static void
path_take(struct bly_vnet_end *e, struct path_wave *w)
{
    e->hidden -= w->bytes;
    bly_list_remove(&w->link);
    bly_free_quiet(w);
}

void
bly_vnet_waves_drop(struct bly_vnet_end *e)
{
    struct path_wave *w;

    while ((w = path_first(e)) != NULL)
        path_take(e, w);
}

void
bly_vnet_land(void)
{
    struct bly_vnet_end *e;
    struct path_wave *w;

    for (e = bly_vnet_end_after(NULL); e != NULL; e = bly_vnet_end_after(e))
        while ((w = path_first(e)) != NULL &&
            bly_vnet_arrival(&e->via, w->sent, 1) <= bly_machine.now) {
            enum bly_vnet_news what = w->what;

            path_take(e, w);
            path_hear(e, what);
        }
}

/* The next thing that will come to e. */
static int64_t
path_next_of(const struct bly_vnet_end *e)
{
    const struct path_wave *w = path_first(e);
    int64_t next = bly_vnet_gram_next(e), at;

    if (w != NULL) {
        at = bly_vnet_arrival(&e->via, w->sent, 1);
        next = at < next ? at : next;
    }
    if (e->syn != 0) {
        at = bly_vnet_arrival(&e->via, e->syn, 2);
        if (at > bly_machine.now && at < next)
            next = at;
    }
    return next;
}

int64_t
bly_vnet_next(void)
{
    struct bly_vnet_end *e;
    int64_t next = BLY_NEVER;

    if (bly_vnet.npaths == 0)
        return BLY_NEVER;
    for (e = bly_vnet_end_after(NULL); e != NULL; e = bly_vnet_end_after(e)) {
        int64_t at = path_next_of(e);

        if (at < next)
            next = at;
    }
    return next;
}

/* ---- connections -------------------------------------------------------- */

int
bly_vnet_path_connects(const struct bly_vnet_end *e)
{
    const struct bly_vnet_path *p = bly_vnet_path_to(&e->via);

    if (bly_vnet_arrival(&e->via, e->syn, 2) > bly_machine.now)
        return -EAGAIN;
    return p == NULL ? 0 : p->refuse;
}

void
bly_vnet_path_reset(const struct bly_vnet_addr *where)
{
    struct bly_vnet_end *e;

    for (e = bly_vnet_end_after(NULL); e != NULL; e = bly_vnet_end_after(e))
        if (e->kind == BLY_VNET_STREAM && e->state == BLY_VNET_CONNECTED &&
            bly_vnet_addr_says(where, &e->via) >= 0)
            bly_vnet_is_reset(e);
}
