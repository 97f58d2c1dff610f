/* SPDX-License-Identifier: MIT */
/*
 * Starting a child: who may, whether the scope still takes one, and where it
 * is queued.
 *
 * A plain spawn touches the scope's count, a descriptor from the worker's own
 * cache and the end of its run queue: no lock, no atomic read-modify-write,
 * no stack.  Everything that few children want (a captured outcome, a tag, a
 * producer's registration, a handshake) is in an extra that only they have,
 * and only they take the slow road at their end.
 *
 * A spawn that fails has taken nothing: neither the arguments nor a count.
 * Its code is then the outcome of a child that never ran.
 */
#include "core/scope.h"

#include "base/alloc.h"
#include "base/check.h"
#include "core/census.h"
#include "core/errand.h"
#include "core/error.h"
#include "core/frames.h"
#include "core/idle.h"
#include "core/inlet.h"
#include "core/producer.h"
#include "core/sched.h"
#include "core/timeline.h"

#include <stdio.h>
#include <string.h>

/* What a spawn was asked for, passed down its steps. */
struct spawn_ask {
    belay_fn *run;
    belay_task_type *type;
    const char *name;
    const void *args;
    size_t size;
    const belay_spawn_opts *opts; /* or NULL */
    const belay_site *site;
};

/* Rule 9: the owner, and live tasks below s. */
static bool
spawn_is_below(struct bly_scope *s, struct bly_task *t)
{
    struct bly_node *n;

    for (n = t->node; n != NULL; n = n->up)
        if (n == &s->node)
            return true;
    return false;
}

/* True while no cut of s or above is in force. */
BLY_INLINE bool
spawn_is_open(struct bly_scope *s, struct bly_task *t)
{
    if (BLY_LIKELY(!t->slow && t->cut == 0 && t->node == &s->node &&
            t->seen == bly_load_relaxed(&t->worker->rt->epoch)))
        return true;
    if (bly_cut_code(&s->node, NULL) != 0)
        return false;
    if (t->node == &s->node)
        return bly_cut_now(t) == 0;
    return true;
}

/* ---- the descriptor ----------------------------------------------------- */

BLY_INLINE int
spawn_copy_args(struct bly_task *c, const void *args, size_t size)
{
    if (BLY_UNLIKELY(size > sizeof c->room)) {
        c->room.outside = bly_alloc(size);
        if (c->room.outside == NULL)
            return -ENOMEM;
        c->flags |= BLY_TASK_BIG_ARGS;
        memcpy(c->room.outside, args, size);
        return 0;
    }
    switch (size) { /* the first word and a few pointers, mostly */
    case 1:
        break;
    case 16:
        memcpy(&c->room, args, 16);
        break;
    case 24:
        memcpy(&c->room, args, 24);
        break;
    case 32:
        memcpy(&c->room, args, 32);
        break;
    default:
        memcpy(&c->room, args, size);
    }
    return 0;
}

BLY_INLINE void
spawn_init(struct bly_task *c, struct bly_worker *w, struct bly_scope *s,
    const struct spawn_ask *ask)
{
    c->worker = w;
    c->node = &c->base;
    c->stack = NULL;
    c->under = NULL;
    c->run = ask->run;
    c->type = ask->type;
    c->name = ask->name;
    c->base.up = &s->node;
    c->base.task = c;
    c->base.site = ask->site;
    c->base.when = BLY_NEVER;
    c->base.cut = 0;
    c->base.kind = BLY_NODE_TASK;
    c->base.stopped = 0;
    c->base.cause = NULL;
    memset(&c->waiter, 0,
        offsetof(struct bly_task, room) - offsetof(struct bly_task, waiter));
    c->msg.run = NULL;
}

/* What the spawner knows of the path that the child will have, if it knows. */
BLY_INLINE void
spawn_inherit(struct bly_task *c, struct bly_task *t, struct bly_scope *s)
{
    if (BLY_LIKELY(t->node == &s->node && !t->slow && t->cut == 0))
        c->seen = t->seen;
    else
        c->slow = BLY_SLOW_STALE;
}

/* ---- the rare parts ----------------------------------------------------- */

