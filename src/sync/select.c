/* SPDX-License-Identifier: MIT */
/*
 * Select: the first of several operations.
 *
 * All the locks involved are held at once, so that "nothing can be done now"
 * and "asleep in every queue" are one moment, and no wake-up falls between
 * them.  Locks are taken in the order of their gates, each once even if
 * several cases share it; nobody else holds two, so there is no cycle.
 *
 *   lock all -> is any case ready?  pick one of those by chance, do it, done
 *            -> else put one waiter per case into its queue
 *   unlock all -> sleep -> take the waiters out again, gate by gate
 *
 * The waiters share one word, the claim.  Who ends the sleep moves it from 0
 * to the number of his case, or to ABORTED for a cut; only then does he touch
 * a value.  So of all the peers, timers and cuts that come at the same time
 * exactly one wins, and the operations of the others have not happened.
 *
 * The waiters of the losing cases stay in their queues until the selecting
 * task runs again.  Wakers who meet one fail to claim it and throw it out.
 * They look at the claim, which is in this task's frame, with their gate
 * locked; that is why the task locks each gate on its way out even where its
 * waiter is no longer linked: it must not leave while somebody still looks.
 *
 * The task sleeps on a waiter of its own, `sleep', that is in no queue: what
 * a cut aborts is the claim.  Wakers call bly_wake with the waiter of the
 * case, which names the same task.
 *
 * Who is picked: among the ready cases, any with equal chance, so that none
 * starves; a case that fails after all (its peer was itself a select and has
 * just been ended elsewhere) only makes us look again.  A stop goes before
 * everything, since a busy task would otherwise notice it late; time comes
 * last, so that BELAY_AFTER(0) is "if nothing else can be done".
 *
 * What is outside (a descriptor) has no lock: it is asked before the locks are
 * taken, begun after the queues have been entered, and ends the sleep like a
 * timer, on this worker.  It may come to be ready in between; then its start
 * says so at once.
 *
 * Only selects with a stop case use the kind of wait that a gentle stop ends.
 */
#include "sync/select.h"

#include "base/check.h"
#include "base/choice.h"
#include "core/cancel.h"
#include "core/rt.h"
#include "os/os.h"

#include <stdio.h>

struct bly_select {
    struct bly_waiter sleep;
    struct bly_claim claim;
    uint32_t cases;           /* enabled */
    struct bly_arm *arms;     /* those with a gate, in its order */
    struct bly_arm *outside;  /* those without, see core/case.h */
    struct bly_arm *timers;   /* BELAY_AFTER */
    struct bly_arm *stop;     /* BELAY_STOP */
};

_Static_assert(sizeof(struct bly_arm) <= sizeof(belay_case_room),
    "belay_case_room is too small");
_Static_assert(_Alignof(struct bly_arm) <= _Alignof(belay_case_room),
    "belay_case_room is not aligned");

/* ---- time and stop ------------------------------------------------------ */

/* These have no gate: all that happens to them happens on our worker. */
static const struct bly_case_ops select_after = {.verb = "after"};
static const struct bly_case_ops select_stop = {.verb = "stop"};

belay_case
belay_case_after(belay_dur d)
{
    return (belay_case){.belay_ops = &select_after, .belay_number = d};
}

belay_case
belay_case_stop(void)
{
    return (belay_case){.belay_ops = &select_stop};
}

static void
select_fire(struct bly_timer *timer)
{
    struct bly_arm *a = BLY_CONTAINER(timer, struct bly_arm, timer);

    if (bly_claim(&a->w))
        bly_wake(&a->w, 0);
}

/* ---- sleeping ----------------------------------------------------------- */

static enum bly_abort
select_abort(struct bly_waiter *w)
{
    struct bly_select *s = w->object;
    uint32_t none = 0;

    /* pairs with bly_claim */
    return bly_cas(&s->claim.word, &none, BLY_CLAIM_ABORTED)
        ? BLY_ABORT_DONE
        : BLY_ABORT_PENDING;
}

