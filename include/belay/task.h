/* SPDX-License-Identifier: MIT */
/*
 * Tasks and scopes.
 *
 * A task is a function int f(...) that runs on its own stack and may wait.
 * It is started into a scope, and a scope does not end before its tasks have.
 * A failure that nobody captured fails the task that owns the scope.
 *
 * The first half of this file is the function layer, which is the ABI; the
 * macros below it are what people write.
 */
#ifndef BELAY_TASK_H
#define BELAY_TASK_H

#include <belay/base.h>
#include <belay/error.h>

BELAY_BEGIN_DECLS

struct belay_chan;

/* ---- task types and outcomes ---------------------------------------- */

typedef int belay_fn(void *args);

/* Describes a kind of task; static storage, one per kind. */
typedef struct belay_task_type {
    const char *name;
    const char *file;
    int line;
    uint32_t args_size;
    belay_fn *run;
    size_t stack_used; /* the deepest seen; written by the runtime */
    void *reserved[2];
} belay_task_type;

/* How a captured child ended.  why is NULL or a text that lives until the
 * opener of the scope ends. */
typedef struct belay_outcome {
    int err;
    const char *why;
} belay_outcome;

/* One finished child, as belay_next and .on_done see it. */
typedef struct belay_done {
    size_t tag;
    int err;
    const char *name;
    const char *why;
} belay_done;

/* ---- scopes ---------------------------------------------------------- */

/* In the frame of the task that opens it; at most one task owns it. */
typedef struct belay_scope {
    int belay_live;
    int belay_pad;
    void *belay_[39];
} belay_scope;

typedef enum belay_policy {
    BELAY_FAIL_FAST,  /* the first failure cuts the rest */
    BELAY_COLLECT,    /* failures do not disturb the siblings */
    BELAY_FIRST_OK,   /* the first success cuts the rest */
    BELAY_FIRST_DONE, /* the first to return cuts the rest */
} belay_policy;

/* What .on_done answers; a negative number fails the scope with that code. */
typedef enum belay_verdict {
    BELAY_TAKE = 0, /* treat the outcome as the policy says */
    BELAY_DROP = 1, /* it has been dealt with */
    BELAY_QUIT = 2, /* dealt with, and stop the scope gently */
} belay_verdict;

/* Runs in the ending child, on its stack; must not wait. */
typedef int belay_on_done(void *arg, belay_scope *s, const belay_done *done);

typedef struct belay_scope_opts {
    size_t size;         /* sizeof(belay_scope_opts) */
    const char *name;    /* for people; not copied */
    belay_policy policy; /* BELAY_FAIL_FAST */
    unsigned limit;      /* running children; 0 = no limit; spawn then waits */
    unsigned max_tasks;  /* live tasks in the whole subtree; 0 = no limit */
    belay_dur timeout;   /* from now; 0 = none */
    belay_time deadline; /* an instant; 0 = none; the earlier one wins */
    belay_dur grace;     /* from belay_stop to the hard cut; 0 = at once */
    belay_dur cleanup;   /* bound of the deferred calls; 0 = 5 s */
    bool local;          /* children stay on the opener's worker */
    belay_on_done *on_done;
    void *on_done_arg;
    void *reserved[4];
} belay_scope_opts;

/*
 * Opens a scope in the caller's frame.  opts may be NULL.  Never fails.
 * Cancellation point: no.
 */
BELAY_API void belay_scope_open(belay_scope *s, const belay_scope_opts *opts,
    const belay_site *site);

/*
 * Waits for all children, runs the deferred calls and ends the scope.
 * Returns its result: the first real failure, else -ETIME or -ECANCELED if it
 * was cut, else 0.  Only the owner may call it.  It does not return before
 * every child has ended, whatever is cancelled.
 */
BELAY_API BELAY_WAITS int belay_scope_close(belay_scope *s);

/* Cancels what still runs and closes.  A failure that nobody has seen fails
 * the calling task.  Does nothing to a scope that is closed. */
BELAY_API BELAY_WAITS void belay_scope_leave(belay_scope *s);

typedef struct belay_spawn_opts {
    size_t size;               /* sizeof(belay_spawn_opts) */
    const char *name;          /* for people; not copied */
    belay_outcome *outcome;    /* capture the end of the child here */
    bool tagged;               /* deliver the end through belay_next */
    bool daemon;               /* does not keep the scope open */
    bool own_stack;            /* never run on the owner's stack */
    bool ready;                /* the spawn waits for belay_ready */
    size_t tag;
    size_t stack;              /* bytes; 0 = the default (128 KiB) */
    unsigned worker;           /* counted from 1; 0 = any */
    const void *near;          /* a belay_chan or belay_scope to stay with */
    struct belay_chan *producer_of; /* closed when its last producer ended */
    void (*discard)(void *args);    /* undoes the success of a loser */
    void *reserved[4];
} belay_spawn_opts;

/* A stack of BELAY_STACK_SMALL bytes is unguarded: for measured code only. */
#define BELAY_STACK_SMALL 1024