static int
spawn_extra(struct bly_task *c, struct bly_scope *s,
    const belay_spawn_opts *o, struct bly_ready *ready)
{
    struct bly_extra *e;

    if (o->stack > BLY_STACK_MAX)
        return -ENOMEM; /* else it would wait for its stack for ever */
    if (o->daemon)
        c->flags |= BLY_TASK_DAEMON;
    if (o->own_stack || o->stack != 0 || o->ready)
        c->flags |= BLY_TASK_OWN_STACK;
    if (o->stack != 0 && o->stack <= BLY_STACK_SMALL_SIZE)
        c->flags |= BLY_TASK_SMALL;
    if (o->outcome == NULL && !o->tagged && !o->ready &&
        (o->stack == 0 || (c->flags & BLY_TASK_SMALL)) &&
        o->producer_of == NULL && o->discard == NULL)
        return 0;
    e = bly_task_extra(c);
    if (e == NULL)
        return -ENOMEM;
    c->flags |= BLY_TASK_SPECIAL;
    e->outcome = o->outcome;
    e->discard = o->discard;
    e->stack = o->stack;
    e->ready = ready;
    if (ready != NULL)
        ready->child = c;
    if (o->tagged) {
        e->entry = bly_zalloc(sizeof *e->entry);
        if (e->entry == NULL || bly_scope_ext(s) == NULL)
            return -ENOMEM;
        e->tag = o->tag;
        e->entry->done.tag = o->tag;
    }
    e->producers = (struct bly_producers *)(void *)o->producer_of;
    return 0;
}

/* Every budget above counts one more, or none does: then the one at fault. */
static struct bly_budget *
spawn_budget_take(struct bly_scope *s)
{
    struct bly_budget *b, *undo;

    for (b = s->budget; b != NULL; b = b->up) {
        /* pairs with bly_budget_give */
        if (bly_fetch_add(&b->live, 1u) < b->max)
            continue;
        for (undo = s->budget;; undo = undo->up) {
            /* pairs with itself */
            (void)bly_fetch_add(&undo->live, UINT32_MAX);
            if (undo == b)
                return b;
        }
    }
    return NULL;
}

/* What the spawner and the scope are told of a full budget. */
static void
spawn_over_budget(char *why, size_t size, const struct bly_budget *b,
    const belay_site *site)
{
    (void)snprintf(why, size, "scope '%s' is at its .max_tasks of %u (%s:%d)",
        bly_scope_name(b->of), b->max, b->of->node.site->file,
        b->of->node.site->line);
    (void)belay_fail_at(-ENOMEM, site, "%s", why);
}

/* The worker asked for by .worker or .near, or NULL. */
static struct bly_worker *
spawn_place(struct bly_worker *w, const belay_spawn_opts *o,
    const belay_site *site)
{
    const struct bly_producers *p = o->near;
    const struct bly_scope *s = o->near;

    if (o->worker > w->rt->count)
        bly_misuse(site, "spawn on worker %u of %u", o->worker, w->rt->count);
    if (o->worker != 0)
        return &w->rt->workers[o->worker - 1];
    if (o->near == NULL)
        return NULL;
    if (p->magic == BLY_PRODUCERS_MAGIC) {
        struct bly_worker *near = bly_load_relaxed(&p->near);

        /* Another runtime may have used the channel before us. */
        return near >= w->rt->workers && near < w->rt->workers + w->rt->count
            ? near
            : NULL;
    }
    if (s->magic != BLY_SCOPE_MAGIC)
        bly_misuse(site, "spawn near something that is not an open scope or "
                         "a channel");
    return s->home.worker;
}

/* The hidden scope in which the daemons of s live. */
static struct bly_scope *
spawn_daemons(struct bly_scope *s)
{
    struct bly_ext *x = bly_scope_ext(s);
    struct bly_scope *d, *none = NULL;

    if (x == NULL)
        return NULL;
    d = bly_load_acquire(&x->daemons); /* pairs with itself, below */
    if (d != NULL)
        return d;
    d = bly_alloc(sizeof *d);
    if (d == NULL)
        return NULL;
    bly_scope_init(d, s->node.task, &s->node, s->node.site);
    bly_shard_init(&d->home, d, s->home.worker);
    d->flags = BLY_SCOPE_DAEMONS;
    d->special = true;
    if (bly_cas(&x->daemons, &none, d)) /* pairs with cancel_notify_scope */
        return d;
    bly_free(d);
    return none;
}

/* ---- queueing ----------------------------------------------------------- */

/* The count first: from then on the scope stays open for c. */
BLY_INLINE bool
spawn_count(struct bly_worker *w, struct bly_scope *s)
{
    if (s->home.worker == w && !s->shared) {
        s->near++;
        return true;
    }
    return bly_scope_hold(s);
}

