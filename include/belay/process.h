/* SPDX-License-Identifier: MIT */
/*
 * Child processes, owned by a scope.
 *
 *     BELAY_AUTO(belay_output, o);
 *     BELAY_TRY(belay_process_run(&o, BELAY_ARGV("git", "status")));
 *
 *     BELAY_SCOPE(s) {
 *         BELAY_AUTO(belay_process, p);
 *         BELAY_TRY(belay_process_start(s, &p, BELAY_ARGV("server", "-v"),
 *             .out = BELAY_CHILD_PIPE));
 *         ...
 *     }                                the server has ended here, and its tree
 *
 * No child outlives its scope, and none is left unreaped.  To end one is to
 * send TERM to it, to its process group and to all that descends from it, and
 * after .grace to kill what is still there.  When it ends by itself, what is
 * left of its group is ended likewise.  Only a descendant that has left the
 * group and whose parent had ended before is not found.  If we are killed, the
 * kernel kills it, though not what it has started.
 */
#ifndef BELAY_PROCESS_H
#define BELAY_PROCESS_H

#include <belay/base.h>
#include <belay/error.h>
#include <belay/select.h>
#include <belay/slice.h>
#include <belay/stream.h>
#include <belay/task.h>

BELAY_BEGIN_DECLS

typedef struct belay_process belay_process;

/* What .in, .out and .err may be besides a descriptor of ours, above 0. */
enum {
    BELAY_CHILD_USUAL = 0,
    BELAY_CHILD_INHERIT = -1, /* ours of that number */
    BELAY_CHILD_NULL = -2,    /* /dev/null */
    BELAY_CHILD_PIPE = -3,    /* a pipe, whose other end we have */
    BELAY_CHILD_OUT = -4      /* .err only: where .out goes */
};

/* A descriptor that it has besides these: ours, and its number there. */
typedef struct belay_child_fd {
    int theirs, ours;
} belay_child_fd;

typedef struct belay_process_opts {
    size_t size;            /* sizeof(belay_process_opts) */
    int in, out, err;       /* its descriptors 0, 1, 2 */
    const belay_child_fd *fds; /* others, above 2 */
    size_t nfds;
    const char *const *env; /* "NAME=value", then NULL; NULL: ours */
    const char *dir;        /* where it begins; NULL: where we are */
    belay_dur grace;        /* from TERM to KILL; 0 = 5 s; < 0: KILL at once */
    belay_slice input;      /* belay_process_run: what it reads from 0 */
    size_t max;             /* belay_process_run: bytes kept of each output;
                             * 0 = 1 MiB */
    void *reserved[4];
} belay_process_opts;

/* How it ended. */
typedef struct belay_exit {
    int code;    /* its exit status, or -1 */
    int signal;  /* that ended it, or 0 */
    bool core;   /* it left a core file */
    belay_dur user, system; /* processor time, with its reaped children */
    size_t max_rss;         /* the most memory of one of them, in bytes */
    void *reserved[2];
} belay_exit;

/*
 * Starts the program argv[0], which is looked for in PATH, as a daemon of s:
 * the end of s ends it.  It has its own process group, no signal blocked and
 * no descriptors but those of opts; 0, 1 and 2 are ours unless opts say
 * otherwise.  Returns 0; -ENOENT, -EACCES ... as why it cannot be started,
 * which names it; or the code of a cut.  Who may spawn into s may call it.
 * opts may be NULL.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_process_start_at(
    belay_scope *s, belay_process **p, const char *const *argv,
    const belay_process_opts *opts, const belay_site *site);

/*
 * Waits for its end.  Returns 0 if its exit status was 0; BELAY_EEXIT if it was
 * another; BELAY_ECRASHED if a signal ended it; *out (if not NULL) tells more
 * in these three cases.  -ECHILD: somebody else has waited for it, so that this
 * is not known.  Or the code of a cut, and the process goes on.  Any number of
 * times.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_process_wait_at(
    belay_process *p, belay_exit *out, const belay_site *site);
/* A case of a select: its result is 0 once that would not wait.  NULL: never
 * happens. */
