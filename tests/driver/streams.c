/* SPDX-License-Identifier: MIT */
/* Streams over descriptors, readers in front of them, relays between them. */
#include "suite.h"

#include <string.h>

#define PAIR(a, b)                                                             \
    BELAY_AUTO(belay_stream, a);                                               \
    BELAY_AUTO(belay_stream, b);                                               \
    BELAY_TRY(belay_stream_pair(&a, &b))

/* Whether the slice has this text. */
static bool
is(belay_slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static int
say(belay_stream *st, const char *text)
{
    return belay_stream_write_all(st, text, strlen(text), NULL);
}

/* What comes until the end is this text. */
static int
hear(belay_stream *st, const char *text)
{
    BELAY_AUTO(belay_reader, in);
    belay_slice all;
    char more;

    BELAY_TRY(belay_reader_open(&in, st));
    if (*text != '\0') {
        BELAY_TRY(belay_read_block(in, strlen(text), &all));
        HOLDS(is(all, text));
    }
    EQUAL(belay_reader_read(in, &more, 1), 0);
    return 0;
}

static int
pipe_into(int *in, int *out)
{
    int fds[2];

    BELAY_TRY(belay_pipe(fds));
    *in = fds[0];
    *out = fds[1];
    return 0;
}

/* ---- streams ------------------------------------------------------------ */

static int
both_directions_and_their_ends(void)
{
    PAIR(a, b);
    BELAY_TRY(say(a, "question"));
    BELAY_TRY(belay_stream_finish(a));
    BELAY_TRY(belay_stream_finish(a)); /* again is nothing */
    EQUAL(belay_stream_write(a, "x", 1), -EPIPE);
    BELAY_TRY(hear(b, "question"));
    BELAY_TRY(say(b, "answer")); /* the other direction goes on */
    BELAY_TRY(belay_stream_finish(b));
    return hear(a, "answer");
}

static int
the_stream_takes_the_descriptor(void)
{
    BELAY_AUTO(belay_stream, in);
    BELAY_AUTO(belay_stream, out);
    BELAY_AUTO_FD(a);
    BELAY_AUTO_FD(b);
    int number;
    char c;

    EQUAL(belay_stream_open_fd(&in, &a), -EBADF);
    HOLDS(in == NULL);
    BELAY_TRY(pipe_into(&a, &b));
    number = a;
    BELAY_TRY(belay_stream_open_fd(&in, &a));
    BELAY_TRY(belay_stream_open_fd(&out, &b));
    EQUAL(a, -1);
    EQUAL(b, -1);
    EQUAL(belay_stream_fd(in), number);
    BELAY_TRY(say(out, "x"));
    EQUAL(belay_stream_finish(out), -ENOTSUP); /* a pipe cannot */
    EQUAL(belay_stream_read(in, &c, 1), 1);
    belay_stream_close(&out);
    HOLDS(out == NULL);
    EQUAL(belay_stream_read(in, &c, 1), 0);
    return 0;
}

/* Two pipes are a stream that can be finished. */
static int
a_stream_of_two_descriptors(void)
{
    BELAY_AUTO(belay_stream, a);
    BELAY_AUTO(belay_stream, b);
    BELAY_AUTO_FD(up_in);
    BELAY_AUTO_FD(up_out);
    BELAY_AUTO_FD(down_in);
    BELAY_AUTO_FD(down_out);

    BELAY_TRY(pipe_into(&up_in, &up_out));
    BELAY_TRY(pipe_into(&down_in, &down_out));
    BELAY_TRY(belay_stream_open_fds(&a, &down_in, &up_out));
    BELAY_TRY(belay_stream_open_fds(&b, &up_in, &down_out));
    EQUAL(up_in + up_out + down_in + down_out, -4);
    BELAY_TRY(say(a, "up"));
    BELAY_TRY(belay_stream_finish(a));
    BELAY_TRY(hear(b, "up"));
    BELAY_TRY(say(b, "down"));
    BELAY_TRY(belay_stream_finish(b));
    return hear(a, "down");
}

static int
vectors_go_in_order(void)
{
    struct iovec iov[] = {{NULL, 0}, {(char[]){'a', 'b'}, 2}, {NULL, 0},
        {(char[]){'c'}, 1}};

    ssize_t n;

    PAIR(a, b);
    EQUAL(belay_stream_writev(a, iov, 0), 0);
    EQUAL(belay_stream_writev(a, iov, 1), 0);
    EQUAL(belay_stream_writev(a, iov, -1), -EINVAL);
    n = BELAY_TRY(belay_stream_writev(a, iov, 4));
    HOLDS(n >= 1 && n <= 3);
    BELAY_TRY(belay_stream_finish(a));
    return hear(b, (const char *[]){"a", "ab", "abc"}[n - 1]);
}

/* The peer does not read: the deadline ends it, and says how far it came. */
static int
a_write_to_who_never_reads_ends_in_time(void)
{
    static char much[8 << 20], some[1 << 16];
    size_t done = 0;
    ssize_t n = 0;
    int r;

    PAIR(a, b);
    r = BELAY_WITHIN(BELAY_MS(5),
        belay_stream_write_all(a, much, sizeof much, &done));
    EQUAL(r, -ETIME);
    HOLDS(done < sizeof much);
    BELAY_TRY(belay_stream_finish(a));
    while (done > 0) { /* what went has all arrived */
        n = BELAY_TRY(belay_stream_read(b, some, sizeof some));
        HOLDS(n > 0 && (size_t)n <= done);
        done -= (size_t)n;
    }
    EQUAL(belay_stream_read(b, some, 1), 0);
    return 0;
}

static int
nobody_reads_any_more(void)
{
    PAIR(a, b);
    belay_stream_close(&b);
    EQUAL(belay_stream_write(a, "x", 1), -EPIPE);
    return 0;
}

BELAY_TASK(read_one, (belay_stream *, st), (char *, c), (ssize_t *, got))
{
    *got = belay_stream_read(st, c, 1);
    return 0;
}

static int
a_cut_read_has_read_nothing(void)
{
    char c = 'o';
    ssize_t got = 0;
    int err;

    PAIR(a, b);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, read_one, a, &c, &got);
        BELAY_TRY(belay_yield());
        BELAY_TRY(say(b, "n")); /* the writer of b, the reader of a */
        belay_cancel(s, "test");
    }
    HOLDS(got == 1 || got == -ECANCELED);
    if (got != 1)
        EQUAL(belay_stream_read(a, &c, 1), 1);
    EQUAL(c, 'n');
    return 0;
}

