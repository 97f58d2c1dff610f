/* SPDX-License-Identifier: MIT */
/*
 * Tests that try the interleavings of a program instead of one of them.
 *
 * Programs that are linked with libbelay-test run on one thread in virtual
 * time, and every decision that a machine makes at random is made by an
 * explorer, which runs the test again and again, finds the run that fails and
 * prints a token that repeats it:
 *
 *     BELAY_TEST(counter_is_exact, .strategy = BELAY_EXHAUSTIVE)
 *     {
 *         int n = 0, err;
 *
 *         BELAY_SCOPE_CATCH(s, &err) {
 *             belay_spawn(s, add_one, &n);
 *             belay_spawn(s, add_one, &n);
 *         }
 *         BELAY_CHECK(err == 0);
 *         BELAY_CHECK(n == 2);
 *     }
 *
 * The library has a main() that runs what BELAY_TEST defines and prints TAP:
 *
 *     test [--list] [--seed N] [--replay TOKEN] [NAME...]
 *
 * BELAY_SEED and BELAY_REPLAY in the environment do the same, BELAY_SCHEDULES
 * multiplies the number of runs, and with BELAY_DETERMINISM=1 each run is done
 * twice and must take the same course.  Users of another test framework call
 * belay_test_run().
 */
#ifndef BELAY_TEST_H
#define BELAY_TEST_H

#include <belay/base.h>
#include <belay/task.h>

BELAY_BEGIN_DECLS

/* How the runs differ.  The first one is always BELAY_FIFO's. */
typedef enum belay_strategy {
    BELAY_MIX,        /* POS, PCT and random runs in turn */
    BELAY_FIFO,       /* one run: what the product would do on a quiet day */
    BELAY_RANDOM,     /* each choice by itself */
    BELAY_PCT,        /* random priorities that change .depth - 1 times */
    BELAY_POS,        /* random priorities, anew for operations that race */
    BELAY_EXHAUSTIVE, /* every run with at most .preemptions preemptions */
} belay_strategy;

/* What a run can show. */
typedef enum belay_finding {
    BELAY_FINDS_NOTHING,
    BELAY_FINDS_CHECK,    /* a BELAY_CHECK does not hold */
    BELAY_FINDS_ERROR,    /* the root task ended with a failure */
    BELAY_FINDS_DEADLOCK, /* nothing can go on */
    BELAY_FINDS_LIVELOCK, /* no end after .max_steps */
    BELAY_FINDS_LEAK,     /* memory, threads or descriptors are left */
    BELAY_FINDS_MISUSE,   /* belay stopped the program: a broken contract */
    BELAY_FINDS_DIVERGED, /* the program is not the one of the token, or
                           * does not take the same course twice */
} belay_finding;

typedef struct belay_test_opts {
    size_t size;            /* sizeof(belay_test_opts) */
    const char *name;       /* part of the token */
    belay_strategy strategy;
    unsigned schedules;     /* runs by chance; 0 = 1000 */
    unsigned preemptions;   /* bound of EXHAUSTIVE; 0 = 2 */
    bool cooperative;       /* EXHAUSTIVE without any preemption */
    unsigned depth;         /* of PCT; 0 = 3 */
    unsigned workers;       /* 0 = 1 */
    bool atomic;            /* workers may interleave at each atomic access,
                             * and time may pass at any of them */
    bool threads;           /* no runtime: the function runs on a simulated
                             * thread */
    bool cancel_everywhere; /* also: cancel the run at each point where a
                             * task may sleep, one in each run */
    bool fail_allocs;       /* also: let each allocation fail, one in each
                             * run */
    bool fail_io;           /* also: let each call for I/O fail, and interrupt
                             * each, one in each run */
    uint64_t seed;          /* 0 = 1, or BELAY_SEED */
    unsigned max_runs;      /* bound of EXHAUSTIVE; 0 = 200,000 */
    unsigned max_steps;     /* of one run; 0 = 100,000 */
    const char *replay;     /* a token: one run, this one */
    belay_finding expect;   /* the test passes if this is found */
    void *reserved[4];
} belay_test_opts;

