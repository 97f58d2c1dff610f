/* SPDX-License-Identifier: MIT */
/*
 * The end of a child.
 *
 * It runs in the child itself, on its worker, after the child's function has
 * returned and before its scope's count goes down; so the scope is there for
 * all of it, and gone right after.  A plain success does next to nothing.
 *
 * Everything that a closing scope must do while it has children (cut the
 * siblings, hand a slot of .limit on, wake the owner in belay_next) is done
 * here, by whoever causes it, never by code that waits on the owner's stack.
 */
#include "core/scope.h"

#include "base/alloc.h"
#include "base/check.h"
#include "core/error.h"
#include "core/producer.h"
#include "core/sched.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- cutting and failing ------------------------------------------------ */

void
bly_scope_cut(struct bly_scope *s, int code, const belay_site *site,
    const char *why)
{
    struct bly_ext *x = bly_scope_ext(s);

    if (x != NULL && why != NULL) {
        bly_lock(&x->lock);
        if (x->cause.site == NULL) {
            x->cause.site = site;
            snprintf(x->cause.text, sizeof x->cause.text, "%s", why);
            /* pairs with belay_cancel_cause */
            bly_store_release(&s->node.cause, &x->cause);
        }
        bly_unlock(&x->lock);
    }
    bly_cut(&s->node, code);
}

void
bly_task_fail(struct bly_task *t, int code)
{
    t->slow |= BLY_SLOW_STALE;
    bly_cut(&t->base, code);
}

int
belay_take_failure(void)
{
    struct bly_task *t = bly_must_self("belay_take_failure", NULL);
    int code = t->base.cut;

    if (code != 0) {
        bly_store_relaxed(&t->base.cut, 0);
        t->slow |= BLY_SLOW_STALE;
        (void)bly_fetch_add(&t->worker->rt->epoch, 1u); /* pairs with
                                                          * bly_enter */
    }
    return code;
}

/* ---- recording ---------------------------------------------------------- */

const char *
bly_scope_keep_text(struct bly_scope *s, const char *text)
{
    struct bly_ext *x = bly_scope_ext(s);
    struct bly_keep *k;
    size_t n;

    if (x == NULL || text == NULL)
        return NULL;
    n = strlen(text) + 1;
    k = bly_alloc(sizeof *k + n);
    if (k == NULL)
        return NULL;
    memcpy(k + 1, text, n);
    bly_lock(&x->lock);
    k->next = x->keeps;
    x->keeps = k;
    bly_unlock(&x->lock);
    return (const char *)(k + 1);
}

void
bly_keep_free(struct bly_keep *list)
{
    struct bly_keep *next;

    for (; list != NULL; list = next) {
        next = list->next;
        bly_free(list);
    }
}

void
bly_scope_failed(struct bly_scope *s, const belay_done *done, bool delivered)
{
    struct bly_ext *x = bly_scope_ext(s);
    int32_t none = 0;

    if (!delivered)
        (void)bly_cas(&s->result, &none, done->err); /* pairs with
                                                          * scope_result */
    if (x == NULL)
        return;
    bly_lock(&x->lock);
    if (x->nerrors < BLY_SCOPE_ERRORS)
        x->errors[x->nerrors] = *done;
    x->nerrors++;
    if (!delivered && x->undelivered == 0)
        x->undelivered = done->err;
    bly_unlock(&x->lock);
}

size_t
belay_scope_errors(belay_scope *p, belay_done *out, size_t n)
{
    struct bly_scope *s = bly_scope_of(p);
    struct bly_ext *x;
    size_t count = 0, i;

    if (s->magic != BLY_SCOPE_MAGIC)
        bly_misuse(NULL, "belay_scope_errors on a scope that is not open");
    x = bly_scope_has_ext(s);
    if (x == NULL)
        return 0;
    bly_lock(&x->lock);
    count = x->nerrors;
    for (i = 0; i < n && i < count && i < BLY_SCOPE_ERRORS; i++)
        out[i] = x->errors[i];
    bly_unlock(&x->lock);
    return count;
}

/* ---- deciding ----------------------------------------------------------- */

/* How one child ended, while the steps below look at it. */
struct finish {
    struct bly_scope *s; /* what policies go by; not the daemons' inner one */
    belay_done done;
    bool real;     /* a failure that is not just a delivered cut */
    bool captured; /* somebody has been told */
    bool ruled;    /* .on_done has failed the scope */
};

/* One who runs in a race (first-ok, first-done) has ended: true if that decides
 * it.  What counts of a failure is left in x->loss, until somebody wins. */
