/* SPDX-License-Identifier: MIT */
/*
 * Children from threads that know nothing of tasks.
 *
 * All inlets of a scope are one object, which outlives the scope for as long
 * as somebody has a handle.  Its pointer to the scope is the whole protocol:
 *
 *   post    lock; if there is a scope, hold it and visit its runtime; unlock.
 *           Make the child, send it to the scope's home worker, leave.
 *   close   the owner, after the join: lock; no scope any more; unlock.
 *
 * Why a post that answered 0 is joined, and all later ones are refused.  The
 * hold is what decides, not the pointer: bly_scope_hold adds one to `far', and
 * never to a `far' that is 0.
 *
 *   - Until the owner is at the brace, `far' has the bias in it: the hold
 *     succeeds, also if there is no child at all.
 *   - A scope with an inlet has an extension, so bly_scope_join does not take
 *     its short cut but publishes: one atomic addition takes the bias away and
 *     puts the near count in.  A hold comes before it, and then the sum is not
 *     0 and the owner sleeps until that child has ended too; or after it, and
 *     then sees a count of live children, or 0.
 *   - A sum of 0 is final.  From then on each hold fails, while the owner goes
 *     on with daemons and only then closes the door: a post in between finds
 *     the scope's memory, because close must take the lock that it holds.
 *
 * A posted child that ends on the home worker before the brace lowers `near',
 * although it was counted in `far'.  `near' may so become negative; only the
 * sum has a meaning.
 *
 * The child belongs to the scope from the hold on, but it is made by a thread
 * that has no worker: its descriptor comes from the runtime, and what only the
 * home worker may touch (its number, its place in a queue) is added when the
 * message arrives there.
 *
 * The message is the last thing that keeps the runtime: once it is in the
 * inbox, the child may run, the scope end and the runtime be closed, while we
 * still look whether the worker sleeps.  Hence the visit: bly_rt_close waits
 * for visitors before it frees anything.
 *
 * An open inlet is a source for deadlock detection: one per scope, from the
 * first handle on, until the last one is gone or the scope is.
 */
#include "core/inlet.h"

#include "base/alloc.h"
#include "base/check.h"
#include "core/deadlock.h"
#include "core/fork.h"
#include "core/idle.h"
#include "core/sched.h"
#include "core/scope.h"

#include <errno.h>

struct belay_inlet {
    struct bly_lock lock;
    struct bly_scope *scope; /* NULL: it is over */
    uint32_t handles;
};

/* ---- handles ------------------------------------------------------------ */

int
belay_inlet_open_at(belay_inlet **out, belay_scope *p, const belay_site *site)
{
    struct bly_task *t = bly_must_self("belay_inlet_open", site);
    struct bly_scope *s = bly_scope_of(p);
    struct bly_ext *x;
    belay_inlet *in;

    if (s->magic != BLY_SCOPE_MAGIC || s->node.task != t)
        bly_misuse(site, "belay_inlet_open on a scope of another task");
    if (bly_scope_over(s))
        return -ESHUTDOWN; /* a deferred call: nobody would close the door */
    x = bly_scope_ext(s);
    if (x == NULL)
        return -ENOMEM;
    if (x->door == NULL) {
        x->door = bly_zalloc(sizeof *x->door);
        if (x->door == NULL)
            return -ENOMEM;
        x->door->scope = s;
    }
    in = x->door;
    bly_lock(&in->lock);
    if (in->handles++ == 0)
        bly_source_add(t->worker->rt);
    bly_unlock(&in->lock);
    *out = in;
    return 0;
}

belay_inlet *
belay_inlet_ref(belay_inlet *in)
{
    bly_lock(&in->lock);
    in->handles++;
    bly_unlock(&in->lock);
    return in;
}

void
belay_inlet_unref(belay_inlet *in)
{
    struct bly_rt *rt = NULL;
    bool last;

    if (in == NULL)
        return;
    bly_lock(&in->lock);
    last = --in->handles == 0;
    if (last && in->scope != NULL) {
        rt = in->scope->home.worker->rt;
        bly_rt_visit(rt);
        last = false; /* the scope has it still */
    }
    bly_unlock(&in->lock);
    if (rt != NULL) {
        bly_source_drop(rt);
        bly_rt_leave(rt);
    }
    if (last)
        bly_free(in);
}

