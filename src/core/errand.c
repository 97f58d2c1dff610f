/* SPDX-License-Identifier: MIT */
/*
 * Calls that block, on threads of a lane.
 *
 * The task sleeps in its frame until the call has returned.  So its thread may
 * read what belongs to the sleeper: the path of nodes upwards, which no frame
 * leaves meanwhile and whose marks are atomic.  Whether a cut is in force is
 * therefore asked there, and nobody has to tell the thread.  Only the limit of
 * a shield begins at any time on the task's worker; until that timer fires, the
 * thread may miss that it is overdue.
 *
 * A failure is recorded with the errand, since the memory of the task's own
 * belongs to its worker, and handed over when the call has returned.  The next
 * place that it passes is in the task, on another stack: any is further out.
 */
#include "core/errand.h"

#include <belay/blocking.h>

#include "base/check.h"
#include "core/cancel.h"
#include "core/error.h"
#include "core/lane.h"
#include "core/wait.h"

#include <errno.h>

#if BLY_SIM
struct bly_errand *bly_errand_here;
#else
__thread struct bly_errand *bly_errand_here
    __attribute__((tls_model("initial-exec")));
#endif

struct errand_call {
    struct bly_errand errand;
    belay_fn *fn;
    void *arg;
};

int
bly_errand_cut(const struct bly_errand *e)
{
    int code = bly_cut_code(e->task->node, NULL);

    if (code == 0 && e->deadline != 0 && bly_os_now() >= e->deadline)
        code = -ETIME;
    return code;
}

void
bly_errand_no_task(const char *what, const belay_site *site)
{
    if (bly_errand_self() != NULL)
        bly_misuse(site, "%s on a thread of a lane", what);
    bly_misuse(site, "%s outside a task", what);
}

static int
errand_run(void *arg)
{
    struct errand_call *c = arg;
    int r;

    bly_errand_here = &c->errand;
    r = c->fn(c->arg);
    bly_errand_here = NULL;
    return r;
}

int
belay_blocking_call(belay_fn *fn, void *arg, const belay_site *site)
{
    struct bly_task *t = bly_must_self("belay_blocking", site);
    struct errand_call c = {.fn = fn, .arg = arg,
        .errand = {.task = t, .site = site, .deadline = belay_deadline_now()}};
    int r;

    r = bly_lane_run(BLY_LANE_BLOCKING, errand_run, &c, site);
    bly_trace_take(t, c.errand.trace);
    return r;
}

int
belay_blocking_at(belay_task_type *type, const void *args,
    const belay_site *site)
{
    return belay_blocking_call(type->run, (void *)(uintptr_t)args, site);
}
