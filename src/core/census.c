/* SPDX-License-Identifier: MIT */
/*
 * The tree as people want to see it.
 *
 * A program may have a million tasks of which nearly all do the same, so they
 * are folded while they are counted: an entry stands for all tasks that have
 * the same name and place of spawn, below scopes that were opened at the same
 * places, and that do the same now.  Its key is a hash of that path.  The
 * number of entries is bounded, so a census needs little memory and says how
 * many it left out.
 *
 * Each worker tells about its own tasks.  Of the path upwards, which belongs to
 * other workers, it reads only what was written before the task was spawned
 * and does not change: links, names and places.  No frame on the path can go
 * while the task lives.  What the owner of a scope does now, its own worker
 * says, and merging by key brings the two together.
 */
#include "core/census.h"

#include "base/alloc.h"
#include "core/diag.h"
#include "core/scope.h"

#include <stdio.h>
#include <string.h>

enum { CENSUS_FIRST = 64, CENSUS_DEPTH = 64, CENSUS_HASH = 2 * BLY_CENSUS_MAX };

/* ---- one task ----------------------------------------------------------- */

const char *
bly_scope_name(const struct bly_scope *s)
{
    if (s->name != NULL)
        return s->name;
    return s->node.site != NULL && s->node.site->what != NULL
        ? s->node.site->what
        : "scope";
}

void
bly_state_of_wait(struct bly_waiter *w, struct bly_state *out)
{
    int64_t count;

    memset(out, 0, sizeof(*out));
    out->verb = w->kind->verb;
    out->site = w->site;
    if (w->kind->describe != NULL) {
        w->kind->describe(w, out->object, sizeof(out->object));
    } else if (w->kind->children != NULL) {
        (void)snprintf(out->object, sizeof(out->object), "scope '%s'",
            bly_scope_name(w->kind->children(w, &count)));
    }
}

void
bly_state_of(struct bly_task *t, struct bly_state *out)
{
    bool runs = t->worker->current == t;

    if (!runs && t->waiter != NULL) {
        bly_state_of_wait(t->waiter, out);
        return;
    }
    memset(out, 0, sizeof(*out));
    out->runs = runs;
}

uint32_t
bly_state_ms(struct bly_task *t)
{
    uint32_t ms = bly_load_relaxed(&t->worker->coarse) - t->since;

    /* A wake-up may have come between two looks at the clock. */
    return t->worker->current == t || ms > UINT32_MAX / 2 ? 0 : ms;
}

void
bly_state_text(struct bly_text *x, const struct bly_state *s)
{
    if (s->verb == NULL) {
        bly_text_add(x, s->runs ? "runs" : "is ready to run");
        return;
    }
    bly_text_add(x, "waits in %s", s->verb);
    if (s->object[0] != '\0')
        bly_text_add(x, " (%s)", s->object);
    bly_text_site(x, " at", s->site);
}

void
bly_task_text(struct bly_text *x, const char *name, uint64_t id)
{
    bly_text_add(x, "task '%s' #%llu", name, (unsigned long long)id);
}

/* ---- entries ------------------------------------------------------------ */

