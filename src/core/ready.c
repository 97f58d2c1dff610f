/* SPDX-License-Identifier: MIT */
/*
 * Three waits that belong to scopes: for a slot of .limit, for belay_ready,
 * and for the next tagged child.
 *
 * spawn_ready (rule 12 of the design).  The child is kept on the spawner's
 * worker, so that the handshake is plain data of one thread.  The spawner's
 * wait has no abort of its own that gives up: if it is cut before the child
 * was ready, it cuts the child and goes on waiting for the child's end; if
 * ready comes first, ready wins.
 */
#include "core/scope.h"

#include "base/alloc.h"
#include "base/check.h"
#include "core/sched.h"

#include <errno.h>

/* ---- .limit ------------------------------------------------------------- */

static enum bly_abort
limit_abort(struct bly_waiter *w)
{
    struct bly_scope *s = w->object;
    struct bly_ext *x = bly_scope_has_ext(s);
    enum bly_abort answer = BLY_ABORT_PENDING;

    bly_lock(&x->lock);
    if (bly_linked(&w->link)) {
        bly_list_remove(&w->link);
        x->stuck -= w->index;
        answer = BLY_ABORT_DONE;
    }
    bly_unlock(&x->lock);
    return answer;
}

static struct bly_scope *
limit_children(struct bly_waiter *w, int64_t *count)
{
    struct bly_scope *s = w->object;
    struct bly_ext *x = bly_scope_has_ext(s);

    bly_lock(&x->lock);
    *count = x->running;
    bly_unlock(&x->lock);
    return s;
}

static const struct bly_wait_kind limit_kind = {
    .verb = "spawn at the limit of a scope",
    .abort = limit_abort,
    .children = limit_children,
};

/* Is t a counted child of s itself? */
static bool
limit_is_counted(struct bly_scope *s, struct bly_task *t)
{
    return t->base.up == &s->node && (t->flags & BLY_TASK_COUNTED) != 0;
}

int
bly_limit_take(struct bly_scope *s, struct bly_task *t, const belay_site *site)
{
    struct bly_ext *x = bly_scope_ext(s);
    struct bly_waiter w;
    struct bly_task *self;
    bool inside;
    int r;

    if (x == NULL)
        return -ENOMEM;
    r = bly_enter(&self, "a spawn with .limit", site);
    if (r < 0)
        return r;
    inside = limit_is_counted(s, t);
    bly_lock(&x->lock);
    if (x->running < s->limit && bly_list_empty(&x->limiters)) {
        x->running++;
        bly_unlock(&x->lock);
        return 0;
    }
    if (inside && x->stuck + 1 == x->running) {
        bly_unlock(&x->lock);
        return -EDEADLK; /* every slot would wait for a slot */
    }
    bly_waiter_init(&w, t, &limit_kind, s, site);
    w.index = inside;
    x->stuck += inside;
    bly_list_push(&x->limiters, &w.link);
    bly_unlock(&x->lock);
    return bly_wait(&w);
}

bool
bly_limit_try(struct bly_scope *s)
{
    struct bly_ext *x = bly_scope_has_ext(s);
    bool got;

    bly_lock(&x->lock);
    got = x->running < s->limit && bly_list_empty(&x->limiters);
    x->running += got;
    bly_unlock(&x->lock);
    return got;
}

void
bly_limit_give(struct bly_scope *s)
{
    struct bly_ext *x = bly_scope_has_ext(s);
    struct bly_link *l;

    bly_lock(&x->lock);
    l = bly_list_pop(&x->limiters);
    if (l == NULL) {
        x->running--;
    } else {
        struct bly_waiter *w = BLY_CONTAINER(l, struct bly_waiter, link);

        x->stuck -= w->index;
        bly_wake(w, 0); /* the slot is its own now */
    }
    bly_unlock(&x->lock);
}

/* ---- spawn_ready -------------------------------------------------------- */

static enum bly_abort
ready_abort(struct bly_waiter *w)
{
    struct bly_ready *r = w->object;

    /* Once only; the wake-up comes with the child's end, or from ready. */
    if (!r->cut && !r->answered) {
        r->cut = true;
        if (r->child->base.cut == 0) {
            r->child->flags |= BLY_TASK_UNWANTED;
            bly_cut_onward(r->child, -ECANCELED);
        }
    }
    return BLY_ABORT_PENDING;
}

static struct bly_task *
ready_waker(struct bly_waiter *w, struct bly_task *prev)
{
    struct bly_ready *r = w->object;

    return prev == NULL ? r->child : NULL;
}

static const struct bly_wait_kind ready_kind = {
    .verb = "spawn_ready",
    .abort = ready_abort,
    .waker = ready_waker,
};

