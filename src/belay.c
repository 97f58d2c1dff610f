/* SPDX-License-Identifier: MIT */
/*
 * The whole library as one file: compile this one and need no build system,
 *
 *     cc -std=gnu11 -Iinclude -Isrc app.c src/belay.c -pthread
 *
 * and a table of contents in reading order, from the ground up.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "base/alloc.c"
#include "base/check.c"
#include "base/lock.c"

#include "arch/ctx.c"
#include "arch/ctx_aarch64.c"
#include "arch/ctx_ucontext.c"
#include "arch/ctx_x86_64.c"
#include "os/cgroup.c"
#include "os/os_linux.c"
#include "os/native.c"
#include "os/peek.c"
#include "os/alarm.c"

#include "core/block.c"
#include "core/cancel.c"
#include "core/deadlock.c"
#include "core/defer.c"
#include "core/diag.c"
#include "core/error.c"
#include "core/finish.c"
#include "core/frames.c"
#include "core/idle.c"
#include "core/inlet.c"
#include "core/monitor.c"
#include "core/patrol.c"
#include "core/ready.c"
#include "core/report.c"
#include "core/root.c"
#include "core/rt.c"
#include "core/runq.c"
#include "core/sched.c"
#include "core/scope.c"
#include "core/sleep.c"
#include "core/spawn.c"
#include "core/stack.c"
#include "core/stack_slab.c"
#include "core/task.c"
#include "core/timer.c"
#include "core/wait.c"
#include "core/watchdog.c"
#include "core/waitfor.c"
#include "core/text.c"
#include "core/census.c"
#include "core/overflow.c"
#include "core/fork.c"
#include "core/await.c"
#include "core/loop.c"
#include "core/gate.c"

#include "sync/barrier.c"
#include "sync/batch.c"
#include "sync/chan.c"
#include "sync/cond.c"
#include "sync/confined.c"
#include "sync/event.c"
#include "sync/every.c"
#include "sync/latch.c"
#include "sync/mutex.c"
#include "sync/once.c"
#include "sync/rwlock.c"
#include "sync/sem.c"
#include "sync/chan_case.c"
#include "sync/chan_life.c"
#include "sync/external.c"
#include "sync/select.c"
#include "sync/broadcast.c"
#include "sync/watch.c"
#include "sync/frozen.c"
#include "sync/snapshot.c"
#include "sync/next_case.c"

#include "policy/attempt.c"
#include "policy/budget.c"
#include "policy/retry.c"

#include "run.c"
