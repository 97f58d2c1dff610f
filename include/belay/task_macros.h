/* SPDX-License-Identifier: MIT */
/*
 * The forms that people write, over the functions of belay/task.h.
 *
 *   BELAY_TASK(fetch, (const char *, url), (struct page *, out)) { ... }
 *   BELAY_SCOPE(s, .limit = 8) { belay_spawn(s, fetch, url, &page); }
 *
 * Wrong programs must not compile: argument types and counts, things that are
 * not tasks.  So this header is not to be included as a system header, where
 * gcc would keep silent.
 */
#ifndef BELAY_TASK_MACROS_H
#define BELAY_TASK_MACROS_H

#if defined(__GNUC__)
#pragma GCC diagnostic error "-Wint-conversion"
#pragma GCC diagnostic error "-Wincompatible-pointer-types"
#endif

/* ---- plumbing: lists of (type, name) ---------------------------------- */

#define BELAY_NAME_2_(t, n) n
#define BELAY_DECL_2_(t, n) t n
#define BELAY_FIELD_(p) BELAY_DECL_2_ p;
#define BELAY_PARM_(p) BELAY_DECL_2_ p
#define BELAY_PASS_(p) belay_a_->BELAY_NAME_2_ p
#define BELAY_NONE_()
#define BELAY_COMMA_() ,
#define BELAY_COUNT__(e, a, b, c, d, f, g, h, i, j, n, ...) n
#define BELAY_COUNT_(...)                                                      \
    BELAY_COUNT__(e __VA_OPT__(, ) __VA_ARGS__, many, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define BELAY_EACH_0(m, s)
#define BELAY_EACH_1(m, s, x) m(x)
#define BELAY_EACH_2(m, s, x, ...) m(x) s() BELAY_EACH_1(m, s, __VA_ARGS__)
#define BELAY_EACH_3(m, s, x, ...) m(x) s() BELAY_EACH_2(m, s, __VA_ARGS__)
#define BELAY_EACH_4(m, s, x, ...) m(x) s() BELAY_EACH_3(m, s, __VA_ARGS__)
#define BELAY_EACH_5(m, s, x, ...) m(x) s() BELAY_EACH_4(m, s, __VA_ARGS__)
#define BELAY_EACH_6(m, s, x, ...) m(x) s() BELAY_EACH_5(m, s, __VA_ARGS__)
#define BELAY_EACH_7(m, s, x, ...) m(x) s() BELAY_EACH_6(m, s, __VA_ARGS__)
#define BELAY_EACH_8(m, s, x, ...) m(x) s() BELAY_EACH_7(m, s, __VA_ARGS__)
#define BELAY_EACH_many(m, s, ...) BELAY_NONE_()
#define BELAY_EACH_(m, s, ...)                                                 \
    BELAY_CAT_(BELAY_EACH_, BELAY_COUNT_(__VA_ARGS__))                         \
    (m, s __VA_OPT__(, ) __VA_ARGS__)
#define BELAY_VOID_0 void
#define BELAY_VOID_1
#define BELAY_VOID_2
#define BELAY_VOID_3
#define BELAY_VOID_4
#define BELAY_VOID_5
#define BELAY_VOID_6
#define BELAY_VOID_7
#define BELAY_VOID_8
#define BELAY_VOID_many void
#define BELAY_PARMS_(...)                                                      \
    BELAY_CAT_(BELAY_VOID_, BELAY_COUNT_(__VA_ARGS__))                         \
    BELAY_EACH_(BELAY_PARM_, BELAY_COMMA_ __VA_OPT__(, ) __VA_ARGS__)
#define BELAY_MANY_0 1
#define BELAY_MANY_1 1
#define BELAY_MANY_2 1
#define BELAY_MANY_3 1
#define BELAY_MANY_4 1
#define BELAY_MANY_5 1
#define BELAY_MANY_6 1
#define BELAY_MANY_7 1
#define BELAY_MANY_8 1
#define BELAY_MANY_many 0
#define BELAY_AT_MOST_8_(...)                                                  \
    _Static_assert(BELAY_CAT_(BELAY_MANY_, BELAY_COUNT_(__VA_ARGS__)),         \
        "a belay task takes at most 8 arguments: pass a struct")

/* ---- task definitions --------------------------------------------------- */

#define BELAY_TASK_ARGS_(name, ...)                                            \
    BELAY_AT_MOST_8_(__VA_ARGS__);                                             \
    struct name##_is_no_BELAY_TASK {                                           \
        char belay_first_;                                                     \
        BELAY_EACH_(BELAY_FIELD_, BELAY_NONE_ __VA_OPT__(, ) __VA_ARGS__)      \
    }
