/* SPDX-License-Identifier: MIT */
/* Child processes as the user has them: starting one, and its handle. */
#include <belay/process.h>

#include <belay/io.h>

#include "base/alloc.h"
#include "base/check.h"
#include "exec/keeper.h"

#include <errno.h>
#include <stdio.h>

enum { PROCESS_TEXT = 160 };

#define PROCESS_GRACE BELAY_S(5)

static void
process_close_fds(int fds[3])
{
    int i;

    for (i = 0; i < 3; i++)
        belay_fd_closep(&fds[i]);
}

/* ---- starting ----------------------------------------------------------- */

static int
process_pipe(belay_process *p, int n)
{
    int ends[2];
    int r = belay_pipe(ends);

    if (r < 0)
        return r;
    p->ours[n] = ends[n == 0];
    p->theirs[n] = ends[n != 0];
    bly_proc_blocking(p->theirs[n]);
    p->how.fds[n] = p->theirs[n];
    return 0;
}

/* What becomes descriptor n of the child. */
static int
process_fd(belay_process *p, int n, int wish)
{
    switch (wish) {
    case BELAY_CHILD_USUAL:
    case BELAY_CHILD_INHERIT:
        p->how.fds[n] = BLY_PROC_SAME;
        return 0;
    case BELAY_CHILD_NULL:
        p->how.fds[n] = BLY_PROC_NULL;
        return 0;
    case BELAY_CHILD_PIPE:
        return process_pipe(p, n);
    default:
        if (wish < 0 && (wish != BELAY_CHILD_OUT || n != 2))
            bly_misuse(p->site, "%d cannot be descriptor %d of a process",
                wish, n);
        p->how.fds[n] = wish < 0 ? BLY_PROC_OUT : wish;
        return 0;
    }
}

static int
process_more(belay_process *p, const belay_process_opts *o)
{
    size_t i;

    if (o->nfds == 0)
        return 0;
    p->more = bly_alloc(o->nfds * sizeof *p->more);
    if (p->more == NULL)
        return -ENOMEM;
    for (i = 0; i < o->nfds; i++) {
        if (o->fds[i].theirs < 3 || o->fds[i].ours < 0)
            bly_misuse(p->site,
                "descriptor %d cannot be descriptor %d of a process",
                o->fds[i].ours, o->fds[i].theirs);
        p->more[i].theirs = o->fds[i].theirs;
        p->more[i].ours = o->fds[i].ours;
    }
    p->how.more = p->more;
    p->how.nmore = o->nfds;
    return 0;
}

static int
process_prepare(belay_process *p, const char *const *argv,
    const belay_process_opts *o)
{
    const int wishes[3] = {o->in, o->out, o->err};
    int i, r = process_more(p, o);

    p->how.argv = argv;
    p->how.env = o->env;
    p->how.dir = o->dir;
    for (i = 0; i < 3 && r == 0; i++) {
        r = process_fd(p, i, wishes[i]);
        if (r < 0)
            return belay_fail_at(r, p->site, "cannot run '%s': a pipe: %s",
                p->name, belay_strerror(r));
    }
    return r;
}

static belay_process *
process_new(const char *name, belay_dur grace, const belay_site *site)
{
    belay_process *p = bly_zalloc(sizeof *p);
    int i;

    if (p == NULL)
        return NULL;
    p->refs = 2;
    p->pidfd = -1;
    for (i = 0; i < 3; i++)
        p->ours[i] = p->theirs[i] = -1;
    p->quit = p->done = p->gone = (belay_event)BELAY_EVENT_INIT;
    p->grace = grace != 0 ? grace : PROCESS_GRACE;
    p->site = site;
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    return p;
}

static int
process_failed(const belay_process *p, int r)
{
    if (r == -ECANCELED || r == -ETIME) {
        int cut = belay_cancelled(); /* a spawn does not know the code */

        return cut < 0 ? cut : r;
    }
    if (r == -ECHILD)
        return belay_fail_at(r, p->site,
            "cannot run '%s': SIGCHLD is ignored, and nobody would be told "
            "how it ends", p->name);
    if (p->how.stage == BLY_PROC_DIR)
        return belay_fail_at(r, p->site, "cannot run '%s' in '%s': %s",
            p->name, p->how.dir, belay_strerror(r));
    if (p->how.stage == BLY_PROC_FD)
        return belay_fail_at(r, p->site,
            "cannot run '%s': its descriptor %d: %s", p->name, p->how.bad_fd,
            belay_strerror(r));
    return belay_fail_at(
        r, p->site, "cannot run '%s': %s", p->name, belay_strerror(r));
}

int
belay_process_start_at(belay_scope *s, belay_process **out,
    const char *const *argv, const belay_process_opts *opts,
    const belay_site *site)
{
    static const belay_process_opts usual = {.size = sizeof usual};
    belay_process *p;
    int r;

    if (opts != NULL && opts->size != sizeof *opts)
        bly_misuse(site, "process options of another version");
    if (argv[0] == NULL)
        bly_misuse(site, "a process without a program");
    if (opts == NULL)
        opts = &usual;
    p = process_new(argv[0], opts->grace, site);
    if (p == NULL)
        return -ENOMEM;
    r = process_prepare(p, argv, opts);
    if (r < 0) {
        bly_keeper_unref(p);
    } else {
        r = bly_keeper_spawn(s, p, site);
        if (r < 0)
            r = process_failed(p, r);
    }
    process_close_fds(p->theirs);
    if (r < 0) {
        process_close_fds(p->ours);
        bly_keeper_unref(p);
        return r;
    }
    *out = p;
    return 0;
}

/* ---- the handle --------------------------------------------------------- */

int
belay_process_wait_at(belay_process *p, belay_exit *out,
    const belay_site *site)
{
    char text[PROCESS_TEXT];
    int r = belay_event_wait_at(&p->done, site);

    if (r < 0)
        return r;
    if (out != NULL)
        *out = p->exit;
    r = bly_keeper_result(p, text, sizeof text);
    return r < 0 ? belay_fail_at(r, site, "%s", text) : 0;
}

belay_case
belay_case_process(belay_process *p)
{
    return belay_case_event(p != NULL ? &p->done : NULL);
}

int
belay_process_stop_at(belay_process *p, const belay_site *site)
{
    belay_event_set(&p->quit);
    return belay_event_wait_at(&p->gone, site);
}

int
belay_process_signal(belay_process *p, int number)
{
    return bly_keeper_signal(p, number);
}

int
belay_process_pid(const belay_process *p)
{
    return p->pid;
}

int
belay_process_take(belay_process *p, int which)
{
    int fd;

    if (which < 0 || which > 2)
        bly_misuse(p->site, "descriptor %d of a process is no pipe", which);
    fd = p->ours[which];
    p->ours[which] = -1;
    return fd;
}

int
belay_process_stream_at(belay_process *p, belay_stream **st,
    const belay_site *site)
{
    return belay_stream_open_fds_at(st, &p->ours[1], &p->ours[0], site);
}

int
belay_process_errors_at(belay_process *p, belay_stream **st,
    const belay_site *site)
{
    int none = -1;

    return belay_stream_open_fds_at(st, &p->ours[2], &none, site);
}

void
belay_process_close(belay_process **pp)
{
    belay_process *p = *pp;

    if (p == NULL)
        return;
    *pp = NULL;
    process_close_fds(p->ours);
    belay_event_set(&p->quit);
    bly_keeper_unref(p);
}

void
belay_process_closep(belay_process **p)
{
    belay_process_close(p);
}
