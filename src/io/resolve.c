/* SPDX-License-Identifier: MIT */
/*
 * Looking up names.
 *
 * getaddrinfo(3) knows what nobody else does (hosts, search lists, mDNS,
 * directories), and blocks for as long as it likes.  So it is called on a
 * thread of the lane for names, and whoever is cut leaves it there.
 *
 * A runtime has a table of names.  An entry is
 *
 *   empty    nobody has asked, or who asked could not
 *   asked    one task has taken it on itself to have the call made; others
 *            that want the same wait in its queue
 *   known    an answer, good or bad, until it is too old
 *
 * It is the thread that turns asked into known, fills in what the sleepers
 * want and wakes them: also when the task that asked has been cut since, so
 * that the answer is not lost.  If the call never begins (that task was cut
 * before, or there is no thread), the entry is empty again, and the first of
 * the queue is woken to ask instead.
 *
 * A thread may come back after the runtime has been closed.  The table is
 * counted: the runtime has it, and so has each call; the last one frees it.
 * Who wakes sleepers keeps the runtime open meanwhile (bly_rt_visit): a
 * sleeper does that until it is woken.
 *
 * The table has a bound.  Beyond it the oldest answer goes; entries that are
 * asked are as many as tasks ask.
 */
#include "base/alloc.h"
#include "core/deadlock.h"
#include "core/lane.h"
#include "core/wait.h"
#include "io/net.h"
#include "os/sys.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    NAMES_MAX = 256,
    NAMES_ADDRS = 16, /* of one name */
    NAMES_BYTES = 256 /* of a name, with its end: DNS allows 253 */
};
#define NAMES_KEEP INT64_C(60000000000)
#define NAMES_KEEP_BAD INT64_C(5000000000)

enum names_state { NAMES_EMPTY, NAMES_ASKED, NAMES_KNOWN };

struct names_answer {
    int n; /* how many, or why not */
    struct sockaddr_storage addrs[NAMES_ADDRS];
};

struct names_entry {
    struct bly_link link; /* of the table, the oldest first */
    enum names_state state;
    uint32_t users; /* tasks and calls that hold it outside the lock */
    int64_t until;  /* known */
    struct bly_list queue; /* asked */
    struct names_answer answer;
    char host[NAMES_BYTES];
};

/* All under the lock, but what never changes. */
struct names {
    struct bly_part part;
    struct bly_rt *rt; /* while somebody waits */
    struct bly_lock lock;
    uint32_t refs;
    uint32_t count;
    struct bly_list entries;
};

struct names_waiter {
    struct bly_waiter base;
    struct names_answer *into;
};

/* A call on the lane. */
struct names_call {
    struct names *names;
    struct names_entry *entry;
    struct names_answer answer;
    char host[NAMES_BYTES];
};

/* ---- the table ---------------------------------------------------------- */

static void
names_unref(struct names *x)
{
    struct bly_link *l;
    bool last;

    bly_lock(&x->lock);
    last = --x->refs == 0;
    bly_unlock(&x->lock);
    if (!last)
        return;
    while ((l = bly_list_pop(&x->entries)) != NULL)
        bly_free(BLY_CONTAINER(l, struct names_entry, link));
    bly_free(x);
}

static void
names_close(struct bly_part *p)
{
    names_unref(BLY_CONTAINER(p, struct names, part));
}

static struct names *
names_of(struct bly_rt *rt)
{
    struct bly_part *p = bly_rt_part(rt, names_close);
    struct names *x;

    if (p == NULL) {
        x = bly_zalloc(sizeof *x);
        if (x == NULL)
            return NULL;
        x->part.close = names_close;
        x->rt = rt;
        x->refs = 1;
        bly_list_init(&x->entries);
        p = bly_rt_add_part(rt, &x->part);
        if (p != &x->part)
            bly_free(x);
    }
    return BLY_CONTAINER(p, struct names, part);
}

/* Under the lock: makes room for one more. */
static void
names_evict(struct names *x)
{
    struct bly_link *l, *next;

    for (l = bly_list_first(&x->entries); l != NULL && x->count >= NAMES_MAX;
         l = next) {
        struct names_entry *e = BLY_CONTAINER(l, struct names_entry, link);

        next = bly_list_next(&x->entries, l);
        if (e->users > 0)
            continue;
        bly_list_remove(l);
        x->count--;
        bly_free(e);
    }
}

