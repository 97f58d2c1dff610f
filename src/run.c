/* SPDX-License-Identifier: MIT */
/*
 * The roof: composes the core with a driver.  Nobody below knows which.
 *
 * Signals of belay_main.  A handler may run on any thread and interrupt
 * anything, so it only counts and wakes a thread of ours, which takes part in
 * nothing else.  That one sends a message to the root's worker, where the stop
 * or the cut is made between two tasks, like every other.  It holds a lock
 * while it does so, and the end of the runtime takes that lock first.
 *
 * Handlers, not a mask and sigwait: a mask would be inherited by each program
 * that a task starts.  They run on the alternate stack, since a task's own may
 * be small.  A signal that is ignored when we begin (nohup, a job in the
 * background) stays ignored; one that is blocked reaches our thread, so that a
 * program can be ended whatever mask it was started with.  The third signal
 * takes its default course from inside the handler, so that it works whatever
 * has become of the workers.
 *
 * Our thread is no source: a program that waits only for a signal waits for
 * nothing that it has asked for, and is told so.
 */
#include <belay/diag.h>
#include <belay/run.h>
#include <belay/timeline.h>

#include "base/check.h"
#include "core/error.h"
#include "core/overflow.h"
#include "core/root.h"
#include "io/op.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RUN_STATUS_MAX = 255, RUN_STATUS_SIGNAL = 128, RUN_SIGNALS = 3 };

#define RUN_GRACE INT64_C(5000000000)

static const int run_signals[RUN_SIGNALS] = {SIGINT, SIGTERM, SIGQUIT};

/* Of the belay_main that goes on; one in a process at a time. */
static struct {
    uint32_t taken; /* atomic */
    bool begun;     /* ever */
    sem_t news;     /* posted by the handler and by the end */
    uint32_t stops; /* atomic: how often INT or TERM came */
    uint32_t first; /* atomic: which one came first */
    uint32_t dumps; /* atomic: how often QUIT came */
    uint32_t over;  /* atomic: the thread shall end */
    struct bly_lock lock;
    struct bly_rt *rt; /* under the lock; NULL: not yet, or no more */
    struct bly_msg msgs[2]; /* the gentle stop, the hard one */
    struct bly_thread thread;
    bool watched[RUN_SIGNALS];
    struct sigaction before[RUN_SIGNALS];
} run_main;

/* ---- signals: the handler ----------------------------------------------- */

static void
run_on_signal(int number)
{
    uint32_t none = 0;
    int saved = errno;

    if (number == SIGQUIT) {
        (void)bly_fetch_add(&run_main.dumps, 1u); /* pairs with run_watch */
    } else {
        /* pairs with run_status */
        (void)bly_cas(&run_main.first, &none, (uint32_t)number);
        /* pairs with run_watch */
        if (bly_fetch_add(&run_main.stops, 1u) >= 2) {
            struct sigaction usual = {.sa_handler = SIG_DFL};

            (void)sigaction(number, &usual, NULL);
            (void)raise(number); /* comes when the handler returns */
        }
    }
    (void)sem_post(&run_main.news); /* one of the few calls a handler may do */
    errno = saved;
}

static void
run_handle(void)
{
    struct sigaction act = {.sa_handler = run_on_signal,
        .sa_flags = SA_ONSTACK | SA_RESTART};

    for (int i = 0; i < RUN_SIGNALS; i++) {
        struct sigaction *before = &run_main.before[i];

        run_main.watched[i] = sigaction(run_signals[i], NULL, before) == 0 &&
            ((before->sa_flags & SA_SIGINFO) != 0 ||
                before->sa_handler != SIG_IGN);
        if (run_main.watched[i])
            (void)sigaction(run_signals[i], &act, NULL);
    }
}

static void
run_unhandle(void)
{
    for (int i = 0; i < RUN_SIGNALS; i++)
        if (run_main.watched[i])
            (void)sigaction(run_signals[i], &run_main.before[i], NULL);
}

/* ---- signals: our thread ------------------------------------------------ */

static const belay_site run_site = {"signal", 0, "belay_main", "a signal"};

static const char *
run_signal_name(void)
{
    /* pairs with run_on_signal */
    return bly_load(&run_main.first) == SIGINT ? "SIGINT" : "SIGTERM";
}

/* On the root's worker; the root may have ended meanwhile. */
static void
run_stop(struct bly_msg *m, struct bly_worker *w)
{
    struct bly_scope *root = w->rt->root_scope;

    if (root == NULL)
        return;
    if (m == &run_main.msgs[0])
        belay_stop_at((belay_scope *)(void *)root, &run_site, "%s",
            run_signal_name());
    else
        bly_scope_cut(root, -ECANCELED, &run_site, "a second signal");
}

static void
run_watch(void *arg)
{
    uint32_t dumps = 0, sent = 0;
    sigset_t set;

    (void)arg;
    (void)sigemptyset(&set);
    for (int i = 0; i < RUN_SIGNALS; i++)
        if (run_main.watched[i])
            (void)sigaddset(&set, run_signals[i]);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    for (;;) {
        (void)sem_wait(&run_main.news); /* or a signal came */
        if (bly_load(&run_main.over) != 0) /* pairs with run_main_end */
            return;
        bly_lock(&run_main.lock);
        /* pairs with run_on_signal */
        while (run_main.rt != NULL && sent < 2 &&
            sent < bly_load(&run_main.stops))
            bly_send_msg(&run_main.rt->workers[0],
                &run_main.msgs[sent++]);
        bly_unlock(&run_main.lock);
        if (bly_load(&run_main.dumps) != dumps) { /* pairs with run_on_signal */
            dumps = bly_load(&run_main.dumps);    /* the same */
            belay_dump(STDERR_FILENO);
        }
    }
}

