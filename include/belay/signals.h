/* SPDX-License-Identifier: MIT */
/*
 * Signals as values in a channel.
 *
 *     BELAY_SCOPE(s) {
 *         belay_signals sig;
 *         int number;
 *
 *         BELAY_TRY(belay_signals_open(s, &sig, SIGHUP, SIGUSR1));
 *         while (BELAY_TRY(belay_recv(&sig, &number)) > 0)
 *             ...
 *     }
 *
 * The channel is like any other: BELAY_RECV(&sig, &number) is a case of a
 * select.  While anybody listens to a signal, it has no other effect; that
 * goes for INT and TERM under belay_main, too.  Everybody who listens to it
 * gets it.
 */
#ifndef BELAY_SIGNALS_H
#define BELAY_SIGNALS_H

#include <belay/base.h>
#include <belay/chan.h>
#include <belay/task.h>

BELAY_BEGIN_DECLS

/*
 * Listens to n signals until s has ended and what is deferred in it has run;
 * then the channel is freed, and each signal has the effect again that it had
 * before.  *ch is a channel of int.  Up to 64 signals wait in it, and further
 * ones are dropped.  Returns 0; -EINVAL: one cannot be listened to, since it
 * cannot be caught, comes from a fault, or is SIGPIPE; -ENOBUFS: there are 64
 * listeners; -ENOMEM.  Owner of s only.  Cancellation point: no.
 */
BELAY_API BELAY_MUST_CHECK int belay_signals_open_at(belay_scope *s,
    belay_chan **ch, const int *numbers, size_t n, const belay_site *site);

BELAY_END_DECLS

#if !defined(__cplusplus)

typedef BELAY_CHAN(int) belay_signals;

/* belay_signals_open(s, &sig, SIGHUP, SIGUSR1) */
#define belay_signals_open(s, sig, ...)                                        \
    belay_signals_open_at((s), &(sig)->base, (const int[]){__VA_ARGS__},       \
        sizeof((const int[]){__VA_ARGS__}) / sizeof(int), BELAY_SITE_(#sig))

#endif
#endif
