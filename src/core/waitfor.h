/* SPDX-License-Identifier: MIT */
/* Who waits for whom, and who cannot go on any more.  See waitfor.c. */
#ifndef BLY_CORE_WAITFOR_H
#define BLY_CORE_WAITFOR_H

#include "core/census.h"

enum { BLY_NOTES_MAX = 16384 };

/* What was seen of one sleeping task; outlives it. */
struct bly_note {
    struct bly_task *task; /* to compare with; maybe gone */
    uint64_t id;
    uint32_t parks;          /* with id: the same sleep */
    uint32_t for_ms;
    struct bly_scope *in;    /* to compare with: where it was spawned */
    struct bly_scope *joins; /* it waits for the children of this one */
    int64_t children;        /* how many these are */
    uint32_t waker, nwakers; /* who could wake it: a part of wakers[] */
    bool waits; /* for these alone */
    bool cut;   /* below a cut, and not at the brace of a scope */
    bool maybe; /* all who could end the wait are stuck, by these notes */
    bool stuck; /* for sure */
    bool told;  /* people know */
    char name[BLY_STATE_NAME];
    const belay_site *spawned;
    struct bly_state state;
};

struct bly_notes {
    struct bly_note *list;
    uint32_t count, room;
    struct bly_task **wakers;
    uint32_t nwakers, wakers_room;
};

/* Notes t if it has slept for min_ms in a wait whose wakers are known, or, if
 * asked to, is below a cut.  On its worker, or while nothing runs. */
void bly_notes_add(struct bly_notes *n, struct bly_task *t, uint32_t min_ms,
    bool cuts);
void bly_notes_append(struct bly_notes *n, const struct bly_notes *more);
void bly_notes_clear(struct bly_notes *n);
void bly_notes_free(struct bly_notes *n);

/* Marks the stuck ones and returns how many of these were not told yet.  With
 * before, notes taken earlier: only those that were in the same sleep then.
 * Without, nothing may have run since the first of the notes. */
uint32_t bly_notes_stuck(struct bly_notes *n, const struct bly_notes *before);
/* Tells of the stuck ones that are not told yet, and marks them.  Returns how
 * many rings they form; 0: they wait for those of an earlier telling. */
uint32_t bly_notes_tell(struct bly_text *x, struct bly_notes *n);

#endif
