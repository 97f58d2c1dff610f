/* SPDX-License-Identifier: MIT */
/*
 * What tasks did, told from events: for each task a life, in it the scopes
 * that it had open, in these what it did.  Writers draw this.  See story.c.
 */
#ifndef BLY_TRACE_STORY_H
#define BLY_TRACE_STORY_H

#include "trace/bytes.h"
#include "trace/event.h"

/* What an act is of.  The first two enclose others; then come the states, of
 * which a task has one at a time; the rest are points in time. */
enum bly_act_what {
    BLY_ACT_LIFE,
    BLY_ACT_SCOPE,
    BLY_ACT_QUEUED, /* spawned, not started */
    BLY_ACT_RUN,
    BLY_ACT_WAIT,
    BLY_ACT_READY,  /* woken, or let others run */
    BLY_ACT_SPAWN,
    BLY_ACT_WAKE,
    BLY_ACT_ABORT,  /* a cut of this task's, or of its scope, ends a wait */
    BLY_ACT_CUT,
    BLY_ACT_MARK
};

enum bly_act_type { BLY_ACT_BEGIN, BLY_ACT_END, BLY_ACT_POINT };

struct bly_act {
    int64_t when;
    uint32_t task; /* index */
    uint8_t type, what;
    /* Of a begin the index of its end, and the other way round. */
    uint32_t pair;
    uint32_t up;     /* of a begin: the one around it, index + 1; or 0 */
    uint32_t flow;   /* the arrow that begins or, at a run, ends here; or 0 */
    uint32_t about;  /* of a point: the other task, index + 1; or 0 */
    /* Why; of a run or a queued it names the task. */
    const struct bly_trace_event *e;
};

struct bly_story_task {
    uint64_t id;
    uint32_t runtime;
    const char *name;       /* "task" if no event told it */
    const belay_site *site; /* of its spawn, or NULL */
    int64_t from, to;
    int32_t code;    /* its result, if it has ended */
    bool ended;
    uint32_t parent; /* index + 1; 0: none is known */
    uint32_t depth;
    uint32_t place;  /* in the order of the tree */

    /* Of the builder. */
    uint32_t first, last, next; /* children and siblings, index + 1 */
    uint32_t top;  /* the innermost begin without an end, index + 1 */
    uint32_t flow; /* an arrow that is on its way */
    bool woken;    /* before it went to sleep */
};

/* An arrow leads from a point to the begin of a run. */
struct bly_arrow {
    uint32_t from, to; /* acts, index + 1; to may be 0: not arrived */
};

struct bly_story {
    struct bly_trace_event *events; /* owned; in order of time */
    size_t nevents;
    struct bly_story_task *tasks;
    uint32_t ntasks, task_room;
    struct bly_act *acts; /* in order of time, properly nested per task */
    uint32_t nacts, act_room;
    struct bly_arrow *arrows; /* number - 1 */
    uint32_t narrows, arrow_room;
    uint32_t *order; /* indices of tasks by place */
    int64_t from, to;
    uint64_t lost;   /* events */
    uint32_t workers, runtimes;
    const char *program;
    const char *(*say)(int code); /* a short text for a result */

    /* Of the builder. */
    uint32_t *index; /* open hash of tasks; index + 1 */
    uint32_t index_size;
    bool failed;     /* no memory */
};

/* What one ring had; in order of time. */
struct bly_reel {
    struct bly_trace_event *events;
    size_t count;
};

/* Merges the reels, which are used up, and tells until `now'.  0 or -ENOMEM;
 * the story is to be freed either way. */
int bly_story_tell(struct bly_story *st, struct bly_reel *reels, size_t n,
    int64_t now) BLY_MUST_CHECK;
void bly_story_free(struct bly_story *st);

/* "recv channel 'jobs'", "run", "scope 's'": what the act is called. */
void bly_story_say(struct bly_bytes *b, const struct bly_story *st,
    const struct bly_act *a);

/* The two forms. */
void bly_perfetto_write(struct bly_bytes *b, const struct bly_story *st);

#endif
