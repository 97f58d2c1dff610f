/* SPDX-License-Identifier: MIT */
/*
 * All policies together: that they are in the order which belay_call promises,
 * and that every permit and place comes back.
 */
#include <belay/policy.h>
#include <belay/test.h>

#include <string.h>

struct far {
    int calls, now, most;
    belay_dur takes;
    int failures; /* so many calls fail first */
    int code;
};

BELAY_TASK(reach, (struct far *, f))
{
    int r;

    f->calls++;
    if (++f->now > f->most)
        f->most = f->now;
    r = belay_sleep(f->takes);
    f->now--;
    if (r < 0)
        return r;
    return f->calls <= f->failures ? f->code : f->calls;
}

BELAY_TEST(an_empty_plan_is_a_call, .strategy = BELAY_EXHAUSTIVE)
{
    struct far f = {.takes = BELAY_MS(1)};
    belay_plan p = {.size = sizeof p};

    BELAY_CHECK_EQ(belay_call(&p, reach, &f), 1);
    f.failures = 9;
    f.code = -EIO;
    BELAY_CHECK_EQ(belay_call(&p, reach, &f), -EIO);
    BELAY_CHECK_EQ(f.calls, 2);
}

static const belay_retry thrice = {.size = sizeof(belay_retry),
    .attempts = 3, .base = BELAY_MS(10)};

/* Attempts at 0, 15 and 40 ms, of 5 ms each; the deadline is in the third. */
BELAY_TEST(the_total_deadline_is_around_the_retries, .strategy = BELAY_FIFO)
{
    struct far f = {.takes = BELAY_S(1)};
    belay_plan p = {.size = sizeof p, .timeout = BELAY_MS(42),
        .retry = &thrice, .attempt = BELAY_MS(5)};

    BELAY_CHECK_EQ(belay_call(&p, reach, &f), -ETIME);
    BELAY_CHECK_EQ(f.calls, 3);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(42));
    BELAY_CHECK_EQ(belay_cancelled(), 0);
}

BELAY_TEST(the_attempt_of_the_retry_is_the_innermost_deadline,
    .strategy = BELAY_FIFO)
{
    belay_retry r = thrice;
    struct far f = {.takes = BELAY_S(1)};
    belay_plan p = {.size = sizeof p, .retry = &r};

    r.timeout = BELAY_MS(5);
    BELAY_CHECK_EQ(belay_call(&p, reach, &f), -ETIME);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(15 + 30));
}

/* Each attempt is one outcome for the breaker. */
BELAY_TEST(the_breaker_is_inside_the_retries, .strategy = BELAY_FIFO)
{
    belay_breaker b = BELAY_BREAKER_INIT(.volume = 2,
        .open_for = BELAY_MS(500));
    struct far f = {.failures = 2, .code = -EIO};
    belay_plan p = {.size = sizeof p, .retry = &thrice, .breaker = &b};

    BELAY_CHECK_EQ(belay_call(&p, reach, &f), BELAY_EOPEN);
    BELAY_CHECK_EQ(f.calls, 2);
    BELAY_CHECK(strstr(belay_why(), "3 attempts") != NULL);
    /* It waits until the breaker may be tried. */
    BELAY_CHECK_EQ(belay_call(&p, reach, &f), 3);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(510));
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_CLOSED);
}

BELAY_TEST(an_open_breaker_takes_no_token, .strategy = BELAY_EXHAUSTIVE)
{
    belay_breaker b = BELAY_BREAKER_INIT(.volume = 1);
    belay_rate rate = BELAY_RATE_INIT(1, BELAY_S(60), 2);
    struct far f = {.failures = 1, .code = -EIO};
    belay_plan p = {.size = sizeof p, .breaker = &b, .rate = &rate};

    BELAY_CHECK_EQ(belay_call(&p, reach, &f), -EIO);
    BELAY_CHECK_EQ(belay_call(&p, reach, &f), BELAY_EOPEN);
    BELAY_CHECK_EQ(belay_rate_try(&rate, 1), 0);
    BELAY_CHECK_EQ(belay_rate_try(&rate, 1), -EAGAIN);
}

