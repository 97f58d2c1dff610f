/* SPDX-License-Identifier: MIT */
/* Who wants to be called when a signal comes.  See signal_linux.c. */
#ifndef BLY_OS_SIGNAL_H
#define BLY_OS_SIGNAL_H

#include "base/compiler.h"

#include <stdbool.h>

/* Owned by who listens; the same from add to drop. */
struct bly_signal_sink {
    uint64_t numbers; /* bit number - 1 */
    /* In the handler, on any thread, at any moment. */
    void (*fn)(struct bly_signal_sink *s, int number);
};

enum { BLY_SIGNAL_SINKS = 64, BLY_SIGNAL_MAX = 64 };

/* Whether a program may listen to it. */
bool bly_signal_can(int number);
/* 0, -ENOBUFS, or -EINVAL: the kernel or libc keeps one of them. */
int bly_signal_add(struct bly_signal_sink *s) BLY_MUST_CHECK;
/* Once it returns, fn is not running and never called again. */
void bly_signal_drop(struct bly_signal_sink *s);

#endif
