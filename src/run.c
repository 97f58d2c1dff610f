/* SPDX-License-Identifier: MIT */
/*
 * The roof: composes the core with a driver.  Nobody below knows which.
 */
#include "core/root.h"

#include <belay/run.h>

#include "base/check.h"
#include "core/error.h"

#include <errno.h>
#include <string.h>

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
    return out.err != 0 ? out.err : r;
}

int
belay_run_at(belay_task_type *type, const void *args,
    const belay_run_opts *opts, const belay_site *site)
{
    struct bly_root root = {
        .run = type->run,
        .type = type,
        .name = type->name,
        .args = args,
        .size = type->args_size,
        .site = site,
        .workers = opts != NULL && opts->workers != 0 ? opts->workers : 1,
        .driver = &bly_driver_futex,
    };

    if (bly_self() != NULL)
        return run_inside(type, args, site);
    return bly_root_run(&root);
}
