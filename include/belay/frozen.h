/* SPDX-License-Identifier: MIT */
/*
 * Data that many read: written once and then sealed, or replaced as a whole.
 *
 *     static BELAY_SNAPSHOT(struct config) current;
 *
 *     int serve(struct request *r)
 *     {
 *         BELAY_VIEW(&current, cf);        // stays as it is to the brace
 *         ...
 *     }
 *
 *     int reload(struct config *fresh)
 *     {
 *         return belay_publish(&current, fresh, free, fresh);
 *     }
 *
 * Nothing in this file waits: any thread may call all of it, also outside a
 * task, and no call is a cancellation point.
 */
#ifndef BELAY_FROZEN_H
#define BELAY_FROZEN_H

#include <belay/base.h>

BELAY_BEGIN_DECLS

/* ---- sealed data -------------------------------------------------------- */

/*
 * An arena that is filled by one task and then sealed: from then on its pages
 * cannot be written by anybody, and reading them needs no lock.  A write to
 * sealed data is the end of the process by SIGSEGV; under belay_main, a line
 * on stderr first names the data and the task.
 */
typedef struct belay_frozen belay_frozen;

/* name is for people; it is not copied.  0 or -ENOMEM. */
BELAY_API BELAY_MUST_CHECK int belay_frozen_open(belay_frozen **f,
    const char *name);

/* size cleared bytes, aligned for anything, that live until the arena is
 * closed; NULL if there is no memory.  Aborts if f is sealed. */
BELAY_API BELAY_MUST_CHECK void *belay_frozen_alloc_at(belay_frozen *f,
    size_t size, const belay_site *site);
/* The same, with the bytes of data in it. */
BELAY_API BELAY_MUST_CHECK void *belay_frozen_copy_at(belay_frozen *f,
    const void *data, size_t size, const belay_site *site);
BELAY_API BELAY_MUST_CHECK char *belay_frozen_strdup_at(belay_frozen *f,
    const char *text, const belay_site *site);

/* 0, also if it was sealed before; or -ENOMEM, and then it is not sealed. */
BELAY_API BELAY_MUST_CHECK int belay_frozen_seal_at(belay_frozen *f,
    const belay_site *site);

/* Nobody reads any more.  NULL: nothing. */
BELAY_API void belay_frozen_close(belay_frozen *f);
/* For BELAY_AUTO(belay_frozen, f). */
BELAY_API void belay_frozen_closep(belay_frozen **f);
/* belay_frozen_close, as what belay_publish calls in the end. */
BELAY_API void belay_frozen_drop(void *f);

/* ---- snapshots ---------------------------------------------------------- */

/* The newest version of something.  All zero bytes: there is none yet. */
typedef struct belay_snapshot {
    uint64_t belay_word_;
    void *belay_[3];
} belay_snapshot;

/* One version, held against its end; in the frame of who reads it. */
typedef struct belay_view {
    const void *value;
    void *belay_version_;
} belay_view;

typedef void belay_drop_fn(void *arg);

/*
 * Makes *value the newest version.  The snapshot takes it over: when a newer
 * one has come and the last view of it is closed, drop(arg) is called, once,
 * by whoever was last; it must not wait.  drop may be NULL.  Returns 0, or
 * -ENOMEM, and then nothing was taken.
 */
BELAY_API BELAY_MUST_CHECK int belay_snapshot_publish(belay_snapshot *s,
    const void *value, belay_drop_fn *drop, void *arg);

/* The same if seen is still the newest version; else -EAGAIN, and nothing was
 * taken: look again. */
BELAY_API BELAY_MUST_CHECK int belay_snapshot_replace(belay_snapshot *s,
    const belay_view *seen, const void *value, belay_drop_fn *drop, void *arg);

/* Afterwards there is no version, as at first.  Open views stay good. */
BELAY_API void belay_snapshot_clear(belay_snapshot *s);

/* Opens a view of the newest version and returns its value, or NULL if there
 * is none.  Never waits, whatever others do. */
BELAY_API const void *belay_view_open(belay_view *v, belay_snapshot *s);
/* Once per view is enough, more does no harm. */
BELAY_API void belay_view_close(belay_view *v);

BELAY_END_DECLS

#if !defined(__cplusplus)

#define belay_frozen_alloc(f, size)                                            \
    belay_frozen_alloc_at((f), (size), BELAY_SITE_(#f))
#define belay_frozen_copy(f, data, size)                                       \
    belay_frozen_copy_at((f), (data), (size), BELAY_SITE_(#f))
#define belay_frozen_strdup(f, text)                                           \
    belay_frozen_strdup_at((f), (text), BELAY_SITE_(#f))
#define belay_frozen_seal(f) belay_frozen_seal_at((f), BELAY_SITE_(#f))

/* Versions of a T.  All zero bytes are a valid start. */
#define BELAY_SNAPSHOT(T)                                                      \
    union {                                                                    \
        belay_snapshot belay_base_;                                            \
        const T *belay_type_;                                                  \
    }

/* belay_publish(&current, fresh, free, fresh); */
#define belay_publish(s, fresh, drop, arg)                                     \
    (__extension__({                                                           \
        __typeof__((s)->belay_type_) belay_fresh_ = (fresh);                   \
        belay_snapshot_publish(                                                \
            &(s)->belay_base_, belay_fresh_, (drop), (arg));                   \
    }))

/* Declares p, a pointer to the newest version, good to the end of the
 * enclosing block; NULL if there is none. */
#define BELAY_VIEW(s, p)                                                       \
    belay_view BELAY_UNIQUE_(belay_view_)                                      \
        BELAY_CLEANUP_(belay_view_close) = {NULL, NULL};                       \
    const __typeof__((s)->belay_type_) p =                                     \
        belay_view_open(&BELAY_UNIQUE_(belay_view_), &(s)->belay_base_)

#endif
#endif
