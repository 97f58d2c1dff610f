/* SPDX-License-Identifier: MIT */
/*
 * The wait-for graph, without locks over it and without reading what another
 * thread may change.
 *
 * Each worker notes its own long sleepers: who they are, in which sleep (id
 * and the count of parks), and who alone could wake them, which the object
 * answers under its own lock.  A join waits for the children of a scope: its
 * wakers are all notes of tasks spawned there, and they must be as many as the
 * scope counts.
 *
 * A task is stuck if all who could wake it are stuck.  The largest set for
 * which that holds is what is left when those with a waker outside of the set
 * have been taken out again and again.  A task that is not noted (it runs, it
 * waits for a timer or the outside, it went to sleep just now) is outside.
 *
 * The notes of several workers are not of one moment.  So the set is computed
 * twice, from notes that were taken one after the other, and counts only with
 * tasks that are in both in the same sleep: these slept all the time between,
 * so nobody of them did anything for another, and no one else could.
 */
#include "core/waitfor.h"

#include "base/alloc.h"
#include "core/scope.h"

#include <stdio.h>
#include <string.h>

enum { NOTES_FIRST = 64, NOTES_SWEEPS = 256, NOTES_TELL = 16 };

/* ---- taking notes ------------------------------------------------------- */

/* Room for one more of size bytes each in *list. */
static bool
notes_room(void **list, uint32_t *room, uint32_t count, size_t size)
{
    uint32_t want = *room != 0 ? 2 * *room : NOTES_FIRST;
    void *more;

    if (count < *room)
        return true;
    if (*room >= BLY_NOTES_MAX)
        return false;
    more = bly_alloc_quiet(want * size);
    if (more == NULL)
        return false;
    if (count != 0)
        memcpy(more, *list, count * size);
    bly_free_quiet(*list);
    *list = more;
    *room = want;
    return true;
}

static struct bly_note *
notes_more(struct bly_notes *n)
{
    void *list = n->list;

    if (!notes_room(&list, &n->room, n->count, sizeof(*n->list)))
        return NULL; /* one less that can be stuck */
    n->list = list;
    return &n->list[n->count];
}

static bool
notes_more_waker(struct bly_notes *n, struct bly_task *t)
{
    void *list = n->wakers;

    if (!notes_room(
            &list, &n->wakers_room, n->nwakers, sizeof(struct bly_task *)))
        return false;
    n->wakers = list;
    n->wakers[n->nwakers++] = t;
    return true;
}

/* Fills in who could wake it.  False: not known, or anybody. */
static bool
notes_wakers(struct bly_notes *n, struct bly_note *e, struct bly_waiter *w)
{
    struct bly_task *t = NULL;

    e->waker = n->nwakers;
    if (w->kind->children != NULL) {
        e->joins = w->kind->children(w, &e->children);
        return true;
    }
    if (w->kind->waker == NULL)
        return false;
    while ((t = w->kind->waker(w, t)) != NULL)
        if (!notes_more_waker(n, t))
            break;
    if (t != NULL) {
        n->nwakers = e->waker;
        return false;
    }
    e->nwakers = n->nwakers - e->waker;
    return e->nwakers != 0;
}

void
bly_notes_add(struct bly_notes *n, struct bly_task *t, uint32_t min_ms,
    bool cuts)
{
    struct bly_waiter *w = t->waiter;
    struct bly_note *e = notes_more(n);
    uint32_t ms = bly_state_ms(t);

    if (e == NULL)
        return;
    memset(e, 0, sizeof(*e));
    e->waits = w != NULL && ms >= min_ms && notes_wakers(n, e, w);
    /* The owner at a brace is not to blame for its children. */
    e->cut = cuts &&
        (w == NULL || w->kind->children == NULL || w->kind->abort != NULL) &&
        bly_cut_code(&t->base, NULL) != 0;
    if (!e->waits && !e->cut)
        return;
    n->count++;
    e->task = t;
    e->id = t->id;
    e->parks = t->parks;
    e->for_ms = ms;
    e->in = bly_task_scope(t);
    (void)snprintf(e->name, sizeof(e->name), "%s", t->name);
    e->spawned = t->base.site;
    bly_state_of(t, &e->state);
}

void
bly_notes_append(struct bly_notes *n, const struct bly_notes *more)
{
    uint32_t i, k;

    for (i = 0; i < more->count; i++) {
        struct bly_note *e = notes_more(n);

        if (e == NULL)
            return;
        *e = more->list[i];
        e->waker = n->nwakers;
        n->count++;
        for (k = 0; k < e->nwakers; k++)
            if (!notes_more_waker(n, more->wakers[more->list[i].waker + k]))
                e->waits = false;
        e->nwakers = n->nwakers - e->waker;
    }
}

