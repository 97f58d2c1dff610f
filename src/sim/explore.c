/* SPDX-License-Identifier: MIT */
/*
 * The explorer: runs a test again and again, each time with other answers to
 * the questions that a real machine answers at random.
 *
 * What is simulated.  Only the operating system: processor and clock
 * (machine.c, os_sim.c), sockets and pipes (vnet.c, io.c).  All of libbelay
 * above that is the code of the product, compiled with BLY_SIM=1,
 * which turns bly_choose() from a constant into a question and bly_point()
 * from nothing into a place where another thread may get in between.  There is
 * one real thread, so a run is nothing but the sequence of answers; and since
 * a run starts from a fresh runtime, with virtual time and no entropy, the
 * same answers give the same run.  Nothing may decide by an address, a clock
 * or a process id.
 *
 * Who answers.  A source: a strategy by chance (strategy.c), the walk over all
 * runs (exhaustive.c), or a replay (record.c).  0 is always the default, so a
 * run is described by its deviations from the default, and its token
 * (record.c) is short if it deviates seldom.  A run that shows something is
 * made smaller before it is told (shrink.c).
 *
 * Depths.  At task depth the choices are those of the scheduler and of the
 * primitives: which task, which arm, whether a task is preempted before an
 * operation.  With .atomic each atomic access of each thread is one as well.
 * That is for code that threads share; between two atomic accesses nothing is
 * interleaved, and memory is sequentially consistent.
 *
 * Disturbances.  A cancel at each point where a task may sleep, a failure of
 * each allocation, of each call for I/O: first one after the other along the
 * default run, until a run does not reach the next point any more, then at
 * random in the runs by chance; the walk over all runs takes each of them as an
 * answer, once in a run.  The questions are only asked if the test wants them.
 *
 * What a run can show.  A BELAY_CHECK that does not hold and a misuse end the
 * run where it stands: control goes straight back to the explorer, and the
 * run's stacks are simply used again.  Its memory is lost, as nobody knows in
 * which state it is; only runs that end by themselves must have freed all that
 * they took.  A run in which nothing can go on, or which takes too many steps,
 * ends likewise.  A fatal signal ends the process, after the token was printed
 * (crash.c).
 */
#include "sim/sim.h"

#include "base/alloc.h"
#include "base/check.h"
#include "core/root.h"
#include "core/rt.h"
#include "core/timeline.h"
#include "io/op.h"
#include "sim/names.h"
#include "sim/signal.h"
#include "sim/vnet.h"
#include "sim/vproc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bly_sim bly_sim_now;

static struct bly_sim_subject *explore_subject; /* of the run that goes on */
static struct bly_stack_pool *explore_pool;     /* of all runtimes */
static bool explore_pool_left; /* a run has taken from it and not given back */

static const char *const explore_names[] = {
    [BELAY_FINDS_NOTHING] = "nothing",
    [BELAY_FINDS_CHECK] = "a check that does not hold",
    [BELAY_FINDS_ERROR] = "a failure",
    [BELAY_FINDS_DEADLOCK] = "a deadlock",
    [BELAY_FINDS_LIVELOCK] = "a livelock",
    [BELAY_FINDS_LEAK] = "a leak",
    [BELAY_FINDS_MISUSE] = "a misuse",
    [BELAY_FINDS_DIVERGED] = "a run that diverged",
};

const char *
bly_sim_finding_name(belay_finding f)
{
    return explore_names[f];
}

/* ---- choices ------------------------------------------------------------ */

uint32_t
bly_sim_ask(const struct bly_sim_ask *ask)
{
    struct bly_sim_trace *t = &bly_sim_now.trace;
    uint32_t choice = bly_sim_now.source->pick(ask);

    if (choice != 0) {
        struct bly_sim_deviation d = {t->choices, ask->kind, ask->n, choice};

        bly_sim_trace_add(t, &d);
    }
    t->choices++;
    t->hash = (t->hash ^ ((uint64_t)ask->n << 36 | (uint64_t)ask->kind << 32 |
                             choice)) *
        UINT64_C(0x100000001b3);
    t->hash ^= t->hash >> 29;
    return choice;
}

