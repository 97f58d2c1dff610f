/* SPDX-License-Identifier: MIT */
/*
 * From a run that fails to one that fails with less.
 *
 * First the search is tried that begins with the simplest: every run without a
 * preemption, then with one, and so on, for a few hundred runs.  If that does
 * not show the same failure, deviations are taken out, in halves, quarters and
 * so on down to single ones, from the end (Zeller and Hildebrandt,
 * "Simplifying and Isolating Failure-Inducing Input", TSE 2002), as long as
 * what is left still fails in the same way.
 *
 * A deviation is known by its place among the choices.  When one is taken out
 * the later choices may move: a task that was not preempted is not chosen
 * again either.  So each removal is tried a second time with the rest moved
 * forward by one.
 */
#include "sim/sim.h"

enum { SHRINK_RUNS = 2000, SHRINK_SEARCH = 1000, SHRINK_STEPS = 2000 };

struct shrink {
    struct bly_sim_subject *subject;
    struct bly_sim_trace *best;
    struct bly_sim_trace trial;
    belay_finding finding;
    uint64_t key;
    uint64_t left; /* runs; a long one counts as many */
};

static bool
shrink_same(const struct shrink *k)
{
    return bly_sim_now.finding == k->finding && bly_sim_now.key == k->key;
}

/* Runs the trial; keeps what it did if that fails alike with less. */
static bool
shrink_try(struct shrink *k)
{
    uint64_t cost;

    if (k->left == 0)
        return false;
    bly_sim_replay_from(&k->trial, false);
    bly_sim_run_once(k->subject, &bly_sim_replay);
    cost = 1 + bly_sim_now.steps / SHRINK_STEPS;
    k->left = k->left > cost ? k->left - cost : 0;
    if (!shrink_same(k) || bly_sim_now.trace.count >= k->best->count)
        return false;
    bly_sim_trace_copy(k->best, &bly_sim_now.trace);
    return true;
}

/* Without the deviations [first, end); those after it `moved' places on. */
static bool
shrink_without(struct shrink *k, uint32_t first, uint32_t end, uint64_t moved)
{
    const struct bly_sim_trace *best = k->best;
    uint32_t i;

    bly_sim_trace_clear(&k->trial);
    for (i = 0; i < best->count; i++) {
        struct bly_sim_deviation d = best->list[i];

        if (i >= first && i < end)
            continue;
        if (i >= end && d.at < moved)
            return false;
        if (i >= end)
            d.at -= moved;
        bly_sim_trace_add(&k->trial, &d);
    }
    return shrink_try(k);
}

/* One pass with pieces of this size; true if any could go. */
static bool
shrink_pass(struct shrink *k, uint32_t size)
{
    uint32_t end = k->best->count;
    bool any = false;

    while (end > 0 && k->left > 0) {
        uint32_t first = end > size ? end - size : 0;

        if (shrink_without(k, first, end, 0) ||
            (end < k->best->count && shrink_without(k, first, end, 1)))
            any = true;
        end = first < k->best->count ? first : k->best->count;
    }
    return any;
}

static void
shrink_search(struct shrink *k)
{
    if (k->subject->opts.strategy == BELAY_EXHAUSTIVE || k->best->count < 2)
        return;
    (void)bly_sim_exhaust(k->subject, k->best->count - 1,
        SHRINK_SEARCH / (1 + (unsigned)(bly_sim_now.steps / SHRINK_STEPS)));
    if (shrink_same(k) && bly_sim_now.trace.count < k->best->count)
        bly_sim_trace_copy(k->best, &bly_sim_now.trace);
}

void
bly_sim_shrink(struct bly_sim_subject *s, struct bly_sim_trace *t)
{
    struct shrink k = {.subject = s,
        .best = t,
        .finding = bly_sim_now.finding,
        .key = bly_sim_now.key,
        .left = SHRINK_RUNS};
    uint32_t size;

    shrink_search(&k);
    for (size = t->count; size > 1 && k.left > 0; size = (size + 1) / 2)
        (void)shrink_pass(&k, size);
    while (t->count > 0 && k.left > 0 && shrink_pass(&k, 1))
        continue;
    bly_sim_trace_free(&k.trial);
    bly_sim_replay_from(t, false);
    bly_sim_run_once(s, &bly_sim_replay);
}
