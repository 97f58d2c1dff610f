/* SPDX-License-Identifier: MIT */
/*
 * A child process and the task that keeps it.
 *
 * The keeper is a daemon of the scope that owns the process.  It starts the
 * program, waits for its end or for the order to end it, and does not return
 * before the process has been reaped; so the scope cannot end earlier, and
 * nothing has to be remembered elsewhere.  The handle that the user has only
 * looks: it and the keeper share the record, and the last of them frees it.
 *
 *   quit   the order to end; a cut of the keeper is the same
 *   done   the head has been reaped, and `exit' is known
 *   gone   so have all others that could be found
 *
 * While the head has not been reaped its number is its own, and its group's.
 * When it has ended by itself it is reaped at once, because there is mostly
 * nobody left, which a signal to the group tells without a search.  When it is
 * to be ended it is reaped last.
 *
 * What the keeper does after a cut is done under shields, whose limits are only
 * there because shields need one: a process that has been killed ends.  One
 * that the kernel does not let go, or that we may not kill, is waited for, and
 * the keeper is reported as not ending.
 */
#include "exec/keeper.h"

#include <belay/blocking.h>
#include <belay/io.h>

#include "base/alloc.h"
#include "base/atomic.h"
#include "base/check.h"
#include "base/time.h"
#include "exec/family.h"
#include "os/os.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define KEEPER_PATIENCE BELAY_S(5)
#define KEEPER_PAUSE BELAY_MS(10)

void
bly_keeper_unref(belay_process *p)
{
    if (bly_fetch_add(&p->refs, UINT32_MAX) != 1) /* pairs with itself */
        return;
    belay_fd_close_at(p->pidfd, p->site);
    bly_free(p->more);
    bly_free(p);
}

/* ---- ending ------------------------------------------------------------- */

/* True: it has been reaped, now or before. */
static bool
keeper_reap(belay_process *p)
{
    struct bly_proc_end end;
    int r;

    if (p->reaped)
        return true;
    bly_lock(&p->lock);
    r = bly_proc_reap(p->pid, p->pidfd, &end);
    p->reaped = r != 0;
    bly_unlock(&p->lock);
    if (r == 0)
        return false;
    bly_proc_gone();
    p->lost = r < 0;
    if (r < 0)
        p->exit.code = -1;
    else
        p->exit = (belay_exit){.code = end.code, .signal = end.signal,
            .core = end.core, .user = end.user_ns, .system = end.system_ns,
            .max_rss = (size_t)end.max_rss};
    belay_event_set(&p->done);
    return true;
}

int
bly_keeper_signal(belay_process *p, int number)
{
    int r;

    if (p->pidfd >= 0)
        return bly_proc_signal(p->pidfd, number);
    bly_lock(&p->lock);
    r = p->reaped ? -ESRCH : bly_proc_signal_one(p->pid, number);
    bly_unlock(&p->lock);
    return r;
}

static int
keeper_terminate(void *arg)
{
    bly_family_terminate(arg);
    return 0;
}

static int
keeper_kill(void *arg)
{
    bly_family_kill(arg);
    return 0;
}

/* On a lane; if there is none, here. */
static void
keeper_hunt(struct bly_family *f, belay_fn *how, const belay_site *site)
{
    if (belay_blocking_call(how, f, site) < 0)
        (void)how(f);
}

/* Until all that were found have ended, or the time is over. */
static void
keeper_await(belay_process *p, const struct bly_family *f, belay_dur time)
{
    belay_block deadline;
    uint32_t i;
    int r = 0;

    belay_deadline_open(&deadline, time, p->site);
    for (i = 0; i < f->count && r >= 0; i++) {
        const struct bly_relative *one = &f->list[i];

        if (one->pidfd >= 0)
            r = belay_wait_fd_at(one->pidfd, BELAY_READABLE, p->site);
        while (one->pidfd < 0 && r >= 0 && !bly_relative_gone(one))
            r = belay_sleep(KEEPER_PAUSE);
    }
    belay_block_close(&deadline);
}

/* Asked again as long as the kernel does not let go of it. */
static void
keeper_await_head(belay_process *p)
{
    while (!keeper_reap(p)) {
        belay_block shield;
        int r;

        belay_shield_open(&shield, KEEPER_PATIENCE, p->site);
        r = belay_wait_fd_at(p->pidfd, BELAY_READABLE, p->site);
        if (r < 0 && r != -ETIME) /* no descriptor, no memory for a wait */
            r = belay_sleep(KEEPER_PAUSE);
        belay_block_close(&shield);
        belay_ignore(r, "it is asked again");
    }
}

