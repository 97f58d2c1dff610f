/* SPDX-License-Identifier: MIT */
/* The thread that watches the workers of a program.  See monitor.c. */
#ifndef BLY_CORE_MONITOR_H
#define BLY_CORE_MONITOR_H

#include "core/rt.h"

/* For every runtime, before its threads are started and after they have
 * ended.  A thread is started only for several workers, or for a program. */
int bly_monitor_start(struct bly_rt *rt) BLY_MUST_CHECK;
/* Ends the thread.  Workers may still look at it until they have ended. */
void bly_monitor_stop(struct bly_rt *rt);
void bly_monitor_free(struct bly_rt *rt);
/* On the thread of w, before its loop begins and after its end. */
void bly_monitor_thread(struct bly_worker *w, bool on);
/* A worker goes to sleep, or is up again: an idle program has no ticks. */
void bly_monitor_idle(struct bly_rt *rt);
void bly_monitor_active(struct bly_rt *rt);

#endif
