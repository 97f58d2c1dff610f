/* SPDX-License-Identifier: MIT */
/*
 * Runs by chance: random, PCT, POS.
 *
 * PCT: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A Randomized Scheduler
 * with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010.  Every task and
 * thread gets a random priority, the highest one that can run does, and at
 * depth - 1 random choices the one that would run drops below all others.
 *
 * POS: Yuan, Yang, Gu, "Partial Order Aware Concurrency Sampling", CAV 2018.
 * Priorities belong to the next operation of each: whoever runs draws anew,
 * and so does whoever was about to touch the same address.  Tasks do not say
 * what they are about to touch; they just draw anew.
 *
 * Both need to be asked as often as there is something to decide, so they
 * answer every PREEMPT with 1: the TASK choice that follows compares.  Kinds
 * without names are drawn by themselves.
 */
#include "sim/sim.h"

#include "base/alloc.h"
#include "base/rng.h"

#include <string.h>

enum { STRATEGY_MAX_DEPTH = 16, STRATEGY_FIRST_ROOM = 256 };

struct strategy_rank {
    uint64_t id;
    uint64_t run; /* which run's; others are free slots */
    uint64_t rank;
};

static struct {
    uint64_t rng;
    uint64_t run;
    struct strategy_rank *ranks; /* open addressing */
    uint32_t room, used;
    uint32_t stay;               /* of 256: how often random does not switch */
    uint64_t length;             /* decisions in the longest run so far */
    uint64_t made;               /* decisions of this run */
    uint64_t change[STRATEGY_MAX_DEPTH];
    uint32_t changes;
    uint64_t low;                /* the next rank below all others */
    enum bly_sim_harm harm;      /* to be done to this run: */
    uint64_t harm_place;         /* where */
    uint32_t harm_answer;
} strategy;

static uint32_t
strategy_random(uint32_t n)
{
    return (uint32_t)(((uint64_t)bly_rng_next(&strategy.rng) * n) >> 32);
}

/* Above all ranks that somebody has dropped to. */
static uint64_t
strategy_draw(void)
{
    return UINT64_C(1) << 40 | bly_rng_next(&strategy.rng);
}

/* ---- ranks -------------------------------------------------------------- */

static struct strategy_rank *
rank_slot(struct strategy_rank *ranks, uint32_t room, uint64_t id)
{
    uint32_t at = (uint32_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 40);

    for (;; at++) {
        struct strategy_rank *r = &ranks[at & (room - 1)];

        if (r->run != strategy.run || r->id == id)
            return r;
    }
}

static bool
rank_grow(void)
{
    uint32_t room = strategy.room == 0 ? STRATEGY_FIRST_ROOM :
                                         2 * strategy.room;
    struct strategy_rank *ranks;
    bool on = bly_sim_now.on;
    uint32_t i;

    bly_sim_now.on = false; /* no choices of our own */
    ranks = bly_alloc_quiet(room * sizeof(*ranks));
    if (ranks != NULL) {
        memset(ranks, 0, room * sizeof(*ranks));
        for (i = 0; i < strategy.room; i++)
            if (strategy.ranks[i].run == strategy.run)
                *rank_slot(ranks, room, strategy.ranks[i].id) =
                    strategy.ranks[i];
        bly_free_quiet(strategy.ranks);
        strategy.ranks = ranks;
        strategy.room = room;
    }
    bly_sim_now.on = on;
    return ranks != NULL;
}

/* The rank of id, drawn if it is new; NULL only without memory. */
static struct strategy_rank *
rank_of(uint64_t id)
{
    struct strategy_rank *r;

    if (2 * (strategy.used + 1) > strategy.room && !rank_grow())
        return NULL;
    r = rank_slot(strategy.ranks, strategy.room, id);
    if (r->run != strategy.run) {
        r->run = strategy.run;
        r->id = id;
        r->rank = strategy_draw();
        strategy.used++;
    }
    return r;
}

static uint32_t
rank_best(const struct bly_sim_ask *ask)
{
    uint64_t highest = 0;
    uint32_t i, best = 0;

    for (i = 0; i < ask->n; i++) {
        const struct strategy_rank *r = rank_of(ask->ids[i]);

        if (r != NULL && r->rank > highest) {
            highest = r->rank;
            best = i;
        }
    }
    return best;
}

/* ---- picks -------------------------------------------------------------- */

