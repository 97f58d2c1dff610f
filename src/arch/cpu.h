/* SPDX-License-Identifier: MIT */
/* Single instructions that C has no word for. */
#ifndef BLY_ARCH_CPU_H
#define BLY_ARCH_CPU_H

#include "base/compiler.h"

#if defined(__x86_64__)

/* In a loop that waits for another processor. */
BLY_INLINE void
bly_cpu_pause(void)
{
    __builtin_ia32_pause();
}

/* A counter that runs at a steady rate and costs about 10 ns; its unit and
 * its start are nobody's business.  Compare values of one thread only. */
BLY_INLINE uint64_t
bly_cpu_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

#elif defined(__aarch64__)

BLY_INLINE void
bly_cpu_pause(void)
{
    /* Waits a little on all cores; yield does nothing on most. */
    __asm__ volatile("isb" ::: "memory");
}

BLY_INLINE uint64_t
bly_cpu_ticks(void)
{
    uint64_t t;

    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
    return t;
}

#else

BLY_INLINE void
bly_cpu_pause(void)
{
    __asm__ volatile("" ::: "memory");
}

/* 0 for ever: who asks must be content with a clock. */
BLY_INLINE uint64_t
bly_cpu_ticks(void)
{
    return 0;
}

#endif

/* Brings a line that will be written soon. */
BLY_INLINE void
bly_cpu_prefetch(const void *p)
{
    __builtin_prefetch(p, 1, 3);
}

#endif
