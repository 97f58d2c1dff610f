/* SPDX-License-Identifier: MIT */
/* Reading and writing by tasks, over pipes: every kind of end of a wait. */
#include "suite.h"

#include <string.h>

/* A pipe whose ends close with the block. */
#define PIPE(in, out)                                                          \
    BELAY_AUTO_FD(in);                                                         \
    BELAY_AUTO_FD(out);                                                        \
    {                                                                          \
        int pair_[2];                                                          \
        BELAY_TRY(belay_pipe(pair_));                                          \
        in = pair_[0];                                                         \
        out = pair_[1];                                                        \
    }

BELAY_TASK(write_text, (int, fd), (const char *, text))
{
    return belay_write_all(fd, text, strlen(text), NULL);
}

BELAY_TASK(read_text, (int, fd), (char *, buf), (size_t, n), (ssize_t *, got))
{
    *got = belay_read(fd, buf, n);
    return 0;
}

static int
what_is_written_is_read(void)
{
    char buf[8] = "";
    ssize_t got = 0;

    PIPE(in, out);
    BELAY_SCOPE(s) {
        belay_spawn(s, read_text, in, buf, sizeof buf, &got);
        belay_spawn(s, write_text, out, "hello");
    }
    HOLDS(got >= 1 && got <= 5);
    HOLDS(memcmp(buf, "hello", (size_t)got) == 0);
    return 0;
}

static int
a_read_waits_for_bytes(void)
{
    char buf[2] = "";
    ssize_t got = 0;

    PIPE(in, out);
    BELAY_SCOPE(s) {
        belay_spawn(s, read_text, in, buf, sizeof buf, &got);
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
        EQUAL(got, 0);
        BELAY_TRY(belay_write_all(out, "x", 1, NULL));
    }
    EQUAL(got, 1);
    EQUAL(buf[0], 'x');
    return 0;
}

static int
the_end_is_zero(void)
{
    char buf[4];

    PIPE(in, out);
    BELAY_TRY(belay_write_all(out, "ab", 2, NULL));
    belay_fd_closep(&out);
    BELAY_TRY(belay_read_all(in, buf, 2, NULL));
    EQUAL(belay_read(in, buf, sizeof buf), 0);
    EQUAL(belay_read(in, buf, sizeof buf), 0);
    return 0;
}

static int
an_end_within_is_told(void)
{
    char buf[4];
    size_t done = 9;

    PIPE(in, out);
    BELAY_TRY(belay_write_all(out, "ab", 2, NULL));
    belay_fd_closep(&out);
    EQUAL(belay_read_all(in, buf, sizeof buf, &done), -EPROTO);
    EQUAL(done, 2);
    return 0;
}

static int
nobody_reads(void)
{
    PIPE(in, out);
    belay_fd_closep(&in);
    EQUAL(belay_write(out, "x", 1), -EPIPE);
    return 0;
}

static int
a_bad_descriptor_is_an_error(void)
{
    char c;

    EQUAL(belay_read(-1, &c, 1), -EBADF);
    EQUAL(belay_write(-1, "x", 1), -EBADF);
    EQUAL(belay_wait_fd(-1, BELAY_READABLE), -EBADF);
    return 0;
}

static int
a_deadline_ends_a_read(void)
{
    char c = 'o';

    PIPE(in, out);
    EQUAL(BELAY_WITHIN(BELAY_MS(2), belay_read(in, &c, 1)), -ETIME);
    BELAY_TRY(belay_write_all(out, "n", 1, NULL));
    EQUAL(belay_read(in, &c, 1), 1);
    EQUAL(c, 'n');
    return 0;
}

static int
a_cancel_ends_a_read(void)
{
    char buf[2] = "";
    ssize_t got = 0;
    int err;

    PIPE(in, out);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, read_text, in, buf, sizeof buf, &got);
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
        belay_cancel(s, "test");
    }
    EQUAL(err, -ECANCELED);
    EQUAL(got, -ECANCELED);
    return 0;
}

/* Either the byte is read, or it is still there. */
static int
a_cancel_races_with_bytes(void)
{
    char buf[2] = "";
    ssize_t got = 0;
    int err;

    PIPE(in, out);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, read_text, in, buf, sizeof buf, &got);
        BELAY_TRY(belay_yield());
        BELAY_TRY(belay_write_all(out, "x", 1, NULL));
        belay_cancel(s, "test");
    }
    HOLDS(got == 1 || got == -ECANCELED);
    if (got < 0)
        EQUAL(belay_read(in, buf, 1), 1);
    EQUAL(buf[0], 'x');
    return 0;
}

