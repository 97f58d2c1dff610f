/* SPDX-License-Identifier: MIT */
/*
 * Child processes against the clock: what is sent to them and when, whatever
 * comes in between, and that none is ever left.  What they say and how they end
 * is in tests/driver/procs.c.
 */
#include <belay/process.h>
#include <belay/sync.h>
#include <belay/test.h>

#include <errno.h>
#include <signal.h>

#define SH(script) BELAY_ARGV("sh", "-c", (script))

/* The signal that ended it, 0 if none, or how the wait failed. */
static int
ended_by(belay_process *p)
{
    belay_exit e = {.code = -1};
    int r = belay_process_wait(p, &e);

    if (r == BELAY_ECRASHED)
        return e.signal;
    return r == 0 || r == BELAY_EEXIT ? 0 : r;
}

static int
ends_with_scope(belay_process **p, const char *script, belay_dur grace)
{
    BELAY_SCOPE(s)
        BELAY_TRY(belay_process_start(s, p, SH(script), .grace = grace));
    return 0;
}

BELAY_TEST(term_is_heard, .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    BELAY_AUTO(belay_process, p);

    BELAY_CHECK_EQ(ends_with_scope(&p, "sleep infinity", BELAY_S(2)), 0);
    BELAY_CHECK_EQ(ended_by(p), SIGTERM);
    BELAY_CHECK_EQ(belay_test_elapsed(), 0);
}

/* Once it is deaf. */
static int
deaf(belay_process **p)
{
    BELAY_SCOPE(s) {
        BELAY_TRY(belay_process_start(s, p,
            SH("trap '' TERM; sleep infinity"), .grace = BELAY_S(2)));
        BELAY_TRY(belay_sleep(BELAY_S(1)));
    }
    return 0;
}

BELAY_TEST(grace_is_kept, .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    BELAY_AUTO(belay_process, p);

    BELAY_CHECK_EQ(deaf(&p), 0);
    BELAY_CHECK_EQ(ended_by(p), SIGKILL);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(3));
}

/* Its end and the order to end it at the same moment. */
BELAY_TEST(end_meets_end, .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    BELAY_AUTO(belay_process, p);
    int err, by;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(
            belay_process_start(s, &p, BELAY_ARGV("sleep", "1")), 0);
        BELAY_CHECK_EQ(belay_sleep(BELAY_S(1)), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    by = ended_by(p);
    BELAY_CHECK(by == 0 || by == SIGTERM);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(1));
}

/* The tree grows while it is ended. */
BELAY_TEST(tree_that_grows, .schedules = 2000, .workers = 2, .atomic = true)
{
    BELAY_AUTO(belay_process, p);

    BELAY_CHECK_EQ(ends_with_scope(&p,
        "sleep infinity & sleep infinity & sleep infinity & wait", -1), 0);
    BELAY_CHECK_EQ(ended_by(p), SIGKILL);
}

BELAY_TASK(waits, (belay_process *, p), (int *, by))
{
    *by = ended_by(p);
    return 0;
}

BELAY_TEST(all_who_wait_are_told, .schedules = 2000, .workers = 2)
{
    BELAY_AUTO(belay_process, p);
    int a = 0, b = 0, err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(
            belay_process_start(s, &p, BELAY_ARGV("sleep", "infinity")), 0);
        belay_spawn(s, waits, p, &a);
        belay_spawn(s, waits, p, &b);
        BELAY_CHECK_EQ(belay_process_stop(p), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK(a == SIGTERM && b == SIGTERM);
}

static int
runs(void)
{
    BELAY_AUTO(belay_output, o);
    int r = belay_process_run(&o, SH("echo a; sleep 1; echo b; exit 1"));

    if (o != NULL && r == BELAY_EEXIT)
        BELAY_CHECK_EQ(o->out.len, 4);
    return r;
}

/* No process, descriptor or byte is left, wherever it is disturbed. */
BELAY_TEST(runs_leave_nothing, .schedules = 2000, .cancel_everywhere = true,
    .fail_allocs = true, .fail_io = true)
{
    int r = runs();

    BELAY_CHECK(r == BELAY_EEXIT || belay_test_disturbed());
}

BELAY_TEST(deadlines_leave_nothing, .schedules = 2000, .workers = 2,
    .atomic = true)
{
    int r = BELAY_WITHIN(BELAY_MS(500), runs());

    BELAY_CHECK(r == -ETIME || r == BELAY_EEXIT);
}
