/* SPDX-License-Identifier: MIT */
/*
 * A runtime in pieces, for a thread that has an event loop of its own.
 *
 * There is one worker and no thread.  Between two turns the worker counts as
 * asleep: w->sleep is 1 and its alarm, which the foreign loop polls, is set to
 * the next deadline.  Who brings work takes sleep to 0 and sets the alarm to
 * now.  It may do so between our setting sleep and our setting the alarm, so
 * the turn looks at sleep and the inbox once more after the alarm is set; and
 * setting an alarm clears what it showed before, so it is set once per turn.
 *
 * The root is a task of ours.  It opens the scope that started tasks live in,
 * and sleeps until it is asked to stop.  Starting is a post: the loop's own
 * thread is between two turns a thread like any other.
 *
 * A task's end is noted in the turn, and told after it, outside any task, so
 * that who is told may start others.
 *
 * belay_loop_close runs the ordinary loop of a worker; the driver then sleeps
 * on the alarm itself.
 */
#include <belay/loop.h>

#include "base/alloc.h"
#include "base/check.h"
#include "core/fork.h"
#include "core/idle.h"
#include "core/inlet.h"
#include "core/root.h"
#include "core/sched.h"
#include "os/alarm.h"

#include <errno.h>
#include <string.h>

enum { LOOP_PICKS = 256, LOOP_STARVED_NS = 1000000 };

/* A task whose end somebody wants to be told of. */
struct loop_child {
    struct bly_post post;
    struct belay_loop *loop;
    struct loop_child *next;
    belay_loop_done *done;
    void *arg;
    char *why;
};

struct belay_loop {
    struct bly_root root;
    int fd;
    uint64_t thread;
    const char *name;
    int64_t grace;
    belay_inlet *inlet;       /* NULL once it is asked to stop */
    struct bly_waiter idler;  /* the root asleep, while inlet is there */
    struct loop_child *ended; /* newest first */
    bool blocking;            /* closing: nobody else polls the alarm */
    bool telling; /* of the ends of tasks */
    bool stopped;
    bool hard;    /* stopped by a close */
    int result;
};

/* ---- the driver --------------------------------------------------------- */

static int
loop_driver_open(struct bly_worker *w)
{
    (void)w; /* driver_data is set by who opens the loop */
    return 0;
}

static void
loop_driver_close(struct bly_worker *w)
{
    (void)w;
}

static void
loop_driver_park(struct bly_worker *w, int64_t deadline)
{
    struct belay_loop *loop = w->driver_data;

    bly_alarm_set(loop->fd, deadline);
    /* pairs with bly_idle_wake */
    if (loop->blocking && bly_load(&w->sleep) != 0)
        bly_alarm_wait(loop->fd);
}

static void
loop_driver_wake(struct bly_worker *w)
{
    struct belay_loop *loop = w->driver_data;

    bly_alarm_set(loop->fd, 0);
}

static const struct bly_driver loop_driver = {
    .name = "loop",
    .open = loop_driver_open,
    .close = loop_driver_close,
    .park = loop_driver_park,
    .wake = loop_driver_wake,
};

/* ---- the root task ------------------------------------------------------ */

static const struct bly_wait_kind loop_idle_kind = {.verb = "stop of the loop"};

static int
loop_main(void *arg)
{
    struct belay_loop *loop = *(struct belay_loop **)arg;
    struct bly_task *t = bly_self();
    belay_scope_opts opts = {.size = sizeof opts, .name = loop->name,
        .policy = BELAY_COLLECT, .grace = loop->grace};
    belay_scope s;
    int r = -ENOMEM;

    belay_scope_open(&s, &opts, loop->root.site);
    if (!loop->stopped)
        r = belay_inlet_open_at(&loop->inlet, &s, loop->root.site);
    if (r == 0) {
        bly_waiter_init(&loop->idler, t, &loop_idle_kind, loop,
            loop->root.site);
        (void)bly_wait(&loop->idler);
        if (loop->hard)
            belay_cancel_at(&s, loop->root.site, "the loop is closed");
        else
            belay_stop_at(&s, loop->root.site, "the loop is stopped");
    }
    loop->result = belay_scope_close(&s);
    if (loop->result == -ECANCELED)
        loop->result = 0; /* that was we */
    return r;
}