BELAY_TASK(read_and_cancel, (int, fd), (belay_scope *, s))
{
    char c;

    BELAY_TRY(belay_read_all(fd, &c, 1, NULL));
    belay_cancel(s, "test");
    return 0;
}

/* Both reads complete together; the first one then cancels the second. */
static int
a_cancel_meets_a_read_that_has_completed(void)
{
    char buf[2] = "";
    ssize_t got = 0;
    int err, sent = 0;

    PIPE(in, out);
    PIPE(in2, out2);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, read_and_cancel, in2, s);
        belay_spawn(s, read_text, in, buf, sizeof buf, &got);
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
        BELAY_TRY(belay_write_all(out2, "y", 1, NULL));
        sent = belay_write_all(out, "x", 1, NULL);
    }
    HOLDS(got == 1 || got == -ECANCELED);
    if (got < 0 && sent == 0)
        EQUAL(belay_read(in, buf, 1), 1);
    EQUAL(buf[0], sent == 0 ? 'x' : '\0');
    return 0;
}

enum { MUCH = 300000 };

BELAY_TASK(write_much, (int, fd), (size_t *, done))
{
    static char data[MUCH];

    for (size_t i = 0; i < MUCH; i++)
        data[i] = (char)(i * 7);
    return belay_write_all(fd, data, MUCH, done);
}

static int
a_full_pipe_makes_the_writer_wait(void)
{
    static char buf[4096];
    size_t done = 0, sum = 0;
    ssize_t n;

    PIPE(in, out);
    BELAY_SCOPE(s) {
        belay_spawn(s, write_much, out, &done);
        while (sum < MUCH) {
            n = BELAY_TRY(belay_read(in, buf, sizeof buf));
            HOLDS(n > 0);
            for (ssize_t i = 0; i < n; i++, sum++)
                HOLDS(buf[i] == (char)(sum * 7));
        }
    }
    EQUAL(done, MUCH);
    return 0;
}

/* What was counted is there to be read, no more and no less. */
static int
progress_is_told_on_failure(void)
{
    static char buf[4096];
    size_t done = 0, sum = 0;
    ssize_t n;
    int r = 0, err;

    PIPE(in, out);
    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_MS(5))
        r = write_much(out, &done);
    EQUAL(r, -ETIME);
    EQUAL(err, -ETIME);
    HOLDS(done < MUCH);
    belay_fd_closep(&out);
    while ((n = belay_read(in, buf, sizeof buf)) > 0)
        sum += (size_t)n;
    EQUAL(n, 0);
    EQUAL(sum, done);
    return 0;
}

static int
vectors_move_in_order(void)
{
    char a[3], b[3];
    struct iovec out_iov[] = {{(char[]){'a', 'b'}, 2}, {(char[]){'c'}, 1}};
    struct iovec in_iov[] = {{a, 1}, {b, 2}};
    ssize_t n = 0;

    PIPE(in, out);
    while (n < 3) {
        ssize_t r = BELAY_TRY(belay_writev(out, out_iov, 2));

        n += r;
        if (n < 3) /* a short write: the rest one by one */
            BELAY_TRY(belay_write_all(out, &"abc"[n], (size_t)(3 - n), NULL)),
                n = 3;
    }
    n = BELAY_TRY(belay_readv(in, in_iov, 2));
    HOLDS(n >= 1 && n <= 3);
    EQUAL(a[0], 'a');
    if (n > 1)
        EQUAL(b[0], 'b');
    return 0;
}

const struct driver_case driver_pipes[] = {
    {"what_is_written_is_read", what_is_written_is_read},
    {"a_read_waits_for_bytes", a_read_waits_for_bytes},
    {"the_end_is_zero", the_end_is_zero},
    {"an_end_within_is_told", an_end_within_is_told},
    {"nobody_reads", nobody_reads},
    {"a_bad_descriptor_is_an_error", a_bad_descriptor_is_an_error},
    {"a_deadline_ends_a_read", a_deadline_ends_a_read},
    {"a_cancel_ends_a_read", a_cancel_ends_a_read},
    {"a_cancel_races_with_bytes", a_cancel_races_with_bytes},
    {"a_cancel_meets_a_read_that_has_completed",
        a_cancel_meets_a_read_that_has_completed},
    {"a_full_pipe_makes_the_writer_wait", a_full_pipe_makes_the_writer_wait},
    {"progress_is_told_on_failure", progress_is_told_on_failure},
    {"vectors_move_in_order", vectors_move_in_order},
    {NULL, NULL},
};