/* The wait for a token is longer than the attempt may take. */
BELAY_TEST(the_queue_takes_no_time_from_the_attempt, .strategy = BELAY_FIFO)
{
    belay_breaker b = BELAY_BREAKER_INIT(.volume = 1);
    belay_rate rate = BELAY_RATE_INIT(1, BELAY_MS(50), 1);
    struct far f = {.takes = BELAY_MS(8)};
    belay_plan p = {.size = sizeof p, .breaker = &b, .rate = &rate,
        .attempt = BELAY_MS(10)};

    BELAY_CHECK_EQ(belay_call(&p, reach, &f), 1);
    BELAY_CHECK_EQ(belay_call(&p, reach, &f), 2);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(58));
}

/* No turn before the deadline: refused at once, not tried again, and no fault
 * of the dependency. */
BELAY_TEST(no_turn_is_no_failure_of_the_dependency,
    .strategy = BELAY_EXHAUSTIVE)
{
    belay_breaker b = BELAY_BREAKER_INIT(.volume = 1);
    belay_rate rate = BELAY_RATE_INIT(1, BELAY_MS(50), 1);
    struct far f = {.calls = 0};
    belay_plan p = {.size = sizeof p, .timeout = BELAY_MS(40),
        .retry = &thrice, .breaker = &b, .rate = &rate};

    BELAY_CHECK_EQ(belay_rate_try(&rate, 1), 0);
    BELAY_CHECK_EQ(belay_call(&p, reach, &f), -ETIME);
    BELAY_CHECK_EQ(f.calls, 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), 0);
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_CLOSED);
}

/* ---- a crowd -------------------------------------------------------- */

struct town {
    struct far f;
    belay_plan plan;
    belay_retry retry;
    belay_budget budget;
    belay_breaker breaker;
    belay_rate rate;
    belay_sem limit;
};

static void
town_open(struct town *t)
{
    *t = (struct town){
        .f = {.takes = BELAY_MS(1), .failures = 1, .code = -EIO},
        .budget = BELAY_BUDGET_INIT(0.5, 1),
        .breaker = BELAY_BREAKER_INIT(.volume = 100),
        .rate = BELAY_RATE_INIT(1000, BELAY_S(1), 2),
        .limit = BELAY_SEM_INIT(1)};
    t->retry = (belay_retry){.size = sizeof t->retry, .base = BELAY_MS(1),
        .budget = &t->budget};
    t->plan = (belay_plan){.size = sizeof t->plan, .timeout = BELAY_MS(50),
        .retry = &t->retry, .breaker = &t->breaker, .rate = &t->rate,
        .limit = &t->limit, .attempt = BELAY_MS(5)};
}

BELAY_TASK(citizen, (struct town *, t))
{
    int r = belay_call(&t->plan, reach, &t->f);

    BELAY_CHECK(r > 0 || belay_test_disturbed());
    return 0;
}

static void
town_run(struct town *t)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        for (int i = 0; i < 3; i++)
            belay_spawn(s, citizen, t);
    }
    BELAY_CHECK(err == 0 || belay_test_disturbed());
    BELAY_CHECK_EQ(t->f.now, 0);
    BELAY_CHECK_EQ(t->f.most > 1, 0);
    BELAY_CHECK_EQ(belay_sem_available(&t->limit), 1);
    BELAY_CHECK_EQ(t->budget.belay_calls_, 0);
    BELAY_CHECK_EQ(t->budget.belay_retries_, 0);
    BELAY_CHECK_EQ(t->rate.belay_queued_, 0);
}

BELAY_TEST(everything_comes_back, .schedules = 1000)
{
    struct town t;

    town_open(&t);
    town_run(&t);
}

BELAY_TEST(everything_comes_back_from_a_cut, .cancel_everywhere = true,
    .fail_allocs = true, .schedules = 500)
{
    struct town t;

    town_open(&t);
    town_run(&t);
}