/*
 * Starts run as a child of s with a copy of args_size bytes.  opts may be
 * NULL.  Returns 0, or -ECANCELED in a scope that is cut or over, or -ENOMEM;
 * then nothing was taken and the failure is recorded as the outcome of a child
 * that never ran.  Only the owner of s and live tasks below s may call it.
 * Cancellation point: only with .limit or .ready.
 */
BELAY_API int belay_spawn_at(belay_scope *s, belay_task_type *type,
    const void *args, const belay_spawn_opts *opts, const belay_site *site);

/* The same without a type: fn gets its own copy of size bytes at arg. */
BELAY_API int belay_scope_spawn(belay_scope *s, belay_fn *fn, const void *arg,
    size_t size, const belay_spawn_opts *opts, const belay_site *site);

/* In a child spawned with .ready: lets the spawner go on with value >= 0. */
BELAY_API void belay_ready(int value);

/*
 * The next tagged child that ended, in order of ending.  Returns 1, or 0 when
 * none is left, or the code of a cut from outside s.  Owner only.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_next(belay_scope *s,
    belay_done *done);

/* Up to n of the errors that the scope holds (it keeps 16), the first first;
 * returns how many failures there were in all. */
BELAY_API size_t belay_scope_errors(belay_scope *s, belay_done *out, size_t n);

/* ---- cancelling ------------------------------------------------------ */

/* Cuts s at once: every wait below fails until control has left it. */
BELAY_API void belay_cancel_at(belay_scope *s, const belay_site *site,
    const char *fmt, ...) BELAY_PRINTF_(3, 4);
/* Asks s to end: belay_stopping() turns true below; after .grace it is cut. */
BELAY_API void belay_stop_at(belay_scope *s, const belay_site *site,
    const char *fmt, ...) BELAY_PRINTF_(3, 4);

/* 0, or the code with which the next wait would fail.  Not a wait. */
BELAY_API int belay_cancelled(void);
/* True below a scope that was asked to stop. */
BELAY_API bool belay_stopping(void);
/* Who cut the calling task, why, where and by which path; NULL if nobody. */
BELAY_API const char *belay_cancel_cause(void);
/* Fails with the cut's code if there is one; lets others run now and then. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_checkpoint(void);
/* Lets the tasks of this worker that are ready, and one that has not started,
 * run before this one goes on. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_yield(void);
/* The failure of the calling task, which it thereby takes over; else 0. */
BELAY_API int belay_take_failure(void);
/* The same, but it stays the task's. */
BELAY_API int belay_failure(void);

/* ---- blocks: deadlines, shields, no-wait, task-locals ---------------- */

typedef struct belay_block {
    void *belay_[14];
} belay_block;

/* Each opens a block in the caller's frame; blocks close in reverse order. */
BELAY_API void belay_deadline_open(belay_block *b, belay_dur d,
    const belay_site *site);
/* max > 0: cuts from outside are hidden for at most that long. */
BELAY_API void belay_shield_open(belay_block *b, belay_dur max,
    const belay_site *site);
/* Inside, anything that may wait aborts with both places. */
BELAY_API void belay_nowait_open(belay_block *b, const belay_site *site);
BELAY_API void belay_block_close(belay_block *b);
/* True if this deadline (and not another cut) has passed. */
BELAY_API bool belay_deadline_passed(const belay_block *b);
/* The earliest deadline that holds for the caller; 0 = none. */
BELAY_API belay_time belay_deadline_now(void);

/* Task-local values: inherited by children, constant within their block. */
typedef struct belay_key {
    const char *name;
    const void *initial;
} belay_key;
BELAY_API void belay_with_open(belay_block *b, const belay_key *key,
    const void *value, const belay_site *site);
BELAY_API const void *belay_local_get(const belay_key *key);

/* ---- resources of a scope -------------------------------------------- */

typedef int belay_defer_fn(void *arg);
/*
 * Calls fn(arg) when s has no children left, last registered first, shielded
 * for at most .cleanup together; fn may wait.  A negative result is the
 * failure of a scope that has no other.  Returns 0, or -ENOMEM: then fn was
 * called at once, so that nothing leaks.  Owner only.
 */
BELAY_API int belay_defer(belay_scope *s, belay_defer_fn *fn, void *arg);
/* size cleared bytes that are freed after the deferred calls of s; NULL if
 * there is no memory.  The owner and tasks below s may call it. */
BELAY_API void *belay_alloc(belay_scope *s, size_t size) BELAY_MUST_CHECK;

/* ---- time ------------------------------------------------------------- */

BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_sleep(belay_dur d);
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_sleep_until(belay_time t);

/* ---- who am I ---------------------------------------------------------- */

BELAY_API const char *belay_task_name(void); /* NULL outside a task */
BELAY_API uint64_t belay_task_id(void);      /* 0 outside a task */
BELAY_API unsigned belay_worker_index(void); /* from 1; 0 outside */

BELAY_END_DECLS

#if !defined(__cplusplus)
#include <belay/task_macros.h>
#endif
#endif
