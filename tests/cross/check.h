/* SPDX-License-Identifier: MIT */
/*
 * The part of Check's interface that our tests use, for a processor for which
 * the system has no package of Check.  Each test is a process of its own with
 * a time limit; results are TAP.  The names and their meaning are Check's.
 */
#ifndef CROSS_CHECK_H
#define CROSS_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CK_NORMAL, CK_ENV, CK_SILENT };
enum { CROSS_TESTS_MAX = 200 };

typedef void (*SFun)(void);

typedef struct TTest {
    const char *name;
    void (*fn)(int i);
} TTest;

typedef struct cross_run {
    const TTest *test;
    struct TCase *tcase;
    int signal;
    int exit_value;
    int i;
} cross_run;

typedef struct TCase {
    double timeout;
    SFun setup, teardown;
    SFun enter, leave;
    cross_run runs[CROSS_TESTS_MAX];
    int n;
    struct TCase *next;
} TCase;

typedef struct Suite {
    TCase *first;
} Suite;

typedef struct SRunner {
    Suite *suites[8];
    int n, failed;
} SRunner;

static inline Suite *
suite_create(const char *name)
{
    (void)name;
    return calloc(1, sizeof(Suite));
}

static inline TCase *
tcase_create(const char *name)
{
    TCase *t = calloc(1, sizeof(TCase));

    (void)name;
    t->timeout = 4;
    return t;
}

static inline void
suite_add_tcase(Suite *s, TCase *t)
{
    t->next = s->first;
    s->first = t;
}

static inline void
tcase_set_timeout(TCase *t, double seconds)
{
    t->timeout = seconds;
}

static inline void
tcase_add_checked_fixture(TCase *t, SFun setup, SFun teardown)
{
    t->setup = setup;
    t->teardown = teardown;
}

static inline void
tcase_add_unchecked_fixture(TCase *t, SFun setup, SFun teardown)
{
    t->enter = setup;
    t->leave = teardown;
}

static inline void
cross_add(TCase *t, const TTest *test, int signal, int value, int from, int to)
{
    for (int i = from; i < to; i++) {
        if (t->n == CROSS_TESTS_MAX)
            abort();
        t->runs[t->n++] = (cross_run){test, t, signal, value, i};
    }
}

#define tcase_add_test(t, f) cross_add((t), (f), 0, 0, 0, 1)
#define tcase_add_loop_test(t, f, a, b) cross_add((t), (f), 0, 0, (a), (b))
#define tcase_add_test_raise_signal(t, f, sig)                                 \
    cross_add((t), (f), (sig), 0, 0, 1)
#define tcase_add_exit_test(t, f, value) cross_add((t), (f), 0, (value), 0, 1)

static inline SRunner *
srunner_create(Suite *s)
{
    SRunner *r = calloc(1, sizeof(SRunner));

    r->suites[r->n++] = s;
    return r;
}

static inline void
srunner_add_suite(SRunner *r, Suite *s)
{
    r->suites[r->n++] = s;
}

static inline int
cross_run_one(const cross_run *run)
{
    int status;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        /* qemu is slow. */
        alarm((unsigned)(run->tcase->timeout * 10) + 1);
        if (run->tcase->setup != NULL)
            run->tcase->setup();
        run->test->fn(run->i);
        if (run->tcase->teardown != NULL)
            run->tcase->teardown();
        exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 0;
    if (run->signal != 0)
        return WIFSIGNALED(status) && WTERMSIG(status) == run->signal;
    return WIFEXITED(status) && WEXITSTATUS(status) == run->exit_value;
}

static inline void
srunner_run_all(SRunner *r, int mode)
{
    int count = 0;

    (void)mode;
    for (int k = 0; k < r->n; k++) {
        for (TCase *t = r->suites[k]->first; t != NULL; t = t->next) {
            if (t->enter != NULL)
                t->enter();
            for (int i = 0; i < t->n; i++) {
                int good = cross_run_one(&t->runs[i]);

                r->failed += !good;
                printf("%s %d - %s\n", good ? "ok" : "not ok", ++count,
                    t->runs[i].test->name);
            }
            if (t->leave != NULL)
                t->leave();
        }
    }
    printf("1..%d\n", count);
    fflush(stdout);
}

