/* SPDX-License-Identifier: MIT */
/*
 * Locks and signals between tasks: mutex, rwlock, cond, semaphore, event,
 * barrier, once, latch; data that can be reached only under its lock, and data
 * that only its owner may touch.
 *
 * All of them may be static: all zero bytes or their _INIT make them ready.
 * Whatever may sleep is a cancellation point on every call, and a call that
 * returns a cut has changed nothing.  A grant that has been made beats a cut.
 * Misuse (an unlock by another task, a _fini while tasks wait) aborts and
 * names both places.  The _fini calls are optional; they only check.
 *
 * The functions are the ABI, the macros below them what people write.
 */
#ifndef BELAY_SYNC_H
#define BELAY_SYNC_H

#include <belay/base.h>
#include <belay/error.h>
#include <belay/select.h>
#include <belay/task.h>

BELAY_BEGIN_DECLS

/* ---- mutex ----------------------------------------------------------- */

/*
 * Owned by a task.  A running task may take a free mutex ahead of those that
 * wait; a task that has waited for 1 ms is given it at the next unlock.  One
 * runtime at a time may use it.
 */
typedef struct belay_mutex {
    void *belay_[8];
} belay_mutex;

#if defined(__cplusplus)
#define BELAY_MUTEX_INIT {}
#else
#define BELAY_MUTEX_INIT {{0}}
#endif

/* 0, the code of a cut, or -EDEADLK if the caller has it already. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_mutex_lock_at(belay_mutex *m,
    const belay_site *site);
/* 0, -EBUSY, or -EDEADLK if the caller has it.  Cancellation point: no. */
BELAY_API BELAY_MUST_CHECK int belay_mutex_try_lock_at(belay_mutex *m,
    const belay_site *site);
/* By the task that locked it.  Cancellation point: no. */
BELAY_API void belay_mutex_unlock_at(belay_mutex *m, const belay_site *site);
BELAY_API void belay_mutex_fini_at(belay_mutex *m, const belay_site *site);

/* ---- rwlock ---------------------------------------------------------- */

/* Many readers or one writer.  Readers pass a waiting writer for 1 ms at
 * most.  A reader must not lock again: a writer may wait in between. */
typedef struct belay_rwlock {
    void *belay_[8];
} belay_rwlock;

#define BELAY_RWLOCK_INIT BELAY_MUTEX_INIT

/* 0, the code of a cut, or -EDEADLK: the caller is the writer, or asks to
 * write while it is the only reader. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_rwlock_read_at(
    belay_rwlock *l, const belay_site *site);
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_rwlock_write_at(
    belay_rwlock *l, const belay_site *site);
/* The same, or -EBUSY at once.  Cancellation point: no. */
BELAY_API BELAY_MUST_CHECK int belay_rwlock_try_read_at(belay_rwlock *l,
    const belay_site *site);
BELAY_API BELAY_MUST_CHECK int belay_rwlock_try_write_at(belay_rwlock *l,
    const belay_site *site);
/* Ends what the caller holds.  Cancellation point: no. */
BELAY_API void belay_rwlock_unlock_at(belay_rwlock *l, const belay_site *site);
BELAY_API void belay_rwlock_fini_at(belay_rwlock *l, const belay_site *site);

/* ---- cond ------------------------------------------------------------ */

typedef struct belay_cond {
    void *belay_[6];
} belay_cond;

#define BELAY_COND_INIT BELAY_MUTEX_INIT

/*
 * Unlocks m, which the caller has, sleeps until a signal, and locks m again.
 * Returns 0, or the code of a cut.  The caller has m in both cases: a cut
 * ends the sleep, but not the locking after it.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_cond_wait_at(belay_cond *c,
    belay_mutex *m, const belay_site *site);
/* Wakes the task that waits longest, or all that wait now.  Any thread.
 * Cancellation point: no. */
BELAY_API void belay_cond_signal(belay_cond *c);
BELAY_API void belay_cond_broadcast(belay_cond *c);
BELAY_API void belay_cond_fini_at(belay_cond *c, const belay_site *site);

