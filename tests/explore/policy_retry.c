/* SPDX-License-Identifier: MIT */
/*
 * Retrying, in virtual time: how often, after how long, when not at all; what
 * is told about it; and that a cancel at any point leaves nothing behind.
 */
#include <belay/policy.h>
#include <belay/test.h>

#include <string.h>

enum { AT_MOST = 8 };

/* A dependency that fails some times and then answers. */
struct shop {
    int calls;
    int failures;          /* so many calls fail first */
    int code;              /* with this */
    belay_dur takes;       /* each call */
    belay_dur at[AT_MOST]; /* when they began */
};

BELAY_TASK(buy, (struct shop *, s), (int, value))
{
    s->at[s->calls++ % AT_MOST] = belay_test_elapsed();
    BELAY_CHECK_EQ(belay_attempt(), s->calls);
    if (s->takes > 0)
        BELAY_TRY(belay_sleep(s->takes));
    if (s->calls <= s->failures)
        return BELAY_FAIL(s->code, "shop closed, call %d", s->calls);
    return value;
}

static const belay_retry four = {.size = sizeof(belay_retry), .attempts = 4,
    .base = BELAY_MS(10), .cap = BELAY_MS(25)};

BELAY_TEST(success_needs_one_attempt, .strategy = BELAY_EXHAUSTIVE)
{
    struct shop s = {.failures = 0};

    BELAY_CHECK_EQ(belay_retrying(&four, buy, &s, 7), 7);
    BELAY_CHECK_EQ(s.calls, 1);
    BELAY_CHECK_EQ(belay_test_elapsed(), 0);
    BELAY_CHECK_EQ(belay_attempt(), 0);
}

/* The bounds are 10, 20 and 25 ms; the quiet day's delay is the bound. */
BELAY_TEST(back_off_doubles_up_to_the_cap, .strategy = BELAY_FIFO)
{
    struct shop s = {.failures = 3, .code = -EIO};

    BELAY_CHECK_EQ(belay_retrying(&four, buy, &s, 0), 0);
    BELAY_CHECK_EQ(s.calls, 4);
    BELAY_CHECK_EQ(s.at[0], 0);
    BELAY_CHECK_EQ(s.at[1], BELAY_MS(10));
    BELAY_CHECK_EQ(s.at[2], BELAY_MS(30));
    BELAY_CHECK_EQ(s.at[3], BELAY_MS(55));
    BELAY_CHECK(strcmp(belay_why(), "no failure") == 0);
}

BELAY_TEST(back_off_is_any_part_of_the_bound, .strategy = BELAY_EXHAUSTIVE)
{
    static const belay_dur bounds[] = {BELAY_MS(10), BELAY_MS(20),
        BELAY_MS(25)};
    struct shop s = {.failures = 9, .code = -EIO};
    int i;

    BELAY_CHECK_EQ(belay_retrying(&four, buy, &s, 0), -EIO);
    BELAY_CHECK_EQ(s.calls, 4);
    for (i = 0; i < 3; i++) {
        BELAY_CHECK(s.at[i + 1] >= s.at[i]);
        BELAY_CHECK(s.at[i + 1] <= s.at[i] + bounds[i]);
    }
}

BELAY_TEST(why_tells_how_often_and_what, .strategy = BELAY_EXHAUSTIVE)
{
    struct shop s = {.failures = 9, .code = -ECONNREFUSED};

    BELAY_CHECK_EQ(belay_retrying(&four, buy, &s, 0), -ECONNREFUSED);
    BELAY_CHECK(strstr(belay_why(), "4 attempts") != NULL);
    BELAY_CHECK(strstr(belay_why(), "shop closed, call 4") != NULL);
}

BELAY_TEST(the_policy_may_be_absent, .strategy = BELAY_EXHAUSTIVE)
{
    struct shop s = {.failures = 9, .code = -EIO};

    BELAY_CHECK_EQ(belay_retrying(NULL, buy, &s, 0), -EIO);
    BELAY_CHECK_EQ(s.calls, 3);
    BELAY_CHECK(belay_test_elapsed() <= BELAY_MS(300));
}

