/* SPDX-License-Identifier: MIT */
/* Waiting for readiness, alone and in a select. */
#include "suite.h"

typedef BELAY_CHAN(int) int_chan;

static int
readiness_is_told(void)
{
    BELAY_AUTO_FD(in);
    BELAY_AUTO_FD(out);
    int pair[2];

    BELAY_TRY(belay_pipe(pair));
    in = pair[0];
    out = pair[1];
    HOLDS(belay_wait_fd(out, BELAY_WRITABLE) & BELAY_WRITABLE);
    EQUAL(BELAY_WITHIN(BELAY_MS(2), belay_wait_fd(in, BELAY_READABLE)), -ETIME);
    BELAY_TRY(belay_write_all(out, "x", 1, NULL));
    HOLDS(belay_wait_fd(in, BELAY_READABLE) & BELAY_READABLE);
    belay_fd_closep(&out);
    HOLDS(belay_wait_fd(in, BELAY_READABLE) & BELAY_READABLE);
    return 0;
}

BELAY_TASK(write_one, (int, fd))
{
    return belay_write_all(fd, "x", 1, NULL);
}

BELAY_TASK(send_one, (int_chan *, ch))
{
    return belay_send(ch, 7);
}

/* Both come, in either order, and neither is lost. */
static int
a_select_takes_one_and_leaves_the_other(void)
{
    BELAY_AUTO_FD(in);
    BELAY_AUTO_FD(out);
    BELAY_AUTO_CHAN(int_chan, ch);
    enum { BYTE, MSG };
    int pair[2], r, got = 0, which, n[2] = {0, 0};
    char c;

    BELAY_TRY(belay_pipe(pair));
    in = pair[0];
    out = pair[1];
    BELAY_TRY(belay_chan_open(&ch, 1));
    BELAY_SCOPE(s) {
        belay_spawn(s, write_one, out);
        belay_spawn(s, send_one, &ch);
        for (int i = 0; i < 2; i++) {
            which = BELAY_TRY(belay_select(&r,
                [BYTE] = BELAY_FD(in, BELAY_READABLE),
                [MSG] = BELAY_RECV(&ch, &got)));
            n[which]++;
            if (which == BYTE) {
                HOLDS(r & BELAY_READABLE);
                EQUAL(belay_read(in, &c, 1), 1);
            }
        }
    }
    EQUAL(n[BYTE], 1);
    EQUAL(n[MSG], 1);
    EQUAL(got, 7);
    return 0;
}

static int
a_select_of_readiness_ends_in_time(void)
{
    BELAY_AUTO_FD(in);
    BELAY_AUTO_FD(out);
    int pair[2], r;

    BELAY_TRY(belay_pipe(pair));
    in = pair[0];
    out = pair[1];
    EQUAL(belay_select(&r, BELAY_FD(in, BELAY_READABLE),
              BELAY_AFTER(BELAY_MS(1))), 1);
    EQUAL(belay_try_select(&r, BELAY_FD(in, BELAY_READABLE)), -EAGAIN);
    EQUAL(belay_try_select(&r, BELAY_FD(-1, BELAY_READABLE),
              BELAY_FD(out, BELAY_WRITABLE)), 1);
    HOLDS(r & BELAY_WRITABLE);
    EQUAL(BELAY_WITHIN(BELAY_MS(1),
              belay_select(&r, BELAY_FD(in, BELAY_READABLE))), -ETIME);
    return 0;
}

/* The same descriptor in many selects that are left: nothing piles up. */
static int
selects_that_are_left_leave_nothing(void)
{
    BELAY_AUTO_FD(in);
    BELAY_AUTO_FD(out);
    int pair[2], r;
    char c;

    BELAY_TRY(belay_pipe(pair));
    in = pair[0];
    out = pair[1];
    for (int i = 0; i < 20; i++)
        EQUAL(belay_select(&r, BELAY_FD(in, BELAY_READABLE),
                  BELAY_AFTER(BELAY_US(10))), 1);
    BELAY_TRY(belay_write_all(out, "x", 1, NULL));
    EQUAL(belay_select(&r, BELAY_FD(in, BELAY_READABLE)), 0);
    EQUAL(belay_read(in, &c, 1), 1);
    return 0;
}

const struct driver_case driver_ready[] = {
    {"readiness_is_told", readiness_is_told},
    {"a_select_takes_one_and_leaves_the_other",
        a_select_takes_one_and_leaves_the_other},
    {"a_select_of_readiness_ends_in_time", a_select_of_readiness_ends_in_time},
    {"selects_that_are_left_leave_nothing",
        selects_that_are_left_leave_nothing},
    {NULL, NULL},
};
