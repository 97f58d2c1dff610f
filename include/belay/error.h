/* SPDX-License-Identifier: MIT */
/*
 * Errors.  A status is an int: zero or more is success, a negative number is
 * a failure: -errno, or one of belay's own codes below.  -ECANCELED means that
 * somebody cancelled, -ETIME that a belay deadline passed, -ETIMEDOUT that the
 * network gave up.
 *
 * The message and the way that a failure took belong to the task that failed;
 * belay_why() tells them.
 */
#ifndef BELAY_ERROR_H
#define BELAY_ERROR_H

#include <belay/base.h>

#include <errno.h>

BELAY_BEGIN_DECLS

#define BELAY_ECLOSED (-5001)  /* the channel is closed: nobody receives */
#define BELAY_ECRASHED (-5002) /* the process that did the work died */
#define BELAY_EOPEN (-5003)    /* the circuit breaker is open */
#define BELAY_EEXIT (-5004)    /* a process ended with a status but 0 */

/* A short text for any status, "Connection refused" or "channel closed";
 * never NULL; static or good until the thread's next call. */
BELAY_API const char *belay_strerror(int code);

/*
 * The newest failure of the calling task: message, then the places that it
 * passed through.  Never NULL.  Good until the task fails again or ends.
 */
BELAY_API const char *belay_why(void);

/* Records code with a message at site as the task's newest failure and
 * returns code.  Outside a task it only returns code. */
BELAY_API int belay_fail_at(int code, const belay_site *site, const char *fmt,
    ...) BELAY_PRINTF_(3, 4);

/* Notes that the failure code passed through site; returns code. */
BELAY_API int belay_trace(int code, const belay_site *site);

/* Says that a status is ignored on purpose, and why. */
BELAY_API void belay_ignore(int status, const char *why);

BELAY_END_DECLS

#if !defined(__cplusplus)

/* return BELAY_FAIL(-EINVAL, "port %d is out of range", port); */
#define BELAY_FAIL(code, ...)                                                  \
    belay_fail_at((code), BELAY_SITE_(#code), __VA_ARGS__)

/* return code, as an error of the compiler in a function that returns
 * nothing; gcc would only warn. */
#define BELAY_RETURN_(code)                                                    \
    do {                                                                       \
        _Pragma("GCC diagnostic push")                                         \
        _Pragma("GCC diagnostic error \"-Wreturn-type\"")                      \
        return (code);                                                         \
        _Pragma("GCC diagnostic pop")                                          \
    } while (0)

/* The value of expr if it is zero or more; else returns it from the enclosing
 * function, which then must return a status. */
#define BELAY_TRY(expr)                                                        \
    (__extension__({                                                           \
        __typeof__(expr) belay_try_ = (expr);                                  \
        if (__builtin_expect(belay_try_ < 0, 0))                               \
            BELAY_RETURN_(belay_trace((int)belay_try_, BELAY_SITE_(#expr)));   \
        belay_try_;                                                            \
    }))

#endif
#endif
