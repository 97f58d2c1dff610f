/* SPDX-License-Identifier: MIT */
/*
 * Cancellation.
 *
 * A cut marks a node, and everything below it must come to know.  Two things
 * make that simple.
 *
 * Marks are read, not sent.  Nodes point upwards; the cut in force at a place
 * is what a walk to the root finds: the outermost cut node decides, a shield
 * hides what lies outside it.  A task remembers the answer together with the
 * runtime's epoch, which moves at each cut, so that the check in front of
 * each wait is two loads.
 *
 * Sleepers are told by their own worker.  A scope keeps a list of its tasks
 * per worker (a shard); only that worker's thread touches the list, and only
 * it aborts a wait.  A cut on this worker walks the list at once; for tasks
 * elsewhere a message goes to their worker, which handles it between two
 * tasks.  So no task of that worker can be halfway into a sleep: either it
 * had not yet checked, and will see the epoch, or it is parked, linked and
 * found.  The races that remain are with wakers, and these are settled under
 * the lock of the object waited for (see wait.h).
 *
 * A task is linked when it first sleeps or opens a scope.  One that never
 * does either costs nothing here.  The walk goes from a task to the scopes
 * that it has open, by the nodes in its frames, and from these to their
 * shards, near and far: with a list of work, never by recursion, since the
 * tree may be deeper than the stack.
 *
 * Making a shard on a far worker races with a cut that reads the list of
 * shards.  The maker links first and reads the mark afterwards; the cutter
 * marks first and reads the list afterwards: one of the two sees the other.
 * So it is with the scope that the first daemon makes.
 *
 * A message keeps its scope open (bly_scope_hold), so a scope cannot end
 * under it.
 */
#include "core/cancel.h"

#include "arch/cpu.h"
#include "base/alloc.h"
#include "base/check.h"
#include "core/rt.h"
#include "core/sched.h"
#include "core/scope.h"
#include "core/timeline.h"
#include "core/wait.h"

#include <errno.h>

enum { CANCEL_AHEAD = 4 };

BLY_INLINE int
cancel_code(struct bly_node *n, struct bly_node *except,
    struct bly_node **decider)
{
    struct bly_task *self = n != NULL ? n->task : NULL;
    bool hidden = false;
    int code = 0;

    for (; n != NULL; n = n->up) {
        int cut = bly_load(&n->cut); /* pairs with bly_cut */

        if (cut != 0 && n != except &&
            (!hidden || n->kind == BLY_NODE_SHIELD)) {
            /* The failure of an ancestor is its own; we are cancelled. */
            code = n->kind == BLY_NODE_TASK && n->task != self ? -ECANCELED
                                                                : cut;
            if (decider != NULL)
                *decider = n;
        }
        if (n->kind == BLY_NODE_SHIELD)
            hidden = true;
    }
    return code;
}

int
bly_cut_code(struct bly_node *n, struct bly_node **decider)
{
    return cancel_code(n, NULL, decider);
}

int
bly_cut_code_but(struct bly_node *n, struct bly_node *except)
{
    return cancel_code(n, except, NULL);
}

bool
bly_node_stopped(struct bly_node *n)
{
    for (; n != NULL; n = n->up) {
        if (bly_load_acquire(&n->stopped)) /* pairs with belay_stop_at */
            return true;
        if (n->kind == BLY_NODE_SHIELD)
            return false;
    }
    return false;
}

static bool
cancel_is_outside(struct bly_task *t, struct bly_node *decider)
{
    struct bly_node *n;

    for (n = t->node; n != &t->base; n = n->up)
        if (n == decider)
            return false;
    return decider != &t->base || (t->flags & BLY_TASK_UNWANTED) != 0;
}

/* Marks deadlines on the path that have passed, though their timers have not
 * fired; these will do the telling. */
static bool
cancel_mark_overdue(struct bly_rt *rt, struct bly_node *n, int64_t now)
{
    bool deadlines = false;

    for (; n != NULL; n = n->up) {
        int64_t when = bly_load_relaxed(&n->when);
        int32_t none = 0;

        if (when == BLY_NEVER)
            continue;
        deadlines = true;
        /* pairs with bly_cut_code */
        if (when <= now && bly_cas(&n->cut, &none, (int32_t)-ETIME)) {
            (void)bly_fetch_add(&rt->epoch, 1u); /* pairs with bly_enter */
            bly_timeline_cut(bly_worker_here, n, -ETIME);
        }
    }
    return deadlines;
}

