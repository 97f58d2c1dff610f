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
#include "core/timeline.h"

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
    if (t->flags & BLY_TASK_UNWANTED) { /* cut, but it had not failed yet */
        t->flags &= (uint16_t)~BLY_TASK_UNWANTED;
        bly_store_relaxed(&t->base.cut, code);
    }
    t->slow |= BLY_SLOW_STALE;
    bly_cut(&t->base, code);
}

int
belay_failure(void)
{
    struct bly_task *t = bly_must_self("belay_failure", NULL);

    return t->flags & BLY_TASK_UNWANTED ? 0 : t->base.cut;
}

int
belay_take_failure(void)
{
    struct bly_task *t = bly_must_self("belay_take_failure", NULL);
    int code = belay_failure();

    if (code == 0)
        return 0;
    if (bly_ready_unwanted(t)) {
        t->flags |= BLY_TASK_UNWANTED;
        bly_store_relaxed(&t->base.cut, -ECANCELED);
    } else {
        bly_store_relaxed(&t->base.cut, 0);
    }
    t->slow |= BLY_SLOW_STALE;
    (void)bly_fetch_add(&t->worker->rt->epoch, 1u); /* pairs with bly_enter */
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

uint32_t
bly_scope_failed(struct bly_scope *s, const belay_done *done, unsigned kinds)
{
    struct bly_ext *x = bly_scope_ext(s);
    int32_t none = 0;
    uint32_t number;
    int i;

    if (x == NULL) {
        if (kinds != 0)
            (void)bly_cas(&s->result, &none, done->err); /* pairs with
                                                          * scope_result */
        return 0;
    }
    bly_lock(&x->lock);
    number = ++x->nerrors;
    if (number <= BLY_SCOPE_ERRORS)
        x->errors[number - 1] = *done;
    for (i = 0; i < BLY_FIRST_KINDS; i++)
        if (kinds & 1u << i)
            bly_first_keep(&x->first[i], done->err, number);
    bly_unlock(&x->lock);
    return number;
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
    struct bly_task *t;  /* NULL: it never ran */
    belay_done done;
    bool real;   /* a failure that is not just a delivered cut */
    bool told;   /* somebody knows: a catch, the spawner, .on_done */
    bool tagged; /* belay_next may tell it */
    bool daemon;
    bool ruled;  /* .on_done has failed the scope */
    uint32_t number; /* of a failure that belay_next has to tell */
};

static void
finish_cut(struct finish *f, const char *verb)
{
    const char *said = f->t == NULL && f->done.why != NULL
        ? f->done.why
        : belay_strerror(f->done.err);
    char why[88];

    snprintf(why, sizeof why, "task '%s' %s%s%s", f->done.name, verb,
        f->real ? ": " : "", f->real ? said : "");
    bly_scope_cut(f->s, -ECANCELED,
        f->t != NULL ? f->t->base.site : f->s->node.site, why);
}

/*
 * One who runs in a race (first-ok, first-done) has ended, or could not even
 * start.  A failure decides first-done, whoever was told of it, and counts if
 * nobody was.  It never decides first-ok, and counts if in the end nobody has
 * won: a race that is lost is no success, even if each failure is known.
 */
static void
finish_race(struct finish *f, struct bly_ext *x)
{
    bool done = f->s->policy == BELAY_FIRST_DONE;
    bool ok = f->done.err >= 0, first = false;
    unsigned kinds = 0;

    bly_lock(&x->lock);
    if (ok || (f->real && done)) {
        first = !x->decided;
        x->decided = true;
        x->won = x->won || (ok && first);
    }
    bly_unlock(&x->lock);
    if (ok && !first && f->t->extra != NULL && f->t->extra->discard != NULL)
        f->t->extra->discard(bly_task_args(f->t));
    if (f->real && done && first && !f->told)
        kinds = 1u << BLY_FIRST_RESULT |
            (unsigned)!f->tagged << BLY_FIRST_UNTOLD;
    else if (f->real && !done)
        kinds = 1u << BLY_FIRST_LOSS |
            (unsigned)!(f->told || f->tagged) << BLY_FIRST_LOSS_UNTOLD;
    if (f->real && (!f->told || kinds != 0)) {
        uint32_t number = bly_scope_failed(f->s, &f->done, kinds);

        if (f->tagged && kinds != 0)
            f->number = number;
    }
    if (first)
        finish_cut(f, "came first");
}

static void
finish_policy(struct finish *f)
{
    struct bly_scope *s = f->s;
    bool now = s->policy != BELAY_COLLECT || f->daemon || f->ruled;
    struct bly_ext *x;
    unsigned kinds;

    if (s->policy >= BELAY_FIRST_OK && !f->daemon && !f->ruled &&
        (x = bly_scope_ext(s)) != NULL) {
        finish_race(f, x);
        return;
    }
    if (!f->real || f->told)
        return;
    kinds = (unsigned)(now || !f->tagged) << BLY_FIRST_RESULT |
        (unsigned)(f->ruled || !f->tagged) << BLY_FIRST_UNTOLD;
    f->number = bly_scope_failed(s, &f->done, kinds);
    if (now)
        finish_cut(f, f->t != NULL ? "failed" : "could not start");
}

static void
finish_on_done(struct finish *f)
{
    struct bly_scope *s = f->s;
    int verdict = s->on_done(s->on_done_arg, (belay_scope *)(void *)s,
        &f->done);

    if (verdict == BELAY_DROP || verdict == BELAY_QUIT)
        f->told = true;
    if (verdict == BELAY_QUIT)
        belay_stop_at((belay_scope *)(void *)s, s->node.site,
            "task '%s' asked for it", f->done.name);
    if (verdict < 0) {
        f->told = false;
        f->real = f->ruled = true;
        f->done.err = verdict;
    }
}

/* Hands a tagged child to belay_next. */
static void
finish_tagged(struct finish *f, struct bly_ext *x, struct bly_done_entry *e)
{
    struct bly_link *l;

    e->done = f->done;
    e->number = f->number;
    bly_lock(&x->lock);
    x->tagged -= f->t != NULL;
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
}

static void
finish_extra(struct finish *f, struct bly_extra *e)
{
    f->done.tag = e->tag;
    f->tagged = e->entry != NULL;
    if (e->outcome != NULL) {
        e->outcome->err = f->done.err;
        e->outcome->why = f->done.why;
        f->told = true;
    }
    if (e->ready != NULL && bly_ready_ended(f->t, f->done.err))
        f->told = true;
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

/* A cut from outside that t was told of, and passed on, is no failure. */
static bool
finish_is_real(struct bly_task *t, int r)
{
    if (r >= 0)
        return false;
    if (t->base.cut != 0 && !(t->flags & BLY_TASK_UNWANTED))
        return true;
    return !((r == -ECANCELED && (t->delivered & 1)) ||
        (r == -ETIME && (t->delivered & 2)));
}

static BLY_NOINLINE void
finish_slow(struct bly_task *t, int r)
{
    struct bly_scope *in = bly_task_scope(t);
    struct finish f = {
        .s = in->flags & BLY_SCOPE_DAEMONS
            ? BLY_CONTAINER(in->node.up, struct bly_scope, node)
            : in,
        .t = t,
        .done = {.err = r, .name = t->name},
        .real = finish_is_real(t, r),
        .daemon = (t->flags & BLY_TASK_DAEMON) != 0,
    };

    if (f.real && finish_wants_text(t, f.s)) {
        char *why = bly_why_copy(t, r);

        f.done.why = bly_scope_keep_text(f.s, why);
        bly_free(why);
    }
    if (t->extra != NULL)
        finish_extra(&f, t->extra);
    if (f.s->on_done != NULL)
        finish_on_done(&f);
    finish_policy(&f);
    if (f.tagged) {
        finish_tagged(&f, bly_scope_has_ext(f.s), t->extra->entry);
        t->extra->entry = NULL;
    }
    if (t->extra != NULL && t->extra->producers != NULL) {
        t->extra->producers->end(t->extra->producers, r < 0 ? r : 0);
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
    if (BLY_UNLIKELY(t->base.cut != 0) && !(t->flags & BLY_TASK_UNWANTED))
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
    bly_timeline_finish(w, t, r);
    if (BLY_UNLIKELY(t->extra != NULL))
        bly_task_free_extra(t);
    if (BLY_UNLIKELY(t->flags & BLY_TASK_BIG_ARGS))
        bly_free(t->room.outside);
    bly_task_free(w, t);
    finish_count_down(w, s);
}

/* The code of a cut is nobody's failure, as long as it is s that is cut: a
 * spawn may as well have been cut inside s, or find it over. */
static bool
finish_is_cut(struct bly_scope *s, int code)
{
    return (code == -ECANCELED || code == -ETIME) &&
        bly_cut_code(&s->node, NULL) != 0;
}

void
bly_scope_never_ran(struct bly_scope *s, const belay_spawn_opts *o,
    const char *name, int code, const char *why)
{
    struct finish f = {
        .s = s,
        .done = {.err = code, .name = name},
        .real = !finish_is_cut(s, code),
    };
    struct bly_done_entry *e = NULL;

    if (why != NULL)
        f.done.why = bly_scope_keep_text(s, why);
    if (o != NULL && o->producer_of != NULL) { /* it has ended, then */
        struct bly_producers *p =
            (struct bly_producers *)(void *)o->producer_of;

        p->add(p);
        p->end(p, code);
    }
    if (o != NULL && o->outcome != NULL) {
        o->outcome->err = code;
        o->outcome->why = f.done.why;
        f.told = true;
    }
    if (o != NULL) {
        f.told = f.told || o->ready; /* the spawner has the result */
        f.daemon = o->daemon;
        f.done.tag = o->tag;
        if (o->tagged && bly_scope_ext(s) != NULL)
            e = bly_zalloc(sizeof *e);
        f.tagged = e != NULL;
    }
    finish_policy(&f);
    if (e != NULL)
        finish_tagged(&f, bly_scope_has_ext(s), e);
}
