/* SPDX-License-Identifier: MIT */
/*
 * Threads for calls that would stop a worker.
 *
 * A runtime has a lane per purpose.  A lane has a queue of calls, oldest first,
 * and threads, which are started for calls that find no idle one, up to a
 * number, and end when they have been idle for long.  The thread that became
 * idle last is woken first: its memory is warm, and the others may end.
 *
 * A call lies in the frame of the task that made it, as a waiter:
 *
 *   queued    linked in lane->jobs; a cut takes it out
 *   running   job->thread runs it, and thread->job is it
 *   over      neither; the wake-up is on its way
 *   left      a cut has parted the two: the task goes on, and the thread alone
 *             has fn and arg, and calls drop in the end
 *
 * lane->lock decides each step.  Whoever queues a call wakes an idle thread or
 * starts one; a thread that is awake looks at the queue before it rests.  So
 * for each queued call somebody is awake, or all threads are busy.
 *
 * A thread that could not be started matters only if there is no other that
 * will come to the queue: then all who queue are told, and not only who tried,
 * since the others may have trusted in his thread.
 *
 * A call that was left behind may hang for minutes, as name servers do.  Its
 * thread counts towards the lane's ceiling, but not towards the number that
 * work, so that some hanging calls do not stop the others.  When the runtime is
 * closed such threads are detached, and what they use (the lane, their record)
 * is freed by the last of them; they do not touch the runtime.  The process
 * remembers how many there are, and new runtimes may have so many fewer: it
 * never has more than one ceiling of hanging threads.  All other threads are
 * joined: by the close, or by the next one to end.
 *
 * Rejected: lanes of the process instead of the runtime.  Their threads would
 * be nobody's to join, and one runtime's calls would wait for another's.
 */
#include "core/lane.h"

#include "base/alloc.h"
#include "base/check.h"
#include "core/deadlock.h"
#include "core/wait.h"

#include <errno.h>
#include <stdio.h>

#if BLY_SIM
int64_t bly_lane_keep_ns = BLY_NEVER;
#else
int64_t bly_lane_keep_ns = INT64_C(10000000000);
#endif

struct lane_job {
    struct bly_waiter waiter; /* its link: in lane->jobs */
    struct bly_lane *lane;
    struct lane_thread *thread; /* that runs it, or NULL */
    int (*fn)(void *arg);
    void *arg;
    void (*drop)(void *arg); /* NULL: may not be left behind */
    bool left;               /* it was: arg is the thread's */
    bool refused;            /* there is no thread for it */
};

struct lane_thread {
    struct bly_link all;  /* in lane->all */
    struct bly_link idle; /* in lane->idle */
    struct bly_lane *lane;
    struct lane_job *job; /* that it runs, or NULL */
    uint32_t wake;        /* futex: 1 ends the rest */
    bool started; /* os is known; until then it cannot be joined */
    bool left;    /* with a call that was left behind */
    bool alone;   /* detached: the runtime is gone */
    struct bly_thread os;
};

/* All under the lock, but what never changes. */
struct bly_lane {
    struct bly_lock lock;
    enum bly_lane_kind kind;
    uint32_t max;     /* threads that work */
    uint32_t ceiling; /* threads in all */
    struct bly_list jobs;
    struct bly_list idle; /* newest first */
    struct bly_list all;  /* started, and neither ended nor detached */
    uint32_t threads;     /* with those that are being started */
    uint32_t left;        /* of these, with a call that was left behind */
    uint32_t alone;       /* detached ones */
    struct lane_thread *ended; /* to be joined by the next one to end */
    bool closing;
    bool closed; /* the last one that is alone frees the lane */
};

static const struct {
    const char *name;
    const char *thread;
    uint32_t max, ceiling; /* 0: the processors */
} lane_kinds[BLY_LANES] = {
    [BLY_LANE_FILE] = {"file", "belay-file", 4, 4},
    [BLY_LANE_DNS] = {"dns", "belay-dns", 4, 16},
    [BLY_LANE_BLOCKING] = {"blocking", "belay-block", 64, 64},
    [BLY_LANE_CPU] = {"cpu", "belay-cpu", 0, 0},
};

