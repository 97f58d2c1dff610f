/* SPDX-License-Identifier: MIT */
/*
 * Opening, joining and closing.
 *
 * A scope lies in the frame of the task that opens it, and that frame is not
 * left before the count of children is zero; so everything below may point to
 * it.  The count is what the whole library leans on.  It has two halves,
 * because a fork and join on one worker should cost no atomic operation: see
 * BLY_SCOPE_BIAS in scope.h.
 *
 * At the brace the owner runs children of this scope that nobody has started,
 * on its own stack, as calls: but only while the newest entry of the run
 * queue is such a child, and there is stack left.  Anything else would bury
 * the owner under work that may wait for it.  A child that sleeps there takes
 * the owner's stack to sleep with it; the worker goes on with others, and the
 * owner goes on joining when the child has returned.  When the slice is used
 * up, the owner queues itself behind what is ready and goes on later.
 *
 * Order of a close: children, then daemons (which hang in an inner scope of
 * their own, that is cut now), then inlets, then the deferred calls, then the
 * memory.  The result is computed while the scope is still in the path.
 */
#include "core/scope.h"

#include "base/alloc.h"
#include "base/check.h"
#include "core/error.h"
#include "core/frames.h"
#include "core/sched.h"
#include "core/timeline.h"

#include <stdio.h>
#include <string.h>

enum {
    SCOPE_BORROW_MIN = 64 * 1024, /* stack left for a child that borrows */
    SCOPE_CLEANUP_S = 5
};

_Static_assert(sizeof(struct bly_scope) <= sizeof(belay_scope),
    "belay_scope is too small");
_Static_assert(offsetof(struct bly_scope, live) == 0, "the loop condition");

/* ---- counting ----------------------------------------------------------- */

bool
bly_scope_hold(struct bly_scope *s)
{
    int64_t n = bly_load_relaxed(&s->far);

    do
        if (n == 0)
            return false;
    while (!bly_cas(&s->far, &n, n + 1)); /* pairs with scope_publish */
    return true;
}

void
bly_scope_release(struct bly_scope *s)
{
    struct bly_waiter *joiner;

    /* pairs with scope_publish: the last one sees the owner's waiter */
    if (bly_fetch_add(&s->far, INT64_C(-1)) != 1)
        return;
    /* The owner sleeps until this wake, so the scope is still there. */
    joiner = s->joiner;
    bly_wake(joiner, 0);
}

int64_t
bly_scope_count(struct bly_scope *s)
{
    int64_t far = bly_load_acquire(&s->far); /* pairs with bly_scope_release */

    return far > BLY_SCOPE_BIAS / 2 ? s->near + far - BLY_SCOPE_BIAS : far;
}

/* The owner's half joins the others'.  True: nothing is left. */
static bool
scope_publish(struct bly_scope *s)
{
    int64_t add = s->near - BLY_SCOPE_BIAS;

    s->shared = true;
    s->near = 0;
    /* pairs with bly_scope_release */
    return bly_fetch_add(&s->far, add) + add == 0;
}

/* ---- opening ------------------------------------------------------------ */

void
bly_scope_init(struct bly_scope *s, struct bly_task *t, struct bly_node *up,
    const belay_site *site)
{
    s->live = 1;
    s->flags = 0;
    s->policy = BELAY_FAIL_FAST;
    s->special = s->shared = false;
    s->node.up = up;
    s->node.task = t;
    s->node.site = site;
    s->node.when = BLY_NEVER;
    s->node.cut = 0;
    s->node.kind = BLY_NODE_SCOPE;
    s->node.stopped = 0;
    s->node.cause = NULL;
    bly_shard_init(&s->home, s, t->worker);
    s->far_shards = NULL;
    s->near = 0;
    s->far = BLY_SCOPE_BIAS;
    s->ext = NULL;
    s->result = 0;
    s->limit = 0;
    s->name = NULL;
    s->on_done = NULL;
    s->grace = 0;
    s->cleanup = 0;
    s->timer.place = 0;
    s->budget = NULL;
    s->magic = BLY_SCOPE_MAGIC;
}

static void
scope_timer_fire(struct bly_timer *timer)
{
    bly_cut(&BLY_CONTAINER(timer, struct bly_scope, timer)->node, -ETIME);
}

