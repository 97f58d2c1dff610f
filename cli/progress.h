/* SPDX-License-Identifier: MIT */
/*
 * How far a run is, on stderr while it goes on: a bar that is drawn over, or a
 * line now and then, for people or for programs.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <belay/chan.h>
#include <belay/task.h>

#include "cli/people.h"
#include "cli/sketch.h"

/* As the choices "auto|bar|plain|json|none" stand in the tables. */
enum progress_kind { SHOW_AUTO, SHOW_BAR, SHOW_PLAIN, SHOW_JSON, SHOW_NONE };

typedef BELAY_CHAN(int) wish_chan;

/* What a run has come to. */
struct progress_figures {
    uint64_t fed; /* that began, or wait to */
    bool fed_all; /* no more will come */
    uint64_t read, size; /* bytes of the input; size 0: nobody knows */
    uint64_t ok, failed, done; /* done: with those that were cut */
    uint64_t bytes;
    unsigned active;
    const struct sketch *times; /* of those that are ok */
};

struct progress {
    const char *command; /* "belay fetch" */
    const char *active;  /* "in flight" */
    enum progress_kind kind; /* not SHOW_AUTO */
    struct people *people;
    wish_chan *wishes;   /* what comes here is answered by a line, now */
    void (*look)(void *arg, struct progress_figures *out);
    void *arg;
};

/* What auto means: a bar on a terminal, else lines. */
enum progress_kind progress_kind(enum progress_kind asked);
/* Shows it until it is cut. */
BELAY_TASK_DECLARE(progress_show, (const struct progress *, p));

#endif
