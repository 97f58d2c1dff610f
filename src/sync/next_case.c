/* SPDX-License-Identifier: MIT */
/*
 * The children of a scope, one after the other, as a case of a select.
 *
 * Only the owner of a scope takes from its list of ended children.  So the
 * waker does not hand anything over: it says that there is something, and
 * finish() finds it.  An entry is memory, which is freed without the lock.
 */
#include <belay/select.h>

#include "base/alloc.h"
#include "base/check.h"
#include "core/scope.h"
#include "sync/batch.h"
#include "sync/select.h"

/* Guards what there is of a scope that never had a tagged child: nothing. */
static struct bly_lock next_none;

static struct bly_ext *
next_ext(const belay_case *c)
{
    return bly_scope_has_ext(bly_scope_of(c->belay_on));
}

static struct bly_lock *
next_lock(const belay_case *c)
{
    struct bly_ext *x = next_ext(c);

    return x != NULL ? &x->lock : &next_none;
}

static bool
next_ready(struct bly_arm *a)
{
    struct bly_ext *x = next_ext(a->c);

    return a->lock == &next_none || !bly_list_empty(&x->done) ||
        x->tagged == 0;
}

static int
next_take(struct bly_arm *a, struct bly_batch *b)
{
    struct bly_done_entry *e = NULL;
    int r = 0;

    (void)b;
    if (a->lock != &next_none)
        r = bly_next_try(next_ext(a->c), &e);
    a->own[0] = e;
    return r == -EAGAIN ? BLY_CASE_WAIT : r;
}

static void
next_enqueue(struct bly_arm *a)
{
    a->own[0] = NULL;
    bly_list_push(&next_ext(a->c)->nexters, &a->w.link);
}

static int
next_finish(struct bly_arm *a)
{
    struct bly_done_entry *e = a->own[0];
    int r = a->w.result;

    if (r == 1 && e == NULL) {
        bly_lock(a->lock);
        r = bly_next_try(next_ext(a->c), &e);
        bly_unlock(a->lock);
        bly_assert(r == 1);
    }
    if (r == 1) {
        *(belay_done *)a->c->belay_into = e->done;
        bly_free(e);
    }
    return r;
}

static const struct bly_case_ops next_case = {
    .verb = "next",
    .lock = next_lock,
    .ready = next_ready,
    .take = next_take,
    .enqueue = next_enqueue,
    .finish = next_finish,
};

belay_case
belay_case_next(belay_scope *p, belay_done *done)
{
    struct bly_scope *s = bly_scope_of(p);
    struct bly_task *t = bly_self();

    if (p == NULL)
        return (belay_case){0};
    if (t == NULL || s->magic != BLY_SCOPE_MAGIC || s->node.task != t)
        bly_misuse(NULL, "BELAY_NEXT on a scope of another task");
    return (belay_case){
        .belay_ops = &next_case,
        .belay_on = p,
        .belay_into = done,
    };
}
