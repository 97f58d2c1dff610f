/* SPDX-License-Identifier: MIT */
/*
 * Connecting to a name: Happy Eyeballs, RFC 8305.
 *
 * A name may have several addresses, of both families, and some of them may
 * lead nowhere, which the system takes minutes to find out.  So the next one is
 * tried when one has failed, or when the last has said nothing for a while;
 * those before go on, and the first connection that is made wins.  Since it is
 * often a whole family that leads nowhere, the families take turns.
 *
 * Each try is a task of a scope on the caller's worker, so that what they share
 * needs no lock.  The scope ends the losers.  One of them may be connected by
 * then nevertheless: so descriptors are looked at after the scope, when nobody
 * adds to them.  The first has won, also if the caller was cut meanwhile; the
 * others are closed.
 */
#include <belay/net.h>
#include <belay/select.h>
#include <belay/task.h>

#include "core/wait.h"
#include "io/net.h"
#include "os/sys.h"

#include <errno.h>

enum { DIAL_MOST = 16 /* addresses of a name that are tried */ };
#define DIAL_STAGGER BELAY_MS(250)

struct dial {
    belay_scope scope;
    const char *name;
    const belay_net_opts *opts;
    const belay_site *site;
    int n;     /* addresses */
    int tried; /* of them, so far */
    int won;   /* the first that was connected, or -1 */
    belay_addr addrs[DIAL_MOST]; /* in the order of trying */
    int results[DIAL_MOST];      /* of those tried: a descriptor or a code */
};

/* What a try is spawned with. */
struct dial_try {
    struct dial *dial;
    int which;
};

/* ---- addresses ---------------------------------------------------------- */

/* The next of n that is left, of this family if there is one. */
static int
dial_pick(const belay_addr *from, int n, unsigned left, int family)
{
    int i, any = -1;

    for (i = 0; i < n; i++) {
        if ((left & 1u << i) == 0)
            continue;
        if (from[i].sa.ss_family == family)
            return i;
        if (any < 0)
            any = i;
    }
    return any;
}

/* The best address first; from then on the families take turns. */
static void
dial_order(struct dial *x, const belay_addr *from, int n, unsigned left)
{
    int family = AF_UNSPEC, i;

    while ((i = dial_pick(from, n, left, family)) >= 0) {
        left &= ~(1u << i);
        x->addrs[x->n++] = from[i];
        family = from[i].sa.ss_family == AF_INET ? AF_INET6 : AF_INET;
    }
}

/* Which addresses can be connected to from there, as bits. */
static int
dial_reachable(struct dial *x, const belay_addr *to, int n, unsigned *bits)
{
    const char *from = x->opts->from;
    belay_addr own;
    int r, i;

    *bits = (1u << n) - 1;
    if (from == NULL)
        return 0;
    r = belay_addr_parse(&own, from);
    if (r < 0)
        return r;
    for (i = 0; i < n; i++)
        if (to[i].sa.ss_family != own.sa.ss_family)
            *bits &= ~(1u << i);
    if (*bits != 0)
        return 0;
    return belay_fail_at(-EAFNOSUPPORT, x->site,
        "'%s' has no address that is of the kind of '%s'", x->name, from);
}

static int
dial_look_up(struct dial *x)
{
    belay_addr found[DIAL_MOST];
    unsigned bits;
    int r, n = belay_resolve_at(x->name, found, DIAL_MOST, x->site);

    if (n < 0)
        return n;
    r = dial_reachable(x, found, n, &bits);
    if (r == 0)
        dial_order(x, found, n, bits);
    return r;
}

/* ---- trying ------------------------------------------------------------- */

static int
dial_run(void *arg)
{
    struct dial_try *one = arg;
    struct dial *x = one->dial;
    struct bly_task *t = bly_must_self("belay_dial", x->site);
    int r = bly_net_dial(t, &x->addrs[one->which], x->opts, x->site);

    x->results[one->which] = r;
    if (r >= 0 && x->won < 0)
        x->won = one->which;
    return 0;
}

static int
dial_start_next(struct dial *x)
{
    struct dial_try one = {x, x->tried};
    belay_spawn_opts how = {
        .size = sizeof how, .name = "dial", .tagged = true};
    int r;

    x->results[x->tried] = -ECANCELED;
    r = belay_scope_spawn(
        &x->scope, dial_run, &one, sizeof one, &how, x->site);
    x->tried += r == 0;
    return r;
}

/* Until one has won, or all have failed, 0; or why it could not go on. */
static int
dial_race(struct dial *x)
{
    belay_case_room room[2];
    belay_done done;
    int r, which;

    while (x->won < 0) {
        belay_case cases[2] = {belay_case_next(&x->scope, &done)};

        if (x->tried < x->n) {
            r = dial_start_next(x);
            if (r < 0)
                return r;
        }
        if (x->tried < x->n)
            cases[1] = belay_case_after(DIAL_STAGGER);
        which = belay_select_at(&r, cases, room, 2, x->site);
        if (which < 0)
            return which;
        if (which == 0 && r == 0)
            return 0;
    }
    return 0;
}

static int
dial_all(struct dial *x)
{
    belay_scope_opts opts = {
        .size = sizeof opts, .name = "dial", .local = true};
    int r, i;

    belay_scope_open(&x->scope, &opts, x->site);
    r = dial_race(x);
    belay_cancel_at(&x->scope, x->site, "the race is over");
    (void)belay_scope_close(&x->scope);
    for (i = 0; i < x->tried; i++)
        if (x->results[i] >= 0 && i != x->won)
            bly_sys_close(x->results[i]);
    return x->won >= 0 ? x->results[x->won] : r;
}

/* ---- telling ------------------------------------------------------------ */

/* Says more about the way than about who is there. */
static bool
dial_says_little(int r)
{
    return r == -ENETUNREACH || r == -EHOSTUNREACH || r == -EADDRNOTAVAIL ||
        r == -EAFNOSUPPORT;
}

/* All have failed: tells of the last one that says something. */
static int
dial_failed(struct dial *x)
{
    char text[BELAY_ADDR_TEXT];
    int i, told = x->n - 1, r;

    for (i = 0; i < x->n; i++)
        if (!dial_says_little(x->results[i]))
            told = i;
    r = x->results[told];
    (void)belay_addr_format(&x->addrs[told], text, sizeof text);
    if (x->n == 1)
        return belay_fail_at(r, x->site, "connecting to '%s': %s: %s", x->name,
            text, belay_strerror(r));
    return belay_fail_at(r, x->site,
        "connecting to '%s': %d addresses have failed; %s: %s", x->name, x->n,
        text, belay_strerror(r));
}

int
belay_dial_at(belay_stream **out, const char *name,
    const belay_net_opts *opts, const belay_site *site)
{
    belay_net_opts o = bly_net_opts(opts);
    struct dial x = {.name = name, .opts = &o, .site = site, .won = -1};
    belay_stream *st;
    int r = dial_look_up(&x);

    if (r < 0)
        return r;
    r = bly_stream_fd_prepare(&st, site);
    if (r < 0)
        return r;
    r = dial_all(&x);
    if (x.won >= 0) {
        bly_stream_fd_set(st, r);
        *out = st;
        return 0;
    }
    belay_stream_close_at(&st, site);
    return r < 0 ? r : dial_failed(&x);
}
