/* SPDX-License-Identifier: MIT */
/*
 * Blocks: deadlines, shields, no-wait, task-local values; and the questions
 * that a task may ask about the cut it stands under.
 *
 * A block is a node in the caller's frame, pushed on the task's path and
 * popped in reverse order.  A shield keeps the length of its limit in `value'
 * until its clock starts: at entry if something is hidden already, else when
 * cancel.c finds that it begins to hide a cut.
 */
#include "core/cancel.h"

#include "base/check.h"
#include "core/census.h"
#include "core/errand.h"
#include "core/sched.h"
#include "core/scope.h"
#include "core/wait.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct bly_block) <= sizeof(belay_block),
    "belay_block is too small");

static struct bly_block *
block_of(belay_block *b)
{
    return (struct bly_block *)(void *)b;
}

static struct bly_task *
block_push(struct bly_block *b, uint8_t kind, const char *what,
    const belay_site *site)
{
    struct bly_task *t = bly_must_self(what, site);

    b->node.up = t->node;
    b->node.task = t;
    b->node.site = site;
    b->node.when = BLY_NEVER;
    b->node.cut = 0;
    b->node.kind = kind;
    b->node.stopped = 0;
    b->node.cause = NULL;
    b->timer.place = 0;
    b->key = b->value = NULL;
    t->node = &b->node;
    return t;
}

static void
block_timer_fire(struct bly_timer *timer)
{
    bly_cut(&BLY_CONTAINER(timer, struct bly_block, timer)->node, -ETIME);
}

void
belay_deadline_open(belay_block *p, belay_dur d, const belay_site *site)
{
    struct bly_block *b = block_of(p);
    struct bly_task *t = block_push(b, BLY_NODE_DEADLINE, "a deadline", site);

    b->node.when = bly_time_add(bly_os_now(), d > 0 ? d : 0);
    b->timer.fire = block_timer_fire;
    if (b->node.when == BLY_NEVER)
        return;
    t->slow |= BLY_SLOW_DEADLINE;
    if (bly_timer_arm(&t->worker->timers, &b->timer, b->node.when) < 0)
        bly_cut(&b->node, -ENOMEM);
}

void
belay_shield_open(belay_block *p, belay_dur max, const belay_site *site)
{
    struct bly_block *b = block_of(p);
    struct bly_task *t;

    if (max <= 0)
        bly_misuse(site, "a shield needs a limit above zero");
    /* A cut that comes later must find it, to start its clock. */
    t = bly_must_self("a shield", site);
    if (t->shard == NULL)
        (void)bly_task_link(t);
    (void)block_push(b, BLY_NODE_SHIELD, "a shield", site);
    b->timer.fire = block_timer_fire;
    b->value = (const void *)(intptr_t)max;
    t->slow |= BLY_SLOW_STALE;
    bly_shield_start(t->worker, &b->node);
}

void
belay_nowait_open(belay_block *p, const belay_site *site)
{
    struct bly_task *t;

    t = block_push(block_of(p), BLY_NODE_NOWAIT, "BELAY_NOWAIT", site);
    t->slow |= BLY_SLOW_NOWAIT;
}

void
belay_with_open(belay_block *p, const belay_key *key, const void *value,
    const belay_site *site)
{
    struct bly_block *b = block_of(p);

    (void)block_push(b, BLY_NODE_LOCAL, "BELAY_WITH", site);
    b->key = key;
    b->value = value;
}

static void
block_leave_nowait(struct bly_task *t)
{
    struct bly_node *n;

    for (n = t->node; n != &t->base; n = n->up)
        if (n->kind == BLY_NODE_NOWAIT)
            return;
    t->slow &= (uint8_t)~BLY_SLOW_NOWAIT;
}

void
belay_block_close(belay_block *p)
{
    struct bly_block *b = block_of(p);
    struct bly_task *t = b->node.task;

    if (t != bly_self())
        bly_misuse(b->node.site, "closing a block of another task");
    if (t->node != &b->node)
        bly_misuse(b->node.site,
            "closing a block inside which the one of %s:%d is still open",
            t->node->site->file, t->node->site->line);
    t->node = b->node.up;
    if (bly_timer_armed(&b->timer))
        bly_timer_disarm(&t->worker->timers, &b->timer);
    if (b->node.kind == BLY_NODE_NOWAIT)
        block_leave_nowait(t);
    else if (b->node.kind != BLY_NODE_LOCAL)
        t->slow |= BLY_SLOW_STALE;
}