/* Under the lock: the entry of a name; NULL: there is no memory for it. */
static struct names_entry *
names_entry(struct names *x, const char *host)
{
    struct names_entry *e;
    struct bly_link *l;

    for (l = bly_list_first(&x->entries); l != NULL;
         l = bly_list_next(&x->entries, l)) {
        e = BLY_CONTAINER(l, struct names_entry, link);
        if (strcasecmp(e->host, host) == 0)
            return e;
    }
    names_evict(x);
    e = bly_zalloc(sizeof *e);
    if (e == NULL)
        return NULL;
    bly_list_init(&e->queue);
    (void)snprintf(e->host, sizeof e->host, "%s", host);
    bly_list_push(&x->entries, &e->link);
    x->count++;
    return e;
}

/* ---- the call ----------------------------------------------------------- */

/* The answer is there: for the table, and for all who wait for it. */
static void
names_learn(struct names_call *c)
{
    int64_t keep = c->answer.n > 0 ? NAMES_KEEP : NAMES_KEEP_BAD;
    struct names_entry *e = c->entry;
    struct names *x = c->names;
    struct bly_link *l;
    struct bly_rt *rt = NULL;

    bly_lock(&x->lock);
    e->answer = c->answer;
    e->state = c->answer.n == -ENOMEM ? NAMES_EMPTY : NAMES_KNOWN;
    e->until = bly_time_add(bly_os_now(), keep);
    bly_list_remove(&e->link);
    bly_list_push(&x->entries, &e->link);
    if (!bly_list_empty(&e->queue)) {
        rt = x->rt;
        bly_rt_visit(rt);
    }
    while ((l = bly_list_pop(&e->queue)) != NULL) {
        struct bly_waiter *w = BLY_CONTAINER(l, struct bly_waiter, link);

        *BLY_CONTAINER(w, struct names_waiter, base)->into = e->answer;
        bly_wake(w, 0);
    }
    e->users--;
    c->entry = NULL;
    bly_unlock(&x->lock);
    if (rt != NULL)
        bly_rt_leave(rt);
}

static int
names_run(void *arg)
{
    struct names_call *c = arg;

    c->answer.n =
        bly_sys_resolve(c->host, AF_UNSPEC, c->answer.addrs, NAMES_ADDRS);
    names_learn(c);
    return 0;
}

/* The call is over, or has never begun: then somebody else has to ask. */
static void
names_drop(void *arg)
{
    struct names_call *c = arg;
    struct names_entry *e = c->entry;
    struct names *x = c->names;
    struct bly_link *l = NULL;

    if (e != NULL) {
        bly_lock(&x->lock);
        e->state = NAMES_EMPTY;
        l = bly_list_pop(&e->queue);
        e->users--;
        bly_unlock(&x->lock);
    }
    if (l != NULL)
        bly_wake(BLY_CONTAINER(l, struct bly_waiter, link), -EALREADY);
    names_unref(x);
    bly_free(c);
}

/* ---- asking ------------------------------------------------------------- */

static enum bly_abort
names_abort(struct bly_waiter *w)
{
    struct names *x = w->object;
    enum bly_abort answer = BLY_ABORT_PENDING;

    bly_lock(&x->lock);
    if (bly_linked(&w->link)) {
        bly_list_remove(&w->link);
        answer = BLY_ABORT_DONE;
    }
    bly_unlock(&x->lock);
    return answer;
}

static const struct bly_wait_kind names_kind = {
    .verb = "name lookup",
    .abort = names_abort,
};

/* The lock is held, and given up: e is asked by somebody else. */
static int
names_wait(struct names *x, struct names_entry *e, struct names_answer *out,
    const belay_site *site)
{
    struct names_waiter w = {.into = out};
    struct bly_task *t;
    int r;

    bly_unlock(&x->lock);
    r = bly_enter(&t, "belay_resolve", site);
    if (r < 0)
        return r;
    bly_lock(&x->lock);
    if (e->state != NAMES_ASKED) {
        bly_unlock(&x->lock);
        return -EALREADY;
    }
    bly_waiter_init(&w.base, t, &names_kind, x, site);
    bly_list_push(&e->queue, &w.base.link);
    bly_unlock(&x->lock);
    bly_source_add(t->worker->rt);
    r = bly_wait(&w.base);
    bly_source_drop(t->worker->rt);
    return r;
}