static void
scope_options(struct bly_scope *s, const belay_scope_opts *o,
    struct bly_worker *w)
{
    s->policy = (uint8_t)o->policy;
    s->limit = o->limit;
    s->name = o->name;
    s->on_done = o->on_done;
    s->on_done_arg = o->on_done_arg;
    s->grace = o->grace;
    s->cleanup = o->cleanup;
    if (o->local)
        s->flags |= BLY_SCOPE_LOCAL;
    s->special = o->local || o->limit != 0 || o->on_done != NULL ||
        o->policy >= BELAY_FIRST_OK;
    if (o->timeout != 0)
        s->node.when = bly_time_add(bly_os_now(), o->timeout);
    if (o->deadline != 0 && o->deadline < s->node.when)
        s->node.when = o->deadline;
    if (s->node.when != BLY_NEVER) {
        s->timer.fire = scope_timer_fire;
        s->node.task->slow |= BLY_SLOW_DEADLINE;
        if (bly_timer_arm(&w->timers, &s->timer, s->node.when) < 0)
            bly_cut(&s->node, -ENOMEM);
    }
    if (o->max_tasks != 0) {
        struct bly_ext *x = bly_scope_ext(s);

        if (x == NULL) {
            bly_cut(&s->node, -ENOMEM);
            return;
        }
        x->budget = (struct bly_budget){s->budget, s, 0, o->max_tasks};
        s->budget = &x->budget;
    }
}

/* The budget in force where t stands. */
BLY_INLINE struct bly_budget *
scope_budget_above(struct bly_task *t)
{
    struct bly_node *n = t->node;

    if (BLY_LIKELY(n == &t->base))
        return bly_task_scope(t)->budget;
    for (; n != NULL; n = n->up)
        if (n->kind == BLY_NODE_SCOPE)
            return BLY_CONTAINER(n, struct bly_scope, node)->budget;
    return NULL;
}

void
belay_scope_open(belay_scope *p, const belay_scope_opts *opts,
    const belay_site *site)
{
    struct bly_task *t = bly_self();
    struct bly_scope *s = bly_scope_of(p);

    if (BLY_UNLIKELY(t == NULL))
        t = bly_must_self("opening a scope", site);
    if (BLY_UNLIKELY(t->shard == NULL))
        (void)bly_task_link(t);
    if (BLY_UNLIKELY(t->slow & BLY_SLOW_NOWAIT))
        bly_wait_check_nowait(t, "the brace of a scope", site);
    bly_frames_left(t, site);
    bly_scope_init(s, t, t->node, site);
    s->frame_end = BLY_FRAME_END();
    s->budget = scope_budget_above(t);
    t->node = &s->node;
    if (opts != NULL)
        scope_options(s, opts, t->worker);
    s->special = s->special || s->budget != NULL;
    bly_timeline_open_scope(t->worker, s);
}

struct bly_ext *
bly_scope_ext(struct bly_scope *s)
{
    struct bly_ext *x = bly_scope_has_ext(s), *none = NULL;

    if (x != NULL)
        return x;
    x = bly_zalloc(sizeof *x);
    if (x == NULL)
        return NULL;
    bly_list_init(&x->limiters);
    bly_list_init(&x->done);
    bly_list_init(&x->nexters);
    if (bly_cas(&s->ext, &none, x)) /* pairs with bly_scope_has_ext */
        return x;
    bly_free(x);
    return none;
}

/* ---- joining ------------------------------------------------------------ */

static struct bly_scope *
scope_children(struct bly_waiter *w, int64_t *count)
{
    *count = bly_scope_count(w->object);
    return w->object;
}

static const struct bly_wait_kind scope_join_kind = {
    .verb = "join", .children = scope_children};

/* A child of s that nobody has started, if the newest entry of the run queue
 * is one and it may run here. */
static struct bly_task *
scope_next_child(struct bly_scope *s, struct bly_worker *w)
{
    const char *sp = __builtin_frame_address(0);
    struct bly_task *c;

    if (sp - w->current->stack->low < SCOPE_BORROW_MIN)
        return NULL;
    /* Taken before it is looked at: a thief may free what it has taken. */
    c = bly_runq_pop(&w->runq);
    if (c == NULL)
        return NULL;
    if (BLY_LIKELY(c->base.up == &s->node &&
            (c->flags & (BLY_TASK_OWN_STACK | BLY_TASK_DAEMON)) == 0) &&
        bly_choose(BLY_CHOOSE_INLINE, 2) == 0)
        return c;
    if (bly_runq_push(&w->runq, c) < 0)
        bly_sched_ready(c);
    return NULL;
}

/* Runs the child c of the current task as a call on its stack. */
static void
scope_run_child(struct bly_worker *w, struct bly_task *owner,
    struct bly_task *c)
{
    int r;

