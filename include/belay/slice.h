/* SPDX-License-Identifier: MIT */
/* Bytes that somebody else owns. */
#ifndef BELAY_SLICE_H
#define BELAY_SLICE_H

#include <stddef.h>

/* Good for as long as the function that gave it says. */
typedef struct belay_slice {
    const char *data;
    size_t len;
} belay_slice;

#endif