/* The lock is held, and given up: the caller asks. */
static int
names_ask(struct names *x, struct names_entry *e, struct names_answer *out,
    const belay_site *site)
{
    struct names_call *c = bly_zalloc(sizeof *c);
    int r;

    if (c == NULL) {
        bly_unlock(&x->lock);
        return -ENOMEM;
    }
    (void)snprintf(c->host, sizeof c->host, "%s", e->host);
    c->names = x;
    c->entry = e;
    e->users++;
    e->state = NAMES_ASKED;
    x->refs++;
    bly_unlock(&x->lock);
    r = bly_lane_run_abandonable(BLY_LANE_DNS, names_run, c, names_drop, site);
    if (r < 0)
        return r;
    *out = c->answer;
    names_drop(c);
    return 0;
}

static int
names_get(struct names *x, const char *host, struct names_answer *out,
    const belay_site *site)
{
    struct names_entry *e;
    int r;

    bly_lock(&x->lock);
    e = names_entry(x, host);
    if (e == NULL) {
        bly_unlock(&x->lock);
        return -ENOMEM;
    }
    e->users++;
    do {
        if (e->state == NAMES_KNOWN && bly_os_now() >= e->until)
            e->state = NAMES_EMPTY;
        if (e->state == NAMES_KNOWN) {
            *out = e->answer;
            bly_unlock(&x->lock);
            r = 0;
        } else if (e->state == NAMES_EMPTY) {
            r = names_ask(x, e, out, site);
        } else {
            r = names_wait(x, e, out, site);
        }
        bly_lock(&x->lock);
    } while (r == -EALREADY);
    e->users--;
    bly_unlock(&x->lock);
    return r;
}

/* ---- what others call --------------------------------------------------- */

static int
resolve_failed(int r, const char *host, const belay_site *site)
{
    if (r == -ENOENT)
        return belay_fail_at(r, site, "there is no address for '%s'", host);
    if (r == -EAGAIN)
        return belay_fail_at(r, site,
            "looking up '%s': the name servers do not know now", host);
    return belay_fail_at(r, site, "looking up '%s': %s", host,
        belay_strerror(r));
}

static int
resolve_name(struct bly_task *t, const char *host, uint16_t port,
    belay_addr *out, int n, const belay_site *site)
{
    struct names *x = names_of(t->worker->rt);
    struct names_answer answer;
    int r, i;

    if (x == NULL)
        return -ENOMEM;
    r = names_get(x, host, &answer, site);
    if (r < 0)
        return r;
    if (answer.n < 0)
        return resolve_failed(answer.n, host, site);
    for (i = 0; i < n && i < answer.n; i++) {
        out[i].sa = answer.addrs[i];
        out[i].len = out[i].sa.ss_family == AF_INET6
            ? sizeof(struct sockaddr_in6)
            : sizeof(struct sockaddr_in);
        bly_addr_set_port(&out[i], port);
    }
    return i;
}

int
belay_resolve_at(const char *name, belay_addr *out, int n,
    const belay_site *site)
{
    char host[NAMES_BYTES];
    struct bly_task *t;
    uint16_t port;
    int r = bly_enter(&t, "belay_resolve", site);

    if (r < 0)
        return r;
    if (n < 1)
        return -EINVAL;
    if (bly_addr_is_unix(name)) {
        r = belay_addr_parse(out, name);
        return r < 0 ? r : 1;
    }
    r = bly_addr_split(name, host, sizeof host, &port);
    if (r < 0)
        return r;
    if (bly_addr_number(out, host, port))
        return 1;
    if (r > 0)
        return belay_fail_at(-EINVAL, site,
            "'%s' has brackets but no IPv6 address", name);
    return resolve_name(t, host, port, out, n, site);
}
