/* SPDX-License-Identifier: MIT */
/*
 * Data that is one task's, or one worker's.  The owner is a number: of the
 * task, which is never used again, or of the worker, with a bit to tell them
 * apart; and the runtime, since both count in their own.  Nothing is followed
 * that may be gone: a task may end while things are still confined to it.
 */
#include <belay/sync.h>

#include "sync/batch.h"

struct bly_confined {
    uint64_t owner;         /* atomic: 0: nobody */
    struct bly_rt *rt;      /* atomic: compared, never followed */
    const belay_site *site; /* atomic: where it became the owner's */
    const char *name;       /* atomic: of the task that made it so */
};

_Static_assert(sizeof(struct bly_confined) <= sizeof(belay_confined), "ABI");

#define CONFINED_WORKER (UINT64_C(1) << 63)

static struct bly_confined *
confined_of(belay_confined *c)
{
    return (struct bly_confined *)(void *)c;
}

/* What the owner would be called if it were t, or the worker of t. */
static uint64_t
confined_key(struct bly_task *t, belay_confine_to to)
{
    return to == BELAY_TO_TASK ? t->id
                               : (t->worker->index + 1) | CONFINED_WORKER;
}

/* False: it is no longer what it was. */
static bool
confined_claim(struct bly_confined *c, struct bly_task *t, uint64_t was,
    belay_confine_to to, const belay_site *site)
{
    /* pairs with confined_allows */
    if (!bly_cas(&c->owner, &was, confined_key(t, to)))
        return false;
    bly_store_relaxed(&c->rt, t->worker->rt);
    bly_store_relaxed(&c->site, site);
    bly_store_relaxed(&c->name, t->name);
    return true;
}

static bool
confined_allows(struct bly_confined *c, struct bly_task *t)
{
    /* pairs with confined_claim */
    uint64_t owner = bly_load_acquire(&c->owner);

    return bly_load_relaxed(&c->rt) == t->worker->rt &&
        (owner == confined_key(t, BELAY_TO_TASK) ||
            owner == confined_key(t, BELAY_TO_WORKER));
}

BLY_COLD static void
confined_refuse(struct bly_confined *c, const belay_site *site)
{
    const belay_site *there = bly_load_relaxed(&c->site);
    const char *name = bly_load_relaxed(&c->name);

    bly_misuse(site,
        "use of data that belong to %s '%s' since %s:%d",
        bly_load_relaxed(&c->owner) & CONFINED_WORKER ? "the worker of task"
                                                      : "task",
        name == NULL ? "?" : name, bly_site_file(there), bly_site_line(there));
}

void
belay_confined_check_at(belay_confined *confined, const belay_site *site)
{
    struct bly_confined *c = confined_of(confined);
    struct bly_task *t = bly_must_self("BELAY_OWN", site);

    if (BLY_UNLIKELY(!confined_allows(c, t)) &&
        !confined_claim(c, t, 0, BELAY_TO_TASK, site))
        confined_refuse(c, site);
}

void
belay_confine_at(belay_confined *confined, belay_confine_to to,
    const belay_site *site)
{
    struct bly_confined *c = confined_of(confined);
    struct bly_task *t = bly_must_self("belay_confine", site);
    uint64_t was = confined_allows(c, t) ? bly_load_relaxed(&c->owner) : 0;

    if (!confined_claim(c, t, was, to, site))
        confined_refuse(c, site);
}

void
belay_unconfine_at(belay_confined *confined, const belay_site *site)
{
    struct bly_confined *c = confined_of(confined);

    if (!confined_allows(c, bly_must_self("belay_unconfine", site)))
        confined_refuse(c, site);
    bly_store_release(&c->owner, (uint64_t)0); /* pairs with confined_allows */
}
