/* SPDX-License-Identifier: MIT */
/*
 * Single flight: of all tasks that ask for the same thing at the same time,
 * one asks for all.
 *
 *     BELAY_TRY(belay_flight_open(&names, s, .run = look_up,
 *         .value_size = sizeof(struct address), .ttl = BELAY_S(60)));
 *     ...
 *     BELAY_TRY(belay_flight_get(names, host, strlen(host), &address));
 *
 * The work is done by a task of its own, under the scope that the flight was
 * opened in, so that it goes on when the task that came first is cancelled.  It
 * is cancelled when nobody waits for it any more.  Results may be kept for a
 * while.
 */
#ifndef BELAY_FLIGHT_H
#define BELAY_FLIGHT_H

#include <belay/base.h>
#include <belay/error.h>
#include <belay/task.h>

BELAY_BEGIN_DECLS

typedef struct belay_flight belay_flight;

/* Finds the value of a key, as a task; may wait.  Zero or more: *value is
 * written; negative: what all who asked are told. */
typedef int belay_flight_fn(void *arg, const void *key, size_t key_size,
    void *value);

typedef struct belay_flight_opts {
    size_t size;          /* sizeof(belay_flight_opts) */
    const char *name;     /* for people; not copied */
    belay_flight_fn *run;
    void *arg;            /* of run; good until the scope has ended */
    size_t value_size;    /* bytes of each value */
    belay_dur ttl;        /* how long a value is kept; 0 = not at all */
    belay_dur failed_ttl; /* how long a failure is kept; 0 = not at all */
    unsigned max;         /* results kept, the oldest go; 0 = 1000 */
    void *reserved[4];
} belay_flight_opts;

/*
 * Makes a flight whose work is done below s, by a daemon of s and its
 * children.  For who may spawn into s.  Returns 0, -EINVAL without .run, or
 * -ENOMEM or -ECANCELED as a spawn does.  Cancellation point: no.
 */
BELAY_API BELAY_MUST_CHECK int belay_flight_open_at(belay_flight **f,
    belay_scope *s, const belay_flight_opts *opts, const belay_site *site);

/*
 * Cancels what is under way, frees *f, unless it is NULL, and sets it to NULL.
 * The scope joins what was under way.  Aborts if a task waits in a get.  Any
 * thread.  Cancellation point: no.
 */
BELAY_API void belay_flight_close_at(belay_flight **f, const belay_site *site);
/* For BELAY_AUTO(belay_flight, f). */
BELAY_API void belay_flight_closep(belay_flight **f);

/*
 * Copies the value of the key to *value: one that is kept, or that of the
 * work that is under way for it, or of new work.  Returns what .run did; or
 * the code of a cut; -ESHUTDOWN if the scope of the flight is over or cut;
 * -ENOMEM.  The caller may be anywhere in the tree.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_flight_get_at(belay_flight *f,
    const void *key, size_t key_size, void *value, const belay_site *site);

/* Who asks from now on starts anew.  Any thread.  Cancellation point: no. */
BELAY_API void belay_flight_forget(belay_flight *f, const void *key,
    size_t key_size);

BELAY_END_DECLS

#if !defined(__cplusplus)

/* belay_flight_open(&f, s, .run = look_up, .value_size = sizeof v) */
#define belay_flight_open(f, s, ...)                                           \
    belay_flight_open_at((f), (s),                                             \
        &(const belay_flight_opts){                                            \
            .size = sizeof(belay_flight_opts) __VA_OPT__(, ) __VA_ARGS__},     \
        BELAY_SITE_(#f))
#define belay_flight_close(f) belay_flight_close_at((f), BELAY_SITE_(#f))
#define belay_flight_get(f, key, key_size, value)                              \
    belay_flight_get_at((f), (key), (key_size), (value), BELAY_SITE_(#f))

#endif
#endif
