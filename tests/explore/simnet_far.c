/* SPDX-License-Identifier: MIT */
/*
 * The explorer's network with hosts that are far, silent or unwilling.  What
 * takes how long is known exactly, since time is virtual.
 */
#include <belay/io.h>
#include <belay/net.h>
#include <belay/stream.h>
#include <belay/test.h>
#include <belay/net_test.h>
#include <belay/timer.h>

#include "io/op.h"
#include "os/sys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define AT "10.0.0.1:80"

/* A connection that fails is none of the server's troubles. */
BELAY_TASK(serve_echo, (belay_listener *, l))
{
    BELAY_AUTO(belay_stream, st);
    char buf[8];
    ssize_t n;

    BELAY_TRY(belay_accept(l, &st));
    while ((n = belay_stream_read(st, buf, sizeof buf)) > 0)
        if (belay_stream_write_all(st, buf, (size_t)n, NULL) < 0)
            return 0;
    (void)!belay_stream_finish(st);
    return 0;
}

static int
reach(belay_stream **st, const char *where)
{
    belay_addr a;

    BELAY_TRY(belay_addr_parse(&a, where));
    return belay_connect(st, &a);
}

static int
hear(belay_stream *st, char *buf, size_t n)
{
    for (size_t got = 0; got < n;) {
        ssize_t r = BELAY_TRY(belay_stream_read(st, buf + got, n - got));

        if (r == 0)
            return BELAY_FAIL(-EPROTO, "an early end");
        got += (size_t)r;
    }
    return 0;
}

static int
ask(belay_stream *st, const char *text)
{
    char buf[8];
    size_t n = strlen(text);

    BELAY_TRY(belay_stream_write_all(st, text, n, NULL));
    BELAY_TRY(hear(st, buf, n));
    BELAY_CHECK(memcmp(buf, text, n) == 0);
    return 0;
}

/* What use() says, with a server there. */
static int
with_server(int (*use)(void))
{
    BELAY_AUTO(belay_listener, l);
    int r = 0, err;

    BELAY_TRY(belay_listen(&l, AT));
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, serve_echo, l);
        r = use();
        belay_cancel(s, "done");
    }
    return r;
}

#define ELAPSED(ms) BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(ms))

/* ---- latency ------------------------------------------------------------ */

static int
connect_and_ask(void)
{
    BELAY_AUTO(belay_stream, st);
    char c;

    BELAY_CHECK_EQ(reach(&st, AT), 0);
    ELAPSED(20);
    BELAY_CHECK_EQ(ask(st, "one"), 0);
    ELAPSED(40);
    BELAY_CHECK_EQ(belay_stream_finish(st), 0);
    BELAY_CHECK_EQ(belay_stream_read(st, &c, 1), 0);
    ELAPSED(60);
    return 0;
}

BELAY_TEST(each_way_takes_its_time, .schedules = 300)
{
    belay_test_net_path(AT, .latency = BELAY_MS(10));
    (void)with_server(connect_and_ask);
}

BELAY_TEST(each_way_takes_its_time_with_two_workers, .workers = 2,
    .schedules = 300)
{
    belay_test_net_path("10.0.0.1", .latency = BELAY_MS(10));
    (void)with_server(connect_and_ask);
}

BELAY_TEST(what_says_most_about_an_address_counts, .strategy = BELAY_FIFO)
{
    belay_test_net_path("10.0.0.1", .latency = BELAY_MS(500));
    belay_test_net_path("*", .latency = BELAY_MS(700));
    belay_test_net_path(AT, .latency = BELAY_MS(10));
    (void)with_server(connect_and_ask);
}

static int
connect_in_time(void)
{
    BELAY_AUTO(belay_stream, st);
    int r = BELAY_WITHIN(BELAY_MS(20), reach(&st, AT));

    BELAY_CHECK(r == 0 || r == -ETIME);
    ELAPSED(20);
    return r;
}

/* An answer that comes with the deadline may be in time or not. */
BELAY_TEST(an_answer_at_the_last_moment_may_come, .strategy = BELAY_EXHAUSTIVE,
    .expect = BELAY_FINDS_CHECK)
{
    belay_test_net_path(AT, .latency = BELAY_MS(10));
    BELAY_CHECK_EQ(with_server(connect_in_time), -ETIME);
}

BELAY_TEST(an_answer_at_the_last_moment_may_be_late,
    .strategy = BELAY_EXHAUSTIVE, .expect = BELAY_FINDS_CHECK)
{
    belay_test_net_path(AT, .latency = BELAY_MS(10));
    BELAY_CHECK_EQ(with_server(connect_in_time), 0);
}

/* ---- unwilling hosts ---------------------------------------------------- */

BELAY_TEST(a_host_may_refuse, .schedules = 100)
{
    BELAY_AUTO(belay_stream, st);

    BELAY_CHECK_EQ(reach(&st, AT), -ECONNREFUSED); /* nobody listens */
    belay_test_net_path("*", .latency = BELAY_MS(3), .refuse = -EHOSTUNREACH);
    BELAY_CHECK_EQ(reach(&st, AT), -EHOSTUNREACH);
    ELAPSED(6);
    BELAY_CHECK(st == NULL);
}

static int
stall_and_heal(void)
{
    BELAY_AUTO(belay_stream, st);
    char c;

    BELAY_CHECK_EQ(reach(&st, AT), 0);
    BELAY_CHECK_EQ(ask(st, "one"), 0);
    ELAPSED(0);
    belay_test_net_path(AT, .stall = true);
    BELAY_CHECK_EQ(belay_stream_write_all(st, "two", 3, NULL), 0);
    BELAY_CHECK_EQ(BELAY_WITHIN(BELAY_MS(50), belay_stream_read(st, &c, 1)),
        -ETIME);
    ELAPSED(50);
    belay_test_net_path(AT, .latency = BELAY_MS(5));
    BELAY_CHECK_EQ(belay_stream_read(st, &c, 1), 1);
    BELAY_CHECK_EQ(c, 't');
    ELAPSED(60);
    return 0;
}

