/* SPDX-License-Identifier: MIT */
/*
 * The native stack of another thread of this process: a signal makes it write
 * down its return addresses.  Only for programs that handed their signals to
 * belay, since the signal ends a system call that cannot be restarted.
 */
#ifndef BLY_OS_NATIVE_H
#define BLY_OS_NATIVE_H

#include "base/compiler.h"

#include <stdbool.h>

enum { BLY_NATIVE_DEPTH = 40 };

/* Takes the signal over, or gives it back.  Not twice at a time. */
void bly_native_open(void);
void bly_native_close(void);
/* The calling thread lets itself be asked. */
void bly_native_allow(void);

/* Return addresses of the thread with this number (bly_os_thread_self),
 * innermost first; 0: it did not answer.  One caller at a time.  The thread
 * must not have ended. */
int bly_native_ask(uint64_t thread, void **pcs, int n);

/* Writes the name of what is at pc: function+offset and its file. */
void bly_native_name(const void *pc, char *buf, size_t size);

#endif
