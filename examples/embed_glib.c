/* SPDX-License-Identifier: MIT */
/*
 * Tasks inside a GLib program.
 *
 * The main loop watches the descriptor of a belay_loop and lets tasks run when
 * it is readable.  Tasks run on the thread of the main loop, so they may call
 * what belongs to it; another thread sends its work through an inlet.
 */
#include <belay/loop.h>
#include <belay/run.h>
#include <belay/sync.h>

#include <glib-unix.h>
#include <glib.h>
#include <stdio.h>

struct program {
    GMainLoop *main;
    belay_loop *tasks;
    GThread *thread;
};

/* ---- the loop drives belay ---------------------------------------------- */

static gboolean
on_readable(gint fd, GIOCondition condition, gpointer data)
{
    struct program *p = data;

    (void)fd;
    (void)condition;
    if (belay_loop_turn(p->tasks) != -ESHUTDOWN)
        return G_SOURCE_CONTINUE;
    g_main_loop_quit(p->main); /* the last task has ended */
    return G_SOURCE_REMOVE;
}

/* ---- belay waits for the loop ------------------------------------------- */

struct pause {
    belay_await *await;
    guint ms, source;
};

static gboolean
pause_over(gpointer data)
{
    struct pause *p = data;

    belay_await_done(p->await, (int)p->ms);
    return G_SOURCE_REMOVE;
}

static int
pause_start(void *arg, belay_await *await)
{
    struct pause *p = arg;

    p->await = await;
    p->source = g_timeout_add(p->ms, pause_over, p);
    return 0;
}

/* A removed source does not call any more: the cancel has worked. */
static int
pause_cancel(void *arg)
{
    struct pause *p = arg;

    return g_source_remove(p->source) ? 0 : 1;
}

/* ---- the tasks ---------------------------------------------------------- */

BELAY_TASK(pauses, (guint, ms))
{
    struct pause p = {.ms = ms};

    return belay_await_callback(pause_start, pause_cancel, &p);
}

BELAY_TASK(doubles, (int, n))
{
    BELAY_TRY(belay_sleep(BELAY_MS(1)));
    return 2 * n;
}

BELAY_TASK(notes, (int, n), (int *, to), (belay_event *, done))
{
    *to = n;
    belay_event_set(done);
    return 0;
}

/* Between the session and a thread that knows nothing of the loop. */
struct guest {
    belay_inlet *inlet;
    belay_event done;
    int n;
};

static gpointer
guest_main(gpointer data)
{
    struct guest *g = data;
    belay_inlet *inlet = g->inlet;
    int i, n = 1;

    for (i = 0; i < 5 && n > 0; i++)
        n = belay_enter(inlet, doubles, n);
    if (belay_post(inlet, notes, n, &g->n, &g->done) < 0)
        fprintf(stderr, "nobody listens\n");
    belay_inlet_unref(inlet);
    return NULL;
}

BELAY_TASK(session, (struct program *, p))
{
    struct guest guest = {.done = BELAY_EVENT_INIT};
    belay_outcome first, second;
    int r;

    BELAY_SCOPE(s) {
        belay_spawn_catch(s, &first, pauses, 2);
        belay_spawn_catch(s, &second, pauses, 1);
        r = BELAY_WITHIN(BELAY_MS(5), belay_run(pauses, 3600 * 1000));
        printf("an hour within 5 ms: %s\n", belay_strerror(r));
    }
    printf("pauses of %d and %d ms\n", first.err, second.err);
    BELAY_SCOPE(s) {
        BELAY_TRY(belay_inlet_open(&guest.inlet, s));
        p->thread = g_thread_new("guest", guest_main, &guest);
        BELAY_TRY(belay_event_wait(&guest.done));
    }
    printf("a thread doubled 1 to %d\n", guest.n);
    belay_event_fini(&guest.done);
    return 0;
}

static void
session_ended(void *arg, const belay_outcome *out)
{
    struct program *p = arg;

    printf("the session ended with %d\n", out->err);
    belay_loop_stop(p->tasks);
}

int
main(void)
{
    struct program p = {.thread = NULL};
    int r = belay_loop_open(&p.tasks);

    if (r < 0) {
        fprintf(stderr, "no loop: %s\n", belay_strerror(r));
        return 1;
    }
    p.main = g_main_loop_new(NULL, FALSE);
    (void)g_unix_fd_add(belay_loop_fd(p.tasks), G_IO_IN, on_readable, &p);
    r = belay_loop_start_then(p.tasks, session_ended, &p, session, &p);
    if (r < 0)
        return 1;
    g_main_loop_run(p.main);
    g_main_loop_unref(p.main);
    if (p.thread != NULL)
        (void)g_thread_join(p.thread);
    r = belay_loop_close(p.tasks);
    printf("closed with %d\n", r);
    return r == 0 ? 0 : 1;
}
