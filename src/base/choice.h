/* SPDX-License-Identifier: MIT */
/*
 * The one door for chance.
 *
 * Every decision that a real machine makes at random asks bly_choose(kind, n)
 * for a number below n.  0 is always the normal policy.  In the product the
 * call folds to 0 and costs nothing; in libbelay-test the explorer answers,
 * records the answer and can repeat it.
 *
 * bly_point() marks a place where another processor could get in between: the
 * explorer may run another simulated thread there.  base/atomic.h calls it
 * for each atomic operation when the explorer works at atomic depth.
 */
#ifndef BLY_BASE_CHOICE_H
#define BLY_BASE_CHOICE_H

#include "base/compiler.h"

#include <stdbool.h>

enum bly_choice {
    BLY_CHOOSE_TASK,    /* which of the tasks that could run, in queue order */
    BLY_CHOOSE_PREEMPT, /* 1: another task runs before this operation */
    BLY_CHOOSE_THREAD,  /* which simulated thread goes on */
    BLY_CHOOSE_VICTIM,  /* whose queue a thief looks at first */
    BLY_CHOOSE_ARM,     /* which ready arm of a select */
    BLY_CHOOSE_TIMER,   /* which of the timers that are due together */
    BLY_CHOOSE_ALLOC,   /* 1: this allocation fails */
    BLY_CHOOSE_CANCEL,  /* 1: a cancel arrives at this suspension point */
    BLY_CHOOSE_INLINE,  /* 1: a child is not run on the owner's stack */
    BLY_CHOOSE_RANDOM,  /* the program's own random numbers */
    BLY_CHOOSE_IO,      /* 1: an operation completes later than it could */
    BLY_CHOOSE_SHORT,   /* 1: it moves one byte only, 2: all but one */
    BLY_CHOOSE_FAULT,   /* 1: this call for I/O fails, 2: is interrupted */
    BLY_CHOOSE_PACKET,  /* 1: a datagram is lost, 2: doubled, 3: overtakes */
    BLY_CHOOSE_KINDS
};

/*
 * What only records a run must not change it: from bly_hush() to bly_unhush()
 * nothing is a point, a choice or a step, and no other thread runs.  So whoever
 * is hushed must not wait for anything: a lock is free, or not taken.
 */
#if BLY_SIM
uint32_t bly_choose(enum bly_choice kind, uint32_t n);
/* The same where the candidates have names: ids[0..n), numbers by order of
 * creation that mean the same in every run; strategies give them priorities. */
uint32_t bly_choose_among(enum bly_choice kind, uint32_t n,
    const uint64_t *ids);
void bly_point(const volatile void *addr);
void bly_spin(void); /* in a loop that waits for another thread */
bool bly_hush(void); /* what bly_unhush wants */
void bly_unhush(bool before);
#else
BLY_INLINE uint32_t
bly_choose(enum bly_choice kind, uint32_t n)
{
    (void)kind;
    (void)n;
    return 0;
}

BLY_INLINE uint32_t
bly_choose_among(enum bly_choice kind, uint32_t n, const uint64_t *ids)
{
    (void)kind;
    (void)n;
    (void)ids;
    return 0;
}

BLY_INLINE void
bly_point(const volatile void *addr)
{
    (void)addr;
}

BLY_INLINE void
bly_spin(void)
{
}

BLY_INLINE bool
bly_hush(void)
{
    return false;
}

BLY_INLINE void
bly_unhush(bool before)
{
    (void)before;
}
#endif

#endif