static bool
only_eagain(void *arg, int err)
{
    ++*(int *)arg;
    return err == -EAGAIN;
}

BELAY_TEST(the_predicate_decides, .strategy = BELAY_EXHAUSTIVE)
{
    int asked = 0;
    belay_retry p = {.size = sizeof p, .attempts = 4,
        .retryable = only_eagain, .retryable_arg = &asked};
    struct shop bad = {.failures = 9, .code = -EINVAL};
    struct shop busy = {.failures = 1, .code = -EAGAIN};

    BELAY_CHECK_EQ(belay_retrying(&p, buy, &bad, 0), -EINVAL);
    BELAY_CHECK_EQ(bad.calls, 1);
    BELAY_CHECK(strstr(belay_why(), "attempts") == NULL);
    BELAY_CHECK_EQ(belay_retrying(&p, buy, &busy, 3), 3);
    BELAY_CHECK_EQ(busy.calls, 2);
    BELAY_CHECK_EQ(asked, 2);
}

/* ---- arguments ------------------------------------------------------ */

struct big {
    char text[400];
};

BELAY_TASK(spoil, (struct big, b), (int *, calls))
{
    BELAY_CHECK(strcmp(b.text, "fresh") == 0);
    memcpy(b.text, "stale", sizeof "stale");
    return ++*calls < 3 ? -EIO : 0;
}

BELAY_TEST(each_attempt_has_fresh_arguments, .fail_allocs = true,
    .schedules = 50)
{
    struct big b = {"fresh"};
    int calls = 0, r = belay_retrying(&four, spoil, b, &calls);

    BELAY_CHECK(r == 0 || (r == -ENOMEM && belay_test_disturbed()));
    BELAY_CHECK(calls == 3 || belay_test_disturbed());
}

/* ---- deadlines ------------------------------------------------------ */

/* 10 ms are left after the second attempt, and the third would be after 20. */
BELAY_TEST(no_sleep_goes_past_the_deadline, .strategy = BELAY_FIFO)
{
    struct shop s = {.failures = 9, .code = -EIO};
    BELAY_DEADLINE(BELAY_MS(20));

    BELAY_CHECK_EQ(belay_retrying(&four, buy, &s, 0), -EIO);
    BELAY_CHECK_EQ(s.calls, 2);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(10));
    BELAY_CHECK(strstr(belay_why(), "2 attempts") != NULL);
    BELAY_CHECK(strstr(belay_why(), "deadline") != NULL);
    BELAY_CHECK(strstr(belay_why(), "shop closed, call 2") != NULL);
}

BELAY_TEST(the_deadline_is_kept_in_every_run, .strategy = BELAY_EXHAUSTIVE)
{
    struct shop s = {.failures = 9, .code = -EIO, .takes = BELAY_MS(4)};
    int r;
    BELAY_DEADLINE(BELAY_MS(20));

    r = belay_retrying(&four, buy, &s, 0);
    BELAY_CHECK(r == -EIO || r == -ETIME);
    BELAY_CHECK(belay_test_elapsed() <= BELAY_MS(20));
    BELAY_CHECK((r == -ETIME) == (belay_test_elapsed() == BELAY_MS(20)) ||
        belay_cancelled() != 0);
}

BELAY_TEST(a_passed_deadline_allows_no_attempt, .strategy = BELAY_EXHAUSTIVE)
{
    struct shop s = {.failures = 0};
    BELAY_DEADLINE(0);

    BELAY_CHECK_EQ(belay_retrying(&four, buy, &s, 0), -ETIME);
    BELAY_CHECK_EQ(s.calls, 0);
}

