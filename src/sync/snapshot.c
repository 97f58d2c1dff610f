/* SPDX-License-Identifier: MIT */
/*
 * Versions that are replaced while they are read.
 *
 * A reader must get hold of a version in one step: between reading the pointer
 * and counting himself, the version could go.  So the pointer and a count of
 * those who took it share a word: the upper 16 bits are how often this pointer
 * has been handed out, and opening a view is one addition.  Closing one is a
 * subtraction in the version itself.  Whoever replaces the pointer gets the
 * final count with it and adds it to the version, which then holds exactly
 * the number of views that are open.  Until then a large bias keeps the
 * version's number from reaching 0.
 *
 *     live views = handed out (word) + refs - BIAS    while it is the newest
 *     live views = refs                               afterwards
 *
 * 16 bits are few.  A reader who finds the count high moves it over to refs:
 * first adds it there, then takes it out of the word.  In between too much is
 * counted, which only keeps the version; if the word has changed, the reader
 * takes back what he added.  He has a view himself, so none of this can bring
 * refs to 0.
 */
#include <belay/frozen.h>

#include "base/alloc.h"
#include "base/atomic.h"
#include "base/check.h"

#include <errno.h>

enum {
    SNAPSHOT_SHIFT = 48, /* no address in user space is longer */
    /* How high the count may get; in a simulation, soon. */
    SNAPSHOT_HIGH = BLY_SIM ? 2 : 1 << 14
};

#define SNAPSHOT_ONE (UINT64_C(1) << SNAPSHOT_SHIFT)
#define SNAPSHOT_BIAS (INT64_C(1) << 40)

struct snapshot_version {
    int64_t refs; /* atomic; see above */
    const void *value;
    belay_drop_fn *drop;
    void *arg;
};

_Static_assert(sizeof(((belay_snapshot *)0)->belay_word_) == sizeof(uint64_t),
    "the word is one atomic");

static struct snapshot_version *
snapshot_version(uint64_t word)
{
    return (void *)(uintptr_t)(word & (SNAPSHOT_ONE - 1));
}

static int64_t
snapshot_count(uint64_t word)
{
    return (int64_t)(word >> SNAPSHOT_SHIFT);
}

static struct snapshot_version *
snapshot_version_new(const void *value, belay_drop_fn *drop, void *arg)
{
    struct snapshot_version *v = bly_alloc(sizeof(*v));

    if (v == NULL)
        return NULL;
    bly_assert(snapshot_count((uint64_t)(uintptr_t)v) == 0);
    v->refs = SNAPSHOT_BIAS;
    v->value = value;
    v->drop = drop;
    v->arg = arg;
    return v;
}

static void
snapshot_add(struct snapshot_version *v, int64_t n)
{
    if (bly_fetch_add(&v->refs, n) + n != 0) /* pairs with itself */
        return;
    if (v->drop != NULL)
        v->drop(v->arg);
    bly_free(v);
}

/* word has just been replaced. */
static void
snapshot_retire(uint64_t word)
{
    struct snapshot_version *v = snapshot_version(word);

    if (v != NULL)
        snapshot_add(v, snapshot_count(word) - SNAPSHOT_BIAS);
}

int
belay_snapshot_publish(belay_snapshot *s, const void *value,
    belay_drop_fn *drop, void *arg)
{
    struct snapshot_version *v = snapshot_version_new(value, drop, arg);

    if (v == NULL)
        return -ENOMEM;
    /* pairs with belay_view_open */
    snapshot_retire(bly_xchg(&s->belay_word_, (uint64_t)(uintptr_t)v));
    return 0;
}

int
belay_snapshot_replace(belay_snapshot *s, const belay_view *seen,
    const void *value, belay_drop_fn *drop, void *arg)
{
    struct snapshot_version *v = snapshot_version_new(value, drop, arg);
    uint64_t word = bly_load_relaxed(&s->belay_word_);

    if (v == NULL)
        return -ENOMEM;
    /* The view keeps its version, so the same address is the same version. */
    while (snapshot_version(word) == seen->belay_version_)
        /* pairs with belay_view_open */
        if (bly_cas(&s->belay_word_, &word, (uint64_t)(uintptr_t)v)) {
            snapshot_retire(word);
            return 0;
        }
    bly_free(v);
    return -EAGAIN;
}

void
belay_snapshot_clear(belay_snapshot *s)
{
    /* pairs with belay_view_open */
    snapshot_retire(bly_xchg(&s->belay_word_, UINT64_C(0)));
}

/* The caller has a view of v, which has been handed out often. */
static BLY_NOINLINE void
snapshot_unload(belay_snapshot *s, struct snapshot_version *v)
{
    uint64_t word = bly_load_relaxed(&s->belay_word_);

    while (snapshot_version(word) == v &&
        snapshot_count(word) >= SNAPSHOT_HIGH) {
        int64_t n = snapshot_count(word);

        (void)bly_fetch_add(&v->refs, n); /* pairs with snapshot_add */
        /* pairs with snapshot_retire */
        if (bly_cas(&s->belay_word_, &word, (uint64_t)(uintptr_t)v))
            return;
        snapshot_add(v, -n);
    }
}

const void *
belay_view_open(belay_view *view, belay_snapshot *s)
{
    /* pairs with belay_snapshot_publish */
    uint64_t word = bly_fetch_add(&s->belay_word_, SNAPSHOT_ONE);
    struct snapshot_version *v = snapshot_version(word);

    view->belay_version_ = v;
    view->value = NULL;
    if (v == NULL) /* nobody asks how often nothing was handed out */
        return NULL;
    view->value = v->value;
    if (BLY_UNLIKELY(snapshot_count(word) + 1 >= SNAPSHOT_HIGH))
        snapshot_unload(s, v);
    return view->value;
}

void
belay_view_close(belay_view *view)
{
    struct snapshot_version *v = view->belay_version_;

    if (v == NULL)
        return;
    view->belay_version_ = NULL;
    view->value = NULL;
    snapshot_add(v, -1);
}