BLY_INLINE void
spawn_queue(struct bly_worker *w, struct bly_task *c, struct bly_worker *where)
{
    bly_timeline_spawn(w, c);
    if (BLY_UNLIKELY(where != NULL)) {
        c->flags |= BLY_TASK_PINNED;
        c->worker = where;
        bly_sched_ready(c);
    } else if (BLY_UNLIKELY(bly_runq_push(&w->runq, c) < 0)) {
        bly_sched_ready(c);
    } else {
        bly_idle_pushed(w);
    }
}

static void
spawn_discard(struct bly_worker *w, struct bly_task *c)
{
    if (c->extra != NULL)
        bly_task_free_extra(c);
    if (c->flags & BLY_TASK_BIG_ARGS)
        bly_free(c->room.outside);
    bly_task_free(w, c);
}

/* All that a spawn with options, or into a scope with options, may need. */
static int
spawn_special(struct bly_worker *w, struct bly_task *t, struct bly_scope *s,
    const struct spawn_ask *ask, struct bly_ready *ready,
    struct bly_budget **over)
{
    const belay_spawn_opts *o = ask->opts;
    struct bly_scope *in = s;
    struct bly_worker *where = o != NULL ? spawn_place(w, o, ask->site) : NULL;
    struct bly_task *c;
    struct bly_ext *x;
    bool counted = s->limit != 0 && !(o != NULL && o->daemon);
    int r;

    if (s->flags & BLY_SCOPE_LOCAL)
        where = s->home.worker;
    if (ready != NULL)
        where = w;
    if (s->policy >= BELAY_FIRST_OK && bly_scope_ext(s) == NULL)
        return -ENOMEM;
    if (o != NULL && o->daemon && (in = spawn_daemons(s)) == NULL)
        return -ENOMEM;
    r = counted ? bly_limit_take(s, t, ask->site) : 0;
    if (r < 0)
        return r;
    w = t->worker;
    c = bly_task_new(w);
    if (c == NULL) {
        r = -ENOMEM;
        goto fail_limit;
    }
    spawn_init(c, w, in, ask);
    c->id = w->next_id += w->rt->count;
    c->slow = BLY_SLOW_STALE;
    if (counted)
        c->flags |= BLY_TASK_COUNTED;
    r = spawn_copy_args(c, ask->args, ask->size);
    if (r == 0 && o != NULL)
        r = spawn_extra(c, s, o, ready);
    if (r == 0 && (*over = spawn_budget_take(s)) != NULL)
        r = -ENOMEM;
    if (r < 0)
        goto fail_task;
    /* Daemons are not counted in s itself. */
    if (bly_scope_over(s) || !spawn_count(w, in)) {
        r = -ECANCELED;
        bly_budget_give(s);
        goto fail_task;
    }
    x = bly_scope_has_ext(s);
    if (x != NULL) {
        bly_lock(&x->lock);
        x->children += !(o != NULL && o->daemon);
        x->tagged += o != NULL && o->tagged;
        bly_unlock(&x->lock);
    }
    if (c->extra != NULL && c->extra->producers != NULL)
        c->extra->producers->add(c->extra->producers);
    spawn_queue(w, c, where);
    return 0;

fail_task:
    spawn_discard(w, c);
fail_limit:
    if (counted)
        bly_limit_give(s);
    return r;
}

void
bly_budget_give(struct bly_scope *s)
{
    struct bly_budget *b;

    for (b = s->budget; b != NULL; b = b->up)
        (void)bly_fetch_add(&b->live, UINT32_MAX); /* pairs with
                                                       * spawn_budget_take */
}

/* What a child from outside has on top of others. */
static int
spawn_foreign_extra(struct bly_task *c, struct bly_scope *s,
    struct bly_post *post)
{
    struct bly_ext *x = bly_scope_has_ext(s);

    if (post != NULL) {
        if (bly_task_extra(c) == NULL)
            return -ENOMEM;
        c->flags |= BLY_TASK_SPECIAL;
        c->extra->post = post;
        c->extra->outcome = &post->outcome;
    }
    if (spawn_budget_take(s) != NULL)
        return -ENOMEM;
    bly_lock(&x->lock);
    x->children++;
    bly_unlock(&x->lock);
    return 0;
}

int
bly_spawn_foreign(struct bly_scope *s, belay_task_type *type,
    const void *args, struct bly_post *post, const belay_site *site,
    struct bly_task **out)
{
    struct spawn_ask ask = {
        type->run, type, type->name, args, type->args_size, NULL, site};
    struct bly_worker *home = s->home.worker;
    bool counted = s->limit != 0;
    struct bly_task *c;
    int r;

