/* SPDX-License-Identifier: MIT */
/* Workloads of tasks that sleep. */
#include <belay.h>

#include "bench.h"

#include <stdlib.h>

enum { SLEEPS = 10 };

BELAY_TASK(napper, (uint64_t, seed), (uint32_t *, late_us))
{
    int i;

    for (i = 0; i < SLEEPS; i++) {
        int64_t want, late;

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        want = bench_now() + (int64_t)(1 + (seed >> 33) % 100) * 1000000;
        BELAY_TRY(belay_sleep_until(want));
        late = (bench_now() - want) / 1000;
        late_us[i] = (uint32_t)(late > 0 ? late : 0);
    }
    return 0;
}

static int
compare_late(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

int
bench_timers(struct bench *b)
{
    long n = bench_count(b, 100000), i, all = n * SLEEPS;
    uint32_t *late = calloc((size_t)all, sizeof *late);
    int64_t start = bench_now();
    double cpu = bench_cpu_s();
    int err;

    if (late == NULL)
        return -ENOMEM;
    BELAY_SCOPE_CATCH(s, &err)
        for (i = 0; i < n; i++)
            belay_spawn(s, napper, (uint64_t)i, late + i * SLEEPS);
    bench_result("cpu_s", bench_cpu_s() - cpu);
    bench_result("wall_s", (double)(bench_now() - start) / 1e9);
    qsort(late, (size_t)all, sizeof *late, compare_late);
    bench_result("late_p50_us", late[all / 2]);
    bench_result("late_p99_us", late[all / 100 * 99]);
    free(late);
    return err;
}

BELAY_TASK(sleeper, (belay_latch *, down), (belay_time, until))
{
    belay_latch_count_down(down, 1);
    return belay_sleep_until(until);
}

static int
sleepers(struct bench *b, size_t stack)
{
    long n = bench_count(b, 1000000), i;
    belay_latch down = BELAY_LATCH_INIT((uint32_t)n);
    int64_t start = bench_now();
    double rss = bench_rss_mib(), cpu = bench_cpu_s();

    BELAY_SCOPE(s) {
        belay_time until = belay_now() + BELAY_S(10);

        for (i = 0; i < n; i++)
            belay_spawn_with(s, (.stack = stack), sleeper, &down, until);
        BELAY_TRY(belay_latch_wait(&down));
        bench_result("spawn_s", (double)(bench_now() - start) / 1e9);
        bench_result("bytes_per_task",
            (bench_rss_mib() - rss) * 1048576 / (double)n);
    }
    bench_result("cpu_s", bench_cpu_s() - cpu);
    bench_result("wall_s", (double)(bench_now() - start) / 1e9);
    return 0;
}

int
bench_sleepers(struct bench *b)
{
    return sleepers(b, 0);
}

int
bench_sleepers_small(struct bench *b)
{
    return sleepers(b, BELAY_STACK_SMALL);
}