void
bly_notes_clear(struct bly_notes *n)
{
    n->count = n->nwakers = 0;
}

void
bly_notes_free(struct bly_notes *n)
{
    bly_free_quiet(n->list);
    bly_free_quiet(n->wakers);
    memset(n, 0, sizeof(*n));
}

/* ---- an index by address ------------------------------------------------ */

struct notes_index {
    uint32_t *slot; /* index + 1; 0: free */
    uint32_t mask;
};

static uint32_t
notes_hash(const void *p)
{
    return (uint32_t)(((uintptr_t)p * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

/* What the note with index i is found under, or NULL. */
typedef const void *notes_key(const struct bly_note *e);

static const void *
notes_by_task(const struct bly_note *e)
{
    return e->task;
}

static const void *
notes_by_join(const struct bly_note *e)
{
    return e->waits ? e->joins : NULL;
}

static bool
notes_index_make(struct notes_index *x, const struct bly_notes *n,
    notes_key *key)
{
    uint32_t i, size = NOTES_FIRST;

    while (size < 2 * n->count)
        size *= 2;
    x->mask = size - 1;
    x->slot = bly_alloc_quiet(size * sizeof(*x->slot));
    if (x->slot == NULL)
        return false;
    memset(x->slot, 0, size * sizeof(*x->slot));
    for (i = 0; i < n->count; i++) {
        const void *p = key(&n->list[i]);
        uint32_t at = notes_hash(p) & x->mask;

        while (x->slot[at] != 0)
            at = (at + 1) & x->mask;
        if (p != NULL)
            x->slot[at] = i + 1;
    }
    return true;
}

static struct bly_note *
notes_find(const struct notes_index *x, const struct bly_notes *n,
    notes_key *key, const void *p)
{
    uint32_t at = notes_hash(p) & x->mask;

    for (; x->slot[at] != 0; at = (at + 1) & x->mask)
        if (key(&n->list[x->slot[at] - 1]) == p)
            return &n->list[x->slot[at] - 1];
    return NULL;
}

/* ---- who is stuck ------------------------------------------------------- */

struct notes_graph {
    struct bly_notes *n;
    struct notes_index tasks, joins;
    int64_t *stuck_children; /* of the note that joins them */
};

/* The same sleep as before, and stuck by the notes of then. */
static void
notes_compare(struct bly_notes *n, const struct bly_notes *before)
{
    struct notes_index old;
    uint32_t i;
    bool made = notes_index_make(&old, before, notes_by_task);

    for (i = 0; i < n->count; i++) {
        struct bly_note *e = &n->list[i], *was = NULL;

        if (made)
            was = notes_find(&old, before, notes_by_task, e->task);
        if (was == NULL || !was->maybe || was->id != e->id ||
            was->parks != e->parks)
            e->stuck = false;
        else
            e->told = was->told;
    }
    if (made)
        bly_free_quiet(old.slot);
}

static void
notes_count_children(struct notes_graph *g)
{
    uint32_t i;

    memset(g->stuck_children, 0, g->n->count * sizeof(int64_t));
    for (i = 0; i < g->n->count; i++) {
        struct bly_note *e = &g->n->list[i], *join;

        if (!e->stuck)
            continue;
        join = notes_find(&g->joins, g->n, notes_by_join, e->in);
        if (join != NULL)
            g->stuck_children[join - g->n->list]++;
    }
}

static bool
notes_is_held(struct notes_graph *g, const struct bly_note *e)
{
    uint32_t k;

    if (e->joins != NULL) {
        /* Counted at the first of those that wait for this scope. */
        struct bly_note *first =
            notes_find(&g->joins, g->n, notes_by_join, e->joins);

        return e->children > 0 &&
            g->stuck_children[first - g->n->list] == e->children;
    }
    for (k = 0; k < e->nwakers; k++) {
        struct bly_note *by = notes_find(&g->tasks, g->n, notes_by_task,
            g->n->wakers[e->waker + k]);

        if (by == NULL || !by->stuck)
            return false;
    }
    return true;
}

/* Takes out those that somebody outside can wake.  False: took none out. */
static bool
notes_sweep(struct notes_graph *g)
{
    bool any = false;
    uint32_t i;

    notes_count_children(g);
    for (i = 0; i < g->n->count; i++) {
        struct bly_note *e = &g->n->list[i];

        if (e->stuck && !notes_is_held(g, e)) {
            e->stuck = false;
            any = true;
        }
    }
    return any;
}

static void
notes_sweep_all(struct notes_graph *g)
{
    uint32_t i, sweeps = 0;

    while (notes_sweep(g) && ++sweeps < NOTES_SWEEPS)
        continue;
    if (sweeps == NOTES_SWEEPS) /* a long chain: no answer in time */
        for (i = 0; i < g->n->count; i++)
            g->n->list[i].stuck = false;
}

static bool
notes_graph_open(struct notes_graph *g, struct bly_notes *n)
{
    g->n = n;
    if (!notes_index_make(&g->tasks, n, notes_by_task))
        return false;
    if (!notes_index_make(&g->joins, n, notes_by_join))
        goto fail_joins;
    g->stuck_children = bly_alloc_quiet((n->count + 1) * sizeof(int64_t));
    if (g->stuck_children == NULL)
        goto fail_children;
    return true;

fail_children:
    bly_free_quiet(g->joins.slot);
fail_joins:
    bly_free_quiet(g->tasks.slot);
    return false;
}

static void
notes_graph_close(struct notes_graph *g)
{
    bly_free_quiet(g->tasks.slot);
    bly_free_quiet(g->joins.slot);
    bly_free_quiet(g->stuck_children);
}

uint32_t
bly_notes_stuck(struct bly_notes *n, const struct bly_notes *before)
{
    struct notes_graph g;
    uint32_t i, new = 0;

    for (i = 0; i < n->count; i++)
        n->list[i].stuck = n->list[i].waits;
    if (n->count == 0 || !notes_graph_open(&g, n))
        return 0;
    notes_sweep_all(&g);
    for (i = 0; i < n->count; i++)
        n->list[i].maybe = n->list[i].stuck;
    if (before != NULL)
        notes_compare(n, before);
    notes_sweep_all(&g);
    notes_graph_close(&g);
    for (i = 0; i < n->count; i++)
        new += n->list[i].stuck && !n->list[i].told;
    return new;
}

/* ---- telling ------------------------------------------------------------ */

/* One that e waits for. */
static struct bly_note *
notes_next(const struct notes_index *tasks, struct bly_notes *n,
    const struct bly_note *e)
{
    uint32_t i;

    if (e->joins == NULL)
        return notes_find(tasks, n, notes_by_task, n->wakers[e->waker]);
    for (i = 0; i < n->count; i++)
        if (n->list[i].stuck && n->list[i].in == e->joins)
            return &n->list[i];
    return NULL;
}

static void
notes_line(struct bly_text *x, const struct bly_note *e, bool first)
{
    bly_text_add(x, first ? "  " : "  -> ");
    bly_task_text(x, e->name, e->id);
    bly_text_add(x, " ");
    bly_state_text(x, &e->state);
    bly_text_add(x, ", for ");
    bly_text_ms(x, e->for_ms);
    bly_text_site(x, "; spawned at", e->spawned);
    bly_text_add(x, "\n");
}

/* The ring that begins and ends with e. */
static void
notes_ring(struct bly_text *x, const struct notes_index *tasks,
    struct bly_notes *n, struct bly_note *e)
{
    struct bly_note *at = e;
    uint32_t lines = 0;

    do {
        if (lines++ < NOTES_TELL)
            notes_line(x, at, at == e);
        at->told = true;
        at = notes_next(tasks, n, at);
    } while (at != NULL && at != e && !at->told);
    if (lines > NOTES_TELL)
        bly_text_add(x, "  -> ... %u more\n", lines - NOTES_TELL);
    if (at != NULL) {
        bly_text_add(x, "  -> ");
        bly_task_text(x, at->name, at->id);
        bly_text_add(x, "\n");
    }
}

uint32_t
bly_notes_tell(struct bly_text *x, struct bly_notes *n)
{
    struct notes_index tasks;
    uint32_t i, others = 0, rings = 0;

    if (!notes_index_make(&tasks, n, notes_by_task))
        return 0;
    for (i = 0; i < n->count; i++) {
        struct bly_note *slow = &n->list[i], *fast = slow;

        if (!slow->stuck || slow->told)
            continue;
        /* Two steps against one: they meet on the ring that i leads to. */
        do {
            slow = slow != NULL ? notes_next(&tasks, n, slow) : NULL;
            fast = fast != NULL ? notes_next(&tasks, n, fast) : NULL;
            fast = fast != NULL ? notes_next(&tasks, n, fast) : NULL;
        } while (fast != NULL && slow != fast);
        if (fast != NULL && !fast->told) {
            if (rings++ > 0)
                bly_text_add(x, "  and\n");
            notes_ring(x, &tasks, n, fast);
        }
        if (!n->list[i].told) {
            n->list[i].told = true;
            others++;
        }
    }
    if (others != 0) {
        bly_text_add(x, "  ");
        bly_text_number(x, others);
        bly_text_add(x, others == 1 ? " more task waits for these\n"
                                    : " more tasks wait for these\n");
    }
    bly_free_quiet(tasks.slot);
    return rings;
}