static void
keeper_end(belay_process *p, struct bly_family *f)
{
    static const belay_site asked = {
        __FILE__, __LINE__, "keeper_end", "TERM to a process tree"};
    static const belay_site killed = {
        __FILE__, __LINE__, "keeper_end", "KILL to a process tree"};
    belay_block shield;

    if (p->grace > 0) {
        belay_shield_open(&shield, bly_time_add(p->grace, KEEPER_PATIENCE),
            p->site);
        keeper_hunt(f, keeper_terminate, &asked);
        keeper_await(p, f, p->grace);
        belay_block_close(&shield);
    }
    belay_shield_open(&shield, 2 * KEEPER_PATIENCE, p->site);
    keeper_hunt(f, keeper_kill, &killed);
    if (!p->reaped) /* if nobody could be found */
        (void)bly_proc_signal_group(p->pid, SIGKILL);
    keeper_await(p, f, KEEPER_PATIENCE);
    belay_block_close(&shield);
    keeper_await_head(p);
}

/* ---- the task ----------------------------------------------------------- */

static int
keeper_begin(void *arg)
{
    belay_process *p = arg;
    int r = bly_proc_start(&p->how, &p->pidfd);

    if (r >= 0)
        p->pid = r;
    return r;
}

/* Until it has ended, or is to be ended; -errno: also the latter. */
static int
keeper_watch(belay_process *p)
{
    const belay_case cases[2] = {belay_case_event(&p->quit),
        p->pidfd >= 0 ? belay_case_fd(p->pidfd, BELAY_READABLE)
                      : belay_case_after(KEEPER_PAUSE)};
    belay_case_room room[2];
    int r;

    do
        r = belay_select_at(NULL, cases, room, 2, p->site);
    while (r > 0 && p->pidfd < 0 && !keeper_reap(p));
    return r < 0 ? r : 0;
}

/* Whether there is anything to be ended. */
static bool
keeper_left_somebody(belay_process *p, struct bly_family *f)
{
    if (!keeper_reap(p))
        return true;
    if (p->lost) /* and its number may be anybody's */
        return false;
    f->before = bly_os_now_boot();
    return bly_proc_signal_group(p->pid, 0) != -ESRCH;
}

/* Its failure, unless it is a cut, is that of the scope: the process has been
 * ended because it could not be watched. */
BELAY_TASK(keeper_keep, (belay_process *, p))
{
    struct bly_family family;
    int r;

    p->kept = true;
    r = belay_blocking_call(keeper_begin, p, p->site);
    if (r < 0) {
        bly_keeper_unref(p);
        return r;
    }
    belay_ready(0);
    r = keeper_watch(p);
    bly_family_init(&family, p->pid, INT64_MAX);
    if (keeper_left_somebody(p, &family))
        keeper_end(p, &family);
    bly_family_fini(&family);
    belay_event_set(&p->gone);
    bly_keeper_unref(p);
    return r;
}

int
bly_keeper_spawn(belay_scope *s, belay_process *p, const belay_site *site)
{
    const belay_spawn_opts how = {.size = sizeof how, .name = "process",
        .daemon = true, .ready = true};
    int r = belay_spawn_at(s, BELAY_TYPE_(keeper_keep),
        BELAY_ARGS_(keeper_keep, p), &how, site);

    if (r < 0 && !p->kept)
        bly_keeper_unref(p);
    return r;
}

int
bly_keeper_result(const belay_process *p, char *text, size_t size)
{
    const belay_exit *e = &p->exit;

    if (p->lost) {
        (void)snprintf(text, size, "how '%s' ended is not known: somebody else "
            "has waited for it", p->name);
        return -ECHILD;
    }
    if (e->signal != 0) {
        const char *what = bly_proc_signal_text(e->signal);

        (void)snprintf(text, size, "'%s' was ended by signal %d%s%s%s", p->name,
            e->signal, what != NULL ? ", " : "", what != NULL ? what : "",
            e->core ? ", and left a core file" : "");
        return BELAY_ECRASHED;
    }
    if (e->code == 0)
        return 0;
    (void)snprintf(
        text, size, "'%s' ended with exit status %d", p->name, e->code);
    return BELAY_EEXIT;
}