static uint64_t
census_mix(uint64_t key, uint64_t value)
{
    key = (key ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return key ^ key >> 29;
}

static uint64_t
census_mix_text(uint64_t key, const char *text)
{
    for (; *text != '\0'; text++)
        key = census_mix(key, (unsigned char)*text);
    return census_mix(key, 0);
}

static bool
census_grow(struct bly_census *c)
{
    uint32_t room = c->room != 0 ? 2 * c->room : CENSUS_FIRST;
    struct bly_census_entry *list;

    if (c->index == NULL) {
        c->index = bly_alloc_quiet(CENSUS_HASH * sizeof(*c->index));
        if (c->index == NULL)
            return false;
        memset(c->index, 0, CENSUS_HASH * sizeof(*c->index));
    }
    if (c->count < c->room)
        return true;
    if (c->room == BLY_CENSUS_MAX)
        return false;
    list = bly_alloc_quiet(room * sizeof(*list));
    if (list == NULL)
        return false;
    if (c->count != 0)
        memcpy(list, c->list, c->count * sizeof(*list));
    bly_free_quiet(c->list);
    c->list = list;
    c->room = room;
    return true;
}

/* The entry with this key, or a new one that the caller fills if *made.
 * Index + 1; 0: no room. */
static uint32_t
census_entry(struct bly_census *c, uint64_t key, uint32_t parent,
    enum bly_census_kind kind, bool *made)
{
    struct bly_census_entry *e, *up;
    uint32_t at = (uint32_t)(key >> 32) % CENSUS_HASH;

    *made = false;
    if (!census_grow(c))
        return 0;
    for (; c->index[at] != 0; at = (at + 1) % CENSUS_HASH)
        if (c->list[c->index[at] - 1].key == key)
            return c->index[at];
    e = &c->list[c->count];
    memset(e, 0, sizeof(*e));
    e->key = key;
    e->kind = kind;
    e->parent = parent;
    c->index[at] = ++c->count;
    *made = true;
    if (parent == 0)
        return c->count;
    up = &c->list[parent - 1];
    if (up->first == 0) {
        up->first = up->last = c->count;
    } else if (kind == BLY_CENSUS_STATE) { /* before the scopes */
        e->next = up->first;
        up->first = c->count;
    } else {
        c->list[up->last - 1].next = c->count;
        up->last = c->count;
    }
    return c->count;
}

static uint64_t
census_key(struct bly_census *c, uint32_t entry)
{
    return entry != 0 ? c->list[entry - 1].key : 1;
}

static uint32_t
census_add_task(struct bly_census *c, uint32_t scope, struct bly_task *t)
{
    uint64_t key = census_mix(census_key(c, scope), BLY_CENSUS_TASK);
    bool made;
    uint32_t at;

    key = census_mix_text(key, t->name);
    key = census_mix(key, (uintptr_t)t->base.site);
    at = census_entry(c, key, scope, BLY_CENSUS_TASK, &made);
    if (made) {
        struct bly_census_entry *e = &c->list[at - 1];

        (void)snprintf(e->name, sizeof(e->name), "%s", t->name);
        e->site = t->base.site;
        e->id = t->id;
    }
    return at;
}

static uint32_t
census_add_scope(struct bly_census *c, uint32_t task, struct bly_scope *s)
{
    uint64_t key = census_mix(census_key(c, task), BLY_CENSUS_SCOPE);
    const char *name = bly_scope_name(s);
    bool made;
    uint32_t at;

    key = census_mix_text(key, name);
    key = census_mix(key, (uintptr_t)s->node.site);
    at = census_entry(c, key, task, BLY_CENSUS_SCOPE, &made);
    if (made) {
        struct bly_census_entry *e = &c->list[at - 1];

        (void)snprintf(e->name, sizeof(e->name), "%s", name);
        e->site = s->node.site;
    }
    return at;
}

/* The entry of s, and with it all of its path that was not there. */
static uint32_t
census_path(struct bly_census *c, struct bly_scope *s)
{
    struct bly_scope *path[CENSUS_DEPTH];
    uint32_t n = 0, at = 0;

    if (s == c->last_scope)
        return c->last_entry;
    c->last_scope = s;
    while (n < CENSUS_DEPTH) {
        path[n++] = s;
        if (s->node.up == NULL)
            break;
        s = bly_task_scope(s->node.task);
    }
    if (s->node.up == NULL)
        n--; /* the outermost one only counts the root */
    while (n-- > 0) {
        at = census_add_task(c, at, path[n]->node.task);
        if (at != 0)
            at = census_add_scope(c, at, path[n]);
    }
    c->last_entry = at;
    return at;
}

static void
census_add(struct bly_census *c, struct bly_task *t)
{
    struct bly_scope *s = bly_task_scope(t);
    struct bly_census_entry *e;
    struct bly_state state;
    uint32_t scope, task = 0, at = 0;
    bool made = false;
    uint32_t ms = bly_state_ms(t);

    if (s->node.up == NULL)
        return; /* the runtime's own */
    c->tasks++;
    scope = census_path(c, s);
    if (scope != 0)
        task = census_add_task(c, scope, t);
    if (task != 0) {
        uint64_t key = census_mix(census_key(c, task), BLY_CENSUS_STATE);

        bly_state_of(t, &state);
        key = census_mix(key, (uintptr_t)state.verb + state.runs);
        key = census_mix(key, (uintptr_t)state.site);
        key = census_mix_text(key, state.object);
        at = census_entry(c, key, task, BLY_CENSUS_STATE, &made);
    }
    if (at == 0) {
        c->left_out++;
        return;
    }
    e = &c->list[at - 1];
    if (made) {
        e->state = state;
        e->id = t->id;
    }
    e->count++;
    if (ms > e->for_ms)
        e->for_ms = ms;
}

void
bly_census_worker(struct bly_census *c, struct bly_worker *w)
{
    struct bly_link *mark = bly_diag_mark(w);
    struct bly_link *l;

    c->last_scope = NULL;
    for (l = bly_list_first(&w->tasks); l != NULL;
         l = bly_list_next(&w->tasks, l))
        if (l != mark)
            census_add(c, BLY_CONTAINER(l, struct bly_task, all));
    if (w->current != NULL && w->current->shard == NULL)
        census_add(c, w->current);
    c->queued += (uint64_t)bly_runq_count(&w->runq);
    c->last_scope = NULL;
}

void
bly_census_merge(struct bly_census *into, const struct bly_census *from)
{
    uint32_t *map, i;

    into->tasks += from->tasks;
    into->left_out += from->left_out;
    into->queued += from->queued;
    map = bly_alloc_quiet((from->count + 1) * sizeof(*map));
    if (map == NULL)
        return;
    map[0] = 0;
    for (i = 0; i < from->count; i++) {
        const struct bly_census_entry *e = &from->list[i];
        bool made = false;
        uint32_t at = 0;

        if (e->parent == 0 || map[e->parent] != 0)
            at = census_entry(into, e->key, map[e->parent], e->kind, &made);
        map[i + 1] = at;
        if (at == 0) {
            into->left_out += e->count;
        } else if (made) {
            struct bly_census_entry *mine = &into->list[at - 1];

            mine->id = e->id;
            mine->site = e->site;
            mine->state = e->state;
            memcpy(mine->name, e->name, sizeof(mine->name));
        }
        if (at != 0) {
            into->list[at - 1].count += e->count;
            if (e->for_ms > into->list[at - 1].for_ms)
                into->list[at - 1].for_ms = e->for_ms;
        }
    }
    bly_free_quiet(map);
}

/* ---- text --------------------------------------------------------------- */

/* One line for the tasks of one state; `task' is what they are. */
static void
census_line(struct bly_text *x, const struct bly_census_entry *task,
    const struct bly_census_entry *e, int indent)
{
    bly_text_add(x, "%*s", indent, "");
    bly_task_text(x, task->name, e->id);
    bly_text_add(x, " ");
    bly_state_text(x, &e->state);
    if (e->state.verb != NULL) {
        bly_text_add(x, ", for ");
        bly_text_ms(x, e->for_ms);
    }
    bly_text_site(x, "; spawned at", task->site);
    bly_text_add(x, "\n");
    if (e->count > 1) {
        bly_text_add(x, "%*sx ", indent + 2, "");
        bly_text_number(x, e->count - 1);
        bly_text_add(x, " more like this\n");
    }
}

/* A task that has scopes open, but whose own worker has not told of it. */
static void
census_silent_line(struct bly_text *x, const struct bly_census *c,
    const struct bly_census_entry *e, int indent)
{
    if (e->parent == 0 || e->first == 0 ||
        c->list[e->first - 1].kind == BLY_CENSUS_STATE)
        return;
    bly_text_add(x, "%*s", indent, "");
    bly_task_text(x, e->name, e->id);
    bly_text_add(x, " is not known to wait\n");
}

static void
census_scope_line(struct bly_text *x, const struct bly_census_entry *e,
    int indent)
{
    bly_text_add(x, "%*sscope '%s'", indent, "", e->name);
    bly_text_site(x, " at", e->site);
    bly_text_add(x, "\n");
}

/* The entry to look at after e, deeper first; *depth follows.  0: no more. */
static uint32_t
census_after(const struct bly_census *c, uint32_t at, int *depth)
{
    const struct bly_census_entry *e = &c->list[at - 1];

    if (e->first != 0) {
        ++*depth;
        return e->first;
    }
    while (e->next == 0) {
        if (e->parent == 0)
            return 0;
        --*depth;
        e = &c->list[e->parent - 1];
    }
    return e->next;
}

void
bly_census_text(struct bly_text *x, const struct bly_census *c)
{
    uint32_t root;

    for (root = 1; root <= c->count; root++) {
        uint32_t at = root;
        int depth = 0;

        if (c->list[root - 1].parent != 0)
            continue;
        while (at != 0) {
            const struct bly_census_entry *e = &c->list[at - 1];

            if (e->kind == BLY_CENSUS_STATE)
                census_line(x, &c->list[e->parent - 1], e, 2 * depth - 4);
            else if (e->kind == BLY_CENSUS_SCOPE)
                census_scope_line(x, e, 2 * depth - 2);
            else
                census_silent_line(x, c, e, 2 * depth - 2);
            at = census_after(c, at, &depth);
        }
    }
    if (c->queued != 0) {
        bly_text_add(x, "  ");
        bly_text_number(x, c->queued);
        bly_text_add(x, c->queued == 1 ? " task that has not started\n"
                                       : " tasks that have not started\n");
    }
    if (c->left_out != 0) {
        bly_text_add(x, "  ");
        bly_text_number(x, c->left_out);
        bly_text_add(x, " more tasks, of kinds that are not shown\n");
    }
}

void
bly_census_clear(struct bly_census *c)
{
    if (c->index != NULL)
        memset(c->index, 0, CENSUS_HASH * sizeof(*c->index));
    c->count = 0;
    c->tasks = c->left_out = c->queued = 0;
    c->last_scope = NULL;
    c->last_entry = 0;
}

void
bly_census_free(struct bly_census *c)
{
    bly_free_quiet(c->list);
    bly_free_quiet(c->index);
    memset(c, 0, sizeof(*c));
}
