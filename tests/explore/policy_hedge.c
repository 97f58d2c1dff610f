/* SPDX-License-Identifier: MIT */
/*
 * Hedging in virtual time and in every schedule: when attempts begin, who wins,
 * and that the losers are cut, joined and undone.
 */
#include <belay/policy.h>
#include <belay/test.h>

#include <string.h>

enum { AT_MOST = 4 };

/* Attempt n takes takes[n - 1] and then returns results[n - 1]. */
struct race {
    belay_dur takes[AT_MOST];
    int results[AT_MOST];
    belay_dur began[AT_MOST];
    int started, ended, cut, discarded;
    unsigned discarded_number;
};

BELAY_TASK(run, (struct race *, x))
{
    unsigned i = belay_attempt() - 1;
    int r;

    BELAY_CHECK(i < AT_MOST);
    x->began[i] = belay_test_elapsed();
    x->started++;
    r = belay_sleep(x->takes[i]);
    x->ended++;
    if (r < 0) {
        x->cut++;
        return r;
    }
    if (x->results[i] < 0)
        return BELAY_FAIL(x->results[i], "attempt %u fell", i + 1);
    return x->results[i];
}

static void
check_ended(const struct race *x)
{
    BELAY_CHECK_EQ(x->started, x->ended);
    BELAY_CHECK_EQ(belay_attempt(), 0);
}

BELAY_TEST(a_quick_one_is_alone, .strategy = BELAY_EXHAUSTIVE)
{
    struct race x = {.takes = {BELAY_MS(4)}, .results = {7}};

    BELAY_CHECK_EQ(belay_hedged(BELAY_MS(5), 3, run, &x), 7);
    BELAY_CHECK_EQ(x.started, 1);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(4));
    check_ended(&x);
}

BELAY_TEST(a_slow_one_gets_company, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct race x = {.takes = {BELAY_S(9), BELAY_S(9), BELAY_MS(1)},
        .results = {1, 2, 3}};
    unsigned winner = 0;

    BELAY_CHECK_EQ(
        belay_hedged_with(
            (.delay = BELAY_MS(5), .max = 3, .winner = &winner), run, &x),
        3);
    BELAY_CHECK_EQ(winner, 3);
    BELAY_CHECK_EQ(x.started, 3);
    BELAY_CHECK_EQ(x.began[1], BELAY_MS(5));
    BELAY_CHECK_EQ(x.began[2], BELAY_MS(10));
    BELAY_CHECK_EQ(x.cut, 2);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(11));
    BELAY_CHECK_EQ(belay_cancelled(), 0);
    check_ended(&x);
}

BELAY_TEST(after_a_failure_the_next_one_begins_at_once,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    struct race x = {.takes = {BELAY_MS(1), BELAY_MS(1)},
        .results = {-EIO, 5}};

    BELAY_CHECK_EQ(belay_hedged(BELAY_S(5), 2, run, &x), 5);
    BELAY_CHECK_EQ(x.began[1], BELAY_MS(1));
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(2));
    check_ended(&x);
}

BELAY_TEST(if_all_fail_the_first_failure_is_told,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    struct race x = {.takes = {BELAY_MS(9), BELAY_MS(1)},
        .results = {-EIO, -EPIPE}};

    BELAY_CHECK_EQ(belay_hedged(BELAY_MS(5), 0, run, &x), -EPIPE);
    BELAY_CHECK_EQ(x.started, 2);
    BELAY_CHECK(strstr(belay_why(), "attempt 2 fell") != NULL);
    check_ended(&x);
}

static void
count_discard(const void *args)
{
    struct race *x;

    memcpy(&x, (const char *)args + sizeof(void *), sizeof x);
    x->discarded++;
    x->discarded_number = belay_attempt();
}

/* Both are done at 10 ms; one of them wins, and the other is cut or undone. */
BELAY_TEST(of_two_successes_one_is_undone, .strategy = BELAY_EXHAUSTIVE)
{
    struct race x = {.takes = {BELAY_MS(10), BELAY_MS(5)}, .results = {1, 2}};
    unsigned winner = 0;
    int r = belay_hedged_with((.delay = BELAY_MS(5), .winner = &winner,
                                  .discard = count_discard),
        run, &x);

    BELAY_CHECK(winner == 1 || winner == 2);
    BELAY_CHECK_EQ(r, winner);
    BELAY_CHECK_EQ(x.cut + x.discarded, x.started - 1);
    if (x.discarded)
        BELAY_CHECK_EQ(x.discarded_number, 3 - winner);
    check_ended(&x);
}

BELAY_TEST(on_two_workers_one_wins, .workers = 2, .atomic = true,
    .schedules = 2000)
{
    struct race x = {.takes = {0, 0}, .results = {1, 2}};
    unsigned winner = 0;
    int r = belay_hedged_with(
        (.delay = 0, .winner = &winner, .discard = count_discard), run, &x);

    BELAY_CHECK_EQ(r, winner);
    check_ended(&x);
}

BELAY_TEST(a_deadline_ends_all, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct race x = {.takes = {BELAY_S(9), BELAY_S(9)}};

    BELAY_CHECK_EQ(
        BELAY_WITHIN(BELAY_MS(7), belay_hedged(BELAY_MS(5), 2, run, &x)),
        -ETIME);
    BELAY_CHECK_EQ(x.cut, 2);
    check_ended(&x);
}

BELAY_TEST(there_are_not_too_many, .strategy = BELAY_FIFO)
{
    struct race x = {.started = 0};

    BELAY_CHECK_EQ(belay_hedged(BELAY_MS(5), 17, run, &x), -EINVAL);
    BELAY_CHECK_EQ(x.started, 0);
}

BELAY_TEST(a_cut_anywhere_leaves_nobody, .cancel_everywhere = true,
    .fail_allocs = true, .schedules = 500)
{
    struct race x = {
        .takes = {BELAY_MS(7), BELAY_MS(1), BELAY_MS(2)},
        .results = {1, -EIO, 3}};
    int r = belay_hedged(BELAY_MS(5), 3, run, &x);

    BELAY_CHECK(r == 1 || belay_test_disturbed());
    check_ended(&x);
}

/* A hedged call inside a retry: the delay that an attempt asks for reaches
 * the retry. */
BELAY_TASK(busy, (int *, calls))
{
    ++*calls;
    belay_retry_after(BELAY_MS(30));
    return -EBUSY;
}

BELAY_TASK(hedge_busy, (int *, calls))
{
    return belay_hedged(BELAY_MS(1), 2, busy, calls);
}

BELAY_TEST(a_retry_can_hedge, .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    belay_retry p = {.size = sizeof p, .attempts = 2, .base = BELAY_MS(1)};
    int calls = 0;

    BELAY_CHECK_EQ(belay_retrying(&p, hedge_busy, &calls), -EBUSY);
    BELAY_CHECK_EQ(calls, 4);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(30));
}
