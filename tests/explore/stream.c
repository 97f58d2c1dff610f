/* SPDX-License-Identifier: MIT */
/*
 * Streams of a kind of its own, over channels of bytes, in every schedule:
 * what comes out is what went in, in whatever pieces; whoever is cut has taken
 * nothing; a relay passes on bytes, ends and failures, and knows idleness.
 */
#include <belay/chan.h>
#include <belay/stream.h>
#include <belay/test.h>

#include <string.h>

typedef BELAY_CHAN(char) bytes;

/* ---- a kind of stream -------------------------------------------------- */

struct end {
    bytes in, out;
    int closed;
};

static ssize_t
end_read(void *self, void *buf, size_t n, const belay_site *site)
{
    struct end *e = self;

    (void)n;
    (void)site;
    return belay_recv(&e->in, (char *)buf);
}

static ssize_t
end_write(void *self, const void *buf, size_t n, const belay_site *site)
{
    struct end *e = self;
    int r = belay_send(&e->out, *(const char *)buf);

    (void)n;
    (void)site;
    return r == BELAY_ECLOSED ? -EPIPE : r < 0 ? r : 1;
}

static int
end_finish(void *self, const belay_site *site)
{
    (void)site;
    belay_close(&((struct end *)self)->out, 0);
    return 0;
}

static void
end_close(void *self, const belay_site *site)
{
    struct end *e = self;

    (void)site;
    e->closed++;
    belay_close(&e->out, 0);
    belay_close(&e->in, 0);
}

static const belay_stream_ops end_ops = {
    .size = sizeof(belay_stream_ops),
    .name = "channel",
    .read = end_read,
    .write = end_write,
    .finish = end_finish,
    .close = end_close,
};

/* Two streams that are each other's peer, with room for so many bytes. */
struct pair {
    bytes up, down;
    struct end a, b;
};

static int
pair_open(struct pair *p, belay_stream **a, belay_stream **b, size_t room)
{
    BELAY_TRY(belay_chan_open(&p->up, room));
    BELAY_TRY(belay_chan_open(&p->down, room));
    p->a = (struct end){.in = p->down, .out = p->up};
    p->b = (struct end){.in = p->up, .out = p->down};
    BELAY_TRY(belay_stream_open(a, &end_ops, &p->a));
    BELAY_TRY(belay_stream_open(b, &end_ops, &p->b));
    return 0;
}

static void
pair_free(struct pair *p)
{
    if (p->up.base != NULL)
        belay_chan_free(&p->up);
    if (p->down.base != NULL)
        belay_chan_free(&p->down);
}

/* ---- streams ----------------------------------------------------------- */

BELAY_TASK(say, (belay_stream *, st), (const char *, text))
{
    BELAY_TRY(belay_stream_write_all(st, text, strlen(text), NULL));
    return belay_stream_finish(st);
}

BELAY_TASK(hear, (belay_stream *, st), (const char *, text))
{
    BELAY_AUTO(belay_reader, in);
    belay_slice got;
    char more;

    BELAY_TRY(belay_reader_open(&in, st, .max = 5));
    BELAY_CHECK_EQ(BELAY_TRY(belay_read_block(in, strlen(text), &got)), 1);
    BELAY_CHECK_EQ(got.len, strlen(text));
    BELAY_CHECK(memcmp(got.data, text, got.len) == 0);
    BELAY_CHECK_EQ(BELAY_TRY(belay_reader_read(in, &more, 1)), 0);
    return 0;
}

static int
both_ways(struct pair *p)
{
    BELAY_AUTO(belay_stream, a);
    BELAY_AUTO(belay_stream, b);

    BELAY_TRY(pair_open(p, &a, &b, 1));
    BELAY_CHECK(belay_stream_self(a, &end_ops) == &p->a);
    BELAY_CHECK_EQ(belay_stream_fd(a), -1);
    BELAY_SCOPE(s) {
        belay_spawn(s, say, a, "ab");
        belay_spawn(s, hear, b, "ab");
        belay_spawn(s, say, b, "c");
        belay_spawn(s, hear, a, "c");
    }
    return 0;
}

