/* SPDX-License-Identifier: MIT */
/*
 * Runs the suite in the explorer, on the simulated kernel, each case in four
 * ways; prints TAP.  Where the explorer has cancelled a run or taken its
 * memory, a case may fail, but not hang, leak or misuse anything.
 */
#include <belay/test.h>

#include "suite.h"

#include <stdio.h>

static const belay_test_opts sim_ways[] = {
    {.name = "by chance", .schedules = 300},
    {.name = "two workers", .workers = 2, .atomic = true, .schedules = 100},
    {.name = "one deviation", .strategy = BELAY_EXHAUSTIVE, .preemptions = 1,
        .max_runs = 3000},
    {.name = "disturbed", .schedules = 100, .cancel_everywhere = true,
        .fail_allocs = true, .fail_io = true},
};
enum { SIM_WAYS = sizeof sim_ways / sizeof *sim_ways };

BELAY_TASK(run_case, (const struct driver_case *, c))
{
    return c->run();
}

/* The case is a child, so that its failure can be forgiven. */
static int
sim_case(void *arg)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err)
        belay_spawn(s, run_case, arg);
    return belay_test_disturbed() ? 0 : err;
}

static bool
sim_one(unsigned n, const struct driver_case *c, const belay_test_opts *way)
{
    belay_test_opts opts = *way;
    belay_test_result r;
    bool bad;

    opts.size = sizeof opts;
    opts.name = c->name;
    bad = belay_test_run(sim_case, (void *)(uintptr_t)c, &opts, &r) != 0;
    printf("%sok %u - %s, %s: %lu runs, %lu distinct%s\n", bad ? "not " : "",
        n, c->name, way->name, r.runs, r.distinct,
        r.complete ? ", all" : "");
    if (bad)
        printf("# %s\n# token: %s\n", r.message, r.token);
    (void)fflush(stdout);
    return bad;
}

int
main(void)
{
    unsigned n = 0, failed = 0;

    printf("TAP version 13\n");
    for (int i = 0; i < DRIVER_SUITES; i++)
        for (const struct driver_case *c = driver_suites[i]; c->name; c++)
            for (int way = 0; way < SIM_WAYS; way++)
                failed += (unsigned)sim_one(++n, c, &sim_ways[way]);
    printf("1..%u\n", n);
    return failed != 0;
}