static void
select_describe(struct bly_waiter *w, char *buf, size_t size)
{
    struct bly_select *s = w->object;

    (void)snprintf(buf, size, "the first of %u cases", s->cases);
}

static const struct bly_wait_kind select_kind = {
    .verb = "select",
    .abort = select_abort,
    .describe = select_describe,
};

static const struct bly_wait_kind select_kind_stoppable = {
    .verb = "select",
    .abort = select_abort,
    .stoppable = true,
    .describe = select_describe,
};

/* ---- building ----------------------------------------------------------- */

static bool
select_before(const struct bly_arm *a, const struct bly_arm *b)
{
    /* What was never numbered is told apart by where it lies. */
    return a->order != b->order ? a->order < b->order : a->lock < b->lock;
}

/* Equal locks come to lie together, in the order of the cases. */
static void
select_insert(struct bly_select *s, struct bly_arm *a)
{
    struct bly_arm **at = &s->arms;

    if (a->ops->gate != NULL) {
        struct bly_gate *g = a->ops->gate(a->c);

        a->w.object = g;
        a->lock = &g->lock;
        a->order = bly_load_relaxed(&g->id);
    } else {
        a->lock = a->ops->lock(a->c);
        a->order = UINT32_MAX;
    }
    while (*at != NULL && !select_before(a, *at))
        at = &(*at)->next;
    a->next = *at;
    *at = a;
}

static void
select_build(struct bly_select *s, struct bly_task *t, const belay_case *cases,
    belay_case_room *room, size_t n, const belay_site *site)
{
    size_t i;

    s->claim.word = 0;
    s->cases = 0;
    s->arms = s->outside = s->timers = s->stop = NULL;
    for (i = 0; i < n; i++) {
        struct bly_arm *a = (struct bly_arm *)(void *)&room[i];

        if (cases[i].belay_ops == NULL)
            continue;
        s->cases++;
        a->c = &cases[i];
        a->ops = cases[i].belay_ops;
        a->ready = false;
        bly_waiter_init(&a->w, t, &select_kind, NULL, site);
        a->w.claim = &s->claim;
        a->w.index = (uint32_t)i;
        if (a->ops == &select_stop) {
            s->stop = a;
        } else if (a->ops == &select_after) {
            a->next = s->timers;
            s->timers = a;
        } else if (a->ops->probe != NULL) {
            a->next = s->outside;
            s->outside = a;
        } else {
            select_insert(s, a);
        }
    }
}

/* ---- trying ------------------------------------------------------------- */

/* A gate may lean to another worker, so its lock alone is not enough. */
static void
select_lock_arm(struct bly_arm *a)
{
    if (a->ops->gate != NULL)
        bly_gate_lock(BLY_CONTAINER(a->lock, struct bly_gate, lock));
    else
        bly_lock(a->lock);
}

static void
select_unlock_arm(struct bly_arm *a)
{
    if (a->ops->gate != NULL)
        bly_gate_unlock(BLY_CONTAINER(a->lock, struct bly_gate, lock));
    else
        bly_unlock(a->lock);
}

static void
select_lock(struct bly_select *s)
{
    struct bly_lock *last = NULL;
    struct bly_arm *a;

    for (a = s->arms; a != NULL; a = a->next) {
        if (a->lock != last)
            select_lock_arm(a);
        last = a->lock;
    }
}

static void
select_unlock(struct bly_select *s)
{
    struct bly_lock *last = NULL;
    struct bly_arm *a;

    for (a = s->arms; a != NULL; a = a->next) {
        if (a->lock != last)
            select_unlock_arm(a);
        last = a->lock;
    }
}

#if BLY_SIM
static uint32_t
select_chance(uint32_t n)
{
    return bly_choose(BLY_CHOOSE_ARM, n);
}
#else
static uint32_t
select_chance(uint32_t n)
{
    struct bly_worker *w = bly_worker_here;

    if (w == NULL)
        return 0;
    return (uint32_t)(((uint64_t)bly_rng_next(&w->rng) * n) >> 32);
}
#endif

