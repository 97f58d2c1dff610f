/* SPDX-License-Identifier: MIT */
/*
 * Data that is reached through its lock, or by its owner only.
 *
 *     static BELAY_GUARDED(struct stats) stats;
 *
 *     int count(size_t bytes)
 *     {
 *         BELAY_LOCK(&stats, s);
 *         s->files++;
 *         s->bytes += bytes;
 *         return 0;
 *     }
 *
 * BELAY_LOCK declares s and holds the lock to the end of the enclosing block,
 * whichever way control leaves it.  A lock that fails (the task is cut, or has
 * this lock already) is returned from the enclosing function, as BELAY_TRY
 * does; so that function must return a status.
 *
 * belay/sync.h includes this file.
 */
#ifndef BELAY_GUARDED_H
#define BELAY_GUARDED_H

/* A T with its lock.  All zero bytes are a valid start. */
#define BELAY_GUARDED(T)                                                       \
    struct {                                                                   \
        belay_mutex belay_lock_;                                               \
        T belay_value_;                                                        \
    }
/* The same for many readers or one writer. */
#define BELAY_GUARDED_RW(T)                                                    \
    struct {                                                                   \
        belay_rwlock belay_rwlock_;                                            \
        T belay_value_;                                                        \
    }
/* A T that belongs to one task or one worker; see belay_confine. */
#define BELAY_CONFINED(T)                                                      \
    struct {                                                                   \
        belay_confined belay_confined_;                                        \
        T belay_value_;                                                        \
    }
/* The initializer of any of the three, with a value for the T. */
#define BELAY_GUARDED_INIT(...) {.belay_value_ = __VA_ARGS__}

/* The site is not set in the initializer: clang 14 would leave it zero. */
#define BELAY_LOCK_(g, p, T, member, enter, leave)                             \
    belay_held BELAY_UNIQUE_(belay_held_) BELAY_CLEANUP_(leave) = {            \
        NULL, NULL};                                                           \
    T *const p = (__extension__({                                              \
        __typeof__(&*(g)) belay_g_ = (g);                                      \
        BELAY_UNIQUE_(belay_held_).site = BELAY_SITE_(#g);                     \
        BELAY_TRY(enter(&belay_g_->member,                                     \
            BELAY_UNIQUE_(belay_held_).site));                                 \
        BELAY_UNIQUE_(belay_held_).lock = &belay_g_->member;                   \
        &belay_g_->belay_value_;                                               \
    }))

/* Locks *g and declares p, a pointer to its value. */
#define BELAY_LOCK(g, p)                                                       \
    BELAY_LOCK_(g, p, __typeof__((g)->belay_value_), belay_lock_,              \
        belay_mutex_lock_at, belay_mutex_leave)
#define BELAY_LOCK_READ(g, p)                                                  \
    BELAY_LOCK_(g, p, const __typeof__((g)->belay_value_), belay_rwlock_,      \
        belay_rwlock_read_at, belay_rwlock_leave)
#define BELAY_LOCK_WRITE(g, p)                                                 \
    BELAY_LOCK_(g, p, __typeof__((g)->belay_value_), belay_rwlock_,            \
        belay_rwlock_write_at, belay_rwlock_leave)

/* Under BELAY_LOCK(g, p): belay_cond_wait with the lock of *g. */
#define belay_cond_wait_guarded(c, g) belay_cond_wait((c), &(g)->belay_lock_)

/* A pointer to the value of a BELAY_CONFINED; aborts if it is another's. */
#define BELAY_OWN(c)                                                           \
    (__extension__({                                                           \
        __typeof__(&*(c)) belay_c_ = (c);                                      \
        belay_confined_check_at(                                               \
            &belay_c_->belay_confined_, BELAY_SITE_(#c));                      \
        &belay_c_->belay_value_;                                               \
    }))
#define belay_confine(c, to)                                                   \
    belay_confine_at(&(c)->belay_confined_, (to), BELAY_SITE_(#c))
#define belay_unconfine(c)                                                     \
    belay_unconfine_at(&(c)->belay_confined_, BELAY_SITE_(#c))

#endif
