/* SPDX-License-Identifier: MIT */
/*
 * Several attempts at the same time.
 *
 * The scope is first-ok: it decides who won and cuts the others, and tells the
 * losers that returned >= 0 by their discard.  So the winner is the one that
 * succeeded and was not told to discard; nothing else can know, since two may
 * return at the same moment on two workers.
 */
#include <belay/policy.h>

#include <belay/select.h>

#include "policy/attempt.h"

#include <errno.h>

enum { HEDGE_MAX = 16, HEDGE_DEFAULT = 2 };

struct hedge {
    const belay_hedge *how;
    belay_task_type *type;
    const void *args;
    const belay_site *site;
    struct hedge_slot {
        int result;
        bool lost;
    } slots[HEDGE_MAX];
};

/* What an attempt is spawned with. */
struct hedge_attempt {
    struct hedge *hedge;
    unsigned number; /* from 1 */
};

static void
hedge_open(belay_block *b, struct bly_attempt *a,
    const struct hedge_attempt *h)
{
    const struct bly_attempt *around = bly_attempt_here();

    a->number = h->number;
    a->after = around != NULL ? around->after : NULL;
    bly_attempt_open(b, a, h->hedge->site);
}

static int
hedge_run(void *arg)
{
    struct hedge_attempt *h = arg;
    struct hedge *x = h->hedge;
    struct bly_attempt a;
    belay_block b;
    int r;

    hedge_open(&b, &a, h);
    r = bly_attempt_run(x->type, x->args, 0, x->site);
    belay_block_close(&b);
    x->slots[h->number - 1].result = r;
    return r;
}

static void
hedge_discard(void *arg)
{
    struct hedge_attempt *h = arg;
    struct hedge *x = h->hedge;
    struct bly_attempt a;
    belay_block b;

    x->slots[h->number - 1].lost = true;
    if (x->how->discard == NULL)
        return;
    hedge_open(&b, &a, h);
    x->how->discard(x->args);
    belay_block_close(&b);
}

/* Starts one after the other, until one has won or something is cut. */
static void
hedge_start(struct hedge *x, belay_scope *s, unsigned max)
{
    struct hedge_attempt h = {.hedge = x};
    belay_spawn_opts how = {.size = sizeof how, .name = x->type->name,
        .tagged = true, .discard = hedge_discard};
    belay_case_room room[2];
    belay_case cases[2];
    belay_done done;
    int r, which = 1;

    while (h.number < max && which >= 0) {
        h.number++;
        r = belay_scope_spawn(s, hedge_run, &h, sizeof h, &how, x->site);
        if (r < 0 || h.number == max)
            return;
        cases[0] = belay_case_next(s, &done);
        cases[1] = belay_case_after(x->how->delay);
        which = belay_select_at(&r, cases, room, 2, x->site);
        if (which == 0 && done.err >= 0)
            return;
    }
}

int
belay_hedged_at(const belay_hedge *how, belay_task_type *type,
    const void *args, const belay_site *site)
{
    struct hedge x = {.how = how, .type = type, .args = args, .site = site};
    unsigned max = how->max > 0 ? how->max : HEDGE_DEFAULT, i;
    belay_scope_opts opts = {.size = sizeof opts, .name = type->name,
        .policy = BELAY_FIRST_OK};
    belay_scope s;
    int r = belay_checkpoint();

    if (r < 0)
        return r;
    if (max > HEDGE_MAX)
        return belay_fail_at(-EINVAL, site, "%u attempts are too many", max);
    for (i = 0; i < HEDGE_MAX; i++)
        x.slots[i].result = -ECANCELED;
    belay_scope_open(&s, &opts, site);
    hedge_start(&x, &s, max);
    r = belay_scope_close(&s);
    for (i = 0; i < max; i++) {
        if (x.slots[i].result < 0 || x.slots[i].lost)
            continue;
        if (how->winner != NULL)
            *how->winner = i + 1;
        return x.slots[i].result;
    }
    return belay_trace(r, site);
}