    bly_sched_adopt(w, c);
    c->flags |= BLY_TASK_BORROWED;
    c->stack = owner->stack;
    c->under = owner;
    c->ctx = owner->ctx;
    c->stack->owner = c;
    bly_store_relaxed(&w->current, c);
    bly_timeline_first(w, c, owner);
    r = c->run(bly_task_args(c));
    owner->ctx = c->ctx;
    bly_task_finish(c, r);
    bly_store_relaxed(&w->current, owner);
    owner->stack->owner = owner;
    bly_timeline_run(w, owner);
}

static void
scope_run_children(struct bly_scope *s)
{
    struct bly_task *t = s->node.task, *c;
    struct bly_worker *w = t->worker;
    int saved;

    if (BLY_TSAN || s->near <= 0)
        return;
    saved = *w->errno_at;
    while (s->near > 0 && (c = scope_next_child(s, w)) != NULL) {
        *w->errno_at = 0;
        scope_run_child(w, t, c);
        if (--w->slice == 0 || w->slice > BLY_SLICE)
            bly_sched_slice_end(w);
    }
    *w->errno_at = saved;
}

void
bly_scope_join(struct bly_scope *s)
{
    struct bly_waiter w;

    scope_run_children(s);
    /* The count first: a child elsewhere may make the extension and end. */
    if (s->near == 0 &&
        /* pairs with bly_scope_release */
        bly_load_acquire(&s->far) == BLY_SCOPE_BIAS &&
        bly_scope_has_ext(s) == NULL)
        return;
    bly_waiter_init(&w, s->node.task, &scope_join_kind, s, s->node.site);
    s->joiner = &w;
    if (!scope_publish(s))
        (void)bly_wait(&w);
}

/* ---- closing ------------------------------------------------------------ */

static void
scope_join_daemons(struct bly_ext *x)
{
    /* pairs with spawn_daemons */
    struct bly_scope *d = bly_load_acquire(&x->daemons);

    if (d == NULL)
        return;
    bly_cut(&d->node, -ECANCELED);
    bly_scope_join(d);
}

static void
scope_free_shards(struct bly_scope *s)
{
    struct bly_shard *sh = s->far_shards, *next;

    for (; sh != NULL; sh = next) {
        next = sh->next;
        bly_free_quiet(sh);
    }
}

/* Rule 3 of the design. */
static int
scope_result(struct bly_scope *s, struct bly_ext *x)
{
    int r = bly_load_acquire(&s->result); /* pairs with bly_scope_failed */
    struct bly_task *t = s->node.task;
    struct bly_node *decider = NULL;

    if (r == 0 && x != NULL)
        r = x->first[BLY_FIRST_RESULT].code;
    if (r != 0)
        return r;
    if (x != NULL && x->won)
        return 0;
    if (t->slow || t->cut != 0 ||
        t->seen != bly_load_relaxed(&t->worker->rt->epoch)) {
        (void)bly_cut_now(t); /* so t has been told */
        r = bly_cut_code(&s->node, &decider);
    }
    if (r != 0)
        return decider->kind == BLY_NODE_TASK ? -ECANCELED : r;
    if (s->policy == BELAY_FIRST_OK && (x == NULL || x->children == 0))
        return -ENOENT;
    return 0;
}

/* The texts of x are promised until t ends. */
static void
scope_keep_on(struct bly_task *t, struct bly_ext *x)
{
    struct bly_extra *e = bly_task_extra(t);
    struct bly_keep *k;

    if (e == NULL)
        bly_misuse(t->base.site, "no memory to keep what failures said");
    while ((k = x->keeps) != NULL) {
        x->keeps = k->next;
        k->next = e->keeps;
        e->keeps = k;
    }
}

static void
scope_free_ext(struct bly_scope *s, struct bly_ext *x)
{
    struct bly_task *t = s->node.task;

    if (bly_timer_armed(&x->grace))
        bly_timer_disarm(&t->worker->timers, &x->grace);
    if (x->daemons != NULL) {
        scope_free_shards(x->daemons);
        bly_free(x->daemons);
    }
    if (x->keeps != NULL)
        scope_keep_on(t, x);
    bly_keep_free(x->arena);
    bly_free(x);
}

/* Tagged children that nobody collected, and a race that nobody won: their
 * failures count. */
