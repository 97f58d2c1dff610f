/* SPDX-License-Identifier: MIT */
/*
 * Child processes: one is asked things, one fails, one takes too long and has
 * started others, one is waited for among other things.  None is left behind.
 */
#include <belay.h>

#include <stdio.h>
#include <string.h>

#define SH(script) BELAY_ARGV("sh", "-c", (script))

static int
ask(belay_stream *st, belay_reader *in, const char *question)
{
    belay_slice line;

    BELAY_TRY(belay_stream_write_all(st, question, strlen(question), NULL));
    BELAY_TRY(belay_read_line(in, &line));
    printf("%.*s\n", (int)line.len, line.data);
    return 0;
}

static int
converse(void)
{
    BELAY_SCOPE(s) {
        BELAY_AUTO(belay_process, p);
        BELAY_AUTO(belay_stream, st);
        BELAY_AUTO(belay_reader, in);

        BELAY_TRY(belay_process_start(s, &p,
            SH("while read word; do echo \"you say $word\"; done"),
            .in = BELAY_CHILD_PIPE, .out = BELAY_CHILD_PIPE));
        BELAY_TRY(belay_process_stream(p, &st));
        BELAY_TRY(belay_reader_open(&in, st));
        BELAY_TRY(ask(st, in, "yes\n"));
        BELAY_TRY(ask(st, in, "no\n"));
        BELAY_TRY(belay_stream_finish(st));
        BELAY_TRY(belay_process_wait(p, NULL));
    }
    return 0;
}

static void
collect(const char *script)
{
    BELAY_AUTO(belay_output, o);
    int r = belay_process_run(&o, SH(script));

    printf("%s: %s\n", script, r == 0 ? "fine" : belay_strerror(r));
    if (o != NULL)
        printf("  status %d, says %s", o->exit.code, o->out.data);
}

/* What it has started is ended, too. */
static void
lose_patience(void)
{
    BELAY_AUTO(belay_output, o);
    int r = BELAY_WITHIN(BELAY_MS(100),
        belay_process_run(&o, SH("sleep 1000 & sleep 1000")));

    printf("sleep: %s\n", belay_strerror(r));
}

static int
watch(void)
{
    enum { END, TICK };
    int which, ticks = 0;

    BELAY_SCOPE(s) {
        BELAY_AUTO(belay_process, p);

        BELAY_TRY(belay_process_start(s, &p, BELAY_ARGV("sleep", "0.1")));
        while ((which = BELAY_TRY(belay_select(NULL, [END] = BELAY_CHILD(p),
                    [TICK] = BELAY_AFTER(BELAY_MS(10))))) == TICK)
            ticks++;
    }
    printf("it has ended, after %s ticks\n", ticks > 0 ? "some" : "no");
    return 0;
}

BELAY_TASK(app)
{
    BELAY_TRY(converse());
    collect("echo hello");
    collect("echo some; exit 3");
    lose_patience();
    return watch();
}

int
main(void)
{
    return belay_main(app);
}
