/* SPDX-License-Identifier: MIT */
/*
 * From events to acts.
 *
 * The events of all rings are merged by time and played through a small
 * machine per task:
 *
 *   SPAWN    -> queued
 *   FIRST    queued -> run            (whose stack it borrows: run -> wait)
 *   PARK     run -> wait
 *   WAKE     wait -> ready            also ABORT
 *   YIELD    run -> ready
 *   RUN      wait, ready -> run
 *   FINISH   everything ends
 *
 * States lie in scopes and these in the life of the task, so a scope that opens
 * or closes cuts the state in two.  Acts come out in order of time and nested,
 * as begins, ends and points.
 *
 * What goes wrong with real recordings:
 *
 *   - Rings lose the oldest events.  Any event introduces a task that is not
 *     known yet, any state may follow any other, an end without a begin is
 *     passed over.  Whatever is open at the end ends there.
 *   - A sleeper may be woken between publishing its waiter and recording that
 *     it parks: then the wake comes first, is remembered, and the wait has no
 *     length.
 *   - Who is not a worker leaves no record: then a wait lasts until the run.
 *   - Two workers may record at the same nanosecond.  What causes something
 *     elsewhere (a spawn, a wake, a cut) then goes first.
 */
#include "trace/story.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

enum {
    STORY_INDEX_FIRST = 256,
    STORY_CUTS = 64 /* the newest ones are remembered */
};

/* The newest cuts, to tell an abort where it came from. */
struct story_cuts {
    struct {
        uint32_t runtime;
        uint64_t node;
        uint32_t task; /* on whose track it is shown, index + 1 */
    } list[STORY_CUTS];
    uint32_t count;
};

/* ---- growing ------------------------------------------------------------ */

/* Room for one more in an array; NULL: no memory, the old one stands. */
static void *
story_grow(struct bly_story *st, void *list, uint32_t count, uint32_t *room,
    size_t size)
{
    uint32_t want = *room != 0 ? 2 * *room : 64;
    void *more;

    if (count < *room)
        return list;
    more = want < *room ? NULL : bly_alloc_quiet(want * size);
    if (more == NULL) {
        st->failed = true;
        return list;
    }
    if (count != 0)
        memcpy(more, list, count * size);
    bly_free_quiet(list);
    *room = want;
    return more;
}

static uint32_t
story_hash(const struct bly_story *st, uint32_t runtime, uint64_t id)
{
    uint64_t h = (id ^ (uint64_t)runtime << 48) *
        UINT64_C(0x9E3779B97F4A7C15);

    return (uint32_t)(h >> 32) & (st->index_size - 1);
}

static void
story_index_put(struct bly_story *st, uint32_t i)
{
    uint32_t at = story_hash(st, st->tasks[i].runtime, st->tasks[i].id);

    while (st->index[at] != 0)
        at = (at + 1) & (st->index_size - 1);
    st->index[at] = i + 1;
}

static void
story_index_grow(struct bly_story *st)
{
    uint32_t size = st->index_size != 0 ? 2 * st->index_size
                                        : STORY_INDEX_FIRST;
    uint32_t *index, i;

    if (2 * (st->ntasks + 1) <= st->index_size)
        return;
    index = bly_alloc_quiet(size * sizeof(*index));
    if (index == NULL) {
        st->failed = true;
        return;
    }
    memset(index, 0, size * sizeof(*index));
    bly_free_quiet(st->index);
    st->index = index;
    st->index_size = size;
    for (i = 0; i < st->ntasks; i++)
        story_index_put(st, i);
}

/* ---- acts --------------------------------------------------------------- */

static struct bly_act *
story_act(struct bly_story *st, uint32_t task, uint8_t type, uint8_t what,
    const struct bly_trace_event *e)
{
    struct bly_act *a;

    st->acts = story_grow(
        st, st->acts, st->nacts, &st->act_room, sizeof(*st->acts));
    if (st->nacts == st->act_room)
        return NULL;
    a = &st->acts[st->nacts++];
    memset(a, 0, sizeof(*a));
    a->when = st->to;
    a->task = task;
    a->type = type;
    a->what = what;
    a->e = e;
    return a;
}

static struct bly_act *
story_begin(struct bly_story *st, uint32_t task, uint8_t what,
    const struct bly_trace_event *e)
{
    struct bly_act *a = story_act(st, task, BLY_ACT_BEGIN, what, e);

    if (a == NULL)
        return NULL;
    a->up = st->tasks[task].top;
    st->tasks[task].top = st->nacts;
    return a;
}