/* ---- readers ------------------------------------------------------------ */

static int
lines_of_a_stream(void)
{
    BELAY_AUTO(belay_reader, in);
    belay_slice line;

    PAIR(a, b);
    BELAY_TRY(say(a, "one\r\n\ntwo\nlast"));
    BELAY_TRY(belay_stream_finish(a));
    BELAY_TRY(belay_reader_open(&in, b));
    EQUAL(belay_read_line(in, &line), 1);
    HOLDS(is(line, "one"));
    HOLDS(belay_reader_buffered(in) <= strlen("\ntwo\nlast"));
    EQUAL(belay_read_line(in, &line), 1);
    HOLDS(is(line, ""));
    EQUAL(belay_read_line(in, &line), 1);
    HOLDS(is(line, "two"));
    EQUAL(belay_read_line(in, &line), 1);
    HOLDS(is(line, "last"));
    EQUAL(belay_read_line(in, &line), 0);
    EQUAL(belay_read_line(in, &line), 0);
    return 0;
}

BELAY_TASK(say_slowly, (belay_stream *, st), (const char *, text))
{
    for (; *text != '\0'; text++) {
        BELAY_TRY(belay_stream_write_all(st, text, 1, NULL));
        BELAY_TRY(belay_yield());
    }
    return belay_stream_finish(st);
}

static int
a_line_comes_in_pieces(void)
{
    BELAY_AUTO(belay_reader, in);
    belay_slice line;

    PAIR(a, b);
    BELAY_TRY(belay_reader_open(&in, b));
    BELAY_SCOPE(s) {
        belay_spawn(s, say_slowly, a, "key: value\r\nx");
        EQUAL(belay_read_until(in, ':', &line), 1);
        HOLDS(is(line, "key"));
        EQUAL(belay_read_line(in, &line), 1);
        HOLDS(is(line, " value"));
        EQUAL(belay_read_block(in, 2, &line), -EPROTO);
        EQUAL(belay_read_block(in, 1, &line), 1);
        HOLDS(is(line, "x"));
        EQUAL(belay_read_block(in, 1, &line), 0);
    }
    return 0;
}

/* Nothing of it is lost to whoever asks again. */
static int
a_line_that_is_cut_is_still_there(void)
{
    BELAY_AUTO(belay_reader, in);
    belay_slice line;

    PAIR(a, b);
    BELAY_TRY(belay_reader_open(&in, b));
    BELAY_TRY(say(a, "begin"));
    EQUAL(BELAY_WITHIN(BELAY_MS(2), belay_read_line(in, &line)), -ETIME);
    BELAY_TRY(say(a, " and end\n"));
    EQUAL(belay_read_line(in, &line), 1);
    HOLDS(is(line, "begin and end"));
    return 0;
}