BELAY_TASK(check_both_ways)
{
    struct pair p = {0};
    int r = both_ways(&p);

    BELAY_CHECK(r == 0 || belay_test_disturbed());
    if (r == 0)
        BELAY_CHECK_EQ(p.a.closed + p.b.closed, 2);
    pair_free(&p);
    return 0;
}

BELAY_TEST(all_bytes_come_in_order, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    BELAY_CHECK_EQ(check_both_ways(), 0);
}

BELAY_TEST(all_bytes_come_or_nobody_hangs, .schedules = 300,
    .cancel_everywhere = true, .fail_allocs = true, .workers = 2)
{
    BELAY_CHECK_EQ(check_both_ways(), 0);
}

/* ---- a kind that has its pieces from a script -------------------------- */

struct script {
    const char *text;
    size_t most; /* of one read */
};

static ssize_t
script_read(void *self, void *buf, size_t n, const belay_site *site)
{
    struct script *sc = self;
    size_t len = strlen(sc->text);
    int r = belay_yield();

    (void)site;
    if (r < 0)
        return r;
    n = n < len ? n : len;
    n = n < sc->most ? n : sc->most;
    if (n > 0)
        n -= belay_test_choose((uint32_t)n);
    memcpy(buf, sc->text, n);
    sc->text += n;
    return (ssize_t)n;
}

static ssize_t
script_write(void *self, const void *buf, size_t n, const belay_site *site)
{
    (void)self;
    (void)buf;
    (void)site;
    return 1 + (ssize_t)belay_test_choose((uint32_t)n);
}

static void
script_close(void *self, const belay_site *site)
{
    (void)self;
    (void)site;
}

static const belay_stream_ops script_ops = {
    .size = sizeof(belay_stream_ops),
    .name = "script",
    .read = script_read,
    .write = script_write,
    .close = script_close,
};

static void
next_line(belay_reader *in, int result, const char *text)
{
    belay_slice line;
    int r = belay_read_line(in, &line);

    while (r == -ECANCELED || r == -ENOMEM) { /* nothing was taken */
        BELAY_CHECK(belay_test_disturbed());
        BELAY_SHIELD(BELAY_S(1));
        r = belay_read_line(in, &line);
    }
    BELAY_CHECK_EQ(r, result);
    if (r <= 0)
        return;
    BELAY_CHECK_EQ(line.len, strlen(text));
    BELAY_CHECK(memcmp(line.data, text, line.len) == 0);
}

/* Each limit by itself: a line that is as long as it may be, and one more. */
BELAY_TEST(lines_in_whatever_pieces, .schedules = 2000,
    .cancel_everywhere = true, .fail_allocs = true)
{
    struct script sc = {"\n1234\n1234\r\n\r\r\nabc\r\n12345\nx\rend", 4};
    BELAY_AUTO(belay_stream, st);
    BELAY_AUTO(belay_reader, in);
    belay_slice out;
    char text[3];

    if (belay_stream_open(&st, &script_ops, &sc) < 0 ||
        belay_reader_open(&in, st, .max = 4) < 0) {
        BELAY_CHECK(belay_test_disturbed());
        return;
    }
    next_line(in, 1, "");
    next_line(in, 1, "1234");
    next_line(in, 1, "1234");
    next_line(in, 1, "\r");
    next_line(in, 1, "abc");
    next_line(in, -EMSGSIZE, NULL);
    next_line(in, -EMSGSIZE, NULL);
    BELAY_SHIELD(BELAY_S(1));
    BELAY_CHECK_EQ(belay_read_block(in, 5, &out), -EMSGSIZE);
    BELAY_CHECK_EQ(belay_read_until(in, '3', &out), 1);
    BELAY_CHECK_EQ(out.len, 2);
    BELAY_CHECK_EQ(belay_read_until(in, '\n', &out), 1);
    BELAY_CHECK_EQ(out.len, 2);
    BELAY_CHECK(memcmp(out.data, "45", 2) == 0);
    BELAY_CHECK_EQ(belay_read_block(in, 2, &out), 1);
    BELAY_CHECK(memcmp(out.data, "x\r", 2) == 0);
    for (ssize_t n = 0; n < 3;)
        n += belay_reader_read(in, text + n, sizeof text - (size_t)n);
    BELAY_CHECK(memcmp(text, "end", 3) == 0);
    BELAY_CHECK_EQ(belay_reader_read(in, text, 1), 0);
    next_line(in, 0, NULL);
}

