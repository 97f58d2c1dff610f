/* SPDX-License-Identifier: MIT */
/*
 * Percentiles of many durations in 30 KiB: a histogram whose classes are at
 * most 1/64 wide, so that what it says is within 1 % of a true value.
 */
#ifndef CLI_SKETCH_H
#define CLI_SKETCH_H

#include <belay/base.h>

enum { SKETCH_PART = 64, SKETCH_CLASSES = (64 - 5) * SKETCH_PART };

/* All zero bytes: empty. */
struct sketch {
    uint64_t n;
    uint64_t count[SKETCH_CLASSES];
};

void sketch_add(struct sketch *s, belay_dur d); /* negative counts as 0 */
/* The smallest value that q (0..1) of them do not exceed; -1 of none. */
belay_dur sketch_at(const struct sketch *s, double q);

#endif