static bool
finish_race(struct bly_task *t, struct finish *f)
{
    struct bly_scope *s = f->s;
    struct bly_ext *x = bly_scope_has_ext(s);
    bool done = s->policy == BELAY_FIRST_DONE, first = false, lost = false;
    bool failed = f->real && !f->captured;

    bly_lock(&x->lock);
    if (f->done.err >= 0) {
        lost = x->won || (done && x->loss != 0);
        first = !lost;
        x->won = x->won || first;
    } else if (failed && !x->won && x->loss == 0) {
        x->loss = f->done.err;
        first = done;
    }
    bly_unlock(&x->lock);
    if (lost && t->extra != NULL && t->extra->discard != NULL)
        t->extra->discard(bly_task_args(t));
    if (failed)
        bly_scope_failed(s, &f->done, true);
    return first;
}

static void
finish_policy(struct bly_task *t, struct finish *f)
{
    struct bly_scope *s = f->s;
    char why[80];

    if (s->policy >= BELAY_FIRST_OK && !(t->flags & BLY_TASK_DAEMON) &&
        !f->ruled) {
        if (!finish_race(t, f))
            return;
        snprintf(why, sizeof why, "task '%s' came first", f->done.name);
        bly_scope_cut(s, -ECANCELED, s->node.site, why);
        return;
    }
    if (!f->real || f->captured)
        return;
    bly_scope_failed(s, &f->done, false);
    if (s->policy != BELAY_COLLECT || (t->flags & BLY_TASK_DAEMON)) {
        snprintf(why, sizeof why, "task '%s' failed: %s", f->done.name,
            belay_strerror(f->done.err));
        bly_scope_cut(s, -ECANCELED, t->base.site, why);
    }
}

static void
finish_on_done(struct finish *f)
{
    struct bly_scope *s = f->s;
    int verdict = s->on_done(s->on_done_arg, (belay_scope *)(void *)s,
        &f->done);

    if (verdict == BELAY_DROP || verdict == BELAY_QUIT)
        f->captured = true;
    if (verdict == BELAY_QUIT)
        belay_stop_at((belay_scope *)(void *)s, s->node.site,
            "task '%s' asked for it", f->done.name);
    if (verdict < 0) {
        f->captured = false;
        f->real = f->ruled = true;
        f->done.err = verdict;
    }
}

/* Hands a tagged child to belay_next. */
static void
finish_tagged(struct bly_task *t, struct finish *f)
{
    struct bly_ext *x = bly_scope_has_ext(f->s);
    struct bly_done_entry *e = t->extra->entry;
    struct bly_link *l;

    e->done = f->done;
    e->real = f->real;
    bly_lock(&x->lock);
    x->tagged--;
    bly_list_push(&x->done, &e->link);
    l = bly_list_first(&x->nexters);
    while (l != NULL) {
        struct bly_waiter *w = BLY_CONTAINER(l, struct bly_waiter, link);

        bly_list_remove(l);
        if (bly_claim(w)) {
            bly_wake(w, 1);
            break;
        }
        l = bly_list_first(&x->nexters);
    }
    bly_unlock(&x->lock);
    t->extra->entry = NULL;
}

static void
finish_extra(struct bly_task *t, struct finish *f)
{
    struct bly_extra *e = t->extra;

    if (e->outcome != NULL) {
        e->outcome->err = f->done.err;
        e->outcome->why = f->done.why;
        f->captured = true;
    }
    if (e->ready != NULL && bly_ready_ended(t, f->done.err))
        f->captured = true;
    if (e->entry != NULL && f->s->policy != BELAY_FAIL_FAST)
        f->captured = true;
    if (e->post != NULL)
        bly_post_ended(e->post, f->done.err);
}

/* A long-lived scope keeps a bounded number of texts, and those that somebody
 * asked for. */
static bool
finish_wants_text(struct bly_task *t, struct bly_scope *s)
{
    struct bly_ext *x = bly_scope_has_ext(s);
    bool wanted;

    if (x == NULL || s->on_done != NULL ||
        (t->extra != NULL &&
            (t->extra->outcome != NULL || t->extra->entry != NULL)))
        return true;
    bly_lock(&x->lock);
    wanted = x->nerrors < BLY_SCOPE_ERRORS;
    bly_unlock(&x->lock);
    return wanted;
}