/* The deadline falls into the second attempt. */
BELAY_TEST(a_deadline_in_an_attempt_ends_it_all, .strategy = BELAY_FIFO)
{
    struct shop s = {.failures = 1, .code = -EIO, .takes = BELAY_MS(30)};
    BELAY_DEADLINE(BELAY_MS(50));

    BELAY_CHECK_EQ(belay_retrying(&four, buy, &s, 0), -ETIME);
    BELAY_CHECK_EQ(s.calls, 2);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(50));
    BELAY_CHECK(strstr(belay_why(), "in attempt 2") != NULL);
    BELAY_CHECK(strstr(belay_why(), "shop closed, call 1") != NULL);
}

BELAY_TEST(each_attempt_has_its_own_time, .strategy = BELAY_FIFO)
{
    belay_retry p = {.size = sizeof p, .attempts = 2, .base = BELAY_MS(10),
        .timeout = BELAY_MS(5)};
    struct shop s = {.takes = BELAY_S(9)};

    BELAY_CHECK_EQ(belay_retrying(&p, buy, &s, 0), -ETIME);
    BELAY_CHECK_EQ(s.calls, 2);
    BELAY_CHECK_EQ(s.at[1], BELAY_MS(15));
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(20));
    BELAY_CHECK_EQ(belay_cancelled(), 0);
}

/* ---- Retry-After ---------------------------------------------------- */

BELAY_TASK(ask_for, (belay_dur, d))
{
    belay_retry_after(d);
    return 0;
}

/* One of its tasks asks for more than it does itself. */
BELAY_TASK(busy_for, (int *, calls), (belay_dur *, second))
{
    if (++*calls > 1) {
        *second = belay_test_elapsed();
        return 0;
    }
    BELAY_SCOPE(s) {
        belay_spawn_with(s, (.worker = 2), ask_for, BELAY_MS(70));
        belay_retry_after(BELAY_MS(50));
    }
    return -EBUSY;
}

BELAY_TEST(an_attempt_can_ask_for_a_delay, .workers = 2, .atomic = true,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    int calls = 0;
    belay_dur second = 0;

    belay_retry_after(BELAY_S(5)); /* in no attempt */
    BELAY_CHECK_EQ(belay_retrying(&four, busy_for, &calls, &second), 0);
    BELAY_CHECK(second >= BELAY_MS(70));
    BELAY_CHECK(second < BELAY_MS(80));
}

BELAY_TEST(a_delay_past_the_deadline_is_refused, .workers = 2,
    .strategy = BELAY_EXHAUSTIVE)
{
    int calls = 0;
    belay_dur second = 0;
    BELAY_DEADLINE(BELAY_MS(60));

    BELAY_CHECK_EQ(
        belay_retrying(&four, busy_for, &calls, &second), -EBUSY);
    BELAY_CHECK_EQ(calls, 1);
    BELAY_CHECK_EQ(belay_test_elapsed(), 0);
}

/* ---- cancels and failures ------------------------------------------- */

BELAY_TASK(cancels_itself, (int *, calls))
{
    int err;

    ++*calls;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_cancel(s, "a test");
    }
    return err;
}

BELAY_TEST(a_cancel_is_not_retried, .strategy = BELAY_EXHAUSTIVE)
{
    int calls = 0;

    BELAY_CHECK_EQ(belay_retrying(&four, cancels_itself, &calls), -ECANCELED);
    BELAY_CHECK_EQ(calls, 1);
}

BELAY_TASK(fail, (int, code))
{
    return code;
}

/* Leaves a scope early whose child failed: that fails the task. */
static int
leave_early(int code)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, fail, code);
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
    }
    return 0;
}

BELAY_TASK(fails_its_task, (int *, calls))
{
    return ++*calls < 3 ? leave_early(-EPIPE) : 5;
}

BELAY_TEST(a_failed_task_is_a_failed_attempt, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    int calls = 0;

    BELAY_CHECK_EQ(belay_retrying(&four, fails_its_task, &calls), 5);
    BELAY_CHECK_EQ(belay_failure(), 0);
    BELAY_CHECK_EQ(belay_cancelled(), 0);
}

static int
retry_behind_a_shield(struct shop *s)
{
    BELAY_SHIELD(BELAY_S(60));

    return belay_retrying(&four, buy, s, 5);
}