void
belay_inlet_closep(belay_inlet **in)
{
    belay_inlet_unref(*in);
    *in = NULL;
}

void
bly_door_close(struct bly_scope *s)
{
    struct bly_ext *x = bly_scope_has_ext(s);
    belay_inlet *in = x->door;
    bool left;

    if (in == NULL)
        return;
    x->door = NULL;
    bly_lock(&in->lock);
    in->scope = NULL;
    left = in->handles != 0;
    bly_unlock(&in->lock);
    if (left)
        bly_source_drop(s->home.worker->rt);
    else
        bly_free(in);
}

/* ---- posting ------------------------------------------------------------ */

/* The child comes to its home worker. */
static void
inlet_arrived(struct bly_msg *m, struct bly_worker *w)
{
    struct bly_task *c = BLY_CONTAINER(m, struct bly_task, msg);
    struct bly_scope *s = bly_task_scope(c);

    m->run = NULL;
    c->id = w->next_id += w->rt->count;
    if (w->rt->count == 1 || (s->flags & BLY_SCOPE_LOCAL) != 0) {
        c->flags |= BLY_TASK_PINNED; /* in order, as no thief is there */
        bly_sched_ready(c);
    } else if (bly_runq_push(&w->runq, c) < 0) {
        bly_sched_ready(c);
    } else {
        bly_idle_pushed(w);
    }
}

int
bly_inlet_post(belay_inlet *in, belay_task_type *type, const void *args,
    struct bly_post *post, const belay_site *site)
{
    struct bly_scope *s;
    struct bly_task *c;
    struct bly_rt *rt;
    int r;

    bly_lock(&in->lock);
    s = in->scope;
    if (s == NULL || !bly_scope_hold(s)) {
        bly_unlock(&in->lock);
        return -ESHUTDOWN;
    }
    rt = s->home.worker->rt;
    bly_rt_visit(rt);
    bly_unlock(&in->lock);
    if (bly_cut_code(&s->node, NULL) != 0)
        r = -ESHUTDOWN;
    else
        r = bly_spawn_foreign(s, type, args, post, site, &c);
    if (r == 0) {
        c->msg.run = inlet_arrived;
        bly_send_msg(s->home.worker, &c->msg);
    } else {
        bly_scope_release(s);
    }
    bly_rt_leave(rt);
    return r;
}

int
belay_post_at(belay_inlet *in, belay_task_type *type, const void *args,
    const belay_site *site)
{
    bly_fork_check("belay_post", site);
    return bly_inlet_post(in, type, args, NULL, site);
}

/* ---- entering ----------------------------------------------------------- */

struct inlet_entry {
    struct bly_post post;
    uint32_t done; /* futex: 1 once result is there */
    int result;
};

void
bly_post_ended(struct bly_post *post, int r)
{
    post->ended(post, r);
}

static void
inlet_entry_ended(struct bly_post *post, int r)
{
    struct inlet_entry *e = BLY_CONTAINER(post, struct inlet_entry, post);

    e->result = r;
    (void)bly_xchg(&e->done, 1u); /* pairs with belay_enter_at */
    /* The thread may be gone already: then this wakes nobody, or somebody
     * else once too often, which every futex allows. */
    bly_os_futex_wake(&e->done, 1);
}

int
belay_enter_at(belay_inlet *in, belay_task_type *type, const void *args,
    const belay_site *site)
{
    struct inlet_entry e = {.post = {.ended = inlet_entry_ended}};
    int r;

    bly_fork_check("belay_enter", site);
    if (bly_self() != NULL)
        bly_misuse(site, "belay_enter in a task: it would stop the worker; "
                         "post, or spawn");
    r = bly_inlet_post(in, type, args, &e.post, site);
    if (r < 0)
        return r;
    while (bly_load(&e.done) == 0) /* pairs with inlet_entry_ended */
        bly_os_futex_wait(&e.done, 0, BLY_NEVER);
    return e.result;
}
