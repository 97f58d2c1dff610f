/* SPDX-License-Identifier: MIT */
/*
 * Two tables: keys are added to the first; when that is full it becomes the
 * second, and what was the second is forgotten.  A key that is seen again is
 * added to the first if it was only in the second, so that what keeps coming
 * stays.
 */
#include "cli/seen.h"

#include "cli/own.h"

#include <stdlib.h>
#include <string.h>

enum { SEEN_FIRST = 256 };

struct seen_table {
    struct digest_key *slots; /* all zero: free */
    size_t size, used;        /* size is a power of two */
};

struct seen {
    struct seen_table now, before;
    size_t limit;
};

static const struct digest_key seen_none;

static bool
seen_same(const struct digest_key *a, const struct digest_key *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* Where it is or would be.  There is always a free slot. */
static struct digest_key *
seen_slot(const struct seen_table *t, const struct digest_key *key)
{
    size_t at;

    memcpy(&at, key->bytes, sizeof at); /* a part of a hash is one */
    for (;; at++) {
        struct digest_key *slot = &t->slots[at & (t->size - 1)];

        if (seen_same(slot, &seen_none) || seen_same(slot, key))
            return slot;
    }
}

static bool
seen_in(const struct seen_table *t, const struct digest_key *key)
{
    return t->size > 0 && seen_same(seen_slot(t, key), key);
}

static void
seen_grow(struct seen_table *t)
{
    struct seen_table old = *t;

    t->size = old.size == 0 ? SEEN_FIRST : 2 * old.size;
    t->slots = own_alloc(t->size * sizeof *t->slots);
    for (size_t i = 0; i < old.size; i++)
        if (!seen_same(&old.slots[i], &seen_none))
            *seen_slot(t, &old.slots[i]) = old.slots[i];
    free(old.slots);
}

struct seen *
seen_new(size_t limit)
{
    struct seen *s = own_alloc(sizeof *s);

    s->limit = limit;
    return s;
}

bool
seen_has(const struct seen *s, struct digest_key key)
{
    return seen_in(&s->now, &key) || seen_in(&s->before, &key);
}

bool
seen_add(struct seen *s, struct digest_key key)
{
    bool old = seen_in(&s->before, &key);

    if (seen_in(&s->now, &key))
        return true;
    if (s->limit > 0 && s->now.used == s->limit) {
        free(s->before.slots);
        s->before = s->now;
        s->now = (struct seen_table){NULL, 0, 0};
    }
    if (s->now.used * 4 >= s->now.size * 3)
        seen_grow(&s->now);
    *seen_slot(&s->now, &key) = key;
    s->now.used++;
    return old;
}

void
seen_free(struct seen *s)
{
    if (s == NULL)
        return;
    free(s->now.slots);
    free(s->before.slots);
    free(s);
}