/* Ends the innermost one that is open. */
static void
story_end(struct bly_story *st, uint32_t task)
{
    uint32_t top = st->tasks[task].top - 1;
    struct bly_act *a = story_act(
        st, task, BLY_ACT_END, st->acts[top].what, st->acts[top].e);

    st->tasks[task].top = st->acts[top].up;
    if (a == NULL)
        return;
    a->pair = top;
    st->acts[top].pair = st->nacts - 1;
}

static struct bly_act *
story_top(struct bly_story *st, uint32_t task)
{
    uint32_t top = st->tasks[task].top;

    return top != 0 ? &st->acts[top - 1] : NULL;
}

/* The state, or BLY_ACT_LIFE: none. */
static uint8_t
story_state(struct bly_story *st, uint32_t task)
{
    struct bly_act *a = story_top(st, task);

    return a != NULL && a->what > BLY_ACT_SCOPE ? a->what : BLY_ACT_LIFE;
}

static void
story_leave(struct bly_story *st, uint32_t task)
{
    if (story_state(st, task) != BLY_ACT_LIFE)
        story_end(st, task);
}

static struct bly_act *
story_change(struct bly_story *st, uint32_t task, uint8_t what,
    const struct bly_trace_event *e)
{
    story_leave(st, task);
    return story_begin(st, task, what, e);
}

/* A point on the track of `task', from which an arrow leads to `to' if that
 * is not 0 (index + 1). */
static void
story_point(struct bly_story *st, uint32_t task, uint8_t what, uint32_t to,
    const struct bly_trace_event *e)
{
    struct bly_act *a = story_act(st, task, BLY_ACT_POINT, what, e);

    if (a == NULL || to == 0)
        return;
    a->about = to;
    st->arrows = story_grow(
        st, st->arrows, st->narrows, &st->arrow_room, sizeof(*st->arrows));
    if (st->narrows == st->arrow_room)
        return;
    st->arrows[st->narrows++] = (struct bly_arrow){st->nacts, 0};
    a->flow = st->narrows;
    st->tasks[to - 1].flow = st->narrows;
}

/* ---- tasks -------------------------------------------------------------- */

/* Index + 1; 0: there is none (id 0), or no memory. */
static uint32_t
story_task(struct bly_story *st, uint64_t id, const struct bly_trace_event *e)
{
    struct bly_story_task *t;
    uint32_t at, i;

    story_index_grow(st);
    if (id == 0 || st->index_size == 0)
        return 0;
    for (at = story_hash(st, e->runtime, id); (i = st->index[at]) != 0;
         at = (at + 1) & (st->index_size - 1))
        if (st->tasks[i - 1].id == id && st->tasks[i - 1].runtime == e->runtime)
            return i;
    st->tasks = story_grow(
        st, st->tasks, st->ntasks, &st->task_room, sizeof(*st->tasks));
    if (st->failed)
        return 0;
    t = &st->tasks[st->ntasks++];
    memset(t, 0, sizeof(*t));
    t->id = id;
    t->runtime = e->runtime;
    t->name = "task";
    t->from = t->to = st->to;
    story_index_put(st, st->ntasks - 1);
    (void)story_begin(st, st->ntasks - 1, BLY_ACT_LIFE, e);
    return st->ntasks;
}

/* Whom e is about, with what e tells of him. */
static uint32_t
story_subject(struct bly_story *st, const struct bly_trace_event *e)
{
    uint32_t i = story_task(st, e->task, e);
    struct bly_story_task *t;

    if (i == 0)
        return 0;
    t = &st->tasks[i - 1];
    if (e->kind != BLY_EVENT_PARK && e->kind != BLY_EVENT_CUT &&
        e->kind != BLY_EVENT_OPEN && e->kind != BLY_EVENT_CLOSE &&
        e->kind != BLY_EVENT_MARK)
        t->name = e->text;
    if (e->kind == BLY_EVENT_SPAWN || e->kind == BLY_EVENT_FIRST) {
        uint32_t parent = story_task(st, e->node, e);

        t = &st->tasks[i - 1]; /* they may have moved */
        t->site = e->site;
        if (parent != i)
            t->parent = parent;
    }
    return i;
}

/* ---- the machine -------------------------------------------------------- */

static void
story_runs(struct bly_story *st, uint32_t i, const struct bly_trace_event *e)
{
    struct bly_story_task *t = &st->tasks[i - 1];
    struct bly_act *a = story_change(st, i - 1, BLY_ACT_RUN, e);

    t->woken = false;
    if (a == NULL || t->flow == 0)
        return;
    a->flow = t->flow;
    st->arrows[t->flow - 1].to = st->nacts;
    t->flow = 0;
}