    if (counted && !bly_limit_try(s))
        return -EAGAIN;
    c = bly_task_new_foreign(home->rt);
    r = c != NULL ? 0 : -ENOMEM;
    if (r == 0) {
        spawn_init(c, home, s, &ask);
        c->slow = BLY_SLOW_STALE;
        if (counted)
            c->flags |= BLY_TASK_COUNTED;
        r = spawn_copy_args(c, args, type->args_size);
        if (r == 0)
            r = spawn_foreign_extra(c, s, post);
    }
    if (r == 0) {
        *out = c;
        return 0;
    }
    if (c != NULL) {
        if (c->extra != NULL)
            bly_task_free_extra(c);
        if (c->flags & BLY_TASK_BIG_ARGS)
            bly_free(c->room.outside);
        bly_task_free_foreign(home->rt, c);
    }
    if (counted)
        bly_limit_give(s);
    return r;
}

static BLY_NOINLINE int
spawn_slow(struct bly_worker *w, struct bly_task *t, struct bly_scope *s,
    const struct spawn_ask *ask)
{
    const belay_spawn_opts *o = ask->opts;
    struct bly_ready box;
    struct bly_ready *ready = NULL;
    struct bly_budget *over = NULL;
    char why[160];
    int r;

    if (o != NULL && o->size != sizeof *o)
        bly_misuse(ask->site, "spawn options of another version");
    if (o != NULL && o->ready) {
        struct bly_task *me;

        r = bly_enter(&me, "belay_spawn_ready", ask->site);
        if (r < 0)
            goto failed;
        ready = bly_ready_init(&box, t);
    }
    r = spawn_is_open(s, t) ? spawn_special(w, t, s, ask, ready, &over)
                            : -ECANCELED;
    if (r == 0)
        return ready != NULL ? bly_ready_wait(t, ready, ask->site) : 0;
    if (over != NULL)
        spawn_over_budget(why, sizeof why, over, ask->site);
failed:
    bly_scope_never_ran(s, o, ask->name, r, over != NULL ? why : NULL);
    return r;
}

BLY_INLINE int
spawn_any(belay_scope *p, const struct spawn_ask *ask)
{
    struct bly_scope *s = bly_scope_of(p);
    struct bly_worker *w = bly_worker_here;
    struct bly_task *t = w != NULL ? w->current : NULL;
    struct bly_task *c;

    if (BLY_UNLIKELY(t == NULL))
        bly_errand_no_task("spawn", ask->site);
    if (BLY_UNLIKELY(s->magic != BLY_SCOPE_MAGIC))
        bly_misuse(ask->site, "spawn into a scope that is not open");
    if (BLY_UNLIKELY(t->node != &s->node) && !spawn_is_below(s, t))
        bly_misuse(ask->site,
            "spawn into a scope (%s:%d) by a task that is not below it",
            s->node.site->file, s->node.site->line);
    bly_frames_check(s, ask->args, ask->size,
        ask->type != NULL ? sizeof(void *) : 0, ask->site);
    if (BLY_UNLIKELY(ask->opts != NULL || s->special || !spawn_is_open(s, t)))
        return spawn_slow(w, t, s, ask);
    c = bly_task_new(w);
    if (BLY_UNLIKELY(c == NULL))
        goto failed;
    spawn_init(c, w, s, ask);
    c->id = w->next_id += w->rt->count;
    spawn_inherit(c, t, s);
    if (BLY_UNLIKELY(spawn_copy_args(c, ask->args, ask->size) < 0)) {
        bly_task_free(w, c);
        goto failed;
    }
    if (BLY_UNLIKELY(!spawn_count(w, s))) {
        spawn_discard(w, c);
        bly_scope_never_ran(s, NULL, ask->name, -ECANCELED, NULL);
        return -ECANCELED;
    }
    spawn_queue(w, c, NULL);
    return 0;

failed:
    bly_scope_never_ran(s, NULL, ask->name, -ENOMEM, NULL);
    return -ENOMEM;
}

int
belay_spawn_at(belay_scope *s, belay_task_type *type, const void *args,
    const belay_spawn_opts *opts, const belay_site *site)
{
    struct spawn_ask ask = {type->run, type,
        opts != NULL && opts->name != NULL ? opts->name : type->name, args,
        type->args_size, opts, site};

    return spawn_any(s, &ask);
}

int
belay_scope_spawn(belay_scope *s, belay_fn *fn, const void *arg, size_t size,
    const belay_spawn_opts *opts, const belay_site *site)
{
    struct spawn_ask ask = {fn, NULL,
        opts != NULL && opts->name != NULL ? opts->name : "task", arg, size,
        opts, site};

    return spawn_any(s, &ask);
}