/* Without locks: what is outside needs none, and asking may be a system
 * call. */
static void
select_probe(struct bly_select *s)
{
    struct bly_arm *a;

    for (a = s->outside; a != NULL; a = a->next) {
        a->w.result = a->ops->probe(a);
        a->ready = a->w.result != BLY_CASE_WAIT;
    }
}

/* The n-th that is ready. */
static struct bly_arm *
select_nth(struct bly_arm *list, uint32_t n)
{
    while (!list->ready || n-- > 0)
        list = list->next;
    return list;
}

/* One of the arms that are ready now, or NULL. */
static struct bly_arm *
select_pick(struct bly_select *s)
{
    struct bly_arm *a;
    uint32_t n = 0, inside;

    for (a = s->arms; a != NULL; a = a->next) {
        a->ready = a->ops->ready(a);
        n += a->ready;
    }
    inside = n;
    for (a = s->outside; a != NULL; a = a->next)
        n += a->ready;
    if (n == 0)
        return NULL;
    n = n > 1 ? select_chance(n) : 0;
    return n < inside ? select_nth(s->arms, n)
                      : select_nth(s->outside, n - inside);
}

/* With all gates locked: does one of the cases that can be done; its result
 * is in w.result.  NULL if there is none. */
static struct bly_arm *
select_try(struct bly_select *s, struct bly_batch *b)
{
    struct bly_arm *a;

    do {
        a = select_pick(s);
        if (a == NULL)
            return NULL;
        if (a->ops->take != NULL)
            a->w.result = a->ops->take(a, b);
    } while (a->w.result == BLY_CASE_WAIT);
    return a;
}

/* What need not be waited for: a stop that has been asked for. */
static bool
select_stopped(struct bly_select *s, struct bly_task *t)
{
    if (s->stop == NULL || t == NULL || !bly_node_stopped(t->node))
        return false;
    s->stop->w.result = -ESHUTDOWN;
    return true;
}

static struct bly_arm *
select_overdue(struct bly_select *s)
{
    struct bly_arm *a;

    for (a = s->timers; a != NULL; a = a->next)
        if (a->c->belay_number <= 0)
            return a;
    return NULL;
}

/* ---- waiting ------------------------------------------------------------ */

static void
select_enqueue(struct bly_select *s)
{
    struct bly_arm *a;

    for (a = s->arms; a != NULL; a = a->next)
        a->ops->enqueue(a);
}

static void
select_dequeue(struct bly_select *s)
{
    struct bly_arm *a;

    for (a = s->arms; a != NULL; a = a->next) {
        /* Also if it is not linked: see the head of this file. */
        select_lock_arm(a);
        if (a->ops->dequeue != NULL)
            a->ops->dequeue(a);
        else if (bly_linked(&a->w.link))
            bly_list_remove(&a->w.link);
        select_unlock_arm(a);
    }
    for (a = s->timers; a != NULL; a = a->next)
        if (bly_timer_armed(&a->timer))
            bly_timer_disarm(&a->w.task->worker->timers, &a->timer);
}

/* They can fire only on this worker, and not before this task sleeps. */
static int
select_arm_timers(struct bly_select *s, struct bly_worker *w)
{
    struct bly_arm *a;
    int64_t now;

    if (s->timers == NULL)
        return 0;
    now = bly_os_now();
    for (a = s->timers; a != NULL; a = a->next) {
        a->timer.fire = select_fire;
        a->timer.place = 0;
    }
    for (a = s->timers; a != NULL; a = a->next)
        if (bly_timer_arm(&w->timers, &a->timer,
                bly_time_add(now, a->c->belay_number)) < 0)
            return -ENOMEM;
    return 0;
}