static void
scope_uncollected(struct bly_ext *x)
{
    struct bly_first *first = x->first;
    struct bly_link *l;
    int i;

    while ((l = bly_list_pop(&x->done)) != NULL) {
        struct bly_done_entry *e =
            BLY_CONTAINER(l, struct bly_done_entry, link);

        if (e->number != 0 && !x->won)
            for (i = BLY_FIRST_RESULT; i <= BLY_FIRST_UNTOLD; i++)
                bly_first_keep(&first[i], e->done.err, e->number);
        bly_free(e);
    }
    for (i = BLY_FIRST_RESULT; i <= BLY_FIRST_UNTOLD && !x->won; i++)
        if (first[i + BLY_FIRST_LOSS].code != 0)
            bly_first_keep(&first[i], first[i + BLY_FIRST_LOSS].code,
                first[i + BLY_FIRST_LOSS].number);
}

/* What the failure said that r is. */
static void
scope_adopt(struct bly_task *t, struct bly_ext *x, int kind, int r)
{
    uint32_t number = x->first[kind].number;

    if (number == 0 || number > BLY_SCOPE_ERRORS)
        return;
    if (x->errors[number - 1].err == r)
        bly_trace_adopt(t, r, x->errors[number - 1].why);
}

/* Everything below s has ended when this returns: its result at the brace, or
 * what nobody was told of if it is left early. */
static int
scope_end(struct bly_scope *s, bool early)
{
    struct bly_task *t = s->node.task;
    struct bly_worker *w = t->worker;
    struct bly_ext *x;
    int r;

    bly_scope_join(s);
    x = bly_scope_has_ext(s);
    if (x != NULL) {
        scope_join_daemons(x);
        bly_door_close(s);
        scope_uncollected(x);
        if (x->defers != NULL)
            bly_scope_run_defers(s);
    }
    if (bly_timer_armed(&s->timer))
        bly_timer_disarm(&w->timers, &s->timer);
    r = scope_result(s, x);
    if (early) {
        r = s->result;
        if (r == 0 && x != NULL)
            r = x->first[BLY_FIRST_UNTOLD].code;
    }
    if (r < 0 && x != NULL)
        scope_adopt(t, x, early ? BLY_FIRST_UNTOLD : BLY_FIRST_RESULT, r);
    if (s->node.cut != 0 || s->node.when != BLY_NEVER)
        t->slow |= BLY_SLOW_STALE;
    t->node = s->node.up;
    s->live = 0;
    s->magic = 0;
    bly_timeline_close_scope(w, s, r);
    scope_free_shards(s);
    if (x != NULL)
        scope_free_ext(s, x);
    return r;
}

static void
scope_check_owner(struct bly_scope *s, const char *what)
{
    struct bly_task *t = bly_must_self(what, NULL);

    if (s->magic != BLY_SCOPE_MAGIC)
        bly_misuse(NULL, "%s a scope that is not open", what);
    if (s->node.task != t)
        bly_misuse(s->node.site, "%s a scope that task '%s' opened", what,
            s->node.task->name);
    if (t->node != &s->node)
        bly_misuse(s->node.site,
            "%s a scope inside which the block of %s:%d is still open", what,
            t->node->site->file, t->node->site->line);
}

/* Nothing happened that a close would have to look at.  Whether all have
 * ended comes first: what they left is complete only then. */
BLY_INLINE bool
scope_is_plain(struct bly_scope *s, struct bly_task *t)
{
    return s->near == 0 &&
        /* pairs with bly_scope_release */
        bly_load_acquire(&s->far) == BLY_SCOPE_BIAS &&
        bly_load_relaxed(&s->ext) == NULL && !s->special &&
        s->result == 0 && s->node.when == BLY_NEVER &&
        s->far_shards == NULL && !t->slow && t->cut == 0 &&
        t->seen == bly_load_relaxed(&t->worker->rt->epoch);
}

int
belay_scope_close(belay_scope *p)
{
    struct bly_scope *s = bly_scope_of(p);
    struct bly_task *t = bly_self();

    if (BLY_UNLIKELY(t == NULL || s->magic != BLY_SCOPE_MAGIC ||
            s->node.task != t || t->node != &s->node))
        scope_check_owner(s, "closing");
    scope_run_children(s);
    if (BLY_LIKELY(scope_is_plain(s, t))) {
        t->node = s->node.up;
        s->live = 0;
        s->magic = 0;
        bly_timeline_close_scope(t->worker, s, 0);
        return 0;
    }
    return scope_end(s, false);
}

void
belay_scope_leave(belay_scope *p)
{
    struct bly_scope *s = bly_scope_of(p);
    struct bly_task *t = s->node.task;
    int untold;

    if (!s->live)
        return;
    scope_check_owner(s, "leaving");
    bly_scope_cut(s, -ECANCELED, s->node.site, "the block was left early");
    untold = scope_end(s, true);
    if (untold < 0)
        bly_task_fail(t, untold);
}
