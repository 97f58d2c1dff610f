/* SPDX-License-Identifier: MIT */
/* Seeing what a running program does and what it waits for. */
#ifndef BELAY_DIAG_H
#define BELAY_DIAG_H

#include <belay/base.h>

BELAY_BEGIN_DECLS

/*
 * Writes the tree of scopes and tasks to fd: what each task does, or what it
 * waits for, where and since when, and where it was spawned.  Similar tasks are
 * folded into one line with their number.  Any thread may call it: inside a
 * task it shows that task's runtime, elsewhere every runtime of the process.
 * A worker that does not answer within 100 ms is described from outside.
 * Cancellation point: no.
 */
BELAY_API void belay_dump(int fd);

/* One report, of one or more lines that end with a newline.  Any thread may
 * call it, several at a time; it must not wait, nor call belay. */
typedef void belay_log_fn(void *arg, const char *text);

/*
 * Where reports go from now on: deadlocks, tasks that block their worker, tasks
 * that do not end after a cancel.  NULL is the default again: stderr under
 * belay_main, else nowhere.  A report that is on its way may still reach the
 * function that was set before.
 */
BELAY_API void belay_set_log(belay_log_fn *fn, void *arg);

BELAY_END_DECLS

#endif