/* ---- turns -------------------------------------------------------------- */

static struct bly_worker *
loop_worker(struct belay_loop *loop)
{
    return &loop->root.rt->workers[0];
}

static void
loop_check(const struct belay_loop *loop, const char *what)
{
    bly_fork_check(what, loop->root.site);
    if (bly_worker_here != NULL)
        bly_misuse(loop->root.site, "%s in a task, for the loop", what);
    if (bly_os_thread_self() != loop->thread)
        bly_misuse(loop->root.site,
            "%s on another thread than opened the loop", what);
}

/* Sets the alarm.  True: there is something to do at once. */
static bool
loop_rest(struct belay_loop *loop, struct bly_worker *w, bool more)
{
    int64_t deadline = bly_timers_next(&w->timers);

    (void)bly_xchg(&w->sleep, 1u); /* pairs with bly_idle_wake */
    if (!more && (w->ready_head != NULL || bly_runq_count(&w->runq) != 0))
        deadline = bly_os_now() + LOOP_STARVED_NS; /* no stack to be had */
    bly_alarm_set(loop->fd, more ? 0 : deadline);
    /* pairs with bly_send_msg, with bly_idle_wake */
    if (!more && (bly_load(&w->inbox) != NULL || bly_load(&w->sleep) == 0)) {
        bly_alarm_set(loop->fd, 0);
        more = true;
    }
    return more;
}

static bool
loop_run(struct bly_worker *w)
{
    int i;

    bly_sched_poll(w);
    for (i = 0; i < LOOP_PICKS; i++) {
        if (bly_load_relaxed(&w->rt->done) != 0)
            return true;
        if (bly_sched_turn(w))
            continue;
        bly_sched_poll(w);
        if (!bly_sched_turn(w))
            return false;
    }
    return true;
}

static void
loop_tell(struct belay_loop *loop)
{
    struct loop_child *c, *next, *list = NULL;

    for (c = loop->ended; c != NULL; c = next) {
        next = c->next;
        c->next = list;
        list = c;
    }
    loop->ended = NULL;
    loop->telling = true;
    for (c = list; c != NULL; c = next) {
        next = c->next;
        c->done(c->arg, &c->post.outcome);
        bly_free(c->why);
        bly_free(c);
    }
    loop->telling = false;
}

int
belay_loop_turn(belay_loop *loop)
{
    struct bly_worker *w = loop_worker(loop);
    bool more;

    loop_check(loop, "belay_loop_turn");
    if (loop->telling)
        bly_misuse(loop->root.site, "belay_loop_turn by who is told of an end,"
                                    " for the loop");
    bly_store_relaxed(&w->sleep, 0u);
    if (bly_load(&loop->root.rt->done) == 0) { /* pairs with root_main */
        bly_worker_here = w;
        w->errno_at = &errno;
        more = loop_run(w) || bly_stacks_tend(&w->stacks, false);
        bly_worker_here = NULL;
        loop_tell(loop);
        more = loop_rest(loop, w, more);
    } else {
        bly_alarm_set(loop->fd, 0);
        more = true;
    }
    return bly_load(&loop->root.rt->done) != 0 /* pairs with root_main */
        ? -ESHUTDOWN
        : more;
}

int
belay_loop_fd(const belay_loop *loop)
{
    return loop->fd;
}

/* ---- starting ----------------------------------------------------------- */

static void
loop_child_ended(struct bly_post *post, int r)
{
    struct loop_child *c = BLY_CONTAINER(post, struct loop_child, post);
    const char *why = post->outcome.why;
    size_t n = why != NULL ? strlen(why) + 1 : 0;

    (void)r;
    c->why = n != 0 ? bly_alloc(n) : NULL;
    if (c->why != NULL)
        memcpy(c->why, why, n);
    post->outcome.why = c->why;
    c->next = c->loop->ended;
    c->loop->ended = c;
}

