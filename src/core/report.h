/* SPDX-License-Identifier: MIT */
/* What the runtime has to say to people.  See report.c. */
#ifndef BLY_CORE_REPORT_H
#define BLY_CORE_REPORT_H

#include "core/diag.h"

/* A report for belay_set_log, or stderr under belay_main; else nothing. */
void bly_log(struct bly_rt *rt, const char *fmt, ...) BLY_PRINTF(2, 3);

/* All workers are quiet and stay so: who waits for what. */
void bly_report_deadlock(struct bly_rt *rt);
/* The ones among n that are stuck and not told yet; marks them. */
void bly_report_stuck(struct bly_rt *rt, struct bly_notes *n);
/* Fills the hooks through which lower floors ask who runs. */
void bly_report_hooks(void);

#endif
