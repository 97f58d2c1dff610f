/* SPDX-License-Identifier: MIT */
/*
 * The hooks: an event is filled in and put into the ring of the worker.
 *
 * The runtime's own task, in which the root's scope lies, is not shown: as
 * elsewhere, that scope is where the tree begins.
 */
#include "core/timeline.h"

#include <belay/timeline.h>

#include "core/census.h"
#include "core/scope.h"
#include "trace/ring.h"

#include <stdarg.h>
#include <stdio.h>

/* An event while it is written. */
struct timeline_pen {
    struct bly_ring *ring;
    struct bly_trace_event e;
    bool hushed;
};

/* ---- one event ---------------------------------------------------------- */

static bool
timeline_is_own(const struct bly_task *t)
{
    return t->base.up->up == NULL;
}

static uint64_t
timeline_id(const struct bly_task *t)
{
    return timeline_is_own(t) ? 0 : t->id;
}

static void
timeline_name(struct bly_trace_event *e, const char *name)
{
    bly_event_text(e->text, sizeof(e->text), name != NULL ? name : "");
}

#if BLY_SIM
static uint64_t
timeline_order(void)
{
    static uint64_t order;

    return ++order;
}
#else
static uint64_t
timeline_order(void)
{
    return 0;
}
#endif

/* Between the two calls the run is hushed and the caller may fill in more.
 * False: stopped meanwhile. */
static bool
timeline_begin(struct timeline_pen *p, struct bly_worker *w, uint8_t kind,
    const struct bly_task *t)
{
    p->hushed = bly_hush();
    p->ring = bly_load_acquire(&w->ring); /* pairs with recording_lend */
    if (p->ring == NULL) {
        bly_unhush(p->hushed);
        return false;
    }
    p->e = (struct bly_trace_event){.kind = kind, .task = timeline_id(t)};
    timeline_name(&p->e, t->name);
    return true;
}

static void
timeline_end(struct timeline_pen *p)
{
    p->e.when = bly_os_now();
    p->e.order = timeline_order();
    p->e.runtime = bly_load_relaxed(&p->ring->runtime);
    p->e.worker = bly_load_relaxed(&p->ring->worker);
    if (p->e.task != 0 || p->e.kind == BLY_EVENT_CUT)
        bly_ring_put(p->ring, &p->e);
    bly_unhush(p->hushed);
}

/* ---- the hooks ---------------------------------------------------------- */

void
bly_timeline_put_spawn(struct bly_worker *w, struct bly_task *child)
{
    struct timeline_pen p;

    if (!timeline_begin(&p, w, BLY_EVENT_SPAWN, child))
        return;
    p.e.other = p.ring->task;
    p.e.node = timeline_id(bly_task_scope(child)->node.task);
    p.e.site = child->base.site;
    timeline_end(&p);
}

void
bly_timeline_put_first(struct bly_worker *w, struct bly_task *t,
    struct bly_task *owner)
{
    struct timeline_pen p;

    if (!timeline_begin(&p, w, BLY_EVENT_FIRST, t))
        return;
    p.e.other = owner != NULL ? timeline_id(owner) : 0;
    if (p.e.task != 0)
        p.e.node = timeline_id(bly_task_scope(t)->node.task);
    p.e.site = t->base.site;
    p.ring->task = p.e.task;
    timeline_end(&p);
}

void
bly_timeline_put_park(struct bly_worker *w, struct bly_waiter *waiter)
{
    struct timeline_pen p;
    struct bly_state state;

    if (!timeline_begin(&p, w, BLY_EVENT_PARK, waiter->task))
        return;
    bly_state_of_wait(waiter, &state);
    p.e.verb = state.verb;
    p.e.site = state.site;
    timeline_name(&p.e, state.object);
    p.ring->task = 0;
    timeline_end(&p);
}

void
bly_timeline_put_yield(struct bly_worker *w, struct bly_task *t)
{
    struct timeline_pen p;

    if (!timeline_begin(&p, w, BLY_EVENT_YIELD, t))
        return;
    p.ring->task = 0;
    timeline_end(&p);
}