_Static_assert((int)BLY_LANE_COUNT_ == (int)BLY_LANES, "see rt.h");

/* Threads of closed runtimes that still hang in a call; atomic. */
static uint32_t lane_alone[BLY_LANES];

/* ---- threads ------------------------------------------------------------ */

/* Under the lock: an idle thread that will come, or NULL. */
static uint32_t *
lane_call_idle(struct bly_lane *l)
{
    struct bly_link *e = bly_list_pop(&l->idle);
    struct lane_thread *th;

    if (e == NULL)
        return NULL;
    th = BLY_CONTAINER(e, struct lane_thread, idle);
    bly_store_relaxed(&th->wake, 1u);
    return &th->wake;
}

/* Under the lock, which it gives up meanwhile. */
static void
lane_run_job(struct bly_lane *l, struct lane_thread *th, struct lane_job *job)
{
    int (*fn)(void *arg) = job->fn;
    void (*drop)(void *arg) = job->drop;
    void *arg = job->arg;
    int r;

    job->thread = th;
    th->job = job;
    bly_unlock(&l->lock);
    r = fn(arg);
    bly_assert(r >= 0 || drop == NULL);
    bly_lock(&l->lock);
    job = th->job;
    th->job = NULL;
    if (job != NULL)
        job->thread = NULL;
    bly_unlock(&l->lock);
    if (job != NULL)
        bly_wake(&job->waiter, r); /* the last touch of job */
    else
        drop(arg);
    bly_lock(&l->lock);
    l->left -= th->left && !th->alone;
    th->left = false;
}

/* Under the lock, which it gives up meanwhile.  False: the thread ends. */
static bool
lane_rest(struct bly_lane *l, struct lane_thread *th)
{
    int64_t until = bly_time_add(bly_os_now(), bly_lane_keep_ns);

    if (l->closing || (th->started && l->threads - l->left > l->max))
        return false;
    bly_list_push_front(&l->idle, &th->idle);
    while (bly_linked(&th->idle)) {
        int64_t end = th->started ? until : BLY_NEVER;
        bool over;

        bly_store_relaxed(&th->wake, 0u);
        bly_unlock(&l->lock);
        bly_os_futex_wait(&th->wake, 0, end);
        over = end != BLY_NEVER && bly_os_now() >= end;
        bly_lock(&l->lock);
        if (over && bly_linked(&th->idle)) {
            bly_list_remove(&th->idle);
            return false;
        }
    }
    return true;
}

static void
lane_reap(struct lane_thread *th)
{
    if (th == NULL)
        return;
    bly_os_thread_join(&th->os);
    bly_free(th);
}

/* The lock is held, and given up. */
static void
lane_thread_end(struct bly_lane *l, struct lane_thread *th)
{
    enum bly_lane_kind kind = l->kind;
    struct lane_thread *before = NULL;
    bool alone = th->alone, last = false;

    if (alone) {
        last = --l->alone == 0 && l->closed;
    } else if (!l->closing) {
        bly_list_remove(&th->all);
        l->threads--;
        before = l->ended;
        l->ended = th;
    }
    bly_unlock(&l->lock);
    lane_reap(before);
    if (alone) {
        bly_free(th);
        if (last)
            bly_free(l);
        (void)bly_fetch_add(&lane_alone[kind], UINT32_MAX); /* pairs with
                                                             * lane_may_grow */
    }
}

static void
lane_thread_main(void *arg)
{
    struct lane_thread *th = arg;
    struct bly_lane *l = th->lane;
    struct bly_link *e;

    bly_lock(&l->lock);
    do {
        while ((e = bly_list_pop(&l->jobs)) != NULL)
            lane_run_job(l, th, BLY_CONTAINER(e, struct lane_job, waiter.link));
    } while (lane_rest(l, th));
    lane_thread_end(l, th);
}

/* ---- starting threads --------------------------------------------------- */

/* Under the lock. */
static bool
lane_may_grow(struct bly_lane *l)
{
    /* pairs with lane_thread_end */
    uint32_t alone = bly_load(&lane_alone[l->kind]);

    return l->threads - l->left < l->max && l->threads + alone < l->ceiling;
}

