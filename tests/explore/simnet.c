/* SPDX-License-Identifier: MIT */
/*
 * The explorer's sockets and pipes: programs with a planted fault that shows
 * only if something comes late, in pieces, not at all or in another order, and
 * the same done right.
 */
#include <belay/io.h>
#include <belay/stream.h>
#include <belay/test.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PIPE(in, out)                                                          \
    BELAY_AUTO_FD(in);                                                         \
    BELAY_AUTO_FD(out);                                                        \
    open_pipe(&in, &out)

static void
open_pipe(int *in, int *out)
{
    int fds[2];

    BELAY_CHECK_EQ(belay_pipe(fds), 0);
    *in = fds[0];
    *out = fds[1];
}

#define PAIR(a, b)                                                             \
    BELAY_AUTO(belay_stream, a);                                               \
    BELAY_AUTO(belay_stream, b);                                               \
    BELAY_CHECK_EQ(belay_stream_pair(&a, &b), 0)

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

/* ---- in pieces ---------------------------------------------------------- */

BELAY_TEST(a_write_may_be_short, .strategy = BELAY_EXHAUSTIVE,
    .expect = BELAY_FINDS_CHECK)
{
    PAIR(a, b);
    BELAY_CHECK_EQ(belay_stream_write(a, "ab", 2), 2);
}

BELAY_TEST(a_read_may_be_short, .strategy = BELAY_EXHAUSTIVE,
    .expect = BELAY_FINDS_CHECK)
{
    char buf[2];

    PAIR(a, b);
    BELAY_CHECK_EQ(belay_stream_write_all(a, "ab", 2, NULL), 0);
    BELAY_CHECK_EQ(belay_stream_read(b, buf, 2), 2);
}

BELAY_TEST(loops_make_it_whole, .strategy = BELAY_EXHAUSTIVE)
{
    char buf[2];

    PAIR(a, b);
    BELAY_CHECK_EQ(belay_stream_write_all(a, "ab", 2, NULL), 0);
    BELAY_CHECK_EQ(hear(b, buf, 2), 0);
    BELAY_CHECK(buf[0] == 'a' && buf[1] == 'b');
}

BELAY_TEST(a_pipe_keeps_together_what_is_small, .strategy = BELAY_EXHAUSTIVE)
{
    char buf[2];

    PIPE(in, out);
    BELAY_CHECK_EQ(belay_write(out, "ab", 2), 2);
    BELAY_CHECK_EQ(belay_read(in, buf, 2), 2);
}

/* ---- in any order ------------------------------------------------------- */

BELAY_TASK(note_order, (int, fd), (int, who), (int *, first))
{
    char c;

    BELAY_CHECK_EQ(belay_read(fd, &c, 1), 1);
    if (*first == 0)
        *first = who;
    return 0;
}

/* Who of two has read first, if both could at the same time. */
static int
first_of_two(void)
{
    int first = 0, err;

    PIPE(in1, out1);
    PIPE(in2, out2);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, note_order, in1, 1, &first);
        belay_spawn(s, note_order, in2, 2, &first);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        BELAY_CHECK_EQ(belay_write(out1, "x", 1), 1);
        BELAY_CHECK_EQ(belay_write(out2, "x", 1), 1);
    }
    BELAY_CHECK_EQ(err, 0);
    return first;
}

BELAY_TEST(the_first_may_be_first, .strategy = BELAY_EXHAUSTIVE,
    .expect = BELAY_FINDS_CHECK)
{
    BELAY_CHECK_EQ(first_of_two(), 2);
}

BELAY_TEST(the_second_may_be_first, .strategy = BELAY_EXHAUSTIVE,
    .expect = BELAY_FINDS_CHECK)
{
    BELAY_CHECK_EQ(first_of_two(), 1);
}

BELAY_TASK(read_one, (int, fd), (ssize_t *, n))
{
    char c;

    *n = belay_read(fd, &c, 1);
    return 0;
}

/* What a read says that a byte and a cancel meet. */
static ssize_t
byte_and_cancel(void)
{
    ssize_t n = 0;
    char c;
    int err;

    PIPE(in, out);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, read_one, in, &n);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        BELAY_CHECK_EQ(belay_write(out, "x", 1), 1);
        belay_cancel(s, "test");
    }
    BELAY_CHECK(n == 1 || n == -ECANCELED);
    if (n < 0) /* then it is still there */
        BELAY_CHECK_EQ(belay_read(in, &c, 1), 1);
    return n;
}

BELAY_TEST(a_byte_may_beat_a_cancel, .strategy = BELAY_EXHAUSTIVE,
    .expect = BELAY_FINDS_CHECK)
{
    BELAY_CHECK_EQ(byte_and_cancel(), -ECANCELED);
}

