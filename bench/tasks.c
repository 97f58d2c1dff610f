/* SPDX-License-Identifier: MIT */
/* Workloads of tasks alone: switching, spawning, fork and join, cancelling. */
#include <belay.h>

#include "bench.h"

BELAY_TASK(yielder, (long, n))
{
    long i;

    for (i = 0; i < n; i++)
        BELAY_TRY(belay_yield());
    return 0;
}

int
bench_switch(struct bench *b)
{
    long n = bench_count(b, 10000000);
    int64_t start = bench_now();

    BELAY_SCOPE(s, .local = true) {
        belay_spawn(s, yielder, n / 2);
        belay_spawn(s, yielder, n / 2);
    }
    bench_result("ns", (double)(bench_now() - start) / (double)n);
    return 0;
}

BELAY_TASK(nothing)
{
    return 0;
}

int
bench_spawn1(struct bench *b)
{
    long n = bench_count(b, 1000000), i;
    int64_t start = bench_now();

    for (i = 0; i < n; i++)
        BELAY_SCOPE(s)
            belay_spawn(s, nothing);
    bench_result("ns", (double)(bench_now() - start) / (double)n);
    return 0;
}

int
bench_spawn1000(struct bench *b)
{
    long rounds = bench_count(b, 2000), i, k;
    int64_t start = bench_now();

    for (i = 0; i < rounds; i++)
        BELAY_SCOPE(s)
            for (k = 0; k < 1000; k++)
                belay_spawn(s, nothing);
    bench_result("ns", (double)(bench_now() - start) / (double)rounds / 1000);
    return 0;
}

BELAY_TASK_AHEAD(skynet, (long, num), (long, size), (long *, out));
BELAY_TASK_LATER(skynet, (long, num), (long, size), (long *, out))
{
    long sums[10], i, sum = 0;

    if (size == 1) {
        *out = num;
        return 0;
    }
    BELAY_SCOPE(s)
        for (i = 0; i < 10; i++)
            belay_spawn(s, skynet, num + i * (size / 10), size / 10, &sums[i]);
    for (i = 0; i < 10; i++)
        sum += sums[i];
    *out = sum;
    return 0;
}

int
bench_skynet(struct bench *b)
{
    long n = bench_count(b, 1000000), sum = 0;
    int64_t start = bench_now();

    BELAY_TRY(skynet(0, n, &sum));
    bench_result("s", (double)(bench_now() - start) / 1e9);
    bench_result("peak_mib", bench_peak_mib());
    if (sum != n * (n - 1) / 2)
        return BELAY_FAIL(-EPROTO, "the sum is %ld", sum);
    return 0;
}

BELAY_TASK_AHEAD(fib, (long, n), (long *, out));
BELAY_TASK_LATER(fib, (long, n), (long *, out))
{
    long left = 0, right = 0;

    if (n < 2) {
        *out = n;
        return 0;
    }
    BELAY_SCOPE(s) {
        belay_spawn(s, fib, n - 1, &left);
        BELAY_TRY(fib(n - 2, &right));
    }
    *out = left + right;
    return 0;
}

int
bench_fib(struct bench *b)
{
    long n = bench_count(b, 30), value = 0, a = 0, c = 1, i;
    int64_t start, ns;

    for (i = 2; i <= n; i++) { /* c is fib(i), a the one before */
        long next = a + c;

        a = c;
        c = next;
    }
    start = bench_now();
    BELAY_TRY(fib(n, &value));
    ns = bench_now() - start;
    /* Every call with n >= 2 spawns once: fib(n + 1) - 1 of them. */
    bench_result("ns", (double)ns / (double)(a + c - 1));
    bench_result("s", (double)ns / 1e9);
    bench_result("peak_mib", bench_peak_mib());
    if (value != c)
        return BELAY_FAIL(-EPROTO, "fib(%ld) came out as %ld", n, value);
    return 0;
}

typedef BELAY_CHAN(long) long_chan;

BELAY_TASK(stuck, (long_chan *, ch), (belay_latch *, down))
{
    long v;

    belay_latch_count_down(down, 1);
    return BELAY_TRY(belay_recv(ch, &v));
}

int
bench_cancel(struct bench *b)
{
    long n = bench_count(b, 100000), i;
    belay_latch down = BELAY_LATCH_INIT((unsigned)n);
    long_chan ch;
    int64_t start = 0;
    int err;

    BELAY_TRY(belay_chan_open(&ch, 0));
    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < n; i++)
            belay_spawn(s, stuck, &ch, &down);
        BELAY_TRY(belay_latch_wait(&down));
        BELAY_TRY(belay_sleep(BELAY_MS(20))); /* the last of them is asleep */
        start = bench_now();
        belay_cancel(s, "enough");
    }
    bench_result("ms", (double)(bench_now() - start) / 1e6);
    belay_chan_free(&ch);
    return err == -ECANCELED ? 0 : -EPROTO;
}
