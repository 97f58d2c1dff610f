/* SPDX-License-Identifier: MIT */
/*
 * The child of a fork, in which there is one thread and a runtime that has
 * lost the others: it may only exec or _exit, and calls of belay abort.
 */
#ifndef BLY_CORE_FORK_H
#define BLY_CORE_FORK_H

#include <belay/base.h>

/* From now on, until as many calls of closed, a fork is noticed. */
void bly_fork_opened(void);
void bly_fork_closed(void);

/* Aborts in such a child; for calls that ask for no task. */
void bly_fork_check(const char *what, const belay_site *site);

#endif