BELAY_API belay_case belay_case_process(belay_process *p);

/* Ends it and its tree, and waits until they have gone.  Returns 0, or the
 * code of a cut: then that goes on. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_process_stop_at(
    belay_process *p, const belay_site *site);
/* Sends a signal to the process alone.  0, or -ESRCH: it has ended; -EPERM.
 * Cancellation point: no, as of all that follow but belay_process_run. */
BELAY_API BELAY_MUST_CHECK int belay_process_signal(belay_process *p,
    int number);
/* Its number; perhaps another one's after it has ended. */
BELAY_API int belay_process_pid(const belay_process *p);

/* Our end of the pipe to its descriptor 0, 1 or 2: the caller's from now on,
 * to read, write and close with belay/io.h.  -1: there is none any more. */
BELAY_API int belay_process_take(belay_process *p, int which);
/* Our ends of 1 and 0 as a stream, as far as they are there; to finish it is
 * to close 0.  -EBADF: there is neither; -ENOMEM. */
BELAY_API BELAY_MUST_CHECK int belay_process_stream_at(belay_process *p,
    belay_stream **st, const belay_site *site);
/* The same of 2, to be read. */
BELAY_API BELAY_MUST_CHECK int belay_process_errors_at(belay_process *p,
    belay_stream **st, const belay_site *site);

/* Frees *p, unless it is NULL, closes the pipes that were not taken, and sets
 * it to NULL.  A process that still runs is ended, which its scope waits
 * for. */
BELAY_API void belay_process_close(belay_process **p);
/* For BELAY_AUTO(belay_process, p). */
BELAY_API void belay_process_closep(belay_process **p);

/* ---- to the end --------------------------------------------------------- */

/* What a process wrote, and how it ended. */
typedef struct belay_output {
    belay_slice out, err; /* followed by a 0 byte */
    belay_exit exit;
} belay_output;

/*
 * Runs a program to its end.  Its 0 is .input, and its 1 and 2 are collected,
 * unless opts say otherwise.  Returns as belay_process_wait and
 * belay_process_start do; -EMSGSIZE: it wrote more than .max.  Whoever is cut
 * ends it.  *o is NULL or must be closed, on failure too.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_process_run_at(
    belay_output **o, const char *const *argv, const belay_process_opts *opts,
    const belay_site *site);
/* Frees *o, unless it is NULL, and sets it to NULL. */
BELAY_API void belay_output_close(belay_output **o);
/* For BELAY_AUTO(belay_output, o). */
BELAY_API void belay_output_closep(belay_output **o);

BELAY_END_DECLS

#if !defined(__cplusplus)

/* BELAY_ARGV("sort", "-n") */
#define BELAY_ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define BELAY_PROCESS_OPTS_(...)                                               \
    (&(const belay_process_opts){                                              \
        .size = sizeof(belay_process_opts) __VA_OPT__(, ) __VA_ARGS__})
/* belay_process_start(s, &p, argv, .out = BELAY_CHILD_PIPE) */
#define belay_process_start(s, p, argv, ...)                                   \
    belay_process_start_at((s), (p), (argv),                                   \
        BELAY_PROCESS_OPTS_(__VA_ARGS__), BELAY_SITE_("process_start"))
#define belay_process_wait(p, out)                                             \
    belay_process_wait_at((p), (out), BELAY_SITE_("process_wait"))
#define BELAY_CHILD(p) belay_case_process(p)
#define belay_process_stop(p)                                                  \
    belay_process_stop_at((p), BELAY_SITE_("process_stop"))
#define belay_process_stream(p, st)                                            \
    belay_process_stream_at((p), (st), BELAY_SITE_("process_stream"))
#define belay_process_errors(p, st)                                            \
    belay_process_errors_at((p), (st), BELAY_SITE_("process_errors"))
/* belay_process_run(&o, argv, .dir = "/") */
#define belay_process_run(o, argv, ...)                                        \
    belay_process_run_at((o), (argv), BELAY_PROCESS_OPTS_(__VA_ARGS__),        \
        BELAY_SITE_("process_run"))

#endif
#endif
