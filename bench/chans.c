/* SPDX-License-Identifier: MIT */
/* Workloads of tasks that meet: channels and a mutex. */
#include <belay.h>

#include "bench.h"

typedef BELAY_CHAN(uint64_t) word_chan;

BELAY_TASK(echo, (word_chan *, ping), (word_chan *, pong))
{
    uint64_t v;

    while (BELAY_TRY(belay_recv(ping, &v)) > 0)
        BELAY_TRY(belay_send(pong, v));
    return 0;
}

BELAY_TASK(serve, (word_chan *, ping), (word_chan *, pong), (long, n))
{
    uint64_t v;
    long i;

    for (i = 0; i < n; i++) {
        BELAY_TRY(belay_send(ping, (uint64_t)i));
        BELAY_TRY(belay_recv(pong, &v));
    }
    belay_close(ping, 0);
    return 0;
}

/* The second task is spawned `apart' after the first. */
static int
pingpong(struct bench *b, belay_dur apart, bool near)
{
    long n = bench_count(b, 2000000);
    word_chan ping, pong;
    int64_t start = 0;

    BELAY_TRY(belay_chan_open(&ping, 0));
    BELAY_TRY(belay_chan_open(&pong, 0));
    BELAY_SCOPE(s) {
        belay_spawn(s, echo, &ping, &pong);
        if (apart != 0)
            BELAY_TRY(belay_sleep(apart));
        start = bench_now();
        if (near)
            belay_spawn_with(s, (.near = ping.base), serve, &ping, &pong, n);
        else
            belay_spawn(s, serve, &ping, &pong, n);
    }
    bench_result("ns", (double)(bench_now() - start) / (double)n);
    belay_chan_free(&ping);
    belay_chan_free(&pong);
    return 0;
}

int
bench_pingpong(struct bench *b)
{
    return pingpong(b, 0, false);
}

int
bench_pingpong_apart(struct bench *b)
{
    return pingpong(b, BELAY_MS(4), false);
}

int
bench_pingpong_near(struct bench *b)
{
    return pingpong(b, BELAY_MS(4), true);
}

BELAY_TASK(produce, (word_chan *, ch), (long, n))
{
    long i;

    for (i = 0; i < n; i++)
        BELAY_TRY(belay_send(ch, (uint64_t)i));
    return 0;
}

int
bench_mpsc(struct bench *b)
{
    long n = bench_count(b, 1000000), k, got = 0;
    word_chan ch;
    uint64_t v;
    int64_t start;

    BELAY_TRY(belay_chan_open(&ch, 100));
    start = bench_now();
    BELAY_SCOPE(s) {
        for (k = 0; k < 4; k++)
            belay_spawn_producer(s, &ch, produce, &ch, n);
        while (BELAY_TRY(belay_recv(&ch, &v)) > 0)
            got++;
    }
    bench_result("ns", (double)(bench_now() - start) / (double)(4 * n));
    belay_chan_free(&ch);
    return got == 4 * n ? 0 : -EPROTO;
}

BELAY_TASK(increment, (belay_mutex *, m), (uint64_t *, value), (long, n))
{
    long i;

    for (i = 0; i < n; i++) {
        BELAY_TRY(belay_mutex_lock(m));
        ++*value;
        belay_mutex_unlock(m);
    }
    return 0;
}

int
bench_mutex(struct bench *b)
{
    long n = bench_count(b, 1000000), k;
    belay_mutex m = BELAY_MUTEX_INIT;
    uint64_t value = 0;
    int64_t start = bench_now();

    BELAY_SCOPE(s)
        for (k = 0; k < 8; k++)
            belay_spawn(s, increment, &m, &value, n);
    bench_result("ns", (double)(bench_now() - start) / (double)(8 * n));
    return value == (uint64_t)(8 * n) ? 0 : -EPROTO;
}