/* Whether the choice is a disturbance; these are placed, not drawn. */
static bool
strategy_placed(const struct bly_sim_ask *ask, uint32_t *choice)
{
    enum bly_sim_harm harm = bly_sim_harm_of(ask->kind);

    if (harm == BLY_SIM_HARMS)
        return false;
    *choice = harm == strategy.harm && strategy.harm_answer < ask->n &&
            bly_sim_now.places[harm] == strategy.harm_place
        ? strategy.harm_answer
        : 0;
    return true;
}

static uint32_t
fifo_pick(const struct bly_sim_ask *ask)
{
    uint32_t choice = 0;

    (void)strategy_placed(ask, &choice);
    return choice;
}

static uint32_t
random_pick(const struct bly_sim_ask *ask)
{
    uint32_t choice;

    if (strategy_placed(ask, &choice))
        return choice;
    if (ask->free == 1 && strategy_random(256) < strategy.stay)
        return 0;
    return strategy_random(ask->n);
}

static uint32_t
pct_pick(const struct bly_sim_ask *ask)
{
    uint32_t choice, i;

    if (strategy_placed(ask, &choice))
        return choice;
    if (ask->kind == BLY_CHOOSE_PREEMPT)
        return 1;
    if (ask->ids == NULL)
        return strategy_random(ask->n);
    choice = rank_best(ask);
    for (i = 0; i < strategy.changes; i++) {
        struct strategy_rank *r;

        if (strategy.change[i] != strategy.made)
            continue;
        r = rank_of(ask->ids[choice]);
        if (r != NULL)
            r->rank = strategy.low--;
        choice = rank_best(ask);
    }
    strategy.made++;
    return choice;
}

static void
pct_spun(uint64_t id)
{
    struct strategy_rank *r = rank_of(id);

    if (r != NULL)
        r->rank = strategy.low--;
}

static uint32_t
pos_pick(const struct bly_sim_ask *ask)
{
    struct strategy_rank *r;
    uint32_t choice, i;

    if (strategy_placed(ask, &choice))
        return choice;
    if (ask->kind == BLY_CHOOSE_PREEMPT)
        return 1;
    if (ask->ids == NULL)
        return strategy_random(ask->n);
    choice = rank_best(ask);
    for (i = 0; i < ask->n; i++) {
        bool races = ask->addrs != NULL && ask->addrs[i] != NULL &&
            ask->addrs[i] == ask->addrs[choice];

        r = i == choice || races ? rank_of(ask->ids[i]) : NULL;
        if (r != NULL)
            r->rank = strategy_draw();
    }
    return choice;
}

static const struct bly_sim_source strategy_fifo = {fifo_pick, NULL};
static const struct bly_sim_source strategy_by_chance = {random_pick, NULL};
static const struct bly_sim_source strategy_pct = {pct_pick, pct_spun};
static const struct bly_sim_source strategy_pos = {pos_pick, NULL};

/* ---- a run's beginning -------------------------------------------------- */

static void
strategy_plan_changes(unsigned depth)
{
    uint64_t length = strategy.length < 8 ? 8 : strategy.length;
    uint32_t i;

    strategy.changes = depth > STRATEGY_MAX_DEPTH ? STRATEGY_MAX_DEPTH :
                                                    depth - 1;
    for (i = 0; i < strategy.changes; i++)
        strategy.change[i] =
            strategy_random(length > UINT32_MAX ? UINT32_MAX :
                                                  (uint32_t)length);
}

const struct bly_sim_source *
bly_sim_strategy(belay_strategy which, uint64_t seed, unsigned depth)
{
    static const uint8_t stays[4] = {0, 128, 224, 248};

    seed += UINT64_C(0x9E3779B97F4A7C15);
    seed = (seed ^ (seed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    seed = (seed ^ (seed >> 27)) * UINT64_C(0x94D049BB133111EB);
    strategy.rng = (seed ^ (seed >> 31)) | 1;
    strategy.run++;
    strategy.used = 0;
    if (strategy.made > strategy.length)
        strategy.length = strategy.made;
    strategy.made = 0;
    strategy.low = UINT64_C(1) << 39;
    strategy.harm = BLY_SIM_HARMS;
    switch (which) {
    case BELAY_RANDOM:
        strategy.stay = stays[strategy_random(4)];
        return &strategy_by_chance;
    case BELAY_PCT:
        strategy_plan_changes(depth);
        return &strategy_pct;
    case BELAY_POS:
        return &strategy_pos;
    default:
        return &strategy_fifo;
    }
}

void
bly_sim_strategy_reset(void)
{
    strategy.length = strategy.made = 0;
}

void
bly_sim_strategy_disturb(enum bly_sim_harm harm, uint64_t place,
    uint32_t answer)
{
    strategy.harm = harm;
    strategy.harm_place = place;
    strategy.harm_answer = answer;
}