bool
belay_deadline_passed(const belay_block *p)
{
    const struct bly_block *b = (const struct bly_block *)(const void *)p;

    return bly_load_relaxed(&b->node.cut) == -ETIME ||
        b->node.when <= bly_os_now();
}

belay_time
belay_deadline_now(void)
{
    struct bly_errand *e = bly_errand_self();
    struct bly_node *n;
    int64_t when = BLY_NEVER;
    bool hidden = false;

    if (e != NULL)
        return e->deadline;
    n = bly_must_self("belay_deadline_now", NULL)->node;
    for (; n != NULL; n = n->up) {
        int64_t its = bly_load_relaxed(&n->when);

        if ((!hidden || n->kind == BLY_NODE_SHIELD) && its < when)
            when = its;
        hidden = hidden || n->kind == BLY_NODE_SHIELD;
    }
    return when == BLY_NEVER ? 0 : when;
}

/* The task that runs here, or that sleeps while this thread works for it. */
static struct bly_task *
block_whose(void)
{
    struct bly_errand *e = bly_errand_self();

    return e != NULL ? e->task : bly_self();
}

const void *
belay_local_get(const belay_key *key)
{
    struct bly_task *t = block_whose();
    struct bly_node *n;

    for (n = t != NULL ? t->node : NULL; n != NULL; n = n->up) {
        struct bly_block *b = BLY_CONTAINER(n, struct bly_block, node);

        if (n->kind == BLY_NODE_LOCAL && b->key == key)
            return b->value;
    }
    return key->initial;
}

/* ---- cancelling and stopping -------------------------------------------- */

void
belay_cancel_at(belay_scope *p, const belay_site *site, const char *fmt, ...)
{
    struct bly_scope *s = bly_scope_of(p);
    char why[88];
    va_list ap;

    if (s->magic != BLY_SCOPE_MAGIC)
        bly_misuse(site, "cancelling a scope that is not open");
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    bly_scope_cut(s, -ECANCELED, site, why);
}

static void
stop_grace_fire(struct bly_timer *timer)
{
    struct bly_ext *x = BLY_CONTAINER(timer, struct bly_ext, grace);

    bly_cut(&x->scope->node, -ECANCELED);
}

/* On the home worker: from here on the hard cut is a matter of time. */
static void
stop_arm_grace(struct bly_scope *s, struct bly_ext *x)
{
    x->grace.fire = stop_grace_fire;
    if (bly_timer_arm(&s->home.worker->timers, &x->grace,
            bly_time_add(bly_os_now(), s->grace)) < 0)
        bly_cut(&s->node, -ECANCELED);
}

static void
stop_message(struct bly_msg *m, struct bly_worker *w)
{
    struct bly_ext *x = BLY_CONTAINER(m, struct bly_ext, stop_msg);

    (void)w;
    stop_arm_grace(x->scope, x);
    bly_scope_release(x->scope);
}

void
belay_stop_at(belay_scope *p, const belay_site *site, const char *fmt, ...)
{
    struct bly_scope *s = bly_scope_of(p);
    struct bly_ext *x;
    char why[88];
    va_list ap;

    if (s->magic != BLY_SCOPE_MAGIC)
        bly_misuse(site, "stopping a scope that is not open");
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    /* pairs with bly_node_stopped */
    bly_store_release(&s->node.stopped, (uint8_t)1);
    x = bly_scope_ext(s);
    if (s->grace <= 0 || x == NULL) {
        bly_scope_cut(s, -ECANCELED, site, why);
        return;
    }
    bly_lock(&x->lock);
    if (x->cause.site == NULL) {
        x->cause.site = site;
        snprintf(x->cause.text, sizeof x->cause.text, "%s", why);
        /* pairs with belay_cancel_cause */
        bly_store_release(&s->node.cause, &x->cause);
    }
    bly_unlock(&x->lock);
    bly_deliver(&s->node);
    if (bly_xchg(&x->stop_sent, 1u) != 0) /* pairs with itself: once */
        return;
    x->scope = s;
    x->stop_msg.run = stop_message;
    if (s->home.worker == bly_worker_here)
        stop_arm_grace(s, x);
    else if (bly_scope_hold(s))
        bly_send_msg(s->home.worker, &x->stop_msg);
}

