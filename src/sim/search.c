/* SPDX-License-Identifier: MIT */
/*
 * belay_test_run(): which runs are made, in which order, and what is told
 * about them.
 *
 * The default run comes first, then the disturbances one after the other
 * along it, then the strategy.  The first finding ends the search.
 */
#include "sim/sim.h"

#include "base/alloc.h"
#include "base/rng.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEARCH_SCHEDULES = 1000,
    SEARCH_PREEMPTIONS = 2,
    SEARCH_DEPTH = 3,
    SEARCH_RUNS = 200000,
    SEARCH_STEPS = 100000
};

/* ---- options ------------------------------------------------------------ */

uint32_t
bly_sim_config(const belay_test_opts *opts)
{
    char text[200];
    uint64_t h;

    snprintf(text, sizeof(text), "%.150s/%u%d%d%d%d%s",
        opts->name != NULL ? opts->name : "",
        opts->workers > 1 ? opts->workers : 1, opts->atomic,
        opts->threads, opts->cancel_everywhere, opts->fail_allocs,
        opts->fail_io ? "io" : "");
    h = bly_sim_key(text);
    return (uint32_t)(h ^ (h >> 32)) & 0xffffff;
}

static unsigned
search_env(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    unsigned long n = text != NULL ? strtoul(text, NULL, 10) : 0;

    return n == 0 || n > UINT32_MAX ? otherwise : (unsigned)n;
}

static void
search_defaults(belay_test_opts *o)
{
    if (o->schedules == 0)
        o->schedules = SEARCH_SCHEDULES;
    o->schedules *= search_env("BELAY_SCHEDULES", 1);
    if (o->preemptions == 0 && !o->cooperative)
        o->preemptions = SEARCH_PREEMPTIONS;
    if (o->cooperative)
        o->preemptions = 0;
    if (o->depth == 0)
        o->depth = SEARCH_DEPTH;
    if (o->workers == 0)
        o->workers = 1;
    if (o->seed == 0)
        o->seed = search_env("BELAY_SEED", 1);
    if (o->max_runs == 0)
        o->max_runs = SEARCH_RUNS;
    if (o->max_steps == 0)
        o->max_steps = SEARCH_STEPS;
    if (o->replay == NULL)
        o->replay = getenv("BELAY_REPLAY");
}

/* ---- phases ------------------------------------------------------------- */

static bool
search_found(void)
{
    return bly_sim_now.finding != BELAY_FINDS_NOTHING;
}

/* The default run, disturbed at one place after the other. */
static bool
search_sweep(struct bly_sim_subject *s, enum bly_sim_harm harm,
    uint32_t answer)
{
    uint64_t k;

    for (k = 0; k < s->opts.max_runs; k++) {
        const struct bly_sim_source *source =
            bly_sim_strategy(BELAY_FIFO, s->opts.seed, 0);

        bly_sim_strategy_disturb(harm, k, answer);
        bly_sim_run_once(s, source);
        if (search_found())
            return true;
        if (bly_sim_now.places[harm] <= k)
            break;
    }
    s->harms[harm] = (unsigned long)k;
    return false;
}

static bool
search_sweeps(struct bly_sim_subject *s)
{
    if (s->opts.cancel_everywhere && search_sweep(s, BLY_SIM_CANCEL, 1))
        return true;
    if (s->opts.fail_allocs && search_sweep(s, BLY_SIM_ALLOC, 1))
        return true;
    return s->opts.fail_io &&
        (search_sweep(s, BLY_SIM_IO, 1) || search_sweep(s, BLY_SIM_IO, 2));
}

/* In the runs by chance every second one is disturbed. */
static void
search_disturb(const struct bly_sim_subject *s, uint64_t seed)
{
    uint64_t rng = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
    uint32_t dice = bly_rng_next(&rng), harm = BLY_SIM_HARMS, n = 0, i;
    uint64_t at = bly_rng_next(&rng);

    if (dice % 2 != 0)
        return;
    for (i = 0; i < BLY_SIM_HARMS; i++)
        if (s->harms[i] > 0 && at % ++n == 0)
            harm = i;
    if (n == 0)
        return;
    /* A little beyond what the default run has: others may be longer. */
    at = bly_rng_next(&rng) % (s->harms[harm] + s->harms[harm] / 4 + 1);
    bly_sim_strategy_disturb((enum bly_sim_harm)harm, at,
        harm == BLY_SIM_IO ? 1 + dice / 2 % 2 : 1);
}

static bool
search_by_chance(struct bly_sim_subject *s)
{
    static const belay_strategy mix[5] = {
        BELAY_POS, BELAY_PCT, BELAY_RANDOM, BELAY_POS, BELAY_PCT};
    unsigned i;

    for (i = 1; i < s->opts.schedules; i++) {
        uint64_t seed = s->opts.seed * UINT64_C(1000003) + i;
        belay_strategy which = s->opts.strategy;
        const struct bly_sim_source *source;

        if (which == BELAY_MIX)
            which = mix[i % 5];
        source = bly_sim_strategy(which, seed, s->opts.depth);
        search_disturb(s, seed);
        bly_sim_run_once(s, source);
        if (search_found())
            return true;
    }
    return false;
}

