/* SPDX-License-Identifier: MIT */
/*
 * The circuit breaker, in virtual time: when it opens, what it lets through
 * then, and that probes come back whatever happens to them.
 */
#include <belay/policy.h>
#include <belay/test.h>

#include <string.h>

/* Four outcomes at least, half of them bad, in 80 ms. */
#define BREAKER_INIT(n)                                                        \
    BELAY_BREAKER_INIT(.name = "db", .volume = 4, .window = BELAY_MS(80),      \
        .open_for = BELAY_MS(100), .probes = (n))

BELAY_TASK(give, (int, result))
{
    return result;
}

static void
call(belay_breaker *b, int result)
{
    BELAY_CHECK_EQ(belay_breaking(b, give, result), result);
}

static void
nap(double ms)
{
    BELAY_CHECK_EQ(belay_sleep(BELAY_MS(ms)), 0);
}

BELAY_TEST(it_opens_at_the_ratio_and_the_volume, .strategy = BELAY_EXHAUSTIVE)
{
    belay_breaker b = BREAKER_INIT(1);

    call(&b, -EIO);
    call(&b, -EIO);
    call(&b, 0);
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_CLOSED);
    call(&b, 5); /* two of four, but a success does not open it */
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_CLOSED);
    call(&b, -ETIME);
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_OPEN);
    BELAY_CHECK_EQ(belay_breaking(&b, give, 0), BELAY_EOPEN);
    BELAY_CHECK(strstr(belay_why(), "'db'") != NULL);
    BELAY_CHECK(strstr(belay_why(), "0.100 s") != NULL);
}

BELAY_TEST(old_outcomes_do_not_count, .strategy = BELAY_EXHAUSTIVE)
{
    belay_breaker b = BREAKER_INIT(1);

    for (int i = 0; i < 3; i++)
        call(&b, -EIO);
    nap(90);
    for (int i = 0; i < 3; i++)
        call(&b, -EIO);
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_CLOSED);
    nap(60);
    call(&b, -EIO);
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_OPEN);
}

BELAY_TEST(a_cancel_is_no_failure, .strategy = BELAY_EXHAUSTIVE)
{
    belay_breaker b = BREAKER_INIT(1);

    for (int i = 0; i < 9; i++)
        call(&b, -ECANCELED);
    for (int i = 0; i < 3; i++)
        call(&b, -EIO);
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_CLOSED);
}

static bool
is_io(void *arg, int result)
{
    (void)arg;
    return result == -EIO;
}

BELAY_TEST(the_user_says_what_a_failure_is, .strategy = BELAY_EXHAUSTIVE)
{
    belay_breaker b = BELAY_BREAKER_INIT(.volume = 2, .failed = is_io);

    for (int i = 0; i < 4; i++)
        call(&b, -ENOENT);
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_CLOSED);
    for (int i = 0; i < 4; i++)
        call(&b, -EIO);
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_OPEN);
}

static void
trip(belay_breaker *b)
{
    for (int i = 0; i < 4; i++)
        call(b, -EIO);
    BELAY_CHECK_EQ(belay_breaker_look(b), BELAY_BREAKER_OPEN);
}

BELAY_TEST(a_good_probe_closes_it, .strategy = BELAY_EXHAUSTIVE)
{
    belay_breaker b = BREAKER_INIT(1);

    trip(&b);
    nap(99);
    BELAY_CHECK_EQ(belay_breaking(&b, give, 0), BELAY_EOPEN);
    nap(1);
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_HALF_OPEN);
    call(&b, 0);
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_CLOSED);
    for (int i = 0; i < 3; i++)
        call(&b, -EIO); /* what was before does not count */
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_CLOSED);
}

BELAY_TEST(a_bad_probe_opens_it_again, .strategy = BELAY_EXHAUSTIVE)
{
    belay_breaker b = BREAKER_INIT(2);

    trip(&b);
    nap(100);
    call(&b, 0);
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_HALF_OPEN);
    call(&b, -EIO);
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_OPEN);
    nap(99);
    BELAY_CHECK_EQ(belay_breaking(&b, give, 0), BELAY_EOPEN);
}

