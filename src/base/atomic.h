/* SPDX-License-Identifier: MIT */
/*
 * Our vocabulary of atomic operations, over plain integers and pointers.
 *
 * Each one is a scheduling point in a simulation.  Unsuffixed operations are
 * sequentially consistent; each call that is not relaxed says which function
 * it pairs with.  There are no fences: ThreadSanitizer does not follow them.
 */
#ifndef BLY_BASE_ATOMIC_H
#define BLY_BASE_ATOMIC_H

#include "base/choice.h"
#include "base/compiler.h"

#include <stdbool.h>

#define bly_load_relaxed(p)                                                    \
    (bly_point(p), __atomic_load_n((p), __ATOMIC_RELAXED))
#define bly_load_acquire(p)                                                    \
    (bly_point(p), __atomic_load_n((p), __ATOMIC_ACQUIRE))
#define bly_load(p) (bly_point(p), __atomic_load_n((p), __ATOMIC_SEQ_CST))
#define bly_store_relaxed(p, v)                                                \
    (bly_point(p), __atomic_store_n((p), (v), __ATOMIC_RELAXED))
#define bly_store_release(p, v)                                                \
    (bly_point(p), __atomic_store_n((p), (v), __ATOMIC_RELEASE))
/* The compiler keeps what stands above above; the processor may not. */
#define bly_compiler_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)
/* For statistics that outlive a run: not a scheduling point, and nothing may
 * be decided by them. */
#define bly_stat_load(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define bly_stat_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define bly_xchg(p, v)                                                         \
    (bly_point(p), __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST))
#define bly_fetch_add(p, v)                                                    \
    (bly_point(p), __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST))
/* Strong compare and swap; *expected is updated on failure. */
#define bly_cas(p, expected, desired)                                          \
    (bly_point(p), __atomic_compare_exchange_n((p), (expected), (desired),     \
                       false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))

#endif
