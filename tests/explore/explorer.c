/* SPDX-License-Identifier: MIT */
/*
 * The explorer itself: programs with a known number of runs, and programs with
 * a planted fault that it has to find, make small and repeat.  They stand on
 * simulated threads, below the runtime.
 */
#include <belay/test.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/lock.h"
#include "base/time.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int number, failures;

static void
ok(bool good, const char *what)
{
    printf("%s %d - %s\n", good ? "ok" : "not ok", ++number, what);
    failures += !good;
}

/* ---- programs ----------------------------------------------------------- */

static uint32_t cell, other;
static struct bly_lock left, right;

/* f(0) on this thread, f(1) on another. */
static int
both(void (*f)(void *))
{
    struct bly_thread t;

    cell = other = 0;
    left.held = right.held = 0;
    BELAY_CHECK_EQ(bly_os_thread_start(&t, f, &cell, "second"), 0);
    f(NULL);
    bly_os_thread_join(&t);
    return 0;
}

static void
add_in_two_steps(void *arg)
{
    uint32_t v = bly_load_relaxed(&cell);

    (void)arg;
    bly_store_relaxed(&cell, v + 1);
}

static void
add_locked(void *arg)
{
    bly_lock(&left);
    add_in_two_steps(arg);
    bly_unlock(&left);
}

static int
racy_counter(void *arg)
{
    (void)arg;
    both(add_in_two_steps);
    BELAY_CHECK_EQ(cell, 2);
    return 0;
}

static int
locked_counter(void *arg)
{
    (void)arg;
    both(add_locked);
    BELAY_CHECK_EQ(cell, 2);
    return 0;
}

/* Fails only if the threads take turns: three preemptions. */
static void
in_and_out(void *arg)
{
    if (arg != NULL) {
        bly_store_relaxed(&cell, 1u);
        bly_store_relaxed(&cell, 2u);
        return;
    }
    if (bly_load_relaxed(&cell) == 0 && bly_load_relaxed(&cell) == 1 &&
        bly_load_relaxed(&cell) == 2)
        bly_store_relaxed(&other, 1u);
}

static int
three_preemptions(void *arg)
{
    (void)arg;
    both(in_and_out);
    BELAY_CHECK(other == 0);
    return 0;
}

static void
lock_crosswise(void *arg)
{
    bly_lock(arg != NULL ? &left : &right);
    bly_lock(arg != NULL ? &right : &left);
    bly_unlock(&left);
    bly_unlock(&right);
}

static int
crosswise(void *arg)
{
    (void)arg;
    return both(lock_crosswise);
}

static void
sleep_unless_told(void *arg)
{
    if (arg == NULL) {
        if (bly_load_relaxed(&cell) == 0)
            bly_os_futex_wait(&other, 0, BLY_NEVER);
    } else {
        bly_store_relaxed(&cell, 1u);
        bly_os_futex_wake(&other, 1);
    }
}

static int
lost_wake(void *arg)
{
    (void)arg;
    return both(sleep_unless_told);
}

static int
leaks(void *arg)
{
    (void)arg;
    return bly_alloc(1) == NULL;
}

static int
fails(void *arg)
{
    (void)arg;
    return -EIO;
}

static int
misuses(void *arg)
{
    static const belay_site site = {"here.c", 7, "misuses", "it"};

    (void)arg;
    bly_misuse(&site, "a contract is broken");
}

static int
forgets_failures(void *arg)
{
    char *p = bly_alloc(2), *q;

    (void)arg;
    if (p == NULL)
        return -ENOMEM;
    q = bly_alloc(3);
    if (q == NULL)
        return -ENOMEM; /* p is lost */
    bly_free(q);
    bly_free(p);
    return 0;
}

static int
minds_failures(void *arg)
{
    char *p = bly_alloc(2), *q = bly_alloc(3);

    (void)arg;
    BELAY_CHECK((p != NULL && q != NULL) == !belay_test_disturbed());
    bly_free(p);
    bly_free(q);
    return belay_test_disturbed() ? -ENOMEM : 0;
}

static int
takes_another_course(void *arg)
{
    static unsigned calls;

    (void)arg;
    (void)bly_choose(calls++ % 2 ? BLY_CHOOSE_ARM : BLY_CHOOSE_TASK, 3);
    (void)bly_choose(BLY_CHOOSE_TASK, 2);
    return 0;
}

static int
does_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- what it finds ------------------------------------------------------ */