enum bly_sim_harm
bly_sim_harm_of(enum bly_choice kind)
{
    switch (kind) {
    case BLY_CHOOSE_CANCEL:
        return BLY_SIM_CANCEL;
    case BLY_CHOOSE_ALLOC:
        return BLY_SIM_ALLOC;
    case BLY_CHOOSE_FAULT:
        return BLY_SIM_IO;
    default:
        return BLY_SIM_HARMS;
    }
}

/* A call that is interrupted and then works is nothing that may show. */
static uint32_t
explore_ask_harm(struct bly_sim_ask *ask, enum bly_sim_harm harm)
{
    uint32_t choice;

    if (!bly_sim_now.harms[harm])
        return 0;
    ask->free = 1;
    choice = bly_sim_ask(ask);
    bly_sim_now.places[harm]++;
    bly_sim_now.harmed[harm] |= choice == 1;
    return choice;
}

uint32_t
bly_choose_among(enum bly_choice kind, uint32_t n, const uint64_t *ids)
{
    struct bly_sim_ask ask = {kind, n, ids, NULL, n};
    enum bly_sim_harm harm = bly_sim_harm_of(kind);

    if (n < 2 || !bly_sim_now.on)
        return 0;
    bly_sim_step();
    if (harm != BLY_SIM_HARMS)
        return explore_ask_harm(&ask, harm);
    if (kind == BLY_CHOOSE_PREEMPT || kind == BLY_CHOOSE_IO ||
        kind == BLY_CHOOSE_SHORT || kind == BLY_CHOOSE_PACKET)
        ask.free = 1;
    return bly_sim_ask(&ask);
}

uint32_t
bly_choose(enum bly_choice kind, uint32_t n)
{
    return bly_choose_among(kind, n, NULL);
}

bool
bly_hush(void)
{
    bool before = bly_sim_now.on;

    bly_sim_now.on = false;
    return before;
}

void
bly_unhush(bool before)
{
    bly_sim_now.on = before;
}

/* ---- what tests call ---------------------------------------------------- */

belay_dur
belay_test_elapsed(void)
{
    return bly_sim_machine_elapsed();
}

uint32_t
belay_test_choose(uint32_t n)
{
    return bly_choose(BLY_CHOOSE_RANDOM, n);
}

bool
belay_test_disturbed(void)
{
    const bool *harmed = bly_sim_now.harmed;

    return harmed[BLY_SIM_CANCEL] || harmed[BLY_SIM_ALLOC] ||
        harmed[BLY_SIM_IO];
}