/* There is one thread less than was counted on. */
static void
lane_start_failed(struct bly_lane *l, int r)
{
    struct bly_link *e;

    bly_lock(&l->lock);
    l->threads--;
    while (l->threads == l->left && (e = bly_list_pop(&l->jobs)) != NULL) {
        struct lane_job *job = BLY_CONTAINER(e, struct lane_job, waiter.link);

        /* Under the lock: in another list, a cut would take it for queued. */
        job->refused = true;
        bly_wake(&job->waiter, r);
    }
    bly_unlock(&l->lock);
}

/* l->threads counts it already. */
static void
lane_start(struct bly_lane *l)
{
    struct lane_thread *th = bly_zalloc(sizeof *th);
    int r = -ENOMEM;

    if (th != NULL) {
        th->lane = l;
        r = bly_os_thread_start(
            &th->os, lane_thread_main, th, lane_kinds[l->kind].thread);
    }
    if (r < 0) {
        bly_free(th);
        lane_start_failed(l, r);
        return;
    }
    bly_lock(&l->lock);
    th->started = true;
    bly_list_push(&l->all, &th->all);
    bly_store_relaxed(&th->wake, 1u); /* if it rests, then for so long now */
    bly_unlock(&l->lock);
    bly_os_futex_wake(&th->wake, 1); /* it may be gone, as above */
}

/* Queues job, or NULL: after a thread was lost to a call that hangs.  False:
 * there is no thread, and none may be started. */
static bool
lane_attend(struct bly_lane *l, struct lane_job *job)
{
    uint32_t *wake = NULL;
    bool grow;

    bly_lock(&l->lock);
    grow = lane_may_grow(l);
    if (l->threads == 0 && !grow) {
        bly_unlock(&l->lock);
        return false;
    }
    if (job != NULL)
        bly_list_push(&l->jobs, &job->waiter.link);
    if (!bly_list_empty(&l->jobs))
        wake = lane_call_idle(l);
    grow = grow && wake == NULL && !bly_list_empty(&l->jobs);
    l->threads += grow;
    bly_unlock(&l->lock);
    if (wake != NULL)
        bly_os_futex_wake(wake, 1); /* it may be gone: then nobody is woken */
    if (grow)
        lane_start(l);
    return true;
}

/* ---- calls -------------------------------------------------------------- */

static enum bly_abort
lane_abort(struct bly_waiter *w)
{
    struct lane_job *job = BLY_CONTAINER(w, struct lane_job, waiter);
    struct bly_lane *l = job->lane;
    enum bly_abort answer = BLY_ABORT_PENDING;

    bly_lock(&l->lock);
    if (bly_linked(&w->link)) {
        bly_list_remove(&w->link);
        answer = BLY_ABORT_DONE;
    } else if (job->thread != NULL && job->drop != NULL) {
        job->thread->job = NULL;
        job->thread->left = true;
        job->thread = NULL;
        job->left = true;
        l->left++;
        answer = BLY_ABORT_DONE;
    }
    bly_unlock(&l->lock);
    return answer;
}

static void
lane_describe(struct bly_waiter *w, char *buf, size_t size)
{
    struct lane_job *job = w->object;
    struct bly_lane *l = job->lane;
    bool queued = false;

    if (bly_trylock(&l->lock)) { /* pairs with bly_unlock */
        queued = bly_linked(&w->link);
        bly_unlock(&l->lock);
    }
    (void)snprintf(buf, size, "'%s'%s on lane '%s'",
        w->site != NULL && w->site->what != NULL ? w->site->what : "?",
        queued ? ", queued" : "",
        lane_kinds[l->kind].name);
}

static const struct bly_wait_kind lane_wait_kind = {
    .verb = "a call", .abort = lane_abort, .describe = lane_describe};

static struct bly_lane *
lane_new(struct bly_rt *rt, enum bly_lane_kind kind)
{
    struct bly_lane *l = bly_zalloc(sizeof *l);

    if (l == NULL)
        return NULL;
    l->kind = kind;
    l->max = rt->lane_max[kind];
    if (l->max == 0)
        l->max = lane_kinds[kind].max;
    if (l->max == 0)
        l->max = bly_os_cpus();
    l->ceiling = lane_kinds[kind].ceiling;
    if (l->ceiling < l->max)
        l->ceiling = l->max;
    bly_list_init(&l->jobs);
    bly_list_init(&l->idle);
    bly_list_init(&l->all);
    return l;
}