BELAY_TEST(what_stalls_comes_later, .schedules = 300)
{
    (void)with_server(stall_and_heal);
}

static int
connect_to_silence(void)
{
    BELAY_AUTO(belay_stream, st);

    belay_test_net_path(AT, .stall = true);
    BELAY_CHECK_EQ(BELAY_WITHIN(BELAY_S(1), reach(&st, AT)), -ETIME);
    ELAPSED(1000);
    belay_test_net_path(AT);
    BELAY_CHECK_EQ(reach(&st, AT), 0);
    ELAPSED(1000);
    return 0;
}

BELAY_TEST(a_connect_to_silence_ends_with_its_deadline, .schedules = 300)
{
    (void)with_server(connect_to_silence);
}

static int
reach_it(void)
{
    BELAY_AUTO(belay_stream, st);

    return reach(&st, AT);
}

BELAY_TEST(silence_without_a_deadline_is_a_deadlock, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_DEADLOCK)
{
    belay_test_net_path("*", .stall = true);
    BELAY_CHECK_EQ(with_server(reach_it), -ECANCELED);
}

BELAY_TASK(heal, (int, ms))
{
    BELAY_TRY(belay_sleep(BELAY_MS(ms)));
    belay_test_net_path("*", .latency = BELAY_MS(1));
    return 0;
}

/* The one that heals has no I/O of its own. */
BELAY_TEST(somebody_else_may_heal, .workers = 2, .atomic = true,
    .schedules = 300)
{
    int err;

    belay_test_net_path("*", .stall = true);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, heal, 7);
        BELAY_CHECK_EQ(with_server(reach_it), 0);
    }
    BELAY_CHECK_EQ(err, 0);
}

static int
be_reset(void)
{
    BELAY_AUTO(belay_stream, st);
    char c;

    BELAY_CHECK_EQ(reach(&st, AT), 0);
    BELAY_CHECK_EQ(ask(st, "one"), 0);
    belay_test_net_reset("10.0.0.2");
    BELAY_CHECK_EQ(ask(st, "two"), 0);
    belay_test_net_reset(AT);
    BELAY_CHECK_EQ(belay_stream_read(st, &c, 1), -ECONNRESET);
    return 0;
}

BELAY_TEST(connections_can_be_reset, .schedules = 300)
{
    (void)with_server(be_reset);
}

/* ---- datagrams ---------------------------------------------------------- */

/* A socket that is bound to 10.0.0.1:53, or sends to there. */
static int
gram_open(bool sends)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(53)};
    struct sockaddr *sa = (struct sockaddr *)&at;
    int fd = bly_sys_socket(AF_INET, SOCK_DGRAM, 0);
    struct bly_op op;

    BELAY_CHECK(fd >= 0);
    BELAY_CHECK_EQ(inet_pton(AF_INET, "10.0.0.1", &at.sin_addr), 1);
    if (!sends) {
        BELAY_CHECK_EQ(bly_sys_bind(fd, sa, sizeof at), 0);
        return fd;
    }
    BELAY_CHECK_EQ(bly_op_begin(&op, BLY_OP_CONNECT, fd, "connect", NULL), 0);
    op.buf = sa;
    op.len = sizeof at;
    BELAY_CHECK_EQ(bly_op_run(&op), 0);
    return fd;
}

/* What of "1" and "2" comes within a second, as a number: 12, 21, 1, 112 ... */
static int
two_grams(void)
{
    BELAY_AUTO_FD(a);
    BELAY_AUTO_FD(b);
    int got = 0;
    char c;

    b = gram_open(false);
    a = gram_open(true);
    BELAY_CHECK_EQ(belay_write(a, "1", 1), 1);
    BELAY_CHECK_EQ(belay_write(a, "2", 1), 1);
    while (BELAY_WITHIN(BELAY_S(1), belay_read(b, &c, 1)) == 1)
        got = 10 * got + (c - '0');
    return got;
}

BELAY_TEST(datagrams_come_in_order_unless_told, .strategy = BELAY_EXHAUSTIVE)
{
    BELAY_CHECK_EQ(two_grams(), 12);
    ELAPSED(1000);
}

BELAY_TEST(datagrams_take_their_time, .schedules = 100)
{
    belay_test_net_path("10.0.0.1", .latency = BELAY_MS(30));
    BELAY_CHECK_EQ(two_grams(), 12);
    ELAPSED(1030);
}

BELAY_TEST(datagrams_are_lost_in_silence, .schedules = 100)
{
    belay_test_net_path("10.0.0.1", .stall = true);
    BELAY_CHECK_EQ(two_grams(), 0);
}

#define MAY_BE(name, n)                                                        \
    BELAY_TEST(name, .strategy = BELAY_EXHAUSTIVE,                             \
        .expect = BELAY_FINDS_CHECK)                                           \
    {                                                                          \
        belay_test_net_path("10.0.0.1", .lossy = true);                        \
        BELAY_CHECK(two_grams() != (n));                                       \
    }

MAY_BE(datagrams_may_come, 12)
MAY_BE(the_first_may_be_lost, 2)
MAY_BE(all_may_be_lost, 0)
MAY_BE(one_may_come_twice, 112)
MAY_BE(one_may_overtake, 21)

BELAY_TEST(no_address, .strategy = BELAY_FIFO, .expect = BELAY_FINDS_MISUSE)
{
    belay_test_net_path("api.example:80", .stall = true);
}