/* ---- semaphore ------------------------------------------------------- */

/* A count of permits, given out first come, first served: who asks for many
 * is not passed by those who ask for few. */
typedef struct belay_sem {
    uint64_t belay_gate_;
    unsigned belay_count_;
    unsigned belay_pad_;
    void *belay_[6];
} belay_sem;

#define BELAY_SEM_INIT(n) {0, (n), 0, {0}}

/* Takes n permits.  0 or the code of a cut. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_sem_acquire_at(belay_sem *s,
    unsigned n, const belay_site *site);
/* 0, or -EBUSY if that would have to wait.  Cancellation point: no. */
BELAY_API BELAY_MUST_CHECK int belay_sem_try_acquire(belay_sem *s, unsigned n);
/* Adds n permits.  Any thread.  Cancellation point: no. */
BELAY_API void belay_sem_release(belay_sem *s, unsigned n);
/* Permits that nobody holds, as of some moment. */
BELAY_API unsigned belay_sem_available(belay_sem *s);
BELAY_API void belay_sem_fini_at(belay_sem *s, const belay_site *site);

/* ---- event ----------------------------------------------------------- */

/* A flag that one can wait for.  BELAY_EVENT(&e) is a case of a select. */
typedef struct belay_event {
    void *belay_[6];
} belay_event;

#define BELAY_EVENT_INIT BELAY_MUTEX_INIT

/* Returns 0 once the event is set, or the code of a cut. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_event_wait_at(belay_event *e,
    const belay_site *site);
/* Sets it and wakes all; it stays set.  Any thread.  Cancellation point:
 * no. */
BELAY_API void belay_event_set(belay_event *e);
BELAY_API void belay_event_reset(belay_event *e);
BELAY_API bool belay_event_is_set(belay_event *e);
/* A case of a select, with result 0.  NULL: never happens. */
BELAY_API belay_case belay_case_event(belay_event *e);
BELAY_API void belay_event_fini_at(belay_event *e, const belay_site *site);

/* ---- barrier --------------------------------------------------------- */

/* n tasks meet, again and again. */
typedef struct belay_barrier {
    uint64_t belay_gate_;
    unsigned belay_count_;
    unsigned belay_pad_;
    void *belay_[6];
} belay_barrier;

#define BELAY_BARRIER_INIT(n) BELAY_SEM_INIT(n)

/* Waits until n tasks are here.  Returns 1 to the last of them and 0 to the
 * others, or the code of a cut: who is cut counts as one that never came. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_barrier_wait_at(
    belay_barrier *b, const belay_site *site);
BELAY_API void belay_barrier_fini_at(belay_barrier *b, const belay_site *site);

/* ---- once ------------------------------------------------------------ */

typedef struct belay_once {
    void *belay_[6];
} belay_once;

#define BELAY_ONCE_INIT BELAY_MUTEX_INIT

/*
 * Returns 0 once fn(arg) has returned >= 0, whoever called it.  A failure is
 * returned to the task whose call it was, and the next caller tries again.
 * -EDEADLK if fn itself asks for it; or the code of a cut.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_once_run_at(belay_once *o,
    belay_fn *fn, void *arg, const belay_site *site);
BELAY_API bool belay_once_is_done(belay_once *o);

/* ---- latch ----------------------------------------------------------- */

/* Counts down to 0 and stays open. */
typedef struct belay_latch {
    uint64_t belay_gate_;
    unsigned belay_count_;
    unsigned belay_pad_;
    void *belay_[6];
} belay_latch;

#define BELAY_LATCH_INIT(n) BELAY_SEM_INIT(n)

/* Returns 0 once the count is 0, or the code of a cut. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_latch_wait_at(belay_latch *l,
    const belay_site *site);
/* Aborts below 0.  Any thread.  Cancellation point: no. */
BELAY_API void belay_latch_count_down_at(belay_latch *l, unsigned n,
    const belay_site *site);