int
bly_cut_now(struct bly_task *t)
{
    struct bly_rt *rt = t->worker->rt;
    struct bly_node *decider = NULL;
    struct bly_node *n;
    bool deadlines = false;

    for (n = t->node; n != NULL && !deadlines; n = n->up)
        deadlines = bly_load_relaxed(&n->when) != BLY_NEVER;
    if (deadlines)
        deadlines = cancel_mark_overdue(rt, t->node, bly_os_now());
    t->slow &= (uint8_t)~(BLY_SLOW_STALE | BLY_SLOW_DEADLINE);
    if (deadlines)
        t->slow |= BLY_SLOW_DEADLINE;
    t->seen = bly_load_acquire(&rt->epoch); /* pairs with bly_cut */
    t->cut = bly_cut_code(t->node, &decider);
    if (t->cut != 0 && cancel_is_outside(t, decider))
        t->delivered |= t->cut == -ETIME ? 2 : 1;
    return t->cut;
}

/* Ends the sleep of t if it is cut, or stopped in a wait that minds. */
static void
cancel_poke(struct bly_task *t)
{
    struct bly_waiter *w = t->waiter;
    int code;

    if (w == NULL || w->kind->abort == NULL)
        return;
    code = bly_cut_now(t);
    if (code == 0 && w->kind->stoppable && bly_node_stopped(t->node))
        code = -ESHUTDOWN;
    if (code == 0)
        return;
    if (w->kind->abort(w) != BLY_ABORT_DONE)
        return; /* the wake-up is on its way and wins */
    w->result = code;
    bly_timeline_abort(t->worker, t);
    t->waiter = NULL;
    bly_sched_ready(t);
}

static void
cancel_notify_shard(struct bly_worker *here, struct bly_shard *sh)
{
    if (sh->worker == here) {
        if (sh->todo != NULL)
            return;
        sh->todo = here->todo == NULL ? sh : here->todo;
        here->todo = sh;
        /* pairs with bly_shard_message */
    } else if (bly_xchg(&sh->sent, 1u) == 0) {
        if (bly_scope_hold(sh->scope))
            bly_send_msg(sh->worker, &sh->msg);
    }
}

static void
cancel_notify_scope(struct bly_worker *here, struct bly_scope *s)
{
    struct bly_shard *f;
    struct bly_ext *x;

    cancel_notify_shard(here, &s->home);
    /* pairs with cancel_shard_of */
    for (f = bly_load(&s->far_shards); f != NULL; f = f->next)
        cancel_notify_shard(here, f);
    x = bly_load(&s->ext); /* pairs with bly_scope_ext */
    /* pairs with spawn_daemons */
    if (x != NULL && (s = bly_load(&x->daemons)) != NULL) {
        cancel_notify_shard(here, &s->home);
        /* pairs with cancel_shard_of */
        for (f = bly_load(&s->far_shards); f != NULL; f = f->next)
            cancel_notify_shard(here, f);
    }
}

void
bly_shield_start_now(struct bly_worker *w, struct bly_block *b)
{
    int64_t when;

    if (b->node.when != BLY_NEVER)
        return;
    when = bly_time_add(bly_os_now(), (int64_t)(intptr_t)b->value);
    b->node.task->slow |= BLY_SLOW_STALE;
    if (when != BLY_NEVER && bly_timer_arm(&w->timers, &b->timer, when) < 0)
        when = 0; /* no memory: at once */
    bly_store_relaxed(&b->node.when, when); /* others may look up to it */
}

void
bly_shield_start(struct bly_worker *w, struct bly_node *n)
{
    if (bly_cut_code(n->up, NULL) != 0)
        bly_shield_start_now(w, BLY_CONTAINER(n, struct bly_block, node));
}

/* Looks at what t has open inside `stop', then at its sleep. */
static void
cancel_walk_task(struct bly_worker *w, struct bly_task *t,
    struct bly_node *stop)
{
    struct bly_node *n;

    for (n = t->node; n != stop; n = n->up) {
        if (n->kind == BLY_NODE_SCOPE)
            cancel_notify_scope(w, BLY_CONTAINER(n, struct bly_scope, node));
        else if (n->kind == BLY_NODE_SHIELD)
            bly_shield_start(w, n);
        if (n == &t->base)
            break;
    }
    cancel_poke(t);
}

/* A hundred thousand sleepers are in no cache: fetches the waiter of the task
 * CANCEL_AHEAD places on, and the descriptor as many places behind it. */
BLY_INLINE struct bly_link *
cancel_fetch(struct bly_shard *sh, struct bly_link *ahead)
{
    struct bly_task *t;

    if (ahead == &sh->tasks.head)
        return ahead;
    t = BLY_CONTAINER(ahead, struct bly_task, link);
    if (t->waiter != NULL) {
        bly_cpu_prefetch(t->waiter);
        bly_cpu_prefetch((const char *)t->waiter + BLY_CACHE_LINE);
    }
    bly_cpu_prefetch(ahead->next->next);
    return ahead->next;
}