#define BELAY_TASK_BODY_(storage, name, ...)                                   \
    static int name##_belay_run_(void *belay_p_)                               \
    {                                                                          \
        struct name##_is_no_BELAY_TASK *belay_a_ BELAY_UNUSED_ = belay_p_;     \
        return name(                                                           \
            BELAY_EACH_(BELAY_PASS_, BELAY_COMMA_ __VA_OPT__(, ) __VA_ARGS__));\
    }                                                                          \
    BELAY_UNUSED_ storage belay_task_type                                      \
        name##_must_be_declared_with_BELAY_TASK = {#name, __FILE__, __LINE__,  \
            (uint32_t)sizeof(struct name##_is_no_BELAY_TASK),                  \
            name##_belay_run_, 0, {NULL, NULL}}

/* BELAY_TASK(name, (type, parameter), ...) { body }, private to its file. */
#define BELAY_TASK(name, ...)                                                  \
    BELAY_TASK_ARGS_(name __VA_OPT__(, ) __VA_ARGS__);                         \
    BELAY_MUST_CHECK static int name(BELAY_PARMS_(__VA_ARGS__));               \
    BELAY_TASK_BODY_(static, name __VA_OPT__(, ) __VA_ARGS__);                 \
    static int name(BELAY_PARMS_(__VA_ARGS__))

/* A task of several files: DECLARE in a header, DEFINE in one source file. */
#define BELAY_TASK_DECLARE(name, ...)                                          \
    BELAY_TASK_ARGS_(name __VA_OPT__(, ) __VA_ARGS__);                         \
    BELAY_MUST_CHECK int name(BELAY_PARMS_(__VA_ARGS__));                      \
    extern belay_task_type name##_must_be_declared_with_BELAY_TASK
#define BELAY_TASK_DEFINE(name, ...)                                           \
    BELAY_TASK_BODY_(, name __VA_OPT__(, ) __VA_ARGS__);                       \
    int name(BELAY_PARMS_(__VA_ARGS__))

/* Declares a private task ahead of its BELAY_TASK_LATER(name, ...) { }, for
 * tasks that spawn each other. */
#define BELAY_TASK_AHEAD(name, ...)                                            \
    BELAY_TASK_ARGS_(name __VA_OPT__(, ) __VA_ARGS__);                         \
    BELAY_MUST_CHECK static int name(BELAY_PARMS_(__VA_ARGS__));               \
    BELAY_TASK_BODY_(static, name __VA_OPT__(, ) __VA_ARGS__)
#define BELAY_TASK_LATER(name, ...)                                            \
    static int name(BELAY_PARMS_(__VA_ARGS__))

/* ---- spawning ----------------------------------------------------------- */

#define BELAY_TYPE_(task) (&task##_must_be_declared_with_BELAY_TASK)
/* The call stands in sizeof so that a wrong argument is the compiler's
 * ordinary error. */
#define BELAY_ARGS_(task, ...)                                                 \
    ((void)sizeof(task(__VA_ARGS__)),                                          \
        &(struct task##_is_no_BELAY_TASK){0 __VA_OPT__(, ) __VA_ARGS__})
#define BELAY_HOW_(...)                                                        \
    (&(belay_spawn_opts){                                                      \
        .size = sizeof(belay_spawn_opts) __VA_OPT__(, ) __VA_ARGS__})

#define belay_spawn(s, task, ...)                                              \
    belay_spawn_at((s), BELAY_TYPE_(task),                                     \
        BELAY_ARGS_(task __VA_OPT__(, ) __VA_ARGS__),                          \
        NULL, BELAY_SITE_(#task))
/* belay_spawn_with(s, (.near = ch.base, .stack = 1 << 20), task, ...) */
#define belay_spawn_with(s, how, task, ...)                                    \
    belay_spawn_at((s), BELAY_TYPE_(task),                                     \
        BELAY_ARGS_(task __VA_OPT__(, ) __VA_ARGS__),                          \
        BELAY_HOW_ how, BELAY_SITE_(#task))
/* The outcome is written to *out; a failure does not disturb the scope. */
#define belay_spawn_catch(s, out, task, ...)                                   \
    belay_spawn_with(s, (.outcome = (out)), task __VA_OPT__(, ) __VA_ARGS__)
/* The end is delivered by belay_next with this tag. */
#define belay_spawn_tagged(s, number, task, ...)                               \
    belay_spawn_with(                                                          \
        s, (.tagged = true, .tag = (number)), task __VA_OPT__(, ) __VA_ARGS__)
/* ch is closed when its last producer has ended, with its error if any. */
#define belay_spawn_producer(s, ch, task, ...)                                 \
    belay_spawn_with(                                                          \
        s, (.producer_of = (ch)->base), task __VA_OPT__(, ) __VA_ARGS__)
/* Cut when the body and the last non-daemon child have ended. */
#define belay_spawn_daemon(s, task, ...)                                       \
    belay_spawn_with(s, (.daemon = true), task __VA_OPT__(, ) __VA_ARGS__)
/* Waits for belay_ready(v) and returns v, or the child's failure. */
#define belay_spawn_ready(s, task, ...)                                        \
    belay_spawn_with(s, (.ready = true), task __VA_OPT__(, ) __VA_ARGS__)

/* ---- scopes ------------------------------------------------------------- */

#define BELAY_SCOPE_OPTS_(...)                                                 \
    (sizeof(#__VA_ARGS__) == 1                                                 \
            ? (const belay_scope_opts *)NULL                                   \
            : &(const belay_scope_opts){                                       \
                  .size = sizeof(belay_scope_opts) __VA_OPT__(, ) __VA_ARGS__})
#define BELAY_SCOPE_LOOP_(s, failed, ...)                                      \
    for (belay_scope s##_belay_ BELAY_CLEANUP_(belay_scope_leave),             \
         *const s = (belay_scope_open(&s##_belay_,                             \
                         BELAY_SCOPE_OPTS_(__VA_ARGS__), BELAY_SITE_(#s)),     \
             &s##_belay_);                                                     \
         s->belay_live; __extension__({                                        \
             int belay_r_ = belay_scope_close(s);                              \
             failed                                                            \
         }))

/*
 * BELAY_SCOPE(s, .limit = 8, .timeout = BELAY_S(5)) { ... }
 * Joins at its brace; a failure is then returned from the enclosing function.
 * Leaving early (return, break, goto, BELAY_TRY) cancels and joins.
 */
#define BELAY_SCOPE(s, ...)                                                    \
    BELAY_SCOPE_LOOP_(                                                         \
        s, if (__builtin_expect(belay_r_ < 0, 0)) BELAY_RETURN_(               \
               belay_trace(belay_r_, BELAY_SITE_("scope " #s)));               \
         __VA_OPT__(, ) __VA_ARGS__)
/* The same, but stores the result (0 on success) in *err and goes on. */
#define BELAY_SCOPE_CATCH(s, err, ...)                                         \
    *(err) = 0;                                                                \
    BELAY_SCOPE_LOOP_(                                                         \
        s, *(err) = belay_r_ < 0 ? belay_r_ : 0; __VA_OPT__(, ) __VA_ARGS__)

#define belay_cancel(s, ...)                                                   \
    belay_cancel_at((s), BELAY_SITE_("cancel"), __VA_ARGS__)
#define belay_stop(s, ...)                                                     \
    belay_stop_at((s), BELAY_SITE_("stop"), __VA_ARGS__)

/* ---- blocks: declarations that hold to the end of the enclosing block --- */

#define BELAY_BLOCK_(open)                                                     \
    belay_block BELAY_UNIQUE_(belay_block_)                                    \
        BELAY_CLEANUP_(belay_block_close) BELAY_UNUSED_;                       \
    open
#define BELAY_DEADLINE(d)                                                      \
    BELAY_BLOCK_(belay_deadline_open(                                          \
        &BELAY_UNIQUE_(belay_block_), (d), BELAY_SITE_("deadline")))
#define BELAY_SHIELD(max)                                                      \
    BELAY_BLOCK_(belay_shield_open(                                            \
        &BELAY_UNIQUE_(belay_block_), (max), BELAY_SITE_("shield")))
#define BELAY_NOWAIT                                                           \
    BELAY_BLOCK_(belay_nowait_open(                                            \
        &BELAY_UNIQUE_(belay_block_), BELAY_SITE_("nowait")))

/* The value of expr, evaluated under a deadline of d from now. */
#define BELAY_WITHIN(d, expr)                                                  \
    (__extension__({                                                           \
        belay_block belay_within_ BELAY_CLEANUP_(belay_block_close);           \
        belay_deadline_open(&belay_within_, (d), BELAY_SITE_(#expr));          \
        (expr);                                                                \
    }))

/* BELAY_LOCAL(request, struct request *, NULL); at file level; then
 * BELAY_WITH(request, &r); in a block, and belay_local(request) anywhere. */
#define BELAY_LOCAL(name, T, init)                                             \
    BELAY_UNUSED_ static T const name##_belay_initial_ = (init);               \
    BELAY_UNUSED_ static const belay_key name##_is_no_BELAY_LOCAL = {          \
        #name, &name##_belay_initial_};                                        \
    typedef T name##_belay_type_
#define BELAY_WITH(name, value)                                                \
    const name##_belay_type_ BELAY_UNIQUE_(belay_value_) = (value);            \
    BELAY_BLOCK_(belay_with_open(&BELAY_UNIQUE_(belay_block_),                 \
        &name##_is_no_BELAY_LOCAL, &BELAY_UNIQUE_(belay_value_),               \
        BELAY_SITE_(#name)))
#define belay_local(name)                                                      \
    (*(const name##_belay_type_ *)belay_local_get(&name##_is_no_BELAY_LOCAL))

/* BELAY_AUTO(T, x) declares T *x = NULL, closed by T_closep(&x) on every way
 * out of the block. */
#define BELAY_AUTO(T, x) T *x BELAY_CLEANUP_(T##_closep) = NULL

#endif