static void
run_opened(struct bly_root *r, struct bly_rt *rt)
{
    (void)r;
    bly_lock(&run_main.lock);
    run_main.rt = rt;
    bly_unlock(&run_main.lock);
    (void)sem_post(&run_main.news);
}

static void
run_closing(struct bly_root *r, struct bly_rt *rt)
{
    (void)r;
    (void)rt;
    bly_lock(&run_main.lock);
    run_main.rt = NULL;
    bly_unlock(&run_main.lock);
}

static int
run_main_begin(const belay_site *site)
{
    uint32_t none = 0;
    int r;

    if (!bly_cas(&run_main.taken, &none, 1u)) /* pairs with run_main_end */
        bly_misuse(site, "belay_main while another one goes on");
    run_main.stops = run_main.first = run_main.dumps = run_main.over = 0;
    if (!run_main.begun) /* once: late handlers may still post it */
        (void)sem_init(&run_main.news, 0, 0);
    run_main.begun = true;
    run_main.msgs[0].run = run_main.msgs[1].run = run_stop;
    (void)bly_overflow_install(); /* without it, a fault tells less */
    (void)bly_overflow_thread(true);
    run_handle();
    r = bly_os_thread_start(&run_main.thread, run_watch, NULL,
        "belay-signals");
    if (r < 0)
        run_unhandle();
    return r;
}

static void
run_main_end(bool started)
{
    if (started) {
        run_unhandle();
        bly_store_release(&run_main.over, 1u); /* pairs with run_watch */
        (void)sem_post(&run_main.news);
        bly_os_thread_join(&run_main.thread);
    }
    (void)bly_overflow_thread(false);
    bly_store_release(&run_main.taken, 0u); /* pairs with run_main_begin */
}

/* ---- running ------------------------------------------------------------ */

/* Inside a task: a scope with one child. */
static int
run_inside(belay_task_type *type, const void *args, const belay_site *site)
{
    belay_scope s;
    belay_outcome out = {0, NULL};
    belay_spawn_opts how = {.size = sizeof how, .outcome = &out};
    int r;

    belay_scope_open(&s, NULL, site);
    (void)belay_spawn_at(&s, type, args, &how, site);
    r = belay_scope_close(&s);
    /* A child that was refused says that it is cancelled, not by what. */
    if (out.err == 0 || (out.err == -ECANCELED && r < 0))
        return r;
    if (out.why != NULL)
        bly_trace_adopt(bly_self(), out.err, out.why);
    return out.err;
}

static struct bly_root
run_root(belay_task_type *type, const void *args, const belay_run_opts *opts,
    unsigned workers, const belay_site *site)
{
    if (opts != NULL && opts->size != sizeof *opts)
        bly_misuse(site, "run options of another version");
    if (opts != NULL && opts->workers != 0)
        workers = opts->workers;
    return (struct bly_root){
        .run = type->run,
        .type = type,
        .name = type->name,
        .args = args,
        .size = type->args_size,
        .site = site,
        .workers = workers,
        .driver = &bly_driver_io,
    };
}

int
belay_run_at(belay_task_type *type, const void *args,
    const belay_run_opts *opts, const belay_site *site)
{
    struct bly_root root;

    if (bly_self() != NULL)
        return run_inside(type, args, site);
    root = run_root(type, args, opts, 1, site);
    return bly_root_run(&root);
}

static void
run_explain(const struct bly_root *r, int code)
{
    char line[sizeof r->why + 128];
    const char *why = r->why;

    if (code == -EDEADLK && r->outcome.err != code)
        why = "every task was asleep for ever (EDEADLK)";
    else if (why[0] == '\0')
        why = belay_strerror(code);
    snprintf(line, sizeof line, "belay: task '%s' failed: %s\n", r->name, why);
    bly_os_write(STDERR_FILENO, line, strlen(line));
}

static int
run_status(const struct bly_root *r, int code)
{
    uint32_t first = bly_load(&run_main.first); /* pairs with run_on_signal */

    if (code >= 0)
        return code < RUN_STATUS_MAX ? code : RUN_STATUS_MAX;
    if (first != 0 && (code == -ECANCELED || code == -ESHUTDOWN))
        return RUN_STATUS_SIGNAL + (int)first;
    run_explain(r, code);
    return 1;
}

/* The file that the timeline shall go to, or NULL. */
static const char *
run_timeline(void)
{
    const char *path = secure_getenv("BELAY_TIMELINE");

    if (path == NULL || *path == '\0')
        return NULL;
    return belay_timeline_start(NULL) == 0 ? path : NULL;
}

static void
run_timeline_write(const char *path)
{
    char line[512];
    int r;

    if (path == NULL)
        return;
    r = belay_timeline_write(path);
    if (r < 0) {
        snprintf(line, sizeof line,
            "belay: cannot write the timeline '%s': %s\n", path,
            belay_strerror(r));
        bly_os_write(STDERR_FILENO, line, strlen(line));
    }
}

int
belay_main_at(belay_task_type *type, const void *args,
    const belay_run_opts *opts, const belay_site *site)
{
    struct bly_root root = run_root(type, args, opts, bly_os_cpus(), site);
    const char *timeline;
    int code, status;
    bool started;

    if (bly_self() != NULL)
        bly_misuse(site, "belay_main in a task");
    root.main = true;
    root.grace = opts != NULL && opts->grace != 0 ? opts->grace : RUN_GRACE;
    root.opened = run_opened;
    root.closing = run_closing;
    timeline = run_timeline();
    code = run_main_begin(site);
    started = code >= 0;
    if (started)
        code = bly_root_run(&root);
    status = run_status(&root, code);
    run_main_end(started);
    run_timeline_write(timeline);
    return status;
}