/* A line as long as the limit lets it be, however often the buffer has to
 * grow. */
BELAY_TEST(a_long_line_makes_the_buffer_grow, .schedules = 50,
    .fail_allocs = true)
{
    static char text[20000];
    struct script sc = {text, 9000};
    BELAY_AUTO(belay_stream, st);
    BELAY_AUTO(belay_reader, in);

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 26);
    text[100] = '\n';
    text[17101] = text[19999] = '\0';
    if (belay_stream_open(&st, &script_ops, &sc) < 0 ||
        belay_reader_open(&in, st, .max = 17000) < 0) {
        BELAY_CHECK(belay_test_disturbed());
        return;
    }
    text[17101] = '\n';
    {
        belay_slice line;
        int r = belay_read_line(in, &line);

        while (r == -ENOMEM)
            r = belay_read_line(in, &line);
        BELAY_CHECK_EQ(r, 1);
        BELAY_CHECK_EQ(line.len, 100);
        r = belay_read_line(in, &line);
        while (r == -ENOMEM)
            r = belay_read_line(in, &line);
        BELAY_CHECK_EQ(r, 1);
        BELAY_CHECK_EQ(line.len, 17000);
        BELAY_CHECK(memcmp(line.data, text + 101, 17000) == 0);
    }
}

/* Without a writev of the kind, and without a finish. */
BELAY_TEST(what_a_kind_leaves_out, .schedules = 100)
{
    struct iovec iov[] = {{NULL, 0}, {(char[]){'a', 'b'}, 2},
        {(char[]){'c'}, 1}};
    struct script sc = {"", 1};
    BELAY_AUTO(belay_stream, st);
    ssize_t n;

    BELAY_CHECK_EQ(belay_stream_open(&st, &script_ops, &sc), 0);
    n = belay_stream_writev(st, iov, 3);
    BELAY_CHECK(n >= 1 && n <= 2);
    BELAY_CHECK_EQ(belay_stream_finish(st), -ENOTSUP);
    BELAY_CHECK_EQ(belay_stream_write_all(st, "abc", 3, NULL), 0);
    BELAY_CHECK_EQ(belay_stream_read(st, &sc, 0), 0);
}

/* ---- misuse ------------------------------------------------------------ */

static ssize_t
liar_write(void *self, const void *buf, size_t n, const belay_site *site)
{
    (void)self;
    (void)buf;
    (void)n;
    (void)site;
    return 0;
}

BELAY_TEST(a_kind_that_writes_nothing_is_a_misuse,
    .strategy = BELAY_FIFO, .expect = BELAY_FINDS_MISUSE)
{
    belay_stream_ops ops = script_ops;
    struct script sc = {"", 1};
    BELAY_AUTO(belay_stream, st);

    ops.write = liar_write;
    BELAY_CHECK_EQ(belay_stream_open(&st, &ops, &sc), 0);
    belay_ignore(belay_stream_write_all(st, "x", 1, NULL), "stops");
}

BELAY_TASK(read_all, (belay_stream *, st))
{
    char c;

    return (int)BELAY_TRY(belay_stream_read(st, &c, 1));
}

BELAY_TEST(two_readers_are_a_misuse, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    struct pair p = {0};
    BELAY_AUTO(belay_stream, a);
    BELAY_AUTO(belay_stream, b);
    int err;

    BELAY_CHECK_EQ(pair_open(&p, &a, &b, 1), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, read_all, a);
        belay_spawn(s, read_all, a);
    }
    pair_free(&p);
}

BELAY_TEST(closing_what_is_read_is_a_misuse, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    struct pair p = {0};
    BELAY_AUTO(belay_stream, a);
    BELAY_AUTO(belay_stream, b);
    int err;

    BELAY_CHECK_EQ(pair_open(&p, &a, &b, 1), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, read_all, a);
        belay_ignore(belay_sleep(1), "the child waits then");
        belay_stream_close(&a);
    }
    pair_free(&p);
}

/* ---- relays ------------------------------------------------------------ */

struct relay_run {
    uint64_t sent, received;
    int result;
};

