/* SPDX-License-Identifier: MIT */
/*
 * One suite for every driver.  A case is a function that runs as a task and
 * returns 0, or a failure that says what does not hold.  real.c runs all of
 * them on io_uring and on epoll, sim.c in the explorer.
 */
#ifndef DRIVER_SUITE_H
#define DRIVER_SUITE_H

#include <belay.h>

struct driver_case {
    const char *name;
    int (*run)(void);
};

/* Ended by an entry without a name. */
extern const struct driver_case driver_net[];
extern const struct driver_case driver_pipes[];
extern const struct driver_case driver_procs[];
extern const struct driver_case driver_ready[];
extern const struct driver_case driver_sockets[];
extern const struct driver_case driver_grams[];
extern const struct driver_case driver_streams[];
extern const struct driver_case driver_udp[];

static const struct driver_case *const driver_suites[] = {
    driver_net,
    driver_pipes,
    driver_procs,
    driver_ready,
    driver_sockets,
    driver_grams,
    driver_streams,
    driver_udp,
};
enum { DRIVER_SUITES = sizeof driver_suites / sizeof *driver_suites };

/* Holds, or the case fails with the text of it. */
#define HOLDS(expr)                                                            \
    do {                                                                       \
        if (!(expr))                                                           \
            return BELAY_FAIL(-EBADMSG, "does not hold: %s", #expr);           \
    } while (0)
/* Two numbers are equal. */
#define EQUAL(a, b)                                                            \
    do {                                                                       \
        long long a_ = (long long)(a), b_ = (long long)(b);                    \
        if (a_ != b_)                                                          \
            return BELAY_FAIL(-EBADMSG, "%s is %lld, not %lld", #a, a_, b_);   \
    } while (0)

#endif
