/* SPDX-License-Identifier: MIT */
/*
 * The simulated network of a run: how far it is to its hosts, and how they
 * behave.  A run begins with a network that does all at once and loses nothing;
 * these calls change it, at any time of the run.
 *
 *     belay_test_net_path("10.0.0.1:443", .latency = BELAY_MS(20));
 *
 * All addresses are this machine's: a test that plays the server listens on
 * 10.0.0.1:443.  Needs libbelay-test.  Misuse, as everywhere, ends the run.
 */
#ifndef BELAY_NET_TEST_H
#define BELAY_NET_TEST_H

#include <belay/base.h>

BELAY_BEGIN_DECLS

typedef struct belay_test_path {
    size_t size;       /* sizeof(belay_test_path) */
    belay_dur latency; /* one way; a connect takes two */
    int refuse;        /* < 0: connects fail with it, after that time */
    bool stall;        /* nothing arrives, until a call takes this back;
                        * datagrams are lost */
    bool lossy;        /* datagrams may be lost, come twice, or overtake: each
                        * counts as an interruption */
    void *reserved[4];
} belay_test_path;

/*
 * How it is from now on to reach where: "10.0.0.1:80", "10.0.0.1" (each port)
 * or "*" (all); of several that fit, what says most is used, alone.  It is
 * the server's address that counts, for both directions; Unix sockets are not
 * concerned.  Up to 32.
 */
BELAY_API void belay_test_net_path_at(const char *where,
    const belay_test_path *path);

/* Resets the connections to where, for both sides and at once. */
BELAY_API void belay_test_net_reset(const char *where);

BELAY_END_DECLS

#if !defined(__cplusplus)
/* belay_test_net_path("10.0.0.1", .stall = true) */
#define belay_test_net_path(where, ...)                                        \
    belay_test_net_path_at((where),                                            \
        &(const belay_test_path){                                              \
            .size = sizeof(belay_test_path) __VA_OPT__(, ) __VA_ARGS__})
#endif
#endif
