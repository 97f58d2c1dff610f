/* SPDX-License-Identifier: MIT */
/*
 * A file descriptor that becomes readable at an instant: how a worker sleeps
 * that somebody else's loop waits for.
 */
#ifndef BLY_OS_ALARM_H
#define BLY_OS_ALARM_H

#include "base/compiler.h"

/* The descriptor, or -errno; -ENOTSUP in a simulation. */
int bly_alarm_open(void) BLY_MUST_CHECK;
void bly_alarm_close(int fd);
/* Readable from `when' on, on the clock of bly_os_now(): in the past for at
 * once, BLY_NEVER for not; not before, even if it was.  Any thread. */
void bly_alarm_set(int fd, int64_t when);
/* Sleeps until it is readable, or less. */
void bly_alarm_wait(int fd);

#endif
