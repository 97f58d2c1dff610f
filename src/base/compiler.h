/* SPDX-License-Identifier: MIT */
/* What we ask of the compiler; the only file that knows its extensions. */
#ifndef BLY_BASE_COMPILER_H
#define BLY_BASE_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#ifndef BLY_SIM
#define BLY_SIM 0
#endif

#define BLY_LIKELY(x) __builtin_expect(!!(x), 1)
#define BLY_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define BLY_NOINLINE __attribute__((noinline))
#define BLY_INLINE static inline __attribute__((always_inline))
#define BLY_COLD __attribute__((cold, noinline))
#define BLY_NORETURN __attribute__((noreturn))
#define BLY_PRINTF(a, b) __attribute__((format(printf, a, b)))
#define BLY_UNUSED __attribute__((unused))
#define BLY_MUST_CHECK __attribute__((warn_unused_result))

enum { BLY_CACHE_LINE = 64 };
#define BLY_LINE_ALIGNED __attribute__((aligned(64)))

#define BLY_CONTAINER(ptr, type, member)                                       \
    ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#if defined(__SANITIZE_THREAD__)
#define BLY_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BLY_TSAN 1
#endif
#endif
#ifndef BLY_TSAN
#define BLY_TSAN 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define BLY_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BLY_ASAN 1
#endif
#endif
#ifndef BLY_ASAN
#define BLY_ASAN 0
#endif

#endif