void
belay_test_fail_at(const belay_site *site, const char *fmt, ...)
{
    const char *task;
    char what[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    bly_sim_now.on = false;
    task = belay_task_name();
    if (explore_subject == NULL) { /* not in a run: no explorer to go back to */
        fprintf(stderr, "%s:%d: %s(): %s: %s\n", site->file, site->line,
            site->func, site->what, what);
        abort();
    }
    bly_sim_fail(BELAY_FINDS_CHECK,
        bly_sim_key(site->file) ^ (uint64_t)site->line,
        "%s:%d: %s(): %s: %s%s%s%s", site->file, site->line, site->func,
        site->what, what, task != NULL ? ", in task '" : "",
        task != NULL ? task : "", task != NULL ? "'" : "");
}

/* ---- findings ----------------------------------------------------------- */

uint64_t
bly_sim_key(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return h;
}

static void
explore_set(belay_finding finding, uint64_t key, const char *fmt, va_list args)
{
    bly_sim_now.finding = finding;
    bly_sim_now.key = key;
    vsnprintf(bly_sim_now.message, sizeof(bly_sim_now.message), fmt, args);
}

void
bly_sim_note(belay_finding finding, const char *fmt, ...)
{
    va_list args;

    if (bly_sim_now.finding != BELAY_FINDS_NOTHING)
        return;
    va_start(args, fmt);
    explore_set(finding, 0, fmt, args);
    va_end(args);
}

void
bly_sim_fail(belay_finding finding, uint64_t key, const char *fmt, ...)
{
    va_list args;

    bly_sim_now.on = false;
    va_start(args, fmt);
    explore_set(finding, key, fmt, args);
    va_end(args);
    explore_pool_left = true;
    bly_sim_machine_leave();
}

void
bly_sim_too_long(void)
{
    char list[700];

    bly_sim_now.on = false;
    bly_sim_machine_describe(list, sizeof(list));
    bly_sim_fail(BELAY_FINDS_LIVELOCK, 0,
        "no end after %llu steps (.max_steps):\n%s",
        (unsigned long long)bly_sim_now.max_steps, list);
}

/* A hook of base/check.h: a misuse is a finding, and the process goes on. */
static void
explore_misuse(const char *line)
{
    if (explore_subject != NULL)
        bly_sim_fail(BELAY_FINDS_MISUSE, bly_sim_key(line), "%s", line);
}

/* ---- one run ------------------------------------------------------------ */

/* What a failed call for I/O leads to is not known; a deadlock is no answer. */
static bool
explore_excused(int rc)
{
    const bool *harmed = bly_sim_now.harmed;

    return (rc == -ECANCELED && harmed[BLY_SIM_CANCEL]) ||
        ((rc == -ENOMEM || rc == -ECANCELED) && harmed[BLY_SIM_ALLOC]) ||
        (rc != -EDEADLK && harmed[BLY_SIM_IO]);
}

static void
explore_verdict(int rc, const char *why)
{
    if (rc >= 0 || explore_excused(rc))
        return;
    bly_sim_note(rc == -EDEADLK ? BELAY_FINDS_DEADLOCK : BELAY_FINDS_ERROR,
        "the root task ended with %d (%s)%s%s", rc, belay_strerror(rc),
        why[0] != '\0' ? ": " : "", why);
}

static int
explore_task(void *arg)
{
    const struct bly_sim_subject *s = *(const struct bly_sim_subject **)arg;

    explore_pool = bly_worker_here->rt->stack_pool;
    return s->fn(s->arg);
}

/* A fresh runtime with the test as its root task. */
static void
explore_runtime(const struct bly_sim_subject *s)
{
    static const belay_site site = {"belay-test", 0, "", "a test"};
    struct bly_root root = {
        .run = explore_task,
        .name = s->opts.name != NULL ? s->opts.name : "test",
        .args = &s,
        .size = sizeof(s),
        .site = &site,
        .workers = s->opts.workers,
        .driver = &bly_driver_io,
    };
    int rc = bly_root_run(&root);

    explore_verdict(rc, root.why);
}

static void
explore_root(void *arg)
{
    struct bly_sim_subject *s = arg;

    if (s->opts.threads)
        explore_verdict(s->fn(s->arg), "");
    else
        explore_runtime(s);
}

static void
explore_leaks(size_t live)
{
    char list[400];
    unsigned open;

    if (bly_sim_now.finding != BELAY_FINDS_NOTHING)
        return;
    if (bly_sim_machine_describe(list, sizeof(list)) > 0)
        bly_sim_note(BELAY_FINDS_LEAK, "threads are left:\n%s", list);
    open = bly_vnet_leaks(list, sizeof(list));
    if (open > 0)
        bly_sim_note(BELAY_FINDS_LEAK, "%u descriptor%s left: %s", open,
            open == 1 ? " is" : "s are", list);
    if (bly_vproc_zombie() != 0)
        bly_sim_note(BELAY_FINDS_LEAK, "process %d has not been reaped",
            bly_vproc_zombie());
    if (bly_alloc_live() != live)
        bly_sim_note(BELAY_FINDS_LEAK, "%lld allocations are left",
            (long long)bly_alloc_live() - (long long)live);
}

/*
 * The stacks are kept from run to run, because to map them takes longer than a
 * run.  Whether the pool has one at hand is then the past's business and must
 * not show: accesses to the pool are no choices.  Its own tests look at it
 * without a runtime.  What a run that was left has taken is lost to the pool,
 * so it begins anew.
 */
static void
explore_stacks(void)
{
    if (explore_pool != NULL && explore_pool_left) {
        bly_stack_pool_fini(explore_pool);
        bly_stack_pool_init(explore_pool);
    }
    explore_pool_left = false;
    bly_sim_machine_ignore(explore_pool, sizeof(*explore_pool));
}

static void
run_plain(struct bly_sim_subject *s, const struct bly_sim_source *source)
{
    struct bly_sim *now = &bly_sim_now;
    size_t live = bly_alloc_live();

    explore_stacks();
    bly_vnet_reset();
    bly_vproc_reset();
    bly_sim_names_reset();
    bly_vsignal_reset();
    bly_timeline_reset();
    now->atomic = s->opts.atomic;
    now->harms[BLY_SIM_CANCEL] = s->opts.cancel_everywhere;
    now->harms[BLY_SIM_ALLOC] = s->opts.fail_allocs;
    now->harms[BLY_SIM_IO] = s->opts.fail_io;
    now->max_steps = s->opts.max_steps;
    now->source = source;
    now->steps = 0;
    memset(now->places, 0, sizeof(now->places));
    memset(now->harmed, 0, sizeof(now->harmed));
    now->finding = BELAY_FINDS_NOTHING;
    now->key = 0;
    now->message[0] = '\0';
    bly_sim_trace_clear(&now->trace);
    explore_subject = s;
    bly_check_caught = explore_misuse;
    bly_sim_machine_run(explore_root, s);
    bly_check_caught = NULL;
    explore_subject = NULL;
    explore_leaks(live);
}

/* Remembers the course that the run took. */
static void
run_count(struct bly_sim_subject *s)
{
    uint64_t hash = bly_sim_now.trace.hash | 1, i;

    s->runs++;
    if (2 * (s->distinct_count + 1) > s->distinct_room) {
        uint64_t room = s->distinct_room == 0 ? 1024 : s->distinct_room * 2;
        uint64_t *old = s->distinct, *set;

        set = bly_alloc_quiet(room * sizeof(*set));
        if (set == NULL)
            return;
        memset(set, 0, room * sizeof(*set));
        for (i = 0; i < s->distinct_room; i++) {
            uint64_t at = old[i] >> 1;

            while (old[i] != 0 && set[at & (room - 1)] != 0)
                at++;
            if (old[i] != 0)
                set[at & (room - 1)] = old[i];
        }
        bly_free_quiet(old);
        s->distinct = set;
        s->distinct_room = room;
    }
    for (i = hash >> 1; s->distinct[i & (s->distinct_room - 1)] != 0; i++)
        if (s->distinct[i & (s->distinct_room - 1)] == hash)
            return;
    s->distinct[i & (s->distinct_room - 1)] = hash;
    s->distinct_count++;
}

/* The same once more: it must take the same course. */
static void
run_again(struct bly_sim_subject *s)
{
    struct bly_sim_trace first = {NULL, 0, 0, 0, 0};
    belay_finding finding = bly_sim_now.finding;
    const char *differs;

    bly_sim_trace_copy(&first, &bly_sim_now.trace);
    bly_sim_replay_from(&first, true);
    run_plain(s, &bly_sim_replay);
    differs = bly_sim_replay_differs(&first, &bly_sim_now.trace);
    if (bly_sim_now.finding == BELAY_FINDS_DIVERGED ||
        bly_sim_now.finding != finding || differs != NULL) {
        char why[200];

        snprintf(why, sizeof(why), "%.150s",
            differs != NULL ? differs : bly_sim_now.message);
        bly_sim_now.finding = BELAY_FINDS_NOTHING;
        bly_sim_note(BELAY_FINDS_DIVERGED,
            "the same run took another course the second time: %s", why);
    }
    bly_sim_trace_free(&first);
}

void
bly_sim_run_once(struct bly_sim_subject *s,
    const struct bly_sim_source *source)
{
    run_plain(s, source);
    run_count(s);
    if (s->twice && source != &bly_sim_replay)
        run_again(s);
}

static int
explore_nothing(void *arg)
{
    (void)arg;
    return 0;
}

void
bly_sim_prepare(void)
{
    struct bly_sim_subject first = {
        .fn = explore_nothing, .opts = {.workers = 1, .max_steps = 100000}};

    if (explore_pool == NULL) /* to learn where it is */
        run_plain(&first, bly_sim_strategy(BELAY_FIFO, 1, 0));
    bly_sim_strategy_reset();
}