/* True: bly_sim_now is the run that shows something. */
static bool
search_all(struct bly_sim_subject *s, belay_test_result *r)
{
    bly_sim_run_once(s, bly_sim_strategy(BELAY_FIFO, s->opts.seed, 0));
    if (search_found() || search_sweeps(s))
        return true;
    switch (s->opts.strategy) {
    case BELAY_FIFO:
        return false;
    case BELAY_EXHAUSTIVE:
        r->complete =
            bly_sim_exhaust(s, s->opts.preemptions, s->opts.max_runs);
        return search_found();
    default:
        return search_by_chance(s);
    }
}

/* ---- what is told ------------------------------------------------------- */

static void
search_add(belay_test_result *r, const char *fmt, const char *text)
{
    size_t len = strlen(r->message);

    snprintf(r->message + len, sizeof(r->message) - len, fmt, text);
}

static void
search_tell(belay_test_result *r)
{
    r->finding = bly_sim_now.finding;
    snprintf(r->message, sizeof(r->message), "%s", bly_sim_now.message);
}

/* The run in bly_sim_now shows something: makes it small and names it. */
static void
search_report(struct bly_sim_subject *s, belay_test_result *r)
{
    struct bly_sim_trace t = {NULL, 0, 0, 0, 0};
    const char *differs;

    bly_sim_trace_copy(&t, &bly_sim_now.trace);
    if (bly_sim_now.finding == BELAY_FINDS_DIVERGED) {
        search_tell(r);
    } else {
        bly_sim_shrink(s, &t);
        bly_sim_trace_copy(&t, &bly_sim_now.trace);
        search_tell(r);
        bly_sim_replay_from(&t, true);
        bly_sim_run_once(s, &bly_sim_replay);
        differs = bly_sim_replay_differs(&t, &bly_sim_now.trace);
        if (differs == NULL && bly_sim_now.finding != r->finding)
            differs = "it shows something else";
        if (differs != NULL)
            search_add(r, "\n(the token does not repeat this: %s)", differs);
    }
    r->deviations = t.count;
    if (!bly_sim_token_write(&t, s->config, r->token, sizeof(r->token)))
        search_add(r, "\n(%s: find it again with the same seed)",
            "too many deviations for a token");
    bly_sim_trace_free(&t);
}

static void
search_replay(struct bly_sim_subject *s, belay_test_result *r,
    struct bly_sim_trace *t)
{
    const char *differs;

    bly_sim_replay_from(t, true);
    bly_sim_run_once(s, &bly_sim_replay);
    search_tell(r);
    differs = bly_sim_replay_differs(t, &bly_sim_now.trace);
    if (differs != NULL && r->finding != BELAY_FINDS_DIVERGED) {
        r->finding = BELAY_FINDS_DIVERGED;
        search_add(r, "%s", r->message[0] != '\0' ? "\n" : "");
        search_add(r, "diverged: %s", differs);
    }
    r->deviations = t->count;
    snprintf(r->token, sizeof(r->token), "%s", s->opts.replay);
}

/* One run if there is a token and it is for this test, else all of them. */
static void
search_do(struct bly_sim_subject *s, belay_test_result *r, bool own_token)
{
    struct bly_sim_trace t = {NULL, 0, 0, 0, 0};
    uint32_t config = s->config;
    const char *wrong = NULL;

    if (s->opts.replay != NULL)
        wrong = bly_sim_token_read(s->opts.replay, &config, &t);
    if (wrong == NULL && config != s->config)
        wrong = "diverged: the token belongs to another test, or to other "
                "options of it";
    if (s->opts.replay != NULL && wrong == NULL) {
        search_replay(s, r, &t);
    } else if (wrong != NULL && own_token) {
        r->finding = BELAY_FINDS_DIVERGED;
        search_add(r, "%s", wrong);
    } else if (search_all(s, r)) {
        r->runs = s->runs;
        search_report(s, r);
        s->runs = r->runs; /* without those that made it small */
    }
    bly_sim_trace_free(&t);
}

int
belay_test_run(belay_fn *fn, void *arg, const belay_test_opts *opts,
    belay_test_result *out)
{
    struct bly_sim_subject s = {.fn = fn, .arg = arg};
    belay_test_result unseen, *r = out != NULL ? out : &unseen;
    size_t size = opts != NULL ? opts->size : 0;

    memset(r, 0, sizeof(*r));
    if (size > 0)
        memcpy(&s.opts, opts, size < sizeof(s.opts) ? size : sizeof(s.opts));
    search_defaults(&s.opts);
    s.config = bly_sim_config(&s.opts);
    s.twice = search_env("BELAY_DETERMINISM", 0) != 0;
    bly_sim_crash_watch(&s);
    bly_sim_strategy_reset();
    bly_sim_prepare(); /* also with .threads, whose body may open runtimes */
    search_do(&s, r, size > 0 && opts->replay != NULL);
    bly_sim_crash_unwatch();
    r->runs = s.runs;
    r->distinct = (unsigned long)s.distinct_count;
    r->cancels = s.harms[BLY_SIM_CANCEL];
    r->allocs = s.harms[BLY_SIM_ALLOC];
    r->faults = s.harms[BLY_SIM_IO];
    r->failed = r->finding != s.opts.expect;
    if (r->finding == BELAY_FINDS_NOTHING && r->failed)
        search_add(r, "should have found %s, found nothing",
            bly_sim_finding_name(s.opts.expect));
    bly_free_quiet(s.distinct);
    return r->failed;
}
