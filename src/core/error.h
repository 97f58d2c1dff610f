/* SPDX-License-Identifier: MIT */
/* What is known about the newest failure of a task.  See error.c. */
#ifndef BLY_CORE_ERROR_H
#define BLY_CORE_ERROR_H

#include "base/compiler.h"

struct bly_task;
struct bly_trace;

/* The task ends: its trace is freed. */
void bly_trace_free(struct bly_task *t);

/* The failure code of a child, told by child_why (NULL: nothing is known),
 * becomes the newest one of parent, which goes on tracing it. */
void bly_trace_adopt(struct bly_task *parent, int code, const char *child_why);

/* What was recorded for t elsewhere (NULL: nothing) becomes its own.  On t's
 * worker. */
void bly_trace_take(struct bly_task *t, struct bly_trace *tr);

/* The text of belay_why() for t, which ends with code, and where t comes from;
 * from bly_alloc, or NULL: no memory.  On t's worker. */
char *bly_why_copy(struct bly_task *t, int code) BLY_MUST_CHECK;

#endif
