/* SPDX-License-Identifier: MIT */
/*
 * The rate limiter, in virtual time: no more than it allows in any run, first
 * come first served, and turns of who is cut go to those behind.
 */
#include <belay/policy.h>
#include <belay/test.h>

#include <string.h>

enum { AT_MOST = 16 };

struct log {
    belay_rate rate;
    int n;
    int who[AT_MOST];
    belay_dur at[AT_MOST];
};

static void
log_add(struct log *l, int who)
{
    l->who[l->n] = who;
    l->at[l->n++] = belay_test_elapsed();
}

BELAY_TASK(use, (struct log *, l), (unsigned, n), (int, who))
{
    BELAY_TRY(belay_rate_wait(&l->rate, n));
    log_add(l, who);
    return 0;
}

/* One each 10 ms, and two at once. */
#define LOG_INIT {.rate = BELAY_RATE_INIT(100, BELAY_S(1), 2)}

BELAY_TEST(a_burst_and_then_the_rate, .strategy = BELAY_EXHAUSTIVE)
{
    struct log l = LOG_INIT;
    static const belay_dur want[] = {0, 0, BELAY_MS(10), BELAY_MS(20),
        BELAY_MS(30)};

    for (int i = 0; i < 5; i++) {
        BELAY_CHECK_EQ(belay_rate_wait(&l.rate, 1), 0);
        BELAY_CHECK_EQ(belay_test_elapsed(), want[i]);
    }
    BELAY_CHECK_EQ(belay_sleep(BELAY_MS(15)), 0); /* one and a half */
    BELAY_CHECK_EQ(belay_rate_wait(&l.rate, 2), 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(50));
}

BELAY_TEST(first_come_first_served, .strategy = BELAY_FIFO)
{
    struct log l = LOG_INIT;
    int err;

    BELAY_CHECK_EQ(belay_rate_try(&l.rate, 2), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        for (int i = 0; i < 4; i++) {
            belay_spawn(s, use, &l, i == 1 ? 2 : 1, i);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        }
        /* There will be a token at 10 ms, but others wait for it. */
        BELAY_CHECK_EQ(belay_rate_try(&l.rate, 1), -EAGAIN);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(l.n, 4);
    for (int i = 0; i < 4; i++)
        BELAY_CHECK_EQ(l.who[i], i);
    BELAY_CHECK_EQ(l.at[0], BELAY_MS(10));
    BELAY_CHECK_EQ(l.at[1], BELAY_MS(30));
    BELAY_CHECK_EQ(l.at[2], BELAY_MS(40));
    BELAY_CHECK_EQ(l.at[3], BELAY_MS(50));
}

/* In no run are there more than burst + time / interval. */
static void
check_pace(struct log *l)
{
    for (int i = 0; i < l->n; i++)
        for (int k = i; k < l->n; k++)
            BELAY_CHECK(k - i + 1 <= 2 + (l->at[k] - l->at[i]) / BELAY_MS(10));
    BELAY_CHECK_EQ(l->rate.belay_queued_, 0);
    BELAY_CHECK_EQ(belay_sem_available(&l->rate.belay_turn_), 1);
}

static void
use_by_four(struct log *l, unsigned workers)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        for (unsigned i = 0; i < 4; i++)
            belay_spawn_with(
                s, (.worker = i % workers + 1), use, l, 1, (int)i);
    }
    BELAY_CHECK(err == 0 || belay_test_disturbed());
    BELAY_CHECK(l->n == 4 || belay_test_disturbed());
    check_pace(l);
}

BELAY_TEST(never_faster_than_allowed, .strategy = BELAY_EXHAUSTIVE)
{
    struct log l = LOG_INIT;

    use_by_four(&l, 1);
    BELAY_CHECK_EQ(l.at[3], BELAY_MS(20));
}

/* ---- deadlines ------------------------------------------------------ */

BELAY_TEST(what_cannot_be_met_is_refused_at_once,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct log l = LOG_INIT;

    BELAY_CHECK_EQ(belay_rate_try(&l.rate, 2), 0);
    BELAY_CHECK_EQ(
        BELAY_WITHIN(BELAY_MS(10), belay_rate_wait(&l.rate, 1)), -ETIME);
    BELAY_CHECK_EQ(belay_test_elapsed(), 0);
    BELAY_CHECK(strstr(belay_why(), "rate limit") != NULL);
    BELAY_CHECK_EQ(
        BELAY_WITHIN(BELAY_MS(11), belay_rate_wait(&l.rate, 1)), 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(10));
}