static void
story_parks(struct bly_story *st, uint32_t i, const struct bly_trace_event *e)
{
    (void)story_change(st, i - 1, BLY_ACT_WAIT, e);
    if (st->tasks[i - 1].woken)
        (void)story_change(st, i - 1, BLY_ACT_READY, e);
}

static void
story_woken(struct bly_story *st, uint32_t i, const struct bly_trace_event *e)
{
    if (story_state(st, i - 1) == BLY_ACT_WAIT)
        (void)story_change(st, i - 1, BLY_ACT_READY, e);
    else if (story_state(st, i - 1) == BLY_ACT_RUN)
        st->tasks[i - 1].woken = true;
}

static void
story_cut(struct bly_story *st, struct story_cuts *cuts, uint32_t i,
    const struct bly_trace_event *e)
{
    uint32_t by = story_task(st, e->other, e), at;

    if (by == 0)
        by = i;
    if (by == 0)
        return;
    at = cuts->count++ % STORY_CUTS;
    cuts->list[at].runtime = e->runtime;
    cuts->list[at].node = e->node;
    cuts->list[at].task = by;
    story_point(st, by - 1, BLY_ACT_CUT, 0, e);
}

static void
story_abort(struct bly_story *st, const struct story_cuts *cuts, uint32_t i,
    const struct bly_trace_event *e)
{
    uint32_t by = story_task(st, e->other, e), k;

    for (k = 0; k < STORY_CUTS && k < cuts->count; k++) {
        uint32_t at = (cuts->count - 1 - k) % STORY_CUTS;

        if (cuts->list[at].node == e->node &&
            cuts->list[at].runtime == e->runtime) {
            by = cuts->list[at].task;
            break;
        }
    }
    if (by != 0 && by != i)
        story_point(st, by - 1, BLY_ACT_ABORT, i, e);
    story_woken(st, i, e);
}

static void
story_scope(struct bly_story *st, uint32_t i, const struct bly_trace_event *e)
{
    bool runs = story_state(st, i - 1) == BLY_ACT_RUN;
    const struct bly_trace_event *why = runs ? story_top(st, i - 1)->e : e;
    uint32_t at = st->tasks[i - 1].top;

    if (e->kind == BLY_EVENT_CLOSE) {
        while (at != 0 &&
            (st->acts[at - 1].what != BLY_ACT_SCOPE ||
                st->acts[at - 1].e->node != e->node))
            at = st->acts[at - 1].up;
        if (at == 0)
            return; /* its begin is lost */
    }
    story_leave(st, i - 1);
    if (e->kind == BLY_EVENT_OPEN)
        (void)story_begin(st, i - 1, BLY_ACT_SCOPE, e);
    else
        while (st->tasks[i - 1].top >= at && !st->failed)
            story_end(st, i - 1);
    if (runs)
        (void)story_begin(st, i - 1, BLY_ACT_RUN, why);
}

static void
story_finish(struct bly_story *st, uint32_t i, const struct bly_trace_event *e)
{
    struct bly_story_task *t = &st->tasks[i - 1];

    while (t->top != 0 && !st->failed)
        story_end(st, i - 1);
    t->to = st->to;
    t->ended = true;
    t->code = e->code;
}

static void
story_play(struct bly_story *st, struct story_cuts *cuts,
    const struct bly_trace_event *e)
{
    uint32_t i = story_subject(st, e), by;

    if (e->worker > st->workers)
        st->workers = e->worker;
    if (e->runtime > st->runtimes)
        st->runtimes = e->runtime;
    if (e->kind == BLY_EVENT_CUT)
        story_cut(st, cuts, i, e);
    if (i == 0 || st->failed)
        return;
    by = e->kind == BLY_EVENT_WAKE || e->kind == BLY_EVENT_SPAWN ||
            e->kind == BLY_EVENT_FIRST
        ? story_task(st, e->other, e)
        : 0;
    switch (e->kind) {
    case BLY_EVENT_SPAWN:
        (void)story_change(st, i - 1, BLY_ACT_QUEUED, e);
        if (by != 0)
            story_point(st, by - 1, BLY_ACT_SPAWN, i, e);
        break;
    case BLY_EVENT_FIRST:
        if (by != 0)
            (void)story_change(st, by - 1, BLY_ACT_WAIT, e);
        story_runs(st, i, e);
        break;
    case BLY_EVENT_PARK:
        story_parks(st, i, e);
        break;
    case BLY_EVENT_YIELD:
        (void)story_change(st, i - 1, BLY_ACT_READY, e);
        break;
    case BLY_EVENT_WAKE:
        if (by != 0 && by != i)
            story_point(st, by - 1, BLY_ACT_WAKE, i, e);
        story_woken(st, i, e);
        break;
    case BLY_EVENT_ABORT:
        story_abort(st, cuts, i, e);
        break;
    case BLY_EVENT_RUN:
        story_runs(st, i, e);
        break;
    case BLY_EVENT_FINISH:
        story_finish(st, i, e);
        break;
    case BLY_EVENT_OPEN:
    case BLY_EVENT_CLOSE:
        story_scope(st, i, e);
        break;
    case BLY_EVENT_MARK:
        story_point(st, i - 1, BLY_ACT_MARK, 0, e);
        break;
    default:
        break;
    }
}