BELAY_TEST(an_older_failure_stays, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct shop s = {.failures = 2, .code = -EPIPE};

    BELAY_CHECK(leave_early(-EIO) < 0);
    BELAY_CHECK_EQ(belay_retrying(&four, buy, &s, 5), -EIO);
    BELAY_CHECK_EQ(s.calls, 0);
    BELAY_CHECK_EQ(retry_behind_a_shield(&s), 5);
    BELAY_CHECK_EQ(belay_take_failure(), -EIO);
}

/* ---- budgets -------------------------------------------------------- */

struct ward {
    belay_budget budget;
    int calls, refused;
};

BELAY_TASK(try_twice, (struct ward *, w))
{
    w->calls++;
    BELAY_TRY(belay_sleep(BELAY_MS(1)));
    return -EIO;
}

BELAY_TASK(patient, (struct ward *, w))
{
    belay_retry p = {.size = sizeof p, .attempts = 2, .base = BELAY_MS(10),
        .budget = &w->budget};
    int r = belay_retrying(&p, try_twice, w);

    if (r == -EIO && strstr(belay_why(), "budget") != NULL)
        w->refused++;
    return r == -EIO ? 0 : r;
}

static void
run_ward(struct ward *w, int n)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        for (int i = 0; i < n; i++)
            belay_spawn(s, patient, w);
    }
    BELAY_CHECK(err == 0 || belay_test_disturbed());
    BELAY_CHECK_EQ(w->budget.belay_calls_, 0);
    BELAY_CHECK_EQ(w->budget.belay_retries_, 0);
}

/* All fail at 1 ms, and those in their back-off count. */
BELAY_TEST(a_budget_bounds_retries_in_back_off, .strategy = BELAY_FIFO)
{
    struct ward w = {.budget = BELAY_BUDGET_INIT(0, 2)};

    run_ward(&w, 5);
    BELAY_CHECK_EQ(w.calls, 7);
    BELAY_CHECK_EQ(w.refused, 3);
}

BELAY_TASK(slow, (struct ward *, w))
{
    (void)w;
    return belay_sleep(BELAY_MS(50));
}

BELAY_TASK(busy, (struct ward *, w))
{
    belay_retry p = {.size = sizeof p, .budget = &w->budget};

    return belay_retrying(&p, slow, w);
}

/* Ten calls are in progress when five fail; three tenths may retry. */
BELAY_TEST(a_budget_grows_with_the_calls, .strategy = BELAY_FIFO)
{
    struct ward w = {.budget = BELAY_BUDGET_INIT(0.3, 0)};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        for (int i = 0; i < 5; i++)
            belay_spawn(s, busy, &w);
        for (int i = 0; i < 5; i++)
            belay_spawn(s, patient, &w);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(w.calls, 5 + 3);
    BELAY_CHECK_EQ(w.refused, 2);
}

BELAY_TEST(a_budget_comes_back_whatever_is_cut, .cancel_everywhere = true,
    .schedules = 200)
{
    struct ward w = {.budget = BELAY_BUDGET_INIT(0.5, 1)};

    run_ward(&w, 3);
}

BELAY_TEST(a_budget_is_shared_by_workers, .workers = 2, .atomic = true,
    .schedules = 500)
{
    struct ward w = {.budget = BELAY_BUDGET_INIT(0, 1)};

    run_ward(&w, 2);
}

/* ---- a cut anywhere ------------------------------------------------- */

BELAY_TEST(a_cut_anywhere_is_not_retried, .cancel_everywhere = true,
    .schedules = 300)
{
    struct shop s = {.failures = 2, .code = -EIO, .takes = BELAY_MS(1)};
    int r = belay_retrying(&four, buy, &s, 1), calls = s.calls;

    BELAY_CHECK(r == 1 || (r == -ECANCELED && belay_test_disturbed()) ||
        belay_cancelled() != 0);
    BELAY_CHECK(r != 1 || calls == 3);
    BELAY_CHECK(calls <= 3);
}
