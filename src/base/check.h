/* SPDX-License-Identifier: MIT */
/*
 * Two kinds of checks.  bly_misuse() answers a programmer who broke a
 * contract: one line with what, where and which task, then abort; it is on in
 * every build.  bly_assert() guards our own invariants in debug and
 * simulation builds.
 */
#ifndef BLY_BASE_CHECK_H
#define BLY_BASE_CHECK_H

#include "base/compiler.h"

struct belay_site;

/* Writes "belay: <text> at <site>, in task '<name>' ..." and aborts.  The task
 * layer supplies the second half. */
BLY_COLD BLY_NORETURN void bly_misuse(const struct belay_site *site,
    const char *fmt, ...) BLY_PRINTF(2, 3);
BLY_COLD BLY_NORETURN void bly_assert_failed(const char *what, const char *file,
    int line);

/* Set by the task layer: writes " in task 'x' (spawned at f:1)" or "". */
extern void (*bly_check_describe)(char *buf, size_t size);
/* Set by a simulation: gets the line instead of stderr; does not return. */
extern void (*bly_check_caught)(const char *line);

#ifndef BLY_DEBUG
#define BLY_DEBUG BLY_SIM
#endif

#if BLY_DEBUG
#define bly_assert(e)                                                          \
    ((e) ? (void)0 : bly_assert_failed(#e, __FILE__, __LINE__))
#else
#define bly_assert(e) ((void)sizeof(e))
#endif

#endif