static BLY_NOINLINE void
finish_slow(struct bly_task *t, int r)
{
    struct bly_scope *in = bly_task_scope(t);
    struct finish f = {
        .s = in->flags & BLY_SCOPE_DAEMONS
            ? BLY_CONTAINER(in->node.up, struct bly_scope, node)
            : in,
        .done = {.err = r, .name = t->name},
    };

    if (r < 0)
        f.real = t->base.cut != 0 ||
            !((r == -ECANCELED && (t->delivered & 1)) ||
                (r == -ETIME && (t->delivered & 2)));
    if (f.real && finish_wants_text(t, f.s)) {
        char *why = bly_why_copy(t, r);

        f.done.why = bly_scope_keep_text(f.s, why);
        bly_free(why);
    }
    if (t->extra != NULL) {
        f.done.tag = t->extra->tag;
        finish_extra(t, &f);
    }
    if (f.s->on_done != NULL)
        finish_on_done(&f);
    finish_policy(t, &f);
    if (t->extra != NULL) {
        if (t->extra->entry != NULL)
            finish_tagged(t, &f);
        if (t->extra->producers != NULL)
            t->extra->producers->end(t->extra->producers,
                f.real ? f.done.err : 0);
        t->extra->producers = NULL;
    }
    if (f.s->budget != NULL)
        bly_budget_give(f.s);
    if (t->flags & BLY_TASK_COUNTED)
        bly_limit_give(f.s);
}

/* A task may not end with a scope or a block open: its frame is going. */
static BLY_COLD void
finish_left_open(struct bly_task *t)
{
    bly_misuse(t->node->site,
        "task '%s' ended inside a scope or block that it never closed",
        t->name);
}

static void
finish_count_down(struct bly_worker *w, struct bly_scope *s)
{
    if (BLY_LIKELY(s->home.worker == w && !s->shared))
        s->near--;
    else
        bly_scope_release(s);
}

void
bly_task_finish(struct bly_task *t, int r)
{
    struct bly_scope *s = bly_task_scope(t);
    struct bly_worker *w = t->worker;

    if (BLY_UNLIKELY(t->node != &t->base))
        finish_left_open(t);
    if (BLY_UNLIKELY(t->base.cut != 0))
        r = t->base.cut;
    if (BLY_UNLIKELY(r < 0 || s->special ||
            (t->flags & (BLY_TASK_SPECIAL | BLY_TASK_COUNTED)) != 0))
        finish_slow(t, r);
    if (t->shard != NULL) {
        if (t->type != NULL && !(t->flags & BLY_TASK_BORROWED) &&
            bly_stat_load(&t->type->stack_used) <
                (size_t)t->stack->used * 16)
            bly_stat_store(
                &t->type->stack_used, (size_t)t->stack->used * 16);
        bly_task_unlink(t);
    }
    if (BLY_UNLIKELY(t->extra != NULL))
        bly_task_free_extra(t);
    if (BLY_UNLIKELY(t->flags & BLY_TASK_BIG_ARGS))
        bly_free(t->room.outside);
    bly_task_free(w, t);
    finish_count_down(w, s);
}

void
bly_scope_never_ran(struct bly_scope *s, const belay_spawn_opts *o,
    const char *name, int code)
{
    belay_done done = {.err = code, .name = name};
    struct bly_producers *p;
    struct bly_ext *x;
    struct bly_done_entry *e;

    if (o != NULL && o->producer_of != NULL) { /* it has ended, then */
        p = (struct bly_producers *)(void *)o->producer_of;
        p->add(p);
        p->end(p, code);
    }
    if (o != NULL && o->outcome != NULL) {
        o->outcome->err = code;
        o->outcome->why = NULL;
        return;
    }
    if (o != NULL && o->ready)
        return; /* the spawner is told by the result */
    if (o != NULL && o->tagged && (x = bly_scope_ext(s)) != NULL &&
        (e = bly_zalloc(sizeof *e)) != NULL) {
        done.tag = o->tag;
        e->done = done;
        bly_lock(&x->lock);
        bly_list_push(&x->done, &e->link);
        bly_unlock(&x->lock);
        return;
    }
    if (code == -ECANCELED || code == -ETIME)
        return; /* the cut is known already */
    x = s->policy >= BELAY_FIRST_OK ? bly_scope_has_ext(s) : NULL;
    if (x != NULL) {
        bly_lock(&x->lock);
        if (!x->won && x->loss == 0)
            x->loss = code;
        bly_unlock(&x->lock);
    }
    bly_scope_failed(s, &done, x != NULL);
    if (s->policy == BELAY_FAIL_FAST || s->policy == BELAY_FIRST_DONE)
        bly_scope_cut(s, -ECANCELED, s->node.site, "a spawn failed");
}