typedef struct belay_test_result {
    int failed;             /* 0: passed */
    belay_finding finding;  /* of the run that the token names */
    bool complete;          /* EXHAUSTIVE has seen every run */
    unsigned long runs;
    unsigned long distinct; /* runs that took a course of their own */
    unsigned long cancels;  /* points at which a run was cancelled */
    unsigned long allocs;   /* allocations that failed in some run */
    unsigned long faults;   /* calls for I/O that failed in some run */
    unsigned deviations;    /* choices of that run which are not the default */
    char token[256];
    char message[1024];     /* what was found, for people */
} belay_test_result;

/*
 * Explores fn(arg).  Each run has a fresh runtime with fn as its root task, so
 * fn sets up all of its state itself.  A negative result of fn fails the run,
 * but for -ECANCELED in a run that was cancelled, -ENOMEM in one whose
 * allocation failed, and any in one whose I/O failed.  opts and out may be
 * NULL.  Returns 0 if the test passed.  Not to be called inside a run.
 */
BELAY_API int belay_test_run(belay_fn *fn, void *arg,
    const belay_test_opts *opts, belay_test_result *out);

/* Virtual time since the run began.  It passes only while nothing can run. */
BELAY_API belay_dur belay_test_elapsed(void);

/* A number below n that differs between runs and is part of the token. */
BELAY_API uint32_t belay_test_choose(uint32_t n);

/*
 * From now on, lookups of this name in this run take so long and then know
 * these addresses, between blanks ("10.0.0.1 fd00::1"); none: there is no such
 * name; NULL: the name servers do not answer.  Without that, only localhost
 * and numbers are known.
 */
BELAY_API void belay_test_host(const char *name, const char *addrs,
    belay_dur takes);

/* The program gets a signal, here and now: whoever listens to it by
 * belay_signals_open hears of it.  Returns how many do. */
BELAY_API int belay_test_raise(int number);

/* True once the explorer has cancelled this run or failed an allocation or a
 * call for I/O of it: from then on, calls may fail that otherwise must not. */
BELAY_API bool belay_test_disturbed(void);

/* Ends the run as failed: what the message says about site. */
BELAY_API BELAY_NORETURN void belay_test_fail_at(const belay_site *site,
    const char *fmt, ...) BELAY_PRINTF_(2, 3);

/* A test that main() knows; static storage. */
typedef struct belay_test_case {
    const char *name;
    const char *file;
    int line;
    belay_fn *run;
    belay_test_opts opts;
    struct belay_test_case *next;
} belay_test_case;

BELAY_API void belay_test_add(belay_test_case *test);

/* What main() of the library does. */
BELAY_API int belay_test_main(int argc, char **argv);

BELAY_END_DECLS

/* Holds, or the run ends as failed.  Works in any function of any task. */
#define BELAY_CHECK(expr)                                                      \
    ((expr) ? (void)0 : belay_test_fail_at(BELAY_SITE_(#expr), "is false"))

/* The same for two integers, which the message shows. */
#define BELAY_CHECK_EQ(a, b)                                                   \
    (__extension__({                                                           \
        long long belay_a_ = (long long)(a), belay_b_ = (long long)(b);        \
        if (belay_a_ != belay_b_)                                              \
            belay_test_fail_at(                                                \
                BELAY_SITE_(#a " == " #b), "%lld is not %lld", belay_a_,       \
                belay_b_);                                                     \
    }))

#if !defined(__cplusplus)

/* BELAY_TEST(name, .option = value, ...) { body }: the body returns nothing
 * and runs as the root task. */
#define BELAY_TEST(test, ...)                                                  \
    static void test(void);                                                    \
    static int test##_belay_run_(void *belay_arg_)                             \
    {                                                                          \
        (void)belay_arg_;                                                      \
        test();                                                                \
        return 0;                                                              \
    }                                                                          \
    static belay_test_case test##_belay_case_ = {#test, __FILE__, __LINE__,    \
        test##_belay_run_,                                                     \
        {.size = sizeof(belay_test_opts),                                      \
            .name = #test __VA_OPT__(, ) __VA_ARGS__},                         \
        NULL};                                                                 \
    __attribute__((constructor)) static void test##_belay_add_(void)           \
    {                                                                          \
        belay_test_add(&test##_belay_case_);                                   \
    }                                                                          \
    static void test(void)

#endif
#endif