#define OPTS(...)                                                              \
    (&(belay_test_opts){.size = sizeof(belay_test_opts), .threads = true,      \
        .atomic = true, ##__VA_ARGS__})

static const struct planted {
    const char *name;
    belay_fn *fn;
    belay_finding finding;
    unsigned deviations; /* the fewest that show it */
} planted[] = {
    {"a lost update", racy_counter, BELAY_FINDS_CHECK, 1},
    {"a fault of three preemptions", three_preemptions, BELAY_FINDS_CHECK, 3},
    {"locks taken crosswise", crosswise, BELAY_FINDS_LIVELOCK, 1},
    {"a lost wake-up", lost_wake, BELAY_FINDS_DEADLOCK, 1},
    {"a leak", leaks, BELAY_FINDS_LEAK, 0},
    {"a failure", fails, BELAY_FINDS_ERROR, 0},
    {"a misuse", misuses, BELAY_FINDS_MISUSE, 0},
};

static void
find_planted(const struct planted *p, belay_strategy strategy)
{
    static const char *const names[] = {
        "mix", "fifo", "random", "pct", "pos", "exhaustive"};
    belay_test_opts opts = *OPTS(.name = p->name, .strategy = strategy,
        .schedules = 2000, .preemptions = 3, .depth = 5,
        .max_steps = 3000);
    belay_test_result r, again;
    char what[100];

    snprintf(what, sizeof(what), "%s, by %s", p->name, names[strategy]);
    (void)belay_test_run(p->fn, NULL, &opts, &r);
    opts.replay = r.token;
    (void)belay_test_run(p->fn, NULL, &opts, &again);
    ok(r.failed && r.finding == p->finding && r.deviations <= p->deviations &&
            strlen(r.token) <= 80 && again.runs == 1 &&
            again.finding == r.finding &&
            strcmp(again.message, r.message) == 0,
        what);
}

static void
finds(void)
{
    size_t i;

    for (i = 0; i < sizeof(planted) / sizeof(*planted); i++) {
        find_planted(&planted[i], BELAY_MIX);
        find_planted(&planted[i], BELAY_RANDOM);
        find_planted(&planted[i], BELAY_PCT);
        find_planted(&planted[i], BELAY_POS);
        find_planted(&planted[i], BELAY_EXHAUSTIVE);
    }
}

static void
does_not_find(void)
{
    belay_test_result r;

    ok(belay_test_run(locked_counter, NULL,
           OPTS(.strategy = BELAY_EXHAUSTIVE, .preemptions = 3), &r) == 0 &&
            r.complete,
        "a correct program passes all runs");
    ok(belay_test_run(locked_counter, NULL, OPTS(.schedules = 3000), &r) ==
                0 &&
            r.runs == 3000 && r.distinct > 10,
        "a correct program passes runs by chance");
    ok(belay_test_run(racy_counter, NULL,
           OPTS(.strategy = BELAY_FIFO), &r) == 0 &&
            r.runs == 1,
        "the default run alone misses a race");
    ok(belay_test_run(three_preemptions, NULL,
           OPTS(.strategy = BELAY_EXHAUSTIVE, .preemptions = 2), &r) == 0 &&
            r.complete,
        "a bound below what is needed finds nothing");
    ok(belay_test_run(racy_counter, NULL,
           OPTS(.strategy = BELAY_EXHAUSTIVE, .cooperative = true), &r) == 0 &&
            r.complete,
        "threads that give way by themselves do not race");
}

static void
expects(void)
{
    belay_test_result r;

    ok(belay_test_run(racy_counter, NULL, OPTS(.expect = BELAY_FINDS_CHECK),
           &r) == 0 &&
            r.finding == BELAY_FINDS_CHECK && r.token[0] != '\0',
        "a wanted finding passes");
    ok(belay_test_run(locked_counter, NULL, OPTS(.expect = BELAY_FINDS_CHECK),
           &r) != 0,
        "a wanted finding that is not there fails");
    ok(belay_test_run(racy_counter, NULL, OPTS(.expect = BELAY_FINDS_LEAK),
           &r) != 0,
        "another finding than the wanted one fails");
    ok(belay_test_run(does_nothing, NULL, NULL, NULL) == 0,
        "options and result may be absent");
}

/* ---- how many runs there are -------------------------------------------- */

enum { COUNTED = 3, COUNTED_ALL = 20 }; /* of six steps, three are mine */

static char course[2 * COUNTED + 1];
static unsigned course_length;
static bool seen[1 << (2 * COUNTED)];

static void
note_steps(void *arg)
{
    int i;

    for (i = 0; i < COUNTED; i++) {
        bly_point(&cell);
        course[course_length++] = arg != NULL;
    }
}

static int
note_course(void *arg)
{
    unsigned bits = 0, i;

    (void)arg;
    course_length = 0;
    both(note_steps);
    for (i = 0; i < 2 * COUNTED; i++)
        bits = bits << 1 | (unsigned)course[i];
    seen[bits] = true;
    return 0;
}

static unsigned
courses(const belay_test_opts *opts, bool *complete)
{
    belay_test_result r;
    unsigned n = 0, i;

    memset(seen, 0, sizeof(seen));
    (void)belay_test_run(note_course, NULL, opts, &r);
    for (i = 0; i < 1 << (2 * COUNTED); i++)
        n += seen[i];
    if (complete != NULL)
        *complete = r.complete;
    return n;
}

static int
choose_four(void *arg)
{
    unsigned a = bly_choose(BLY_CHOOSE_ARM, 3);
    unsigned b = bly_choose(BLY_CHOOSE_TASK, 4);

    (*(unsigned long *)arg)++;
    if (a == 2)
        b += belay_test_choose(5);
    BELAY_CHECK(a != 2 || b != 7);
    return 0;
}

static void
counts(void)
{
    unsigned long runs = 0;
    belay_test_result r;
    bool complete;

    ok(courses(OPTS(.strategy = BELAY_EXHAUSTIVE, .preemptions = 99),
           &complete) == COUNTED_ALL &&
            complete,
        "3 + 3 steps interleave in 20 ways, all seen");
    ok(courses(OPTS(.strategy = BELAY_EXHAUSTIVE, .cooperative = true),
           &complete) == 1 &&
            complete,
        "without preemption there is one way");
    ok(courses(OPTS(.strategy = BELAY_RANDOM, .schedules = 4000), NULL) ==
            COUNTED_ALL,
        "random sees all 20");
    ok(courses(OPTS(.strategy = BELAY_POS, .schedules = 4000), NULL) ==
            COUNTED_ALL,
        "POS sees all 20");
    ok(courses(OPTS(.strategy = BELAY_PCT, .depth = 6, .schedules = 8000),
           NULL) == COUNTED_ALL,
        "PCT with enough changes sees all 20");
    ok(belay_test_run(choose_four, &runs,
           OPTS(.strategy = BELAY_EXHAUSTIVE, .expect = BELAY_FINDS_CHECK),
           &r) == 0 &&
            r.deviations == 3,
        "an answer that is 3 and 4 from the default is found");
    ok(belay_test_run(choose_four, &runs,
           OPTS(.strategy = BELAY_EXHAUSTIVE, .max_runs = 7), &r) == 0 &&
            !r.complete && r.runs == 8,
        "at the cap it says how many there were, and that it is not all");
}

/* ---- disturbances, time, tokens ----------------------------------------- */

static int
sleeps_a_year(void *arg)
{
    uint32_t never = 0;

    (void)arg;
    bly_os_futex_wait(&never, 0, bly_time_add(bly_os_now(),
                                     INT64_C(365) * 86400 * 1000000000));
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(365 * 86400.0));
    return 0;
}

static void
disturbs(void)
{
    belay_test_result r;

    ok(belay_test_run(forgets_failures, NULL, OPTS(.name = "a"), &r) == 0,
        "without failing allocations nothing leaks");
    ok(belay_test_run(forgets_failures, NULL, OPTS(.fail_allocs = true), &r) &&
            r.finding == BELAY_FINDS_LEAK && r.deviations == 1,
        "a leak after the second allocation failed");
    ok(belay_test_run(minds_failures, NULL, OPTS(.fail_allocs = true), &r) ==
                0 &&
            r.allocs == 2,
        "each of two allocations failed once");
    ok(belay_test_run(minds_failures, NULL,
           OPTS(.fail_allocs = true, .strategy = BELAY_EXHAUSTIVE), &r) == 0 &&
            r.complete,
        "the same in every run");
    ok(belay_test_run(sleeps_a_year, NULL, OPTS(.name = "year"), &r) == 0,
        "a year passes when nobody can run");
}

static void
tokens(void)
{
    belay_test_opts opts = *OPTS(.name = "first");
    belay_test_result r, again;
    char token[sizeof(r.token)];

    (void)belay_test_run(racy_counter, NULL, &opts, &r);
    memcpy(token, r.token, sizeof(token));
    opts.replay = token;
    ok(belay_test_run(locked_counter, NULL, &opts, &again) != 0 &&
            again.finding == BELAY_FINDS_DIVERGED,
        "a token and another program: diverged");
    opts.name = "second";
    ok(belay_test_run(racy_counter, NULL, &opts, &again) != 0 &&
            again.finding == BELAY_FINDS_DIVERGED && again.runs == 0,
        "a token and another test: diverged");
    opts.name = "first";
    token[7] = token[7] == 'a' ? 'b' : 'a';
    ok(belay_test_run(racy_counter, NULL, &opts, &again) != 0 &&
            again.finding == BELAY_FINDS_DIVERGED && again.runs == 0,
        "a token with one letter changed is refused");
    opts.replay = NULL;
    ok(belay_test_run(takes_another_course, NULL,
           OPTS(.strategy = BELAY_EXHAUSTIVE), &r) != 0 &&
            r.finding == BELAY_FINDS_DIVERGED,
        "a program that does not repeat itself is told");
    setenv("BELAY_DETERMINISM", "1", 1);
    ok(belay_test_run(takes_another_course, NULL, OPTS(.schedules = 3), &r) !=
                0 &&
            r.finding == BELAY_FINDS_DIVERGED,
        "and in runs by chance with BELAY_DETERMINISM=1");
    ok(belay_test_run(locked_counter, NULL, OPTS(.schedules = 500), &r) == 0,
        "which one that repeats itself passes");
    unsetenv("BELAY_DETERMINISM");
}

int
main(void)
{
    finds();
    does_not_find();
    expects();
    counts();
    disturbs();
    tokens();
    printf("1..%d\n", number);
    return failures != 0;
}