struct bly_ready *
bly_ready_init(struct bly_ready *r, struct bly_task *t)
{
    r->spawner = t;
    r->child = NULL;
    r->waiting = r->answered = r->ready = r->cut = false;
    r->value = 0;
    return r;
}

static void
ready_answer(struct bly_ready *r, int value)
{
    r->answered = true;
    r->value = value;
    if (r->waiting)
        bly_wake(&r->waiter, value);
}

int
bly_ready_wait(struct bly_task *spawner, struct bly_ready *r,
    const belay_site *site)
{
    if (!r->answered) {
        r->waiting = true;
        bly_waiter_init(&r->waiter, spawner, &ready_kind, r, site);
        /* Since the check there may have been a sleep, for a slot of .limit:
         * a cut that came when it was over has found nothing to end. */
        if (bly_cut_now(spawner) != 0)
            (void)ready_abort(&r->waiter);
        (void)bly_wait(&r->waiter);
    }
    if (r->cut && !r->ready) {
        int code = bly_cut_now(spawner);

        return code != 0 ? code : -ECANCELED;
    }
    return r->value;
}

void
belay_ready(int value)
{
    struct bly_task *t = bly_must_self("belay_ready", NULL);
    struct bly_ready *r = t->extra != NULL ? t->extra->ready : NULL;

    if (value < 0)
        bly_misuse(t->base.site, "belay_ready with %d: a value is >= 0", value);
    if (r == NULL || r->cut)
        return; /* not asked for, said already, or not wanted any more */
    r->ready = true;
    t->extra->ready = NULL;
    ready_answer(r, value);
}

bool
bly_ready_ended(struct bly_task *t, int result)
{
    struct bly_ready *r = t->extra->ready;

    t->extra->ready = NULL;
    ready_answer(r, result >= 0 ? -EPROTO : result);
    return !r->cut; /* then it returns the cut, and nobody this failure */
}

bool
bly_ready_unwanted(struct bly_task *t)
{
    return t->extra != NULL && t->extra->ready != NULL && t->extra->ready->cut;
}

/* ---- belay_next --------------------------------------------------------- */

/* Rule 14: a cut of s itself does not end the wait; one from outside does, and
 * so does a deadline around this call. */
static int
next_cut(struct bly_scope *s, struct bly_task *t)
{
    return bly_cut_code_but(t->node, &s->node);
}

static enum bly_abort
next_abort(struct bly_waiter *w)
{
    struct bly_scope *s = w->object;
    struct bly_ext *x = bly_scope_has_ext(s);
    enum bly_abort answer = BLY_ABORT_PENDING;

    if (next_cut(s, w->task) == 0)
        return BLY_ABORT_PENDING;
    bly_lock(&x->lock);
    if (bly_linked(&w->link)) {
        bly_list_remove(&w->link);
        answer = BLY_ABORT_DONE;
    }
    bly_unlock(&x->lock);
    return answer;
}

static const struct bly_wait_kind next_kind = {
    .verb = "belay_next", .abort = next_abort};

/* Under x->lock: 1 and the entry, 0 none will come, -EAGAIN wait. */
int
bly_next_try(struct bly_ext *x, struct bly_done_entry **e)
{
    struct bly_link *l = bly_list_pop(&x->done);

    if (l == NULL)
        return x->tagged == 0 ? 0 : -EAGAIN;
    *e = BLY_CONTAINER(l, struct bly_done_entry, link);
    return 1;
}

int
belay_next(belay_scope *p, belay_done *done)
{
    struct bly_scope *s = bly_scope_of(p);
    struct bly_task *t = bly_must_self("belay_next", NULL);
    struct bly_done_entry *e = NULL;
    struct bly_ext *x;
    struct bly_waiter w;
    int r;

    if (s->magic != BLY_SCOPE_MAGIC)
        bly_misuse(t->base.site, "belay_next on a scope that is not open");
    if (s->node.task != t)
        bly_misuse(t->base.site, "belay_next on a scope of another task");
    r = bly_enter(&t, "belay_next", s->node.site);
    if (r < 0 && (r = next_cut(s, t)) < 0)
        return r;
    x = bly_scope_ext(s);
    if (x == NULL)
        return -ENOMEM;
    for (;;) {
        bly_lock(&x->lock);
        r = bly_next_try(x, &e);
        if (r != -EAGAIN) {
            bly_unlock(&x->lock);
            break;
        }
        bly_waiter_init(&w, t, &next_kind, s, s->node.site);
        bly_list_push(&x->nexters, &w.link);
        bly_unlock(&x->lock);
        if (bly_wait(&w) < 0)
            return next_cut(s, t);
    }
    if (r == 1) {
        *done = e->done;
        bly_free(e);
    }
    return r;
}
