/* SPDX-License-Identifier: MIT */
/* Nanoseconds that saturate instead of wrapping. */
#ifndef BLY_BASE_TIME_H
#define BLY_BASE_TIME_H

#include "base/compiler.h"

#define BLY_NEVER INT64_MAX

BLY_INLINE int64_t
bly_time_add(int64_t t, int64_t d)
{
    int64_t r;

    if (__builtin_add_overflow(t, d, &r))
        return d > 0 ? BLY_NEVER : INT64_MIN;
    return r;
}

#endif