/* ---- order -------------------------------------------------------------- */

static bool
story_is_cause(const struct bly_trace_event *e)
{
    return e->kind == BLY_EVENT_SPAWN || e->kind == BLY_EVENT_WAKE ||
        e->kind == BLY_EVENT_ABORT || e->kind == BLY_EVENT_CUT;
}

static bool
story_before(const struct bly_trace_event *a, const struct bly_trace_event *b)
{
    if (a->when != b->when)
        return a->when < b->when;
    if (a->order != b->order)
        return a->order < b->order;
    return story_is_cause(a) && !story_is_cause(b);
}

/* Few rings: the first of each is looked at. */
static void
story_merge(struct bly_story *st, struct bly_reel *reels, size_t n)
{
    size_t total = st->nevents, i;

    for (st->nevents = 0; st->nevents < total;) {
        struct bly_reel *first = NULL;

        for (i = 0; i < n; i++)
            if (reels[i].count != 0 &&
                (first == NULL ||
                    story_before(reels[i].events, first->events)))
                first = &reels[i];
        st->events[st->nevents++] = *first->events++;
        first->count--;
    }
}

/* The children of each task after it, by birth. */
static void
story_arrange(struct bly_story *st)
{
    uint32_t i, at, place = 0, roots = 0, last = 0;

    st->order = bly_alloc_quiet((st->ntasks + 1) * sizeof(*st->order));
    if (st->order == NULL) {
        st->failed = true;
        return;
    }
    for (i = 0; i < st->ntasks; i++) {
        struct bly_story_task *t = &st->tasks[i];
        struct bly_story_task *up =
            t->parent != 0 ? &st->tasks[t->parent - 1] : NULL;
        uint32_t *end = up != NULL ? &up->last : &last;

        if (*end != 0)
            st->tasks[*end - 1].next = i + 1;
        else
            *(up != NULL ? &up->first : &roots) = i + 1;
        *end = i + 1;
    }
    for (at = roots; at != 0;) {
        struct bly_story_task *t = &st->tasks[at - 1];

        t->depth = t->parent != 0 ? st->tasks[t->parent - 1].depth + 1 : 0;
        st->order[place] = at - 1;
        t->place = place++;
        if (t->first != 0) {
            at = t->first;
            continue;
        }
        while (at != 0 && st->tasks[at - 1].next == 0)
            at = st->tasks[at - 1].parent;
        if (at != 0)
            at = st->tasks[at - 1].next;
    }
}

int
bly_story_tell(struct bly_story *st, struct bly_reel *reels, size_t n,
    int64_t now)
{
    struct story_cuts cuts = {.count = 0};
    size_t i;

    st->nevents = 0;
    for (i = 0; i < n; i++)
        st->nevents += reels[i].count;
    st->events = bly_alloc_quiet((st->nevents + 1) * sizeof(*st->events));
    if (st->events == NULL)
        return -ENOMEM;
    story_merge(st, reels, n);
    st->from = st->to = st->nevents != 0 ? st->events[0].when : now;
    for (i = 0; i < st->nevents && !st->failed; i++) {
        st->to = st->events[i].when;
        story_play(st, &cuts, &st->events[i]);
    }
    if (now > st->to)
        st->to = now;
    for (i = 0; i < st->ntasks && !st->failed; i++) {
        if (st->tasks[i].ended)
            continue;
        st->tasks[i].to = st->to;
        while (st->tasks[i].top != 0 && !st->failed)
            story_end(st, (uint32_t)i);
    }
    if (!st->failed)
        story_arrange(st);
    return st->failed ? -ENOMEM : 0;
}

void
bly_story_free(struct bly_story *st)
{
    bly_free_quiet(st->events);
    bly_free_quiet(st->tasks);
    bly_free_quiet(st->acts);
    bly_free_quiet(st->arrows);
    bly_free_quiet(st->order);
    bly_free_quiet(st->index);
}
