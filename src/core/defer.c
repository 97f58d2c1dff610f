/* SPDX-License-Identifier: MIT */
/*
 * Deferred calls and memory of a scope.
 *
 * The calls run in the owner's task after the last child, last registered
 * first, under one shield whose clock starts when the first of them does: an
 * overrun makes their waits fail with -ETIME, and the rest still run.
 */
#include "core/scope.h"

#include "base/alloc.h"
#include "base/check.h"
#include "core/error.h"

#include <errno.h>
#include <string.h>

enum { DEFER_CLEANUP_S = 5 };

static struct bly_scope *
defer_owned(belay_scope *p, const char *what)
{
    struct bly_scope *s = bly_scope_of(p);
    struct bly_task *t = bly_must_self(what, NULL);

    if (s->magic != BLY_SCOPE_MAGIC || s->node.task != t)
        bly_misuse(t->base.site, "%s on a scope of another task", what);
    return s;
}

int
belay_defer(belay_scope *p, belay_defer_fn *fn, void *arg)
{
    struct bly_scope *s = defer_owned(p, "belay_defer");
    struct bly_ext *x = bly_scope_ext(s);
    struct bly_defer *d = x != NULL ? bly_alloc(sizeof *d) : NULL;

    if (d == NULL) {
        (void)fn(arg);
        return -ENOMEM;
    }
    d->fn = fn;
    d->arg = arg;
    d->next = x->defers;
    x->defers = d;
    return 0;
}

void
bly_scope_run_defers(struct bly_scope *s)
{
    static const belay_site site = {
        __FILE__, __LINE__, "belay_defer", "deferred calls"};
    struct bly_ext *x = bly_scope_has_ext(s);
    struct bly_task *t = s->node.task;
    struct bly_defer *d;
    belay_block shield;

    belay_shield_open(&shield,
        s->cleanup > 0 ? s->cleanup : BELAY_S(DEFER_CLEANUP_S), &site);
    bly_shield_start_now(t->worker, (struct bly_block *)(void *)&shield);
    while ((d = x->defers) != NULL) {
        int r;

        x->defers = d->next;
        r = d->fn(d->arg);
        bly_free(d);
        if (r < 0) {
            belay_done done = {.err = r, .name = "deferred call"};
            char *why = bly_why_copy(t, r);

            done.why = bly_scope_keep_text(s, why);
            bly_free(why);
            (void)bly_scope_failed(s, &done,
                1u << BLY_FIRST_RESULT | 1u << BLY_FIRST_UNTOLD);
        }
    }
    belay_block_close(&shield);
}

void *
belay_alloc(belay_scope *p, size_t size)
{
    struct bly_scope *s = bly_scope_of(p);
    struct bly_ext *x;
    struct bly_keep *k;

    if (s->magic != BLY_SCOPE_MAGIC)
        bly_misuse(NULL, "belay_alloc on a scope that is not open");
    x = bly_scope_ext(s);
    if (x == NULL || size > SIZE_MAX / 2)
        return NULL;
    /* The link takes a whole unit so that the rest stays aligned. */
    k = bly_zalloc(sizeof(max_align_t) + size);
    if (k == NULL)
        return NULL;
    bly_lock(&x->lock);
    k->next = x->arena;
    x->arena = k;
    bly_unlock(&x->lock);
    return (char *)k + sizeof(max_align_t);
}
