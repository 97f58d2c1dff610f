/* SPDX-License-Identifier: MIT */
/*
 * Cutting a call from outside.
 *
 * A scope lies in the frame of the task that opened it, so that somebody else
 * who wants to cancel it would have to know that it is still open.  An event
 * has no such trouble: whoever wants to sets it, and a daemon inside the scope
 * waits for it.  The scope cannot end before the daemon has.
 */
#include "policy/cutoff.h"

#include <belay/task.h>

struct cutoff {
    belay_scope *scope;
    belay_event *off;
    const char *why;
    const belay_site *site;
};

static int
cutoff_watch(void *arg)
{
    struct cutoff *c = arg;
    int r = belay_event_wait_at(c->off, c->site);

    if (r == 0)
        belay_cancel_at(c->scope, c->site, "%s", c->why);
    return r;
}

int
bly_cutoff_run(int (*fn)(void *arg), void *arg, belay_event *off,
    const char *why, const belay_site *site)
{
    belay_spawn_opts daemon = {.size = sizeof daemon, .daemon = true,
        .name = "cutoff"};
    belay_scope s;
    struct cutoff c = {&s, off, why, site};
    int r, failure;

    belay_scope_open(&s, NULL, site);
    r = belay_scope_spawn(&s, cutoff_watch, &c, sizeof c, &daemon, site);
    if (r == 0)
        r = fn(arg);
    /* It says again what r says, or that somebody cut it. */
    belay_ignore(belay_scope_close(&s), "the result of fn counts");
    failure = belay_take_failure();
    return failure < 0 ? failure : r;
}
