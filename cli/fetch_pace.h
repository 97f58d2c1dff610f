/* SPDX-License-Identifier: MIT */
/*
 * How fast requests may begin: --rate.  Per host, a bucket for each host and
 * port; it holds back after 429 and 503 and comes to its speed again while
 * things go well.  PACE_HOSTS of them are remembered, those used last.
 */
#ifndef CLI_FETCH_PACE_H
#define CLI_FETCH_PACE_H

#include <belay/base.h>

#include "cli/number.h"

enum { PACE_HOSTS = 1024 };

struct pace;

struct pace *pace_new(const struct rate *rate);
void pace_free(struct pace *p); /* NULL: nothing */

/* Waits for a turn.  0, or the code of a cut. */
BELAY_WAITS BELAY_MUST_CHECK int pace_wait(struct pace *p, const char *url);
/* What the host answered; after: its Retry-After, negative if none. */
void pace_answer(struct pace *p, const char *url, int status,
    belay_dur after);

#endif
