/* SPDX-License-Identifier: MIT */
/*
 * The timeline: what each task did and what it waited for, recorded while the
 * program runs and written to a file.
 *
 * A program that is run by belay_main with BELAY_TIMELINE=FILE in its
 * environment records itself and writes FILE at its end.
 */
#ifndef BELAY_TIMELINE_H
#define BELAY_TIMELINE_H

#include <belay/base.h>

BELAY_BEGIN_DECLS

typedef struct belay_timeline_opts {
    size_t size;   /* sizeof(belay_timeline_opts) */
    size_t events; /* each worker keeps so many, and more if that is easy:
                    * 0 = 65,536; 128 bytes each */
    void *reserved[4];
} belay_timeline_opts;

/*
 * Begins a recording, and forgets an earlier one: from now on, what the tasks
 * of the caller's runtime do, if a task calls it, and of every runtime that is
 * opened later.  When a worker's events have no more room the oldest go.  opts
 * may be NULL.  Any thread.  Returns 0 or -ENOMEM.  Cancellation point: no.
 */
BELAY_API BELAY_MUST_CHECK int belay_timeline_start(
    const belay_timeline_opts *opts);

/* Ends the recording; what it has can still be written.  Any thread. */
BELAY_API void belay_timeline_stop(void);

/*
 * Writes what has been recorded so far, for ui.perfetto.dev.  A file that is
 * there is replaced at once, when all has been written; what is no regular file
 * is written to.  Blocks the calling thread, which may be any.  Returns 0,
 * -ENODATA if nothing has been recorded, -ENOMEM, or why the file could not be
 * written; belay_why() names it.  Cancellation point: no.
 */
BELAY_API BELAY_MUST_CHECK int belay_timeline_write_at(const char *path,
    const belay_site *site);

/* Notes a text of up to 60 bytes at this moment of the calling task; nothing
 * while there is no recording, or outside a task. */
BELAY_API void belay_timeline_mark(const char *fmt, ...) BELAY_PRINTF_(1, 2);

BELAY_END_DECLS

#if !defined(__cplusplus)
#define belay_timeline_write(path)                                             \
    belay_timeline_write_at((path), BELAY_SITE_("belay_timeline_write"))
#endif
#endif