static struct bly_lane *
lane_of(struct bly_rt *rt, enum bly_lane_kind kind)
{
    /* pairs with itself, below */
    struct bly_lane *l = bly_load_acquire(&rt->lanes[kind]);
    struct bly_lane *none = NULL;

    if (l != NULL)
        return l;
    l = lane_new(rt, kind);
    if (l == NULL || bly_cas(&rt->lanes[kind], &none, l)) /* pairs with
                                                            * itself */
        return l;
    bly_free(l);
    return none;
}

static int
lane_call(struct lane_job *job, enum bly_lane_kind kind, const char *what,
    const belay_site *site)
{
    struct bly_task *t;
    struct bly_lane *l;
    int r = bly_enter(&t, what, site);

    if (r < 0)
        return r;
    l = job->lane = lane_of(t->worker->rt, kind);
    if (l == NULL)
        return -ENOMEM;
    bly_waiter_init(&job->waiter, t, &lane_wait_kind, job, site);
    bly_source_add(t->worker->rt);
    if (lane_attend(l, job)) {
        r = bly_wait(&job->waiter);
    } else {
        r = -EAGAIN;
        job->refused = true;
    }
    bly_source_drop(t->worker->rt);
    if (job->left)
        (void)lane_attend(l, NULL);
    return job->refused ? belay_fail_at(r, site,
                              "lane '%s' has no thread, and none can be "
                              "started",
                              lane_kinds[kind].name)
                        : r;
}

int
bly_lane_run(enum bly_lane_kind kind, int (*fn)(void *arg), void *arg,
    const belay_site *site)
{
    struct lane_job job = {.fn = fn, .arg = arg};

    return lane_call(&job, kind, "a call on a lane", site);
}

int
bly_lane_run_abandonable(enum bly_lane_kind kind, int (*fn)(void *arg),
    void *arg, void (*drop)(void *arg), const belay_site *site)
{
    struct lane_job job = {.fn = fn, .arg = arg, .drop = drop};
    int r = lane_call(&job, kind, "a call on a lane", site);

    if (r < 0 && !job.left)
        drop(arg);
    return r;
}

/* ---- closing ------------------------------------------------------------ */

static void
lane_wake_all(struct bly_lane *l)
{
    uint32_t *wake;

    do {
        bly_lock(&l->lock);
        l->closing = true;
        wake = lane_call_idle(l);
        bly_unlock(&l->lock);
        if (wake != NULL)
            bly_os_futex_wake(wake, 1);
    } while (wake != NULL);
}

/* Joins a thread or lets it go.  False: there is none. */
static bool
lane_part(struct bly_lane *l)
{
    struct lane_thread *th;
    struct bly_thread os;
    struct bly_link *e;
    bool alone;

    bly_lock(&l->lock);
    e = bly_list_pop(&l->all);
    if (e == NULL) {
        bly_unlock(&l->lock);
        return false;
    }
    th = BLY_CONTAINER(e, struct lane_thread, all);
    os = th->os;
    alone = th->alone = th->left;
    if (alone) {
        l->alone++;
        (void)bly_fetch_add(&lane_alone[l->kind], 1u); /* pairs with
                                                        * lane_may_grow */
    }
    bly_unlock(&l->lock);
    if (alone)
        bly_os_thread_detach(&os); /* th may be gone */
    else
        lane_reap(th);
    return true;
}

void
bly_lanes_close(struct bly_rt *rt)
{
    int i;

    for (i = 0; i < BLY_LANES; i++) {
        struct bly_lane *l = rt->lanes[i];
        bool last;

        if (l == NULL)
            continue;
        lane_wake_all(l);
        while (lane_part(l))
            continue;
        lane_reap(l->ended);
        bly_lock(&l->lock);
        l->closed = true;
        last = l->alone == 0;
        bly_unlock(&l->lock);
        if (last)
            bly_free(l);
        rt->lanes[i] = NULL;
    }
}
