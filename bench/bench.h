/* SPDX-License-Identifier: MIT */
/* What the workloads of belay-bench share. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

struct bench {
    unsigned workers;
    long count; /* 0: the workload's default */
};

typedef int bench_fn(struct bench *b); /* a status; runs as a task */

int64_t bench_now(void); /* monotonic, ns */
double bench_cpu_s(void);
double bench_rss_mib(void);
double bench_peak_mib(void);
void bench_result(const char *metric, double value);
long bench_count(const struct bench *b, long normal);

bench_fn bench_switch, bench_spawn1, bench_spawn1000, bench_skynet, bench_fib;
bench_fn bench_pingpong, bench_pingpong_apart, bench_pingpong_near;
bench_fn bench_mpsc, bench_mutex, bench_cancel;
bench_fn bench_timers, bench_sleepers, bench_sleepers_small;

#endif
