/* SPDX-License-Identifier: MIT */
/*
 * Writing to a pipe that nobody reads raises SIGPIPE in the thread that
 * writes.  A library neither ends the program nor changes what the program has
 * set for the signal: its threads block it, and take what came meanwhile.
 */
#ifndef BLY_OS_SIGPIPE_H
#define BLY_OS_SIGPIPE_H

#include <stdbool.h>

/* On this thread.  True: it was not blocked, so bly_sigpipe_restore is due. */
bool bly_sigpipe_block(void);
/* On the same thread. */
void bly_sigpipe_restore(void);

#endif