BELAY_API unsigned belay_latch_left(belay_latch *l);
BELAY_API void belay_latch_fini_at(belay_latch *l, const belay_site *site);

/* ---- confined data --------------------------------------------------- */

/* Whom the data beside it belongs to; nobody at first. */
typedef struct belay_confined {
    void *belay_[6];
} belay_confined;

typedef enum belay_confine_to {
    BELAY_TO_TASK,   /* only the calling task */
    BELAY_TO_WORKER, /* tasks of the calling worker: the body and children of
                      * a scope with .local */
} belay_confine_to;

/* Makes it the caller's; it must be nobody's or the caller's. */
BELAY_API void belay_confine_at(belay_confined *c, belay_confine_to to,
    const belay_site *site);
/* Makes it nobody's: the next who asks gets it.  By who may use it. */
BELAY_API void belay_unconfine_at(belay_confined *c, const belay_site *site);
/* Aborts unless the caller may use it.  What is nobody's becomes the calling
 * task's. */
BELAY_API void belay_confined_check_at(belay_confined *c,
    const belay_site *site);

/* ---- what a block holds ------------------------------------------------ */

/* Made by BELAY_LOCK and its like; lock == NULL: nothing is held. */
typedef struct belay_held {
    void *lock;
    const belay_site *site;
} belay_held;

/* Unlocks what h holds. */
BELAY_API void belay_mutex_leave(belay_held *h);
BELAY_API void belay_rwlock_leave(belay_held *h);

BELAY_END_DECLS

#if !defined(__cplusplus)

#define belay_mutex_lock(m) belay_mutex_lock_at((m), BELAY_SITE_(#m))
#define belay_mutex_try_lock(m) belay_mutex_try_lock_at((m), BELAY_SITE_(#m))
#define belay_mutex_unlock(m) belay_mutex_unlock_at((m), BELAY_SITE_(#m))
#define belay_rwlock_read(l) belay_rwlock_read_at((l), BELAY_SITE_(#l))
#define belay_rwlock_write(l) belay_rwlock_write_at((l), BELAY_SITE_(#l))
#define belay_rwlock_try_read(l) belay_rwlock_try_read_at((l), BELAY_SITE_(#l))
#define belay_rwlock_try_write(l)                                              \
    belay_rwlock_try_write_at((l), BELAY_SITE_(#l))
#define belay_rwlock_unlock(l) belay_rwlock_unlock_at((l), BELAY_SITE_(#l))
#define belay_cond_wait(c, m) belay_cond_wait_at((c), (m), BELAY_SITE_(#c))
#define belay_sem_acquire(s, n) belay_sem_acquire_at((s), (n), BELAY_SITE_(#s))
#define belay_event_wait(e) belay_event_wait_at((e), BELAY_SITE_(#e))
#define BELAY_EVENT(e) belay_case_event(e)
#define belay_barrier_wait(b) belay_barrier_wait_at((b), BELAY_SITE_(#b))
#define belay_once_run(o, fn, arg)                                             \
    belay_once_run_at((o), (fn), (arg), BELAY_SITE_(#o))
#define belay_latch_wait(l) belay_latch_wait_at((l), BELAY_SITE_(#l))
#define belay_latch_count_down(l, n)                                           \
    belay_latch_count_down_at((l), (n), BELAY_SITE_(#l))
#define belay_mutex_fini(m) belay_mutex_fini_at((m), BELAY_SITE_(#m))
#define belay_rwlock_fini(l) belay_rwlock_fini_at((l), BELAY_SITE_(#l))
#define belay_cond_fini(c) belay_cond_fini_at((c), BELAY_SITE_(#c))
#define belay_sem_fini(s) belay_sem_fini_at((s), BELAY_SITE_(#s))
#define belay_event_fini(e) belay_event_fini_at((e), BELAY_SITE_(#e))
#define belay_barrier_fini(b) belay_barrier_fini_at((b), BELAY_SITE_(#b))
#define belay_latch_fini(l) belay_latch_fini_at((l), BELAY_SITE_(#l))

#include <belay/guarded.h>

#endif
#endif