static inline int
srunner_ntests_failed(SRunner *r)
{
    return r->failed;
}

static inline void
srunner_free(SRunner *r)
{
    free(r);
}

static inline void
srunner_set_fork_status(SRunner *r, int status)
{
    (void)r;
    (void)status;
}

#define START_TEST(name)                                                       \
    static void name##_fn(int _i);                                             \
    static const TTest name##_test = {#name, name##_fn};                       \
    static const TTest *const name = &name##_test;                             \
    static void name##_fn(__attribute__((unused)) int _i)
#define END_TEST

#define ck_abort_msg(...)                                                      \
    do {                                                                       \
        printf("# %s:%d: ", __FILE__, __LINE__);                               \
        printf(__VA_ARGS__);                                                   \
        printf("\n");                                                          \
        fflush(stdout);                                                        \
        _exit(1);                                                              \
    } while (0)
#define ck_abort() ck_abort_msg("failed")
#define ck_assert_msg(e, ...)                                                  \
    do {                                                                       \
        if (!(e))                                                              \
            ck_abort_msg(__VA_ARGS__);                                         \
    } while (0)
#define ck_assert(e) ck_assert_msg(e, "%s", "not true: " #e)

#define CROSS_CMP(T, fmt, a, op, b)                                            \
    do {                                                                       \
        T cross_a_ = (a), cross_b_ = (b);                                      \
        ck_assert_msg(cross_a_ op cross_b_, "%s: " fmt ", " fmt,               \
            #a " " #op " " #b, cross_a_, cross_b_);                            \
    } while (0)
#define ck_assert_int_eq(a, b) CROSS_CMP(intmax_t, "%jd", a, ==, b)
#define ck_assert_int_ne(a, b) CROSS_CMP(intmax_t, "%jd", a, !=, b)
#define ck_assert_int_lt(a, b) CROSS_CMP(intmax_t, "%jd", a, <, b)
#define ck_assert_int_le(a, b) CROSS_CMP(intmax_t, "%jd", a, <=, b)
#define ck_assert_int_gt(a, b) CROSS_CMP(intmax_t, "%jd", a, >, b)
#define ck_assert_int_ge(a, b) CROSS_CMP(intmax_t, "%jd", a, >=, b)
#define ck_assert_uint_eq(a, b) CROSS_CMP(uintmax_t, "%ju", a, ==, b)
#define ck_assert_uint_ne(a, b) CROSS_CMP(uintmax_t, "%ju", a, !=, b)
#define ck_assert_uint_lt(a, b) CROSS_CMP(uintmax_t, "%ju", a, <, b)
#define ck_assert_uint_le(a, b) CROSS_CMP(uintmax_t, "%ju", a, <=, b)
#define ck_assert_uint_gt(a, b) CROSS_CMP(uintmax_t, "%ju", a, >, b)
#define ck_assert_uint_ge(a, b) CROSS_CMP(uintmax_t, "%ju", a, >=, b)
#define ck_assert_double_eq(a, b) CROSS_CMP(double, "%g", a, ==, b)
#define ck_assert_ptr_eq(a, b) CROSS_CMP(const void *, "%p", a, ==, b)
#define ck_assert_ptr_ne(a, b) CROSS_CMP(const void *, "%p", a, !=, b)
#define ck_assert_ptr_null(a) ck_assert((a) == NULL)
#define ck_assert_ptr_nonnull(a) ck_assert((a) != NULL)
#define ck_assert_str_eq(a, b)                                                 \
    ck_assert_msg(strcmp((a), (b)) == 0, "%s: \"%s\", \"%s\"", #a " == " #b,   \
        (a), (b))
#define ck_assert_str_ne(a, b) ck_assert(strcmp((a), (b)) != 0)
#define ck_assert_mem_eq(a, b, n) ck_assert(memcmp((a), (b), (n)) == 0)

#endif
