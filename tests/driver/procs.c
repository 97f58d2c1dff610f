/* SPDX-License-Identifier: MIT */
/* Child processes: what a shell says is the same everywhere. */
#include "suite.h"

#include <signal.h>
#include <string.h>

#define SH(script) BELAY_ARGV("/bin/sh", "-c", (script))

static bool
is(belay_slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

/* ---- run ---------------------------------------------------------------- */

static int
outputs_are_collected(void)
{
    BELAY_AUTO(belay_output, o);
    BELAY_TRY(belay_process_run(&o, SH("echo one two; echo oops >&2")));
    HOLDS(is(o->out, "one two\n"));
    HOLDS(is(o->err, "oops\n"));
    EQUAL(o->out.data[o->out.len], 0);
    EQUAL(o->exit.code, 0);
    EQUAL(o->exit.signal, 0);
    return 0;
}

static int
input_is_read(void)
{
    BELAY_AUTO(belay_output, o);
    BELAY_TRY(belay_process_run(&o, BELAY_ARGV("cat"), .input = {"abc", 3}));
    HOLDS(is(o->out, "abc"));
    EQUAL(o->err.len, 0);
    return 0;
}

static int
input_need_not_be_read(void)
{
    static char much[200000];
    BELAY_AUTO(belay_output, o);

    BELAY_TRY(belay_process_run(
        &o, BELAY_ARGV("true"), .input = {much, sizeof much}));
    return 0;
}

static int
an_exit_status_is_a_failure(void)
{
    BELAY_AUTO(belay_output, o);
    int r = belay_process_run(&o, SH("echo no such thing >&2; exit 3"));

    EQUAL(r, BELAY_EEXIT);
    HOLDS(strstr(belay_why(),
              "'/bin/sh' ended with exit status 3: no such thing") != NULL);
    EQUAL(o->exit.code, 3);
    HOLDS(is(o->err, "no such thing\n"));
    return 0;
}

static int
a_signal_is_a_failure(void)
{
    BELAY_AUTO(belay_output, o);
    int r = belay_process_run(&o, SH("echo begun; kill -9 $$"));

    EQUAL(r, BELAY_ECRASHED);
    HOLDS(strstr(belay_why(), "'/bin/sh' was ended by signal 9") != NULL);
    EQUAL(o->exit.code, -1);
    EQUAL(o->exit.signal, SIGKILL);
    HOLDS(is(o->out, "begun\n"));
    return 0;
}

static int
no_such_program(void)
{
    BELAY_AUTO(belay_output, o);
    int r = belay_process_run(&o, BELAY_ARGV("no-such-program-as-this"));

    EQUAL(r, -ENOENT);
    HOLDS(o == NULL);
    HOLDS(strstr(belay_why(), "cannot run 'no-such-program-as-this': No such "
                              "file or directory") != NULL);
    return 0;
}

static int
too_much_is_said(void)
{
    BELAY_AUTO(belay_output, o);
    int r = belay_process_run(&o, SH("echo 123456789"), .max = 4);

    EQUAL(r, -EMSGSIZE);
    HOLDS(is(o->out, "1234"));
    return 0;
}

static int
errors_go_where_the_output_goes(void)
{
    BELAY_AUTO(belay_output, o);
    BELAY_TRY(belay_process_run(
        &o, SH("echo a; echo b >&2; echo c"), .err = BELAY_CHILD_OUT));
    HOLDS(is(o->out, "a\nb\nc\n"));
    return 0;
}

/* What it has started has its output open, and is ended. */
static int
what_it_left_is_ended(void)
{
    BELAY_AUTO(belay_output, o);
    BELAY_TRY(belay_process_run(&o, SH("sleep infinity & echo bye")));
    HOLDS(is(o->out, "bye\n"));
    return 0;
}

/* Somebody who cannot be found has it open. */
static int
who_got_away_does_not_matter(void)
{
    BELAY_AUTO(belay_output, o);
    BELAY_TRY(belay_process_run(&o, SH("setsid sleep 0.3 & echo bye")));
    HOLDS(is(o->out, "bye\n"));
    return 0;
}

static int
a_deadline_ends_a_run(void)
{
    BELAY_AUTO(belay_output, o);
    int r = BELAY_WITHIN(BELAY_MS(50),
        belay_process_run(&o, SH("echo early; sleep infinity; echo late")));

    EQUAL(r, -ETIME);
    if (o != NULL)
        HOLDS(o->out.len == 0 || is(o->out, "early\n"));
    return 0;
}

/* ---- start -------------------------------------------------------------- */

static int
it_talks(void)
{
    BELAY_SCOPE(s) {
        BELAY_AUTO(belay_process, p);
        BELAY_AUTO(belay_stream, st);
        char buf[8];
        ssize_t n;

        BELAY_TRY(belay_process_start(s, &p, BELAY_ARGV("cat"),
            .in = BELAY_CHILD_PIPE, .out = BELAY_CHILD_PIPE));
        HOLDS(belay_process_pid(p) > 0);
        BELAY_TRY(belay_process_stream(p, &st));
        EQUAL(belay_process_take(p, 0), -1);
        BELAY_TRY(belay_stream_write_all(st, "x", 1, NULL));
        n = BELAY_TRY(belay_stream_read(st, buf, sizeof buf));
        EQUAL(n, 1);
        BELAY_TRY(belay_stream_finish(st));
        n = BELAY_TRY(belay_stream_read(st, buf, sizeof buf));
        EQUAL(n, 0);
        BELAY_TRY(belay_process_wait(p, NULL));
    }
    return 0;
}

static int
its_errors_are_a_stream(void)
{
    BELAY_SCOPE(s) {
        BELAY_AUTO(belay_process, p);
        BELAY_AUTO(belay_stream, st);
        char buf[8];

        BELAY_TRY(belay_process_start(
            s, &p, SH("echo e >&2"), .err = BELAY_CHILD_PIPE));
        EQUAL(belay_process_stream(p, &st), -EBADF);
        BELAY_TRY(belay_process_errors(p, &st));
        EQUAL(belay_stream_write(st, "x", 1), -EBADF);
        EQUAL(BELAY_TRY(belay_stream_read(st, buf, sizeof buf)), 2);
        BELAY_TRY(belay_process_wait(p, NULL));
    }
    return 0;
}

/* The end of the scope ends it. */
static int
a_scope_ends_it(void)
{
    BELAY_AUTO(belay_process, p);
    belay_exit e;

    BELAY_SCOPE(s)
        BELAY_TRY(belay_process_start(s, &p, BELAY_ARGV("sleep", "infinity")));
    EQUAL(belay_process_wait(p, &e), BELAY_ECRASHED);
    HOLDS(e.signal == SIGTERM || e.signal == SIGKILL); /* if it was slow */
    EQUAL(belay_process_signal(p, SIGTERM), -ESRCH);
    EQUAL(belay_process_wait(p, NULL), BELAY_ECRASHED);
    return 0;
}

/* The pipe says when the trap is set. */
static int
who_is_deaf_is_killed(void)
{
    BELAY_AUTO(belay_process, p);
    belay_exit e;

    BELAY_SCOPE(s) {
        BELAY_AUTO_FD(out);
        char buf[2];

        BELAY_TRY(belay_process_start(s, &p,
            SH("trap '' TERM; echo x; sleep infinity; echo y; sleep infinity"),
            .out = BELAY_CHILD_PIPE, .grace = BELAY_MS(20)));
        out = belay_process_take(p, 1);
        BELAY_TRY(belay_read_all(out, buf, 2, NULL));
        BELAY_TRY(belay_process_stop(p));
    }
    EQUAL(belay_process_wait(p, &e), BELAY_ECRASHED);
    EQUAL(e.signal, SIGKILL);
    return 0;
}

static int
no_grace_kills_at_once(void)
{
    BELAY_AUTO(belay_process, p);
    belay_exit e;

    BELAY_SCOPE(s)
        BELAY_TRY(belay_process_start(
            s, &p, BELAY_ARGV("sleep", "infinity"), .grace = -1));
    EQUAL(belay_process_wait(p, &e), BELAY_ECRASHED);
    EQUAL(e.signal, SIGKILL);
    return 0;
}

/* All of the tree, also who has left the group, holds the pipe open. */
static int
the_tree_is_ended(void)
{
    BELAY_AUTO_FD(out);
    char buf[2];

    BELAY_SCOPE(s) {
        BELAY_AUTO(belay_process, p);

        BELAY_TRY(belay_process_start(s, &p,
            SH("sleep infinity & setsid sleep infinity & echo x; "
               "sleep infinity"),
            .out = BELAY_CHILD_PIPE));
        out = belay_process_take(p, 1);
        BELAY_TRY(belay_read_all(out, buf, 2, NULL));
    }
    EQUAL(BELAY_TRY(belay_read(out, buf, 1)), 0);
    return 0;
}

static int
a_wait_is_cut(void)
{
    BELAY_SCOPE(s) {
        BELAY_AUTO(belay_process, p);
        int r;

        BELAY_TRY(belay_process_start(s, &p, BELAY_ARGV("sleep", "infinity")));
        r = BELAY_WITHIN(BELAY_MS(5), belay_process_wait(p, NULL));
        EQUAL(r, -ETIME);
        BELAY_TRY(belay_process_signal(p, SIGKILL));
        EQUAL(belay_process_wait(p, NULL), BELAY_ECRASHED);
    }
    return 0;
}

static int
an_end_is_selected(void)
{
    enum { END, TICK, NEVER };

    BELAY_SCOPE(s) {
        BELAY_AUTO(belay_process, p);
        BELAY_AUTO_FD(in);
        int r, which;

        BELAY_TRY(belay_process_start(
            s, &p, BELAY_ARGV("cat"), .in = BELAY_CHILD_PIPE));
        in = belay_process_take(p, 0);
        which = BELAY_TRY(belay_select(&r, [END] = BELAY_CHILD(p),
            [TICK] = BELAY_AFTER(BELAY_MS(1)), [NEVER] = BELAY_CHILD(NULL)));
        EQUAL(which, TICK);
        belay_fd_closep(&in);
        which = BELAY_TRY(belay_select(
            &r, [END] = BELAY_CHILD(p), [NEVER] = BELAY_CHILD(NULL)));
        EQUAL(which, END);
        EQUAL(r, 0);
        BELAY_TRY(belay_process_wait(p, NULL));
    }
    return 0;
}

/* To close the handle ends the process, which the scope waits for. */
static int
a_close_ends_it(void)
{
    BELAY_AUTO_FD(out);
    char buf[2];

    BELAY_SCOPE(s) {
        BELAY_AUTO(belay_process, p);

        BELAY_TRY(belay_process_start(
            s, &p, SH("echo x; sleep infinity"), .out = BELAY_CHILD_PIPE));
        out = belay_process_take(p, 1);
        belay_process_close(&p);
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
    }
    while (BELAY_TRY(belay_read(out, buf, sizeof buf)) > 0)
        continue;
    return 0;
}

const struct driver_case driver_procs[] = {
    {"outputs_are_collected", outputs_are_collected},
    {"input_is_read", input_is_read},
    {"input_need_not_be_read", input_need_not_be_read},
    {"an_exit_status_is_a_failure", an_exit_status_is_a_failure},
    {"a_signal_is_a_failure", a_signal_is_a_failure},
    {"no_such_program", no_such_program},
    {"too_much_is_said", too_much_is_said},
    {"errors_go_where_the_output_goes", errors_go_where_the_output_goes},
    {"what_it_left_is_ended", what_it_left_is_ended},
    {"who_got_away_does_not_matter", who_got_away_does_not_matter},
    {"a_deadline_ends_a_run", a_deadline_ends_a_run},
    {"it_talks", it_talks},
    {"its_errors_are_a_stream", its_errors_are_a_stream},
    {"a_scope_ends_it", a_scope_ends_it},
    {"who_is_deaf_is_killed", who_is_deaf_is_killed},
    {"no_grace_kills_at_once", no_grace_kills_at_once},
    {"the_tree_is_ended", the_tree_is_ended},
    {"a_wait_is_cut", a_wait_is_cut},
    {"an_end_is_selected", an_end_is_selected},
    {"a_close_ends_it", a_close_ends_it},
    {NULL, NULL},
};
