/* SPDX-License-Identifier: MIT */
/*
 * Entering belay from ordinary code.
 *
 * belay_main is for a program: a worker per allowed CPU, SIGINT and SIGTERM
 * stop the tree gently and the second one hard, reports go to stderr.
 * belay_run is for a library: a runtime on the calling thread, without extra
 * threads, signal handlers or output unless asked for.
 */
#ifndef BELAY_RUN_H
#define BELAY_RUN_H

#include <belay/task.h>

BELAY_BEGIN_DECLS

typedef struct belay_run_opts {
    size_t size;      /* sizeof(belay_run_opts) */
    unsigned workers; /* 0: one for belay_run, the CPUs for belay_main */
    belay_dur grace;  /* belay_main: from the first signal to the hard cut;
                       * 0 = 5 s */
    void *reserved[4];
} belay_run_opts;

/*
 * Runs the task to its end and returns its result, or -EDEADLK if everything
 * was found asleep for ever, or -ENOMEM, -EAGAIN if a runtime could not be
 * made.  Inside a task: a child of the calling task in the same runtime, and
 * a cancellation point; opts is then ignored.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_run_at(belay_task_type *type,
    const void *args, const belay_run_opts *opts, const belay_site *site);

/*
 * Runs the task as the program, one at a time and not in a task.  Returns the
 * exit status for main: the task's result if that is 0..255, 255 if it is
 * more; 128 + the number of the first signal if the tasks were ended by it; 1
 * after another failure, which is explained on stderr.  A third INT or TERM
 * kills the process; QUIT shows the tasks on stderr.  Signals that are ignored
 * before stay ignored, and all handlers are put back.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_main_at(belay_task_type *type,
    const void *args, const belay_run_opts *opts, const belay_site *site);

BELAY_END_DECLS

#if !defined(__cplusplus)
#define belay_run(task, ...)                                                   \
    belay_run_at(BELAY_TYPE_(task),                                            \
        BELAY_ARGS_(task __VA_OPT__(, ) __VA_ARGS__), NULL,                    \
        BELAY_SITE_(#task))
#define belay_main(task, ...)                                                  \
    belay_main_at(BELAY_TYPE_(task),                                           \
        BELAY_ARGS_(task __VA_OPT__(, ) __VA_ARGS__), NULL,                    \
        BELAY_SITE_(#task))
/* belay_run_with((.workers = 4), task, ...) */
#define BELAY_RUN_OPTS_(...)                                                   \
    (&(const belay_run_opts){                                                  \
        .size = sizeof(belay_run_opts) __VA_OPT__(, ) __VA_ARGS__})
#define belay_run_with(opts, task, ...)                                        \
    belay_run_at(BELAY_TYPE_(task),                                            \
        BELAY_ARGS_(task __VA_OPT__(, ) __VA_ARGS__),                          \
        BELAY_RUN_OPTS_ opts, BELAY_SITE_(#task))
#define belay_main_with(opts, task, ...)                                       \
    belay_main_at(BELAY_TYPE_(task),                                           \
        BELAY_ARGS_(task __VA_OPT__(, ) __VA_ARGS__),                          \
        BELAY_RUN_OPTS_ opts, BELAY_SITE_(#task))
#endif
#endif
