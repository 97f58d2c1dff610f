/* SPDX-License-Identifier: MIT */
/*
 * The operating system as the core sees it: a clock, futexes, threads, the
 * number of processors.  os_linux.c asks the kernel; in libbelay-test the
 * same functions are the simulated machine of sim/, where threads are
 * coroutines and time is virtual.
 */
#ifndef BLY_OS_OS_H
#define BLY_OS_OS_H

#include "base/compiler.h"

#include <stdbool.h>

int64_t bly_os_now(void);      /* monotonic nanoseconds */
int64_t bly_os_now_boot(void); /* the same, counting time in suspend */
uint64_t bly_os_entropy(void);

/* Sleeps while *addr == expect, until a wake, or the deadline on the clock of
 * bly_os_now() (BLY_NEVER: none).  May return early for no reason. */
void bly_os_futex_wait(uint32_t *addr, uint32_t expect, int64_t deadline);
void bly_os_futex_wake(uint32_t *addr, int n);

struct bly_thread {
    uintptr_t id;
};
int bly_os_thread_start(struct bly_thread *t, void (*main)(void *), void *arg,
    const char *name);
void bly_os_thread_join(struct bly_thread *t);
/* Nobody will join it. */
void bly_os_thread_detach(struct bly_thread *t);
uint64_t bly_os_thread_self(void); /* a number that no two live threads share */

/* Makes every running thread of the process pass a full memory barrier; takes
 * microseconds.  Only if it is ready, which is asked once. */
bool bly_os_barrier_ready(void);
void bly_os_barrier(void);

unsigned bly_os_cpus(void); /* allowed, and granted by the cgroup's quota */
size_t bly_os_page_size(void);
void bly_os_write(int fd, const char *text, size_t n); /* all of it */

#endif
