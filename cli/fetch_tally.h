/* SPDX-License-Identifier: MIT */
/* What a run has come to so far, in numbers. */
#ifndef CLI_FETCH_TALLY_H
#define CLI_FETCH_TALLY_H

#include "cli/fetch_result.h"
#include "cli/sketch.h"

enum { TALLY_KINDS = 24 };

/* All zero bytes: nothing yet. */
struct fetch_tally {
    uint64_t fed;     /* URLs that became jobs */
    uint64_t ok, failed, skipped, cut;
    uint64_t before;  /* left out, since the journal has them */
    uint64_t bytes;
    struct {
        const char *kind; /* static; told apart by what they say */
        uint64_t n;
    } kinds[TALLY_KINDS]; /* of those that failed */
    struct sketch times;  /* of those that are ok */
};

void tally_add(struct fetch_tally *t, const struct fetch_result *r);
/* ok + failed + cut: jobs that have ended */
uint64_t tally_done(const struct fetch_tally *t);
/* "200 URLs in 3.20 s: 180 ok, 20 failed (timeout 12, reset 8), ..." */
void tally_summary(const struct fetch_tally *t, belay_dur took,
    struct text *out);

#endif
