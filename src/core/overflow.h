/* SPDX-License-Identifier: MIT */
/*
 * Says which task overflowed its stack, before the process dies of it.
 *
 * A library that takes over SIGSEGV surprises its host, so nothing is
 * installed unless bly_overflow_install() is called, which only belay_main
 * does.
 */
#ifndef BLY_CORE_OVERFLOW_H
#define BLY_CORE_OVERFLOW_H

#include "base/compiler.h"

#include <stdbool.h>

struct bly_stack;

struct bly_overflow_info {
    const char *name; /* of the task, or NULL */
    const char *file; /* where it was spawned, or NULL */
    int line;
    void *next; /* the task below it on the same stack, or NULL */
};

/* Set by the task layer: tells about the owner of a stack.  Called by a signal
 * handler.  NULL: the owner stays unnamed. */
extern void (*bly_overflow_describe)(void *task, struct bly_overflow_info *out);

/* Set by who keeps memory that is sealed: if addr lies in it, true, with its
 * name and the place where it was sealed.  Called by a signal handler; atomic.
 * NULL: there is none. */
extern bool (*bly_overflow_sealed)(const void *addr,
    struct bly_overflow_info *out);

/* Handlers for SIGSEGV and SIGBUS, once per process.  0 or -errno. */
int bly_overflow_install(void);

/* The calling thread gets, or gives up, the stack that handlers run on.
 * 0 or -errno. */
int bly_overflow_thread(bool on);

/* Reports s as overflowed, as found by bly_stack_check, and aborts. */
BLY_COLD BLY_NORETURN void bly_overflow_fatal(struct bly_stack *s);

#endif
