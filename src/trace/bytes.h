/* SPDX-License-Identifier: MIT */
/* Growing bytes for the writers of timelines.  A failure to grow sticks, so
 * that it is looked at once, at the end. */
#ifndef BLY_TRACE_BYTES_H
#define BLY_TRACE_BYTES_H

#include "base/compiler.h"

#include <stdbool.h>

struct bly_bytes {
    char *at;
    size_t used, room;
    bool failed; /* no memory: what came since is not there */
};

void bly_bytes_add(struct bly_bytes *b, const void *data, size_t n);
void bly_bytes_print(struct bly_bytes *b, const char *fmt, ...)
    BLY_PRINTF(2, 3);
void bly_bytes_free(struct bly_bytes *b);

#endif
