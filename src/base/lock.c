/* SPDX-License-Identifier: MIT */
/*
 * The wait for a lock that somebody holds.
 *
 * Who holds it is a few instructions from letting go, unless the system has
 * taken his processor away: so we look at the word for about a microsecond,
 * twice as long each time, and then offer our processor to him.  While we only
 * look, the line stays shared, and the holder's store is not delayed.
 */
#include "base/lock.h"

#include <sched.h>

enum { LOCK_SPINS_MAX = 64 };

#if BLY_SIM

static void
lock_relax(uint32_t *spins)
{
    (void)spins;
    bly_spin();
}

#else

#if defined(__x86_64__) || defined(__i386__)
#define LOCK_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define LOCK_PAUSE() __asm__ volatile("isb" ::: "memory")
#else
#define LOCK_PAUSE() __asm__ volatile("" ::: "memory")
#endif

static void
lock_relax(uint32_t *spins)
{
    if (*spins > LOCK_SPINS_MAX) {
        (void)sched_yield();
        return;
    }
    for (uint32_t i = 0; i < *spins; i++)
        LOCK_PAUSE();
    *spins *= 2;
}

#endif

void
bly_lock_slow(struct bly_lock *l)
{
    uint32_t spins = 1;

    do {
        while (bly_load_relaxed(&l->held) != 0)
            lock_relax(&spins);
    } while (bly_xchg(&l->held, 1u)); /* pairs with bly_unlock */
}