void
bly_timeline_put_run(struct bly_worker *w, struct bly_task *t)
{
    struct timeline_pen p;

    if (!timeline_begin(&p, w, BLY_EVENT_RUN, t))
        return;
    p.ring->task = p.e.task;
    timeline_end(&p);
}

void
bly_timeline_put_wake(struct bly_worker *w, struct bly_task *t)
{
    struct timeline_pen p;

    if (!timeline_begin(&p, w, BLY_EVENT_WAKE, t))
        return;
    p.e.other = p.ring->task;
    timeline_end(&p);
}

void
bly_timeline_put_abort(struct bly_worker *w, struct bly_task *t)
{
    struct bly_node *decider = NULL;
    struct timeline_pen p;

    if (!timeline_begin(&p, w, BLY_EVENT_ABORT, t))
        return;
    p.e.other = p.ring->task;
    if (bly_cut_code(t->node, &decider) != 0)
        p.e.node = (uintptr_t)decider;
    timeline_end(&p);
}

/* Its scope's count still holds the scope, and the next event of this worker
 * may be the wake of who joins: so the task runs on, for the ring. */
void
bly_timeline_put_finish(struct bly_worker *w, struct bly_task *t, int r)
{
    struct timeline_pen p;

    if (!timeline_begin(&p, w, BLY_EVENT_FINISH, t))
        return;
    p.e.code = r;
    timeline_end(&p);
}

static const char *
timeline_node_word(const struct bly_node *n)
{
    switch (n->kind) {
    case BLY_NODE_SCOPE:
        return "scope";
    case BLY_NODE_DEADLINE:
        return "deadline";
    case BLY_NODE_SHIELD:
        return "shield";
    default:
        return "task";
    }
}

void
bly_timeline_put_cut(struct bly_worker *w, struct bly_node *n, int code)
{
    struct timeline_pen p;

    if (!timeline_begin(&p, w, BLY_EVENT_CUT, n->task))
        return;
    p.e.other = p.ring->task;
    p.e.node = (uintptr_t)n;
    p.e.site = n->site;
    p.e.code = code;
    p.e.verb = timeline_node_word(n);
    if (n->kind == BLY_NODE_SCOPE)
        timeline_name(&p.e,
            bly_scope_name(BLY_CONTAINER(n, struct bly_scope, node)));
    timeline_end(&p);
}

void
bly_timeline_put_open(struct bly_worker *w, struct bly_scope *s)
{
    struct timeline_pen p;

    if (!timeline_begin(&p, w, BLY_EVENT_OPEN, s->node.task))
        return;
    p.e.node = (uintptr_t)&s->node;
    p.e.site = s->node.site;
    timeline_name(&p.e, bly_scope_name(s));
    timeline_end(&p);
}

void
bly_timeline_put_close(struct bly_worker *w, struct bly_scope *s, int r)
{
    struct timeline_pen p;

    if (!timeline_begin(&p, w, BLY_EVENT_CLOSE, s->node.task))
        return;
    p.e.node = (uintptr_t)&s->node;
    p.e.code = r;
    timeline_end(&p);
}

void
bly_timeline_put_between(struct bly_worker *w)
{
    bool hushed = bly_hush();
    /* pairs with recording_lend */
    struct bly_ring *r = bly_load_acquire(&w->ring);

    if (r != NULL)
        r->task = 0;
    bly_unhush(hushed);
}

void
belay_timeline_mark(const char *fmt, ...)
{
    struct bly_task *t = bly_self();
    char text[2 * BLY_EVENT_TEXT];
    struct timeline_pen p;
    va_list ap;

    if (t == NULL || !bly_timeline_is_on(t->worker) ||
        !timeline_begin(&p, t->worker, BLY_EVENT_MARK, t))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    timeline_name(&p.e, text);
    timeline_end(&p);
}