static void
cancel_walk_shard(struct bly_worker *w, struct bly_shard *sh)
{
    struct bly_link *l, *ahead = sh->tasks.head.next;
    int i;

    for (i = 0; i < CANCEL_AHEAD; i++)
        ahead = cancel_fetch(sh, ahead);
    for (l = bly_list_first(&sh->tasks); l != NULL;
         l = bly_list_next(&sh->tasks, l)) {
        ahead = cancel_fetch(sh, ahead);
        cancel_walk_task(w, BLY_CONTAINER(l, struct bly_task, link), NULL);
    }
    if (sh == &sh->scope->home && !(sh->scope->flags & BLY_SCOPE_DAEMONS))
        cancel_walk_task(w, sh->scope->node.task, &sh->scope->node);
}

static void
cancel_walk(struct bly_worker *w)
{
    struct bly_shard *sh;

    while ((sh = w->todo) != NULL) {
        w->todo = sh->todo == sh ? NULL : sh->todo;
        sh->todo = NULL;
        cancel_walk_shard(w, sh);
    }
}

void
bly_shard_message(struct bly_msg *m, struct bly_worker *w)
{
    struct bly_shard *sh = BLY_CONTAINER(m, struct bly_shard, msg);
    struct bly_scope *s = sh->scope;

    (void)bly_xchg(&sh->sent, 0u); /* pairs with cancel_notify_shard */
    cancel_notify_shard(w, sh);
    cancel_walk(w);
    bly_scope_release(s);
}

void
bly_deliver(struct bly_node *n)
{
    struct bly_worker *w = bly_worker_here;

    if (n->kind == BLY_NODE_SCOPE)
        cancel_notify_scope(w, BLY_CONTAINER(n, struct bly_scope, node));
    else
        cancel_walk_task(w, n->task, n->up);
    if (w != NULL)
        cancel_walk(w);
}

static void
cancel_mark(struct bly_node *n, int code)
{
    int32_t none = 0;
    struct bly_rt *rt = n->task->worker->rt;

    if (bly_cas(&n->cut, &none, (int32_t)code)) /* pairs with bly_cut_code */
        bly_timeline_cut(bly_worker_here, n, code);
    (void)bly_fetch_add(&rt->epoch, 1u); /* pairs with bly_enter */
}

void
bly_cut(struct bly_node *n, int code)
{
    cancel_mark(n, code);
    bly_deliver(n);
}

/* Without a shard it has neither slept nor opened anything. */
void
bly_cut_onward(struct bly_task *t, int code)
{
    cancel_mark(&t->base, code);
    if (t->shard != NULL)
        cancel_notify_shard(t->worker, t->shard);
}

static struct bly_shard *
cancel_shard_of(struct bly_scope *s, struct bly_worker *w, bool *made)
{
    struct bly_shard *sh;
    struct bly_shard *head;

    *made = false;
    if (s->home.worker == w)
        return &s->home;
    head = bly_load_acquire(&s->far_shards); /* pairs with itself, below */
    for (sh = head; sh != NULL; sh = sh->next)
        if (sh->worker == w)
            return sh;
    sh = bly_alloc_quiet(sizeof *sh);
    if (sh == NULL)
        bly_misuse(s->node.site, "no memory for a list of tasks");
    bly_shard_init(sh, s, w);
    do
        sh->next = head;
    /* pairs with cancel_notify_scope */
    while (!bly_cas(&s->far_shards, &head, sh));
    /* Who missed sh has moved the epoch before: from here on, the quick checks
     * of all tasks of this worker see that.  pairs with bly_cut */
    (void)bly_load(&w->rt->epoch);
    *made = true;
    return sh;
}

bool
bly_task_link(struct bly_task *t)
{
    bool made;

    t->shard = cancel_shard_of(bly_task_scope(t), t->worker, &made);
    bly_list_push(&t->shard->tasks, &t->link);
    bly_list_push(&t->worker->tasks, &t->all);
    if (made)
        t->slow |= BLY_SLOW_STALE;
    return made;
}

void
bly_task_unlink(struct bly_task *t)
{
    bly_list_remove(&t->link);
    bly_list_remove(&t->all);
    t->shard = NULL;
}

/* The sleeper itself: a cut may have missed the shard that it just made. */
void
bly_cancel_recheck(struct bly_task *t)
{
    cancel_poke(t);
}