int
belay_cancelled(void)
{
    struct bly_errand *e = bly_errand_self();

    if (e != NULL)
        return bly_errand_cut(e);
    return bly_cut_now(bly_must_self("belay_cancelled", NULL));
}

bool
belay_stopping(void)
{
    struct bly_errand *e = bly_errand_self();
    struct bly_task *t;

    if (e != NULL)
        return bly_node_stopped(e->task->node) || bly_errand_cut(e) != 0;
    t = bly_must_self("belay_stopping", NULL);
    return bly_node_stopped(t->node) || bly_cut_now(t) != 0;
}

int
belay_checkpoint(void)
{
    struct bly_errand *e = bly_errand_self();
    struct bly_task *t;

    if (e != NULL)
        return bly_errand_cut(e);
    return bly_enter(&t, "belay_checkpoint", NULL);
}

int
belay_yield(void)
{
    struct bly_task *t;
    int r = bly_enter(&t, "belay_yield", NULL);

    if (r == 0)
        bly_sched_give_way(t->worker);
    return r;
}

/* Of a cut for which nobody has given a reason. */
static void
cause_kind(char *buf, size_t size, struct bly_node *n, int code)
{
    const char *what = n->kind == BLY_NODE_TASK ? "a task failed"
        : n->kind == BLY_NODE_SHIELD            ? "the limit of a shield passed"
        : code == -ETIME                        ? "a deadline passed"
                                                : "a scope was cancelled";

    if (n->kind == BLY_NODE_SCOPE)
        (void)snprintf(buf, size, "%s scope '%s' %s",
            code == -ETIME ? "the deadline of" : "the",
            bly_scope_name(BLY_CONTAINER(n, struct bly_scope, node)),
            code == -ETIME ? "passed" : "was cancelled");
    else
        (void)snprintf(buf, size, "%s", what);
}

/* The path from the caller up to the node that decided. */
static void
cause_path(char *buf, size_t size, struct bly_node *n, struct bly_node *end)
{
    size_t used = 0;

    for (; n != NULL && used < size; n = n->up) {
        if (n->kind == BLY_NODE_TASK)
            used += (size_t)snprintf(buf + used, size - used, "%s'%s'",
                used ? " < " : "", n->task->name);
        if (n == end)
            break;
    }
}

const char *
belay_cancel_cause(void)
{
    static __thread char text[320];
    struct bly_errand *e = bly_errand_self();
    struct bly_task *t =
        e != NULL ? e->task : bly_must_self("belay_cancel_cause", NULL);
    struct bly_node *n = NULL;
    struct bly_cause *cause;
    char path[120] = "", kind[100];
    int code = e != NULL ? bly_errand_cut(e) : bly_cut_now(t);

    if (code == 0 || bly_cut_code(t->node, &n) == 0)
        return NULL;
    cause_path(path, sizeof path, t->node, n);
    cause = bly_load_acquire(&n->cause); /* pairs with bly_scope_cut */
    if (cause != NULL)
        snprintf(text, sizeof text, "%s (at %s:%d)", cause->text,
            cause->site->file, cause->site->line);
    else {
        cause_kind(kind, sizeof kind, n, code);
        snprintf(text, sizeof text, "%s (of %s:%d)", kind, n->site->file,
            n->site->line);
    }
    if (path[0] != '\0')
        snprintf(text + strlen(text), sizeof text - strlen(text),
            ", reached %s", path);
    return text;
}

/* ---- who am I ----------------------------------------------------------- */

belay_time
belay_now(void)
{
    return bly_os_now();
}

const char *
belay_version(void)
{
    return BELAY_VERSION;
}

const char *
belay_task_name(void)
{
    struct bly_task *t = block_whose();

    return t != NULL ? t->name : NULL;
}

uint64_t
belay_task_id(void)
{
    struct bly_task *t = block_whose();

    return t != NULL ? t->id : 0;
}

unsigned
belay_worker_index(void)
{
    return bly_worker_here != NULL ? bly_worker_here->index + 1 : 0;
}