/* ---- relays ------------------------------------------------------------- */

BELAY_TASK(relay, (belay_stream *, a), (belay_stream *, b), (belay_dur, idle),
    (uint64_t *, sent), (uint64_t *, received), (int *, result))
{
    *result = belay_relay(a, b, .idle = idle, .sent = sent,
        .received = received);
    return *result;
}

static int
a_relay_passes_both_ends_on(void)
{
    uint64_t sent = 9, received = 9;
    int r = -1;

    PAIR(client, front);
    PAIR(back, server);
    BELAY_SCOPE(s) {
        belay_spawn(s, relay, front, back, 0, &sent, &received, &r);
        BELAY_TRY(say(client, "question"));
        BELAY_TRY(belay_stream_finish(client));
        BELAY_TRY(hear(server, "question"));
        BELAY_TRY(say(server, "answer")); /* after the client's end */
        BELAY_TRY(belay_stream_finish(server));
        BELAY_TRY(hear(client, "answer"));
    }
    EQUAL(r, 0);
    EQUAL(sent, strlen("question"));
    EQUAL(received, strlen("answer"));
    return 0;
}

static int
an_idle_relay_ends(void)
{
    uint64_t sent = 9;
    int r = -1, err;

    PAIR(client, front);
    PAIR(back, server);
    BELAY_TRY(say(client, "hello"));
    BELAY_SCOPE_CATCH(s, &err)
        belay_spawn(s, relay, front, back, BELAY_MS(200), &sent, NULL, &r);
    EQUAL(r, -ETIMEDOUT);
    HOLDS(sent <= 5);
    return 0;
}

enum { MUCH = 300000 };

BELAY_TASK(say_much, (belay_stream *, st))
{
    static char data[MUCH];

    for (size_t i = 0; i < MUCH; i++)
        data[i] = (char)(i * 13 >> 3);
    BELAY_TRY(belay_stream_write_all(st, data, MUCH, NULL));
    return belay_stream_finish(st);
}

BELAY_TASK(hear_much, (belay_stream *, st))
{
    char buf[5000];
    size_t sum = 0;
    ssize_t n;

    while ((n = BELAY_TRY(belay_stream_read(st, buf, sizeof buf))) > 0)
        for (ssize_t i = 0; i < n; i++, sum++)
            HOLDS(buf[i] == (char)(sum * 13 >> 3));
    EQUAL(sum, MUCH);
    return belay_stream_finish(st);
}

static int
much_goes_through_a_relay(void)
{
    uint64_t sent = 0;
    int r = -1;

    PAIR(client, front);
    PAIR(back, server);
    BELAY_SCOPE(s) {
        belay_spawn(s, relay, front, back, 0, &sent, NULL, &r);
        belay_spawn(s, hear_much, server);
        belay_spawn(s, say_much, client);
    }
    EQUAL(r, 0);
    EQUAL(sent, MUCH);
    return 0;
}

static int
a_relay_to_who_has_gone_fails(void)
{
    int r = -1, err;

    PAIR(client, front);
    PAIR(back, server);
    belay_stream_close(&server);
    BELAY_TRY(say(client, "hello"));
    BELAY_SCOPE_CATCH(s, &err)
        belay_spawn(s, relay, front, back, 0, NULL, NULL, &r);
    EQUAL(r, -EPIPE);
    return 0;
}

const struct driver_case driver_streams[] = {
    {"both_directions_and_their_ends", both_directions_and_their_ends},
    {"the_stream_takes_the_descriptor", the_stream_takes_the_descriptor},
    {"a_stream_of_two_descriptors", a_stream_of_two_descriptors},
    {"vectors_go_in_order", vectors_go_in_order},
    {"a_write_to_who_never_reads_ends_in_time",
        a_write_to_who_never_reads_ends_in_time},
    {"nobody_reads_any_more", nobody_reads_any_more},
    {"a_cut_read_has_read_nothing", a_cut_read_has_read_nothing},
    {"lines_of_a_stream", lines_of_a_stream},
    {"a_line_comes_in_pieces", a_line_comes_in_pieces},
    {"a_line_that_is_cut_is_still_there", a_line_that_is_cut_is_still_there},
    {"a_relay_passes_both_ends_on", a_relay_passes_both_ends_on},
    {"an_idle_relay_ends", an_idle_relay_ends},
    {"much_goes_through_a_relay", much_goes_through_a_relay},
    {"a_relay_to_who_has_gone_fails", a_relay_to_who_has_gone_fails},
    {NULL, NULL},
};
