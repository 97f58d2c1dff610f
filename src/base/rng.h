/* SPDX-License-Identifier: MIT */
/* xorshift64*: a small generator for victims and select arms. */
#ifndef BLY_BASE_RNG_H
#define BLY_BASE_RNG_H

#include "base/compiler.h"

BLY_INLINE uint32_t
bly_rng_next(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return (uint32_t)((x * UINT64_C(0x2545F4914F6CDD1D)) >> 32);
}

#endif