BELAY_TEST(a_cancel_may_beat_a_byte, .strategy = BELAY_EXHAUSTIVE,
    .expect = BELAY_FINDS_CHECK)
{
    BELAY_CHECK_EQ(byte_and_cancel(), 1);
}

BELAY_TEST(nothing_is_lost_to_a_cancel, .strategy = BELAY_EXHAUSTIVE)
{
    (void)byte_and_cancel();
}

/* ---- not at all --------------------------------------------------------- */

BELAY_TEST(nobody_will_ever_write, .expect = BELAY_FINDS_DEADLOCK)
{
    ssize_t n = 0;
    int err;

    PIPE(in, out);
    BELAY_SCOPE_CATCH(s, &err)
        belay_spawn(s, read_one, in, &n);
}

BELAY_TEST(a_descriptor_is_left, .expect = BELAY_FINDS_LEAK)
{
    int in, out;

    open_pipe(&in, &out);
    belay_fd_close(in);
}

BELAY_TEST(somebody_still_reads, .expect = BELAY_FINDS_MISUSE)
{
    ssize_t n = 0;
    int err;

    PIPE(in, out);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, read_one, in, &n);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_fd_closep(&in);
    }
}

BELAY_TEST(a_real_pipe_would_block, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    static int fds[2];
    char c;

    if (fds[1] == 0)
        BELAY_CHECK_EQ(pipe(fds), 0);
    BELAY_CHECK_EQ(belay_write(fds[1], "x", 1), 1);
    BELAY_CHECK_EQ(belay_read(fds[0], &c, 1), 1);
    BELAY_CHECK_EQ(belay_read(fds[0], &c, 1), 1);
}

/* ---- failures ----------------------------------------------------------- */

BELAY_TEST(a_failed_read_is_forgotten, .strategy = BELAY_FIFO, .fail_io = true,
    .expect = BELAY_FINDS_CHECK)
{
    BELAY_AUTO(belay_stream, a);
    BELAY_AUTO(belay_stream, b);
    char c = 0;

    if (belay_stream_pair(&a, &b) < 0 ||
        belay_stream_write_all(a, "x", 1, NULL) < 0)
        return;
    (void)!belay_stream_read(b, &c, 1);
    BELAY_CHECK_EQ(c, 'x');
}

/* Both sides of a connection that is reset hear of it. */
BELAY_TEST(a_reset_is_heard, .fail_io = true)
{
    BELAY_AUTO(belay_stream, a);
    BELAY_AUTO(belay_stream, b);
    ssize_t n;
    char c;

    if (belay_stream_pair(&a, &b) < 0)
        return;
    n = belay_stream_write(a, "x", 1);
    if (n < 0) {
        BELAY_CHECK_EQ(n, -ECONNRESET);
        BELAY_CHECK_EQ(belay_stream_read(b, &c, 1), -ECONNRESET);
        return;
    }
    n = belay_stream_read(b, &c, 1);
    BELAY_CHECK(n == 1 || (n == -ECONNRESET && belay_test_disturbed()));
    if (n < 0)
        BELAY_CHECK_EQ(belay_stream_write(a, "x", 1), -ECONNRESET);
}

BELAY_TASK(echo, (belay_stream *, st))
{
    char buf[4];
    ssize_t n;

    while ((n = BELAY_TRY(belay_stream_read(st, buf, sizeof buf))) > 0)
        BELAY_TRY(belay_stream_write_all(st, buf, (size_t)n, NULL));
    return belay_stream_finish(st);
}

/* Whatever happens, it ends, and nothing is left. */
static int
echo_once(void)
{
    BELAY_AUTO(belay_stream, a);
    BELAY_AUTO(belay_stream, b);
    char buf[6];

    BELAY_TRY(belay_stream_pair(&a, &b));
    BELAY_SCOPE(s, .timeout = BELAY_S(1)) {
        belay_spawn(s, echo, b);
        BELAY_TRY(belay_stream_write_all(a, "echoes", 6, NULL));
        BELAY_TRY(belay_stream_finish(a));
        BELAY_TRY(hear(a, buf, 6));
    }
    BELAY_CHECK(memcmp(buf, "echoes", 6) == 0);
    return 0;
}

BELAY_TEST(an_echo_ends_in_any_case, .fail_io = true, .fail_allocs = true,
    .cancel_everywhere = true)
{
    int r = echo_once();

    BELAY_CHECK(r == 0 || belay_test_disturbed());
    BELAY_CHECK(belay_test_elapsed() == 0);
}