int
belay_loop_start_at(belay_loop *loop, belay_task_type *type, const void *args,
    belay_loop_done *done, void *arg, const belay_site *site)
{
    struct loop_child *c;
    int r;

    loop_check(loop, "belay_loop_start");
    if (loop->inlet == NULL)
        return -ESHUTDOWN;
    if (done == NULL)
        return belay_post_at(loop->inlet, type, args, site);
    c = bly_zalloc(sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->post.ended = loop_child_ended;
    c->loop = loop;
    c->done = done;
    c->arg = arg;
    r = bly_inlet_post(loop->inlet, type, args, &c->post, site);
    if (r < 0)
        bly_free(c);
    return r;
}

belay_inlet *
belay_loop_inlet(belay_loop *loop)
{
    loop_check(loop, "belay_loop_inlet");
    if (loop->inlet == NULL)
        bly_misuse(loop->root.site, "belay_loop_inlet after a stop, for the "
                                    "loop");
    return belay_inlet_ref(loop->inlet);
}

/* ---- opening and ending ------------------------------------------------- */

static void
loop_stop(struct belay_loop *loop, bool hard)
{
    loop->stopped = true;
    if (loop->inlet == NULL)
        return;
    loop->hard = hard;
    bly_wake(&loop->idler, 0);
    belay_inlet_unref(loop->inlet);
    loop->inlet = NULL;
}

void
belay_loop_stop(belay_loop *loop)
{
    loop_check(loop, "belay_loop_stop");
    loop_stop(loop, false);
}

/* Until the last task has ended. */
static void
loop_finish(struct belay_loop *loop)
{
    struct bly_worker *w = loop_worker(loop);
    struct bly_scope *s = loop->root.rt->root_scope;

    loop->blocking = true;
    bly_store_relaxed(&w->sleep, 0u);
    bly_worker_here = w;
    if (s != NULL)
        bly_cut(&s->node, -ECANCELED);
    bly_sched_loop(w);
    bly_worker_here = NULL;
    loop_tell(loop);
}

int
belay_loop_close(belay_loop *loop)
{
    int r;

    loop_check(loop, "belay_loop_close");
    if (loop->telling)
        bly_misuse(loop->root.site, "belay_loop_close by who is told of an "
                                    "end, for the loop");
    loop_stop(loop, true);
    loop_finish(loop);
    bly_root_end(&loop->root);
    r = loop->result;
    bly_alarm_close(loop->fd);
    bly_free(loop);
    return r;
}

int
belay_loop_open_at(belay_loop **out, const belay_loop_opts *o,
    const belay_site *site)
{
    struct belay_loop *loop;
    int r = -ENOMEM;

    if (o != NULL && o->size != sizeof *o)
        bly_misuse(site, "loop options of another version");
    loop = bly_zalloc(sizeof *loop);
    if (loop == NULL)
        return -ENOMEM;
    loop->fd = bly_alarm_open();
    if (loop->fd < 0) {
        r = loop->fd;
        goto fail_alarm;
    }
    loop->name = o != NULL && o->name != NULL ? o->name : "loop";
    loop->grace = o != NULL ? o->grace : 0;
    loop->thread = bly_os_thread_self();
    loop->root = (struct bly_root){.run = loop_main, .name = loop->name,
        .args = &loop, .size = sizeof loop, .site = site, .workers = 1,
        .driver = &loop_driver};
    r = bly_root_begin(&loop->root);
    if (r < 0)
        goto fail_root;
    loop_worker(loop)->driver_data = loop;
    bly_ctx_adopt(&loop_worker(loop)->loop);
    r = belay_loop_turn(loop);
    if (loop->inlet == NULL) {
        r = -ENOMEM; /* the root has ended, or will for want of a stack */
        (void)belay_loop_close(loop);
        return r;
    }
    *out = loop;
    return 0;

fail_root:
    bly_alarm_close(loop->fd);
fail_alarm:
    bly_free(loop);
    return r;
}
