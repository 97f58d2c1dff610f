/* SPDX-License-Identifier: MIT */
/* Once in every schedule: one success, whoever fails or is cut. */
#include <belay/sync.h>
#include <belay/test.h>

struct state {
    belay_once once;
    int fail;   /* so many tries fail */
    int inside, tries, successes;
};

static int
start(void *arg)
{
    struct state *st = arg;
    int r;

    BELAY_CHECK_EQ(st->inside++, 0);
    st->tries++;
    r = belay_yield();
    if (r == 0 && st->fail > 0) {
        st->fail--;
        r = -EIO;
    }
    st->successes += r >= 0;
    BELAY_CHECK_EQ(--st->inside, 0);
    return r;
}

BELAY_TASK(ask, (struct state *, st), (int *, got))
{
    *got = belay_once_run(&st->once, start, st);
    BELAY_CHECK(*got != 0 || st->successes == 1);
    return 0;
}

BELAY_TEST(it_is_done_once, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.once = BELAY_ONCE_INIT};
    int err, got[3];

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, ask, &st, &got[0]);
        belay_spawn(s, ask, &st, &got[1]);
        belay_spawn(s, ask, &st, &got[2]);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got[0] + got[1] + got[2], 0);
    BELAY_CHECK_EQ(st.tries, 1);
    BELAY_CHECK(belay_once_is_done(&st.once));
}

BELAY_TEST(a_failure_lets_the_next_try, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.once = BELAY_ONCE_INIT, .fail = 1};
    int err, got[3];

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, ask, &st, &got[0]);
        belay_spawn(s, ask, &st, &got[1]);
        belay_spawn(s, ask, &st, &got[2]);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got[0] + got[1] + got[2], -EIO);
    BELAY_CHECK_EQ(st.tries, 2);
    BELAY_CHECK_EQ(st.successes, 1);
}

BELAY_TEST(all_may_fail, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.once = BELAY_ONCE_INIT, .fail = 2};
    int err, got[2];

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, ask, &st, &got[0]);
        belay_spawn(s, ask, &st, &got[1]);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got[0], -EIO);
    BELAY_CHECK_EQ(got[1], -EIO);
    BELAY_CHECK(!belay_once_is_done(&st.once));
    BELAY_CHECK_EQ(belay_once_run(&st.once, start, &st), 0);
}

/* Whoever is cut, in the function or before it: another one does it. */
BELAY_TEST(a_cancel_hands_it_on, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.once = BELAY_ONCE_INIT};
    int a = 1, b = 1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, ask, &st, &b);
            belay_spawn(s, ask, &st, &a);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_cancel(c, "test");
        }
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK(b == 0 || b == -ECANCELED);
    BELAY_CHECK_EQ(st.successes, 1);
}

BELAY_TEST(a_cut_anywhere, .strategy = BELAY_EXHAUSTIVE,
    .cancel_everywhere = true)
{
    struct state st = {.once = BELAY_ONCE_INIT};
    int err, got[2];

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, ask, &st, &got[0]);
        belay_spawn(s, ask, &st, &got[1]);
    }
    BELAY_CHECK(st.successes == 1 || belay_test_disturbed());
    BELAY_CHECK_EQ(belay_once_is_done(&st.once), st.successes);
}

static int
recurse(void *arg)
{
    return belay_once_run((belay_once *)arg, recurse, arg);
}

BELAY_TEST(a_function_that_asks_for_itself, .strategy = BELAY_FIFO)
{
    belay_once once = BELAY_ONCE_INIT;

    BELAY_CHECK_EQ(belay_once_run(&once, recurse, &once), -EDEADLK);
    BELAY_CHECK(!belay_once_is_done(&once));
}

BELAY_TEST(workers_do_it_once, .workers = 2, .atomic = true,
    .schedules = 3000)
{
    struct state st = {.once = BELAY_ONCE_INIT, .fail = 1};
    int err, got[3];

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 1), ask, &st, &got[0]);
        belay_spawn_with(s, (.worker = 2), ask, &st, &got[1]);
        belay_spawn_with(s, (.worker = 2), ask, &st, &got[2]);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got[0] + got[1] + got[2], -EIO);
    BELAY_CHECK_EQ(st.successes, 1);
}
