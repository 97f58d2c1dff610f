/* SPDX-License-Identifier: MIT */
/*
 * What the tasks of a run share.  The run has one worker, so that only one of
 * them is awake at a time and none of this needs a lock; what is written by
 * several of them in more than one piece does (people).
 *
 *     feed -> jobs, one for each URL -> results -> print
 *
 * All that may pile up is bounded: jobs by the scope's limit, results that
 * wait to be printed by the channel, results that wait for earlier ones by the
 * semaphore `places'.
 */
#ifndef CLI_FETCH_STATE_H
#define CLI_FETCH_STATE_H

#include <belay/chan.h>
#include <belay/http.h>
#include <belay/sync.h>
#include <belay/task.h>

#include "cli/fetch_config.h"
#include "cli/fetch_result.h"
#include "cli/fetch_tally.h"
#include "cli/journal.h"
#include "cli/progress.h"
#include "cli/seen.h"
#include "cli/store.h"

enum {
    FETCH_PLACES = 4096, /* window with --ordered, or more than the jobs */
    FETCH_SEEN = 180000, /* URLs among which a duplicate is found, at least */
};

/* How long the results of a run that was ended are told to somebody who is slow
 * to read them: once by its jobs, once by the printer. */
#define FETCH_LAST_WORDS BELAY_S(2)

/* Why a run ends before its input. */
enum fetch_stop {
    FETCH_GOES_ON,
    FETCH_TOO_MANY,  /* failures */
    FETCH_DEADLINE,
    FETCH_SIGNAL,
    FETCH_NO_READER, /* of stdout */
    FETCH_BROKEN,    /* the machine: a full disk, an unreadable input */
};

typedef BELAY_CHAN(struct fetch_result *) result_chan;

/* A file of URLs. */
struct fetch_input {
    const char *name; /* for people */
    int fd;
};

struct fetch {
    const struct fetch_config *config;
    struct fetch_input *inputs; /* config->inputs.n of them */
    uint64_t input_size;        /* bytes, of all; 0: not known */
    uint64_t input_read;        /* of these */
    bool input_over;            /* all URLs are known */
    uint64_t place;             /* of the last URL in the input */
    belay_http *http;
    struct store *store;     /* NULL: bodies do not become files */
    struct journal *journal; /* NULL: none */
    struct seen *seen;       /* NULL: duplicates are fetched */
    struct pace *pace;       /* NULL: as fast as it goes */
    belay_scope *jobs;       /* NULL: they have ended, or not begun */
    result_chan results;
    unsigned window; /* results at once, with --ordered, running ones too */
    belay_sem places;
    wish_chan wishes;   /* of USR1: a line of progress, now */
    struct people people;
    struct progress progress;
    bool colour_out, colour_err;
    enum fetch_stop stop;
    belay_event stopped; /* it is no more FETCH_GOES_ON */
    char why[200];       /* of the stop, for people */
    belay_time began;
    struct fetch_tally tally;
};

/* Ends the run early, unless something else has. */
void fetch_stop(struct fetch *f, enum fetch_stop stop, const char *fmt, ...)
    BELAY_PRINTF_(3, 4);

/* Tells a result that the run ended while it was in that phase. */
void fetch_cut(struct fetch *f, struct fetch_result *r, int code,
    const char *phase);

/* One URL, from its first attempt to its result, which it hands on. */
BELAY_TASK_DECLARE(fetch_job, (struct fetch *, f),
    (struct fetch_result *, r));

/* Starts jobs for what is to be fetched.  Returns 0, or why not for all of it:
 * a cut, or what fetch_stop has told. */
BELAY_WAITS BELAY_MUST_CHECK int fetch_feed(struct fetch *f);

/* Puts out the results until their channel is closed. */
BELAY_TASK_DECLARE(fetch_print, (struct fetch *, f));
/* Hands a result to it, also in a job that is cut. */
BELAY_WAITS void fetch_deliver(struct fetch *f, struct fetch_result *r);

#endif
