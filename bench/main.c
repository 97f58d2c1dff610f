/* SPDX-License-Identifier: MIT */
/*
 * belay-bench WORKLOAD [workers] [count]
 *
 * Runs one workload and prints a line "R <metric> <value>" per figure.  The
 * workloads are those that peers can be given too; docs/performance.md says
 * what they are and what was measured.
 */
#include <belay.h>

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *name;
    bench_fn *run;
} workloads[] = {
    {"switch", bench_switch},
    {"spawn1", bench_spawn1},
    {"spawn1000", bench_spawn1000},
    {"skynet", bench_skynet},
    {"pingpong", bench_pingpong},
    {"pingpong-apart", bench_pingpong_apart},
    {"pingpong-near", bench_pingpong_near},
    {"mpsc", bench_mpsc},
    {"mutex", bench_mutex},
    {"fib", bench_fib},
    {"cancel", bench_cancel},
    {"timers", bench_timers},
    {"sleepers", bench_sleepers},
    {"sleepers-small", bench_sleepers_small},
};

enum { WORKLOADS = sizeof workloads / sizeof workloads[0] };

int64_t
bench_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

double
bench_cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double
bench_rss_mib(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long pages = 0;

    if (f == NULL)
        return 0;
    if (fscanf(f, "%*d %ld", &pages) != 1)
        pages = 0;
    fclose(f);
    return (double)pages * 4096 / 1048576;
}

double
bench_peak_mib(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[128];
    long kib = 0;

    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    fclose(f);
    return (double)kib / 1024;
}

void
bench_result(const char *metric, double value)
{
    printf("R %s %.6g\n", metric, value);
}

long
bench_count(const struct bench *b, long normal)
{
    return b->count > 0 ? b->count : normal;
}

BELAY_TASK(bench_root, (bench_fn *, run), (struct bench *, b))
{
    return run(b);
}

static int
usage(void)
{
    int i;

    fprintf(stderr, "usage: belay-bench WORKLOAD [workers] [count]\n"
                    "workloads:");
    for (i = 0; i < WORKLOADS; i++)
        fprintf(stderr, " %s", workloads[i].name);
    fprintf(stderr, "\n");
    return 2;
}

int
main(int argc, char **argv)
{
    struct bench b = {.workers = 1};
    int i, r;

    if (argc < 2 || argc > 4)
        return usage();
    if (argc > 2)
        b.workers = (unsigned)strtoul(argv[2], NULL, 10);
    if (argc > 3)
        b.count = strtol(argv[3], NULL, 10);
    if (b.workers == 0)
        return usage();
    for (i = 0; i < WORKLOADS; i++)
        if (strcmp(workloads[i].name, argv[1]) == 0)
            break;
    if (i == WORKLOADS)
        return usage();
    r = belay_run_with(
        (.workers = b.workers), bench_root, workloads[i].run, &b);
    if (r < 0)
        fprintf(stderr, "belay-bench: %s: %s\n", argv[1], belay_strerror(r));
    return r < 0;
}
