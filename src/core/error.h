/* SPDX-License-Identifier: MIT */
/* What is known about the newest failure of a task.  See error.c. */
#ifndef BLY_CORE_ERROR_H
#define BLY_CORE_ERROR_H

#include "base/compiler.h"

struct bly_task;

/* The task ends: its trace is freed. */
void bly_trace_free(struct bly_task *t);

/* The failure code of a child, told by child_why (NULL: nothing is known),
 * becomes the newest one of parent, which goes on tracing it. */
void bly_trace_adopt(struct bly_task *parent, int code, const char *child_why);

/* The text of belay_why() for t, which ends with code, and where t comes from;
 * from bly_alloc, or NULL: no memory.  On t's worker. */
char *bly_why_copy(struct bly_task *t, int code) BLY_MUST_CHECK;

#endif