/* A call that began before the outage ends after it. */
BELAY_TEST(old_news_changes_nothing, .strategy = BELAY_EXHAUSTIVE)
{
    belay_breaker b = BREAKER_INIT(1);
    int old = belay_breaker_enter(&b), probe;

    BELAY_CHECK(old >= 0);
    trip(&b);
    nap(100);
    probe = belay_breaker_enter(&b);
    BELAY_CHECK(probe >= 0);
    belay_breaker_leave(&b, old, -EIO);
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_HALF_OPEN);
    belay_breaker_leave(&b, probe, 0);
    BELAY_CHECK_EQ(belay_breaker_look(&b), BELAY_BREAKER_CLOSED);
}

BELAY_TEST(a_refused_call_has_nothing_to_leave, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    belay_breaker b = BREAKER_INIT(1);

    trip(&b);
    belay_breaker_leave(&b, belay_breaker_enter(&b), 0);
}

/* ---- a crowd in front of a half-open one ---------------------------- */

struct crowd {
    belay_breaker b;
    unsigned in, most, passed, refused;
};

BELAY_TASK(probe_slowly, (struct crowd *, c), (int, result))
{
    int r;

    c->passed++;
    if (++c->in > c->most)
        c->most = c->in;
    r = belay_sleep(BELAY_MS(10));
    c->in--;
    return r < 0 ? r : result;
}

BELAY_TASK(one_of_many, (struct crowd *, c), (int, result))
{
    int r = belay_breaking(&c->b, probe_slowly, c, result);

    if (r == BELAY_EOPEN)
        c->refused++;
    return r == BELAY_EOPEN || r == result ? 0 : r;
}

static void
crowd_comes(struct crowd *c, int n, int result)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        for (int i = 0; i < n; i++)
            belay_spawn(s, one_of_many, c, result);
    }
    BELAY_CHECK(err == 0 || belay_test_disturbed());
}

BELAY_TEST(only_so_many_probes_pass, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct crowd c = {.b = BREAKER_INIT(2)};

    trip(&c.b);
    nap(100);
    crowd_comes(&c, 4, 0);
    BELAY_CHECK_EQ(c.passed, 2);
    BELAY_CHECK_EQ(c.refused, 2);
    BELAY_CHECK_EQ(belay_breaker_look(&c.b), BELAY_BREAKER_CLOSED);
}

BELAY_TEST(a_cut_probe_gives_its_place_back, .strategy = BELAY_EXHAUSTIVE)
{
    struct crowd c = {.b = BREAKER_INIT(1)};
    int pass, err;

    trip(&c.b);
    nap(100);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, one_of_many, &c, 0);
        nap(5);
        belay_cancel(s, "a test");
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(c.passed, 1);
    pass = belay_breaker_enter(&c.b);
    BELAY_CHECK(pass >= 0);
    belay_breaker_leave(&c.b, pass, 0);
    BELAY_CHECK_EQ(belay_breaker_look(&c.b), BELAY_BREAKER_CLOSED);
}

BELAY_TEST(workers_share_a_breaker, .workers = 2, .atomic = true,
    .schedules = 1500)
{
    struct crowd c = {.b = BREAKER_INIT(1)};
    int err;

    trip(&c.b);
    nap(100);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 1), one_of_many, &c, -EIO);
        belay_spawn_with(s, (.worker = 2), one_of_many, &c, -EIO);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(c.passed, 1);
    BELAY_CHECK_EQ(belay_breaker_look(&c.b), BELAY_BREAKER_OPEN);
}

/* ---- under a retry -------------------------------------------------- */

BELAY_TASK(through, (belay_breaker *, b), (int, result))
{
    return belay_breaking(b, give, result);
}

/* The second attempt waits until the breaker may be tried. */
BELAY_TEST(a_retry_waits_for_the_breaker, .strategy = BELAY_EXHAUSTIVE)
{
    belay_breaker b = BREAKER_INIT(1);
    belay_retry p = {.size = sizeof p, .base = BELAY_MS(1)};

    trip(&b);
    BELAY_CHECK_EQ(belay_retrying(&p, through, &b, 3), 3);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(100));
}
