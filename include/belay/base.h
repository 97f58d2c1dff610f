/* SPDX-License-Identifier: MIT */
/* What every belay header needs: export marks, source sites, durations. */
#ifndef BELAY_BASE_H
#define BELAY_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BELAY_VERSION_MAJOR 0
#define BELAY_VERSION_MINOR 1
#define BELAY_VERSION "0.1.0"

#if defined(__cplusplus)
#define BELAY_BEGIN_DECLS extern "C" {
#define BELAY_END_DECLS }
#else
#define BELAY_BEGIN_DECLS
#define BELAY_END_DECLS
#endif

#define BELAY_API __attribute__((visibility("default")))
#define BELAY_MUST_CHECK __attribute__((warn_unused_result))
#define BELAY_NORETURN __attribute__((noreturn))
#define BELAY_PRINTF_(a, b) __attribute__((format(printf, a, b)))
#define BELAY_CLEANUP_(f) __attribute__((cleanup(f)))
#define BELAY_UNUSED_ __attribute__((unused))

/* Marks a function that may put the calling task to sleep.  Such a function
 * is a cancellation point on every call, also when it need not sleep. */
#define BELAY_WAITS

BELAY_BEGIN_DECLS

/* A place in the source; what it names lives for the whole program. */
typedef struct belay_site {
    const char *file;
    int line;
    const char *func;
    const char *what;
} belay_site;

/* Nanoseconds; a negative duration counts as none. */
typedef int64_t belay_dur;
/* An instant on the monotonic clock of belay_now(); 0 means none. */
typedef int64_t belay_time;

/* These take fractions: BELAY_MS(0.5). */
#define BELAY_US(n) ((belay_dur)((n) * 1e3))
#define BELAY_MS(n) ((belay_dur)((n) * 1e6))
#define BELAY_S(n) ((belay_dur)((n) * 1e9))

/* Now, on the monotonic clock; virtual under libbelay-test. */
BELAY_API belay_time belay_now(void);

/* The version of the library that is linked, as BELAY_VERSION. */
BELAY_API const char *belay_version(void);

BELAY_END_DECLS

/* The place where the macro stands. */
#define BELAY_SITE_(text)                                                      \
    (__extension__({                                                           \
        static const belay_site belay_site_ = {                                \
            __FILE__, __LINE__, __func__, (text)};                             \
        &belay_site_;                                                          \
    }))

#define BELAY_CAT__(a, b) a##b
#define BELAY_CAT_(a, b) BELAY_CAT__(a, b)
#define BELAY_UNIQUE_(prefix) BELAY_CAT_(prefix, __LINE__)

#endif