/* Those in front count: three tokens are wanted before ours. */
BELAY_TEST(the_queue_counts_for_the_deadline, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct log l = LOG_INIT;
    int err;

    BELAY_CHECK_EQ(belay_rate_try(&l.rate, 2), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, use, &l, 1, 0);
        belay_spawn(s, use, &l, 2, 1);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        BELAY_CHECK_EQ(
            BELAY_WITHIN(BELAY_MS(38), belay_rate_wait(&l.rate, 1)), -ETIME);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(1));
        BELAY_CHECK_EQ(
            BELAY_WITHIN(BELAY_MS(40), belay_rate_wait(&l.rate, 1)), 0);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(40));
    }
    BELAY_CHECK_EQ(err, 0);
    check_pace(&l);
}

/* ---- cuts ----------------------------------------------------------- */

/* The head and the second are cut; the third gets the head's turn. */
BELAY_TEST(turns_of_who_is_cut_go_on, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct log l = LOG_INIT;
    int outer, inner = 0;

    BELAY_CHECK_EQ(belay_rate_try(&l.rate, 2), 0);
    BELAY_SCOPE_CATCH(s, &outer) {
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, use, &l, 1, 0);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
            belay_spawn(c, use, &l, 2, 1);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
            belay_spawn(s, use, &l, 1, 2);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
            belay_cancel(c, "a test");
        }
    }
    BELAY_CHECK_EQ(inner, -ECANCELED);
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK_EQ(l.n, 1);
    BELAY_CHECK_EQ(l.who[0], 2);
    BELAY_CHECK_EQ(l.at[0], BELAY_MS(10));
    check_pace(&l);
}

BELAY_TEST(a_cut_anywhere_leaves_it_whole, .cancel_everywhere = true,
    .fail_allocs = true, .schedules = 400)
{
    struct log l = LOG_INIT;

    use_by_four(&l, 1);
}

BELAY_TEST(workers_share_a_rate, .workers = 2, .atomic = true,
    .schedules = 1500)
{
    struct log l = LOG_INIT;

    use_by_four(&l, 2);
}

/* ---- changes -------------------------------------------------------- */

BELAY_TEST(a_higher_rate_hurries_who_waits, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct log l = {.rate = BELAY_RATE_INIT(1, BELAY_S(60), 2)};
    int err;

    BELAY_CHECK_EQ(belay_rate_try(&l.rate, 2), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, use, &l, 1, 0);
        BELAY_CHECK_EQ(belay_sleep(BELAY_S(30)), 0); /* half a token */
        belay_rate_set(&l.rate, 1, BELAY_S(2), 2);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(l.at[0], BELAY_S(31));
}

BELAY_TEST(a_lower_rate_slows_who_waits, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct log l = LOG_INIT;
    int err;

    BELAY_CHECK_EQ(belay_rate_try(&l.rate, 2), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, use, &l, 1, 0);
        belay_spawn(s, use, &l, 1, 1);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(5)), 0);
        belay_rate_set(&l.rate, 1, BELAY_S(1), 1);
    }
    BELAY_CHECK_EQ(err, 0);
    /* One and a half were missing; now the bucket holds one. */
    BELAY_CHECK_EQ(l.at[0], BELAY_MS(1505));
    BELAY_CHECK_EQ(l.at[1], BELAY_MS(2505));
}

BELAY_TEST(who_asks_for_more_than_the_burst_is_told,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    struct log l = LOG_INIT;
    int err;

    BELAY_CHECK_EQ(belay_rate_wait(&l.rate, 3), -EINVAL);
    BELAY_CHECK_EQ(belay_rate_try(&l.rate, 3), -EINVAL);
    BELAY_CHECK_EQ(belay_rate_try(&l.rate, 2), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, use, &l, 2, 0);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_rate_set(&l.rate, 100, BELAY_S(1), 1);
    }
    BELAY_CHECK_EQ(err, -EINVAL);
    check_pace(&l);
}

/* A pause while one waits: his turn comes after it, the next one an interval
 * later. */
BELAY_TEST(a_pause_empties_the_bucket, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct log l = LOG_INIT;
    int err;

    BELAY_CHECK_EQ(belay_rate_try(&l.rate, 2), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, use, &l, 1, 0);
        belay_spawn(s, use, &l, 1, 1);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(5)), 0);
        belay_rate_pause(&l.rate, BELAY_S(1));
        belay_rate_pause(&l.rate, BELAY_MS(1)); /* no shorter */
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(l.at[0], BELAY_MS(1005));
    BELAY_CHECK_EQ(l.at[1], BELAY_MS(1015));
}

BELAY_TEST(a_rate_of_nothing_is_a_mistake, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    struct log l = LOG_INIT;

    belay_rate_set(&l.rate, 0, BELAY_S(1), 1);
}
