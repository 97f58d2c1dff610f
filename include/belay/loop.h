/* SPDX-License-Identifier: MIT */
/*
 * Running tasks inside somebody else's event loop, and waiting for its
 * callbacks.
 *
 * A belay_loop is a runtime with one worker, which is the thread of the loop.
 * It has a file descriptor that is readable whenever belay_loop_turn() has
 * something to do:
 *
 *     belay_loop_open(&loop);
 *     watch belay_loop_fd(loop) for reading, and call belay_loop_turn(loop)
 *     belay_loop_start(loop, session, fd);
 *
 * Tasks then run in belay_loop_turn() and may call the loop's own functions.
 */
#ifndef BELAY_LOOP_H
#define BELAY_LOOP_H

#include <belay/inlet.h>
#include <belay/task.h>

BELAY_BEGIN_DECLS

typedef struct belay_loop belay_loop;

typedef struct belay_loop_opts {
    size_t size;     /* sizeof(belay_loop_opts) */
    const char *name; /* for people; not copied */
    belay_dur grace; /* from belay_loop_stop to the hard cut; 0 = at once */
    void *reserved[4];
} belay_loop_opts;

/*
 * Opens a loop on the calling thread; of all functions here only that thread,
 * outside any task, may call those that take a belay_loop.  opts may be NULL.
 * Returns 0, -ENOMEM, or -EMFILE and the like.  Cancellation point: no.
 */
BELAY_API BELAY_MUST_CHECK int belay_loop_open_at(belay_loop **loop,
    const belay_loop_opts *opts, const belay_site *site);

/* Readable when a turn is due, by work or by time.  Only for polling. */
BELAY_API int belay_loop_fd(const belay_loop *loop);

/*
 * Runs what is ready, for a bounded time, and never waits.  Returns 1 if there
 * is more to do now, 0 if nothing is due before the descriptor is readable, or
 * -ESHUTDOWN if the loop was stopped and its last task has ended.
 */
BELAY_API BELAY_MUST_CHECK int belay_loop_turn(belay_loop *loop);

/* Told of the end of a task: on the loop's thread, outside any task, at the
 * end of a turn.  out->why is good until it returns. */
typedef void belay_loop_done(void *arg, const belay_outcome *out);

/*
 * Starts a task.  It first runs in the next turn.  done (or NULL) is told of
 * its end; without it a failure becomes the result of belay_loop_close().
 * Tasks do not disturb each other.  Returns 0, -ESHUTDOWN after a stop, or
 * -ENOMEM.  Cancellation point: no.
 */
BELAY_API BELAY_MUST_CHECK int belay_loop_start_at(belay_loop *loop,
    belay_task_type *type, const void *args, belay_loop_done *done, void *arg,
    const belay_site *site);

/* A handle of the inlet of the loop's scope, for other threads; to be given
 * back by belay_inlet_unref. */
BELAY_API belay_inlet *belay_loop_inlet(belay_loop *loop);

/* Asks all tasks to end, and cuts them after .grace.  Turns go on being due
 * until belay_loop_turn returns -ESHUTDOWN. */
BELAY_API void belay_loop_stop(belay_loop *loop);

/*
 * Cancels what still runs, waits for it and frees the loop.  Tasks that wait
 * for callbacks of the loop that surrounds us would wait for ever: stop first,
 * and turn until the end.  Returns 0 or the first failure that nobody was told
 * of.
 */
BELAY_API int belay_loop_close(belay_loop *loop);

/* ---- from a task to a callback ------------------------------------------ */

/* Where the result of one callback goes.  It lies in the frame of the wait. */
typedef struct belay_await belay_await;

/*
 * Starts something that ends by a callback, and sleeps until that callback has
 * called belay_await_done(await, result); returns result.
 *
 * start(arg, await) begins it, in the calling task; a negative result says that
 * no callback will come, and is returned.  If the task is cut meanwhile,
 * cancel(arg) is called, once, on the task's worker; it must not wait.  It
 * returns 0 if the callback will not come any more: the wait then ends with
 * the cut's code.  Else, or if cancel is NULL, the callback still decides.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_await_callback_at(
    int (*start)(void *arg, belay_await *await), int (*cancel)(void *arg),
    void *arg, const belay_site *site);

/* From any thread, exactly once for each start that returned >= 0; a second
 * time aborts.  Does not wait.  await is gone afterwards. */
BELAY_API void belay_await_done(belay_await *await, int result);

BELAY_END_DECLS

#if !defined(__cplusplus)
/* belay_loop_open(&loop, .grace = BELAY_S(1)) */
#define belay_loop_open(loop, ...)                                             \
    belay_loop_open_at((loop),                                                 \
        &(const belay_loop_opts){                                              \
            .size = sizeof(belay_loop_opts) __VA_OPT__(, ) __VA_ARGS__},       \
        BELAY_SITE_("loop"))
#define belay_loop_start(loop, task, ...)                                      \
    belay_loop_start_at((loop), BELAY_TYPE_(task),                             \
        BELAY_ARGS_(task __VA_OPT__(, ) __VA_ARGS__), NULL, NULL,              \
        BELAY_SITE_(#task))
/* The same; done(arg, outcome) is told of the end. */
#define belay_loop_start_then(loop, done, arg, task, ...)                      \
    belay_loop_start_at((loop), BELAY_TYPE_(task),                             \
        BELAY_ARGS_(task __VA_OPT__(, ) __VA_ARGS__), (done), (arg),           \
        BELAY_SITE_(#task))
#define belay_await_callback(start, cancel, arg)                               \
    belay_await_callback_at((start), (cancel), (arg), BELAY_SITE_(#start))
#endif
#endif