/* Those that have been started come to be ready, by name only. */
static int
select_start(struct bly_select *s)
{
    struct bly_arm *a;
    int r = 0;

    for (a = s->outside; a != NULL; a = a->next)
        a->ready = false;
    for (a = s->outside; a != NULL && r >= 0; a = a->next) {
        r = a->ops->start(a);
        a->ready = r >= 0;
    }
    return r;
}

static void
select_halt(struct bly_select *s)
{
    struct bly_arm *a;

    for (a = s->outside; a != NULL; a = a->next)
        if (a->ready)
            a->ops->stop(a);
}

/* Asleep in all queues; returns the arm that was done, or NULL and *code. */
static struct bly_arm *
select_sleep(struct bly_select *s, struct bly_task *t, belay_case_room *room,
    int *code)
{
    int r = select_arm_timers(s, t->worker);
    bool quit;

    if (r >= 0)
        r = select_start(s);
    quit = r < 0 && select_abort(&s->sleep) == BLY_ABORT_DONE;
    if (!quit)
        r = bly_wait(&s->sleep);
    select_halt(s);
    select_dequeue(s);
    /* pairs with bly_claim */
    if (bly_load(&s->claim.word) != BLY_CLAIM_ABORTED)
        return (struct bly_arm *)(void *)&room[s->claim.word - 1];
    /* A stop that came first beats a cut; but the code of a cut can be the
     * same number. */
    if (r == -ESHUTDOWN && s->stop != NULL && bly_cut_now(t) != r) {
        s->stop->w.result = r;
        return s->stop;
    }
    *code = r;
    return NULL;
}

static struct bly_arm *
select_wait(struct bly_select *s, struct bly_task *t, belay_case_room *room,
    const belay_site *site, int *code)
{
    struct bly_batch b;
    struct bly_arm *a;

    bly_batch_init(&b);
    select_probe(s);
    select_lock(s);
    a = select_try(s, &b);
    if (a == NULL)
        a = select_overdue(s);
    if (a == NULL) {
        bly_waiter_init(&s->sleep, t,
            s->stop != NULL ? &select_kind_stoppable : &select_kind, s, site);
        select_enqueue(s);
    }
    select_unlock(s);
    bly_batch_wake(&b);
    return a != NULL ? a : select_sleep(s, t, room, code);
}

/* ---- the calls ---------------------------------------------------------- */

static int
select_answer(struct bly_arm *a, int code, int *r)
{
    if (a != NULL && a->ops->finish != NULL)
        a->w.result = a->ops->finish(a);
    if (r != NULL)
        *r = a != NULL ? a->w.result : code;
    return a != NULL ? (int)a->w.index : code;
}

int
belay_select_at(int *r, const belay_case *cases, belay_case_room *room,
    size_t n, const belay_site *site)
{
    struct bly_arm *a;
    struct bly_task *t;
    struct bly_select s;
    int code = bly_enter(&t, "belay_select", site);

    if (code < 0)
        return select_answer(NULL, code, r);
    select_build(&s, t, cases, room, n, site);
    if (s.cases == 0)
        return select_answer(NULL, -EINVAL, r);
    if (select_stopped(&s, t))
        a = s.stop;
    else
        a = select_wait(&s, t, room, site, &code);
    return select_answer(a, code, r);
}

int
belay_try_select_at(int *r, const belay_case *cases, belay_case_room *room,
    size_t n, const belay_site *site)
{
    struct bly_task *t = bly_self();
    struct bly_arm *a;
    struct bly_batch b;
    struct bly_select s;

    select_build(&s, t, cases, room, n, site);
    if (s.cases == 0)
        return select_answer(NULL, -EINVAL, r);
    if (select_stopped(&s, t))
        return select_answer(s.stop, 0, r);
    bly_batch_init(&b);
    select_probe(&s);
    select_lock(&s);
    a = select_try(&s, &b);
    select_unlock(&s);
    bly_batch_wake(&b);
    if (a == NULL)
        a = select_overdue(&s);
    return select_answer(a, -EAGAIN, r);
}
