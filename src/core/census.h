/* SPDX-License-Identifier: MIT */
/*
 * The tree of scopes and tasks, similar ones folded into one, as one or more
 * workers tell it.  See census.c.
 */
#ifndef BLY_CORE_CENSUS_H
#define BLY_CORE_CENSUS_H

#include "core/rt.h"
#include "core/text.h"

struct bly_scope;
struct bly_waiter;

enum {
    BLY_STATE_NAME = 40,
    BLY_STATE_OBJECT = 72,
    BLY_CENSUS_MAX = 4096 /* different ones that are told apart */
};

/* What a task does, in words that outlive it. */
struct bly_state {
    const char *verb; /* static: "recv"; NULL: it does not wait */
    const belay_site *site;
    char object[BLY_STATE_OBJECT];
    bool runs;
};

enum bly_census_kind { BLY_CENSUS_SCOPE, BLY_CENSUS_TASK, BLY_CENSUS_STATE };

/* Scopes hang below tasks, tasks below scopes, states below tasks. */
struct bly_census_entry {
    uint64_t key; /* of the whole path from the root */
    uint32_t parent, first, last, next; /* index + 1; 0: none */
    enum bly_census_kind kind;
    uint32_t count;  /* of tasks; states only */
    uint32_t for_ms; /* the longest */
    uint64_t id;     /* of the first */
    char name[BLY_STATE_NAME];
    const belay_site *site;
    struct bly_state state;
};

struct bly_census {
    struct bly_census_entry *list;
    uint32_t count, room;
    uint32_t *index; /* open hash of keys; index + 1 */
    uint64_t tasks;
    uint64_t left_out; /* tasks for which there was no room */
    uint64_t queued;   /* not started */
    struct bly_scope *last_scope; /* the entry of the scope last looked up */
    uint32_t last_entry;
};

const char *bly_scope_name(const struct bly_scope *s);
/* What w waits for; on its task's worker. */
void bly_state_of_wait(struct bly_waiter *w, struct bly_state *out);
/* What t does; on its worker, or while nothing runs. */
void bly_state_of(struct bly_task *t, struct bly_state *out);
void bly_state_text(struct bly_text *x, const struct bly_state *s);
/* The time since t went to sleep, as of its worker's last look. */
uint32_t bly_state_ms(struct bly_task *t);
void bly_task_text(struct bly_text *x, const char *name, uint64_t id);

/* Adds the tasks of w; on its thread, or while nothing runs. */
void bly_census_worker(struct bly_census *c, struct bly_worker *w);
void bly_census_merge(struct bly_census *into, const struct bly_census *from);
void bly_census_text(struct bly_text *x, const struct bly_census *c);
/* Forgets what it holds, but not the memory. */
void bly_census_clear(struct bly_census *c);
void bly_census_free(struct bly_census *c);

#endif
