/* SPDX-License-Identifier: MIT */
/*
 * What a run tells people on stderr: lines, and a bar that is drawn over.
 * Several tasks do, so each write is made under a lock, and takes the bar away
 * first.  All of it waits at most a second for somebody who does not read, and
 * is also done in a task that is cut.
 */
#ifndef CLI_PEOPLE_H
#define CLI_PEOPLE_H

#include <belay/sync.h>

#include "cli/text.h"

/* All zero bytes: nothing was told. */
struct people {
    belay_mutex lock;
    bool drawn; /* the last line will be drawn over */
};

/* Writes whole lines. */
BELAY_WAITS void people_say(struct people *p, const struct text *lines);
/* Draws the bar over the last one; line is no longer than the terminal is
 * wide. */
BELAY_WAITS void people_draw(struct people *p, const struct text *line);
/* Takes the bar away, if stdout is where it stands. */
BELAY_WAITS void people_undraw(struct people *p);

#endif