BELAY_TASK(relay, (belay_stream *, a), (belay_stream *, b),
    (belay_dur, idle), (struct relay_run *, run))
{
    run->result = belay_relay(a, b, .idle = idle, .sent = &run->sent,
        .received = &run->received);
    return run->result;
}

/* client - front = relay = back - server */
struct relayed {
    struct pair left, right;
    belay_stream *client, *front, *back, *server;
    struct relay_run run;
};

static int
relayed_open(struct relayed *x)
{
    *x = (struct relayed){.run.result = 1};
    BELAY_TRY(pair_open(&x->left, &x->client, &x->front, 1));
    return pair_open(&x->right, &x->back, &x->server, 1);
}

static void
relayed_close(struct relayed *x)
{
    belay_stream_close(&x->client);
    belay_stream_close(&x->front);
    belay_stream_close(&x->back);
    belay_stream_close(&x->server);
    pair_free(&x->left);
    pair_free(&x->right);
}

static int
relay_both(struct relayed *x)
{
    BELAY_TRY(relayed_open(x));
    BELAY_SCOPE(s) {
        belay_spawn(s, relay, x->front, x->back, BELAY_S(9), &x->run);
        belay_spawn(s, say, x->client, "ab");
        belay_spawn(s, hear, x->server, "ab");
        BELAY_TRY(say(x->server, "c"));
        BELAY_TRY(hear(x->client, "c"));
    }
    BELAY_CHECK_EQ(x->run.result, 0);
    BELAY_CHECK_EQ(x->run.sent, 2);
    BELAY_CHECK_EQ(x->run.received, 1);
    BELAY_CHECK_EQ(belay_test_elapsed(), 0);
    return 0;
}

BELAY_TEST(a_relay_passes_bytes_and_ends_on, .schedules = 1000,
    .cancel_everywhere = true, .fail_allocs = true, .workers = 2)
{
    struct relayed x;
    int r = relay_both(&x);

    BELAY_CHECK(r == 0 || belay_test_disturbed());
    relayed_close(&x);
}

/* The way up stands still, the way down moves now and then. */
BELAY_TASK(drip, (belay_stream *, st), (int, n), (belay_dur, every))
{
    for (int i = 0; i < n; i++) {
        BELAY_TRY(belay_sleep(every));
        BELAY_TRY(belay_stream_write_all(st, "x", 1, NULL));
    }
    return 0;
}

BELAY_TASK(swallow, (belay_stream *, st))
{
    char c;

    while (BELAY_TRY(belay_stream_read(st, &c, 1)) > 0)
        continue;
    return 0;
}

BELAY_TEST(idle_is_when_neither_way_moves, .schedules = 200)
{
    struct relayed x;
    int err;

    BELAY_CHECK_EQ(relayed_open(&x), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, relay, x.front, x.back, BELAY_S(5), &x.run);
        belay_spawn(s, swallow, x.client);
        belay_spawn(s, drip, x.server, 3, BELAY_S(4));
    }
    BELAY_CHECK_EQ(err, -ETIMEDOUT);
    BELAY_CHECK_EQ(x.run.result, -ETIMEDOUT);
    BELAY_CHECK_EQ(x.run.received, 3);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(3 * 4 + 5));
    relayed_close(&x);
}

/* A deadline of the caller is not mistaken for idleness. */
BELAY_TEST(a_deadline_ends_a_relay, .schedules = 200)
{
    struct relayed x;
    int r;

    BELAY_CHECK_EQ(relayed_open(&x), 0);
    r = BELAY_WITHIN(BELAY_S(3),
        belay_relay(x.front, x.back, .idle = BELAY_S(5)));
    BELAY_CHECK_EQ(r, -ETIME);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(3));
    r = BELAY_WITHIN(BELAY_S(30),
        belay_relay(x.front, x.back, .idle = BELAY_S(5)));
    BELAY_CHECK_EQ(r, -ETIMEDOUT);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(8));
    relayed_close(&x);
}

BELAY_TEST(a_relay_ends_with_the_first_failure, .schedules = 200)
{
    struct relayed x;

    BELAY_CHECK_EQ(relayed_open(&x), 0);
    belay_close(&x.right.down, -ECONNRESET);
    BELAY_CHECK_EQ(belay_relay(x.front, x.back), -ECONNRESET);
    relayed_close(&x);
}
