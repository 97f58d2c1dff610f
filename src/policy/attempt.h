/* SPDX-License-Identifier: MIT */
/*
 * What the policies share: a call of a user's task as a function, the attempt
 * that it is part of, chance, and the text of a failure.
 */
#ifndef BLY_POLICY_ATTEMPT_H
#define BLY_POLICY_ATTEMPT_H

#include <belay/task.h>

#include "base/compiler.h"

/* What code below an attempt can reach, by a task-local value. */
struct bly_attempt {
    unsigned number;
    int64_t *after; /* atomic: the delay asked for; NULL: nobody would mind */
};

/* Makes a the attempt of everything inside b. */
void bly_attempt_open(belay_block *b, const struct bly_attempt *a,
    const belay_site *site);
/* The one that the caller is in, or NULL. */
const struct bly_attempt *bly_attempt_here(void);

/*
 * Calls the task as a function with a copy of its arguments, under a deadline
 * if timeout > 0.  A failure of the calling task that arises inside is taken
 * over and returned; one that it had before stays.
 */
int bly_attempt_run(belay_task_type *type, const void *args, belay_dur timeout,
    const belay_site *site) BLY_MUST_CHECK;

/* A random duration from 0 to max.  A simulation knows three. */
belay_dur bly_attempt_jitter(belay_dur max);

/* The first line of belay_why(). */
void bly_attempt_why(char *buf, size_t size);

#endif
