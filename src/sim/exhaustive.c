/* SPDX-License-Identifier: MIT */
/*
 * Every run: a depth-first walk over the choices.
 *
 * The path holds the choices of the latest run.  The next run repeats the path
 * up to the last choice that has an answer left, gives that answer and then
 * the default.  Some answers cost something, and a run may spend only so much:
 * a preemption (CHESS: Musuvathi and Qadeer, "Iterative Context Bounding",
 * PLDI 2007), a cancel, a failed allocation, a failed call for I/O, one of each
 * of the last three.
 *
 * The bound on preemptions rises from 0, so that what is found first needs the
 * fewest; a bound's runs then include those of the smaller one again.  It does
 * not rise further once no run wanted more.
 */
#include "sim/sim.h"

#include "base/alloc.h"

#include <string.h>

/* What an answer costs: a harm, or a preemption. */
enum { EXHAUST_PREEMPTION = BLY_SIM_HARMS, EXHAUST_COSTS };

struct exhaust_choice {
    uint32_t n, choice;
    uint32_t free; /* answers from this one on cost one of `cost' */
    uint8_t kind, cost;
};

static struct {
    struct exhaust_choice *path;
    uint32_t room, length; /* of the latest run */
    uint32_t forced;       /* choices that this run must repeat */
    uint32_t at;
    unsigned bound[EXHAUST_COSTS];
    bool more;             /* the bound on preemptions has refused an answer */
    bool full;             /* no memory for the path */
} exhaust;

static bool
exhaust_grow(void)
{
    uint32_t room = exhaust.room == 0 ? 1024 : 2 * exhaust.room;
    struct exhaust_choice *path;
    bool on = bly_sim_now.on;

    bly_sim_now.on = false; /* no choices of our own */
    path = bly_alloc_quiet(room * sizeof(*path));
    if (path != NULL) {
        if (exhaust.room > 0)
            memcpy(path, exhaust.path, exhaust.length * sizeof(*path));
        bly_free_quiet(exhaust.path);
        exhaust.path = path;
        exhaust.room = room;
    }
    bly_sim_now.on = on;
    return path != NULL;
}

static uint32_t
exhaust_pick(const struct bly_sim_ask *ask)
{
    struct exhaust_choice *c;

    if (exhaust.at < exhaust.forced) {
        c = &exhaust.path[exhaust.at++];
        if (c->kind != (uint8_t)ask->kind || c->n != ask->n)
            bly_sim_fail(BELAY_FINDS_DIVERGED, 0,
                "the same answers led to another choice at #%u: something in "
                "the test is not under the explorer's control",
                exhaust.at - 1);
        return c->choice;
    }
    if (exhaust.at == exhaust.room && !exhaust_grow()) {
        exhaust.full = true;
        return 0;
    }
    c = &exhaust.path[exhaust.at++];
    c->kind = (uint8_t)ask->kind;
    c->n = ask->n;
    c->choice = 0;
    c->free = ask->free;
    c->cost = (uint8_t)bly_sim_harm_of(ask->kind);
    exhaust.length = exhaust.at;
    return 0;
}

static const struct bly_sim_source exhaust_source = {exhaust_pick, NULL};

/* Turns the path into the beginning of the next run; false: there is none. */
static bool
exhaust_advance(void)
{
    unsigned spent[EXHAUST_COSTS] = {0};
    uint32_t i, best = UINT32_MAX;

    for (i = 0; i < exhaust.length; i++) {
        const struct exhaust_choice *c = &exhaust.path[i];
        bool paid = c->choice >= c->free;

        if (c->choice + 1 < c->n) {
            if (c->choice + 1 < c->free || paid ||
                spent[c->cost] < exhaust.bound[c->cost])
                best = i;
            else if (c->cost == EXHAUST_PREEMPTION)
                exhaust.more = true;
        }
        if (paid)
            spent[c->cost]++;
    }
    if (best == UINT32_MAX)
        return false;
    exhaust.path[best].choice++;
    exhaust.forced = exhaust.length = best + 1;
    return true;
}

static bool
exhaust_bound(struct bly_sim_subject *s, unsigned preemptions,
    unsigned long *left)
{
    unsigned i;

    for (i = 0; i < BLY_SIM_HARMS; i++)
        exhaust.bound[i] = 1;
    exhaust.bound[EXHAUST_PREEMPTION] = preemptions;
    exhaust.forced = exhaust.length = 0;
    exhaust.full = exhaust.more = false;
    do {
        if (*left == 0)
            return false;
        --*left;
        exhaust.at = 0;
        bly_sim_run_once(s, &exhaust_source);
        exhaust.length = exhaust.at;
        if (bly_sim_now.finding != BELAY_FINDS_NOTHING || exhaust.full)
            return false;
    } while (exhaust_advance());
    return true;
}

bool
bly_sim_exhaust(struct bly_sim_subject *s, unsigned preemptions,
    unsigned long max_runs)
{
    unsigned long left = max_runs;
    unsigned bound;

    exhaust.more = true;
    for (bound = 0; bound <= preemptions && exhaust.more; bound++)
        if (!exhaust_bound(s, bound, &left))
            return false;
    return true;
}
