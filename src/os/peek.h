/* SPDX-License-Identifier: MIT */
/* Reading memory of this process that another thread may be changing, or that
 * may be gone: what comes back is a guess, but no fault and no data race. */
#ifndef BLY_OS_PEEK_H
#define BLY_OS_PEEK_H

#include "base/compiler.h"

#include <stdbool.h>

/* False: cannot be read. */
bool bly_peek(const void *from, void *to, size_t size);
/* A string of at most size - 1 bytes; to is terminated in any case. */
bool bly_peek_text(const char *from, char *to, size_t size);

#endif
