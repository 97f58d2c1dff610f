/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the explorer know of each other.  The essay is at the head
 * of explore.c.
 */
#ifndef BLY_SIM_SIM_H
#define BLY_SIM_SIM_H

#include <belay/test.h>

#include "base/choice.h"

#include <stdarg.h>

/* ---- a question and who answers it -------------------------------------- */

struct bly_sim_ask {
    enum bly_choice kind;
    uint32_t n;                 /* at least 2 */
    const uint64_t *ids;        /* names of the candidates, or NULL */
    const void *const *addrs;   /* what each is about to touch, or NULL */
    uint32_t free; /* answers from this one on cost: they preempt, disturb */
};

struct bly_sim_source {
    uint32_t (*pick)(const struct bly_sim_ask *ask); /* below ask->n */
    void (*spun)(uint64_t id); /* id waits in a loop; NULL: no matter */
};

/* ---- what a run did: record.c ------------------------------------------- */

struct bly_sim_deviation {
    uint64_t at; /* index among the choices of the run */
    uint32_t kind, n, choice;
};

/* All choices that are not here were 0. */
struct bly_sim_trace {
    struct bly_sim_deviation *list;
    uint32_t count, room;
    uint64_t choices;
    uint64_t hash; /* of all kinds, sizes and answers */
};

void bly_sim_trace_clear(struct bly_sim_trace *t);
void bly_sim_trace_copy(struct bly_sim_trace *to,
    const struct bly_sim_trace *from);
void bly_sim_trace_add(struct bly_sim_trace *t,
    const struct bly_sim_deviation *d);
void bly_sim_trace_free(struct bly_sim_trace *t);

/* A text in out[0..size); false if it does not fit. */
bool bly_sim_token_write(const struct bly_sim_trace *t, uint32_t config,
    char *out, size_t size);
/* NULL, or what is wrong with the token.  t->hash has its low 16 bits only. */
const char *bly_sim_token_read(const char *token, uint32_t *config,
    struct bly_sim_trace *t);

/* Answers from a trace.  Strict: a choice that does not fit ends the run. */
void bly_sim_replay_from(const struct bly_sim_trace *t, bool strict);
extern const struct bly_sim_source bly_sim_replay;
/* Once the run is over: NULL, or how it differs from the trace. */
const char *bly_sim_replay_differs(const struct bly_sim_trace *of,
    const struct bly_sim_trace *now);

/* ---- the run that goes on: explore.c; the search: search.c -------------- */

/* What the explorer does to a run: once, at one of its places for it. */
enum bly_sim_harm {
    BLY_SIM_CANCEL,
    BLY_SIM_ALLOC,
    BLY_SIM_IO,
    BLY_SIM_HARMS
};
/* BLY_SIM_HARMS: no harm. */
enum bly_sim_harm bly_sim_harm_of(enum bly_choice kind);

struct bly_sim {
    bool on; /* inside a run, and not in the explorer's own work */
    bool atomic;
    bool harms[BLY_SIM_HARMS]; /* which ones the test wants */
    uint64_t steps, max_steps;
    const struct bly_sim_source *source;
    struct bly_sim_trace trace;
    uint64_t places[BLY_SIM_HARMS]; /* so far */
    bool harmed[BLY_SIM_HARMS];     /* something was done that may show */
    belay_finding finding;
    uint64_t key; /* tells one failure of the same kind from another */
    char message[1024];
};
extern struct bly_sim bly_sim_now;

/* Asks the source and records the answer. */
uint32_t bly_sim_ask(const struct bly_sim_ask *ask);
/* One step done; ends the run if there were too many. */
void bly_sim_too_long(void) BLY_NORETURN BLY_COLD;

BLY_INLINE void
bly_sim_step(void)
{
    if (BLY_UNLIKELY(++bly_sim_now.steps > bly_sim_now.max_steps))
        bly_sim_too_long();
}

/* Ends the run; does not come back.  Any stack of the run. */
void bly_sim_fail(belay_finding finding, uint64_t key, const char *fmt, ...)
    BLY_NORETURN BLY_COLD BLY_PRINTF(3, 4);
/* Notes a finding of a run that is over; the first one stands. */
void bly_sim_note(belay_finding finding, const char *fmt, ...) BLY_COLD
    BLY_PRINTF(2, 3);
const char *bly_sim_finding_name(belay_finding f);
uint64_t bly_sim_key(const char *text);

/* What is explored. */
struct bly_sim_subject {
    belay_fn *fn;
    void *arg;
    belay_test_opts opts; /* without zeros that mean a default */
    uint32_t config;      /* of the token */
    bool twice;           /* BELAY_DETERMINISM */
    uint64_t distinct_room, distinct_count;
    uint64_t *distinct;   /* hashes of the runs seen */
    unsigned long runs;
    unsigned long harms[BLY_SIM_HARMS]; /* places in the default run */
};

/* One run with these answers; bly_sim_now then holds what it did. */
void bly_sim_run_once(struct bly_sim_subject *s,
    const struct bly_sim_source *source);

/* Before the first run of a test. */
void bly_sim_prepare(void);

/* The part of the token that names the test and its options. */
uint32_t bly_sim_config(const belay_test_opts *opts);

/* ---- strategies: strategy.c, exhaustive.c, shrink.c --------------------- */

/* Prepares a run by chance; MIX has been resolved to one of the others. */
const struct bly_sim_source *bly_sim_strategy(belay_strategy strategy,
    uint64_t seed, unsigned depth);
/* Forgets how long earlier runs were, so that a test is the same alone. */
void bly_sim_strategy_reset(void);
/* The run's n-th place for this harm, from 0, gets this answer.  For runs that
 * bly_sim_strategy has prepared. */
void bly_sim_strategy_disturb(enum bly_sim_harm harm, uint64_t place,
    uint32_t answer);

/* Runs every run within the bound; true: all seen, false: stopped at max_runs
 * or at a finding. */
bool bly_sim_exhaust(struct bly_sim_subject *s, unsigned preemptions,
    unsigned long max_runs);

/* Makes t, which shows a finding, smaller and leaves the smallest run that
 * still shows it in t and in bly_sim_now. */
void bly_sim_shrink(struct bly_sim_subject *s, struct bly_sim_trace *t);

/* ---- the machine: machine.c --------------------------------------------- */

/* Runs main(arg) as the first thread of a new machine.  Returns when it has
 * ended or the run was left. */
void bly_sim_machine_run(void (*main)(void *), void *arg);
/* From now on, accesses in [low, low + size) are no scheduling points. */
void bly_sim_machine_ignore(const void *low, size_t size);
void bly_sim_machine_leave(void) BLY_NORETURN;
int64_t bly_sim_machine_elapsed(void);
/* A line for each thread that has not ended; how many there are. */
unsigned bly_sim_machine_describe(char *buf, size_t size);

/* ---- signals: crash.c --------------------------------------------------- */

/* A fatal signal in a run, or a run that never comes back, is reported with
 * its token before the process dies. */
void bly_sim_crash_watch(const struct bly_sim_subject *s);
void bly_sim_crash_unwatch(void);

#endif
