/* SPDX-License-Identifier: MIT */
/* The latch in every schedule: it opens at 0, for all, for good. */
#include <belay/sync.h>
#include <belay/test.h>

struct state {
    belay_latch l;
    int counted;
};

BELAY_TASK(await, (struct state *, st), (int, want), (int *, got))
{
    *got = belay_latch_wait(&st->l);
    BELAY_CHECK(*got != 0 || st->counted == want);
    return 0;
}

BELAY_TASK(count, (struct state *, st))
{
    belay_ignore(belay_yield(), "lets the explorer put others here");
    st->counted++;
    belay_latch_count_down(&st->l, 1);
    return 0;
}

BELAY_TEST(it_opens_at_zero, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct state st = {.l = BELAY_LATCH_INIT(2)};
    int a = 1, b = 1, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, await, &st, 2, &a);
        belay_spawn(s, count, &st);
        belay_spawn(s, count, &st);
        belay_spawn(s, await, &st, 2, &b);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK_EQ(b, 0);
    BELAY_CHECK_EQ(belay_latch_wait(&st.l), 0);
    BELAY_CHECK_EQ(belay_latch_left(&st.l), 0);
    belay_latch_fini(&st.l);
}

BELAY_TEST(a_cancel_races_with_the_last, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct state st = {.l = BELAY_LATCH_INIT(1)};
    int a = 1, b = 1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn(s, await, &st, 1, &a);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, await, &st, 1, &b);
            belay_spawn(s, count, &st);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_cancel(c, "test");
        }
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK(b == 0 || b == -ECANCELED);
    belay_latch_fini(&st.l);
}

BELAY_TEST(a_deadline_ends_the_wait, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.l = BELAY_LATCH_INIT(1)};
    int got = 1, inner = 0;

    BELAY_SCOPE_CATCH(c, &inner, .timeout = BELAY_MS(1))
        belay_spawn(c, await, &st, 1, &got);
    BELAY_CHECK_EQ(inner, -ETIME);
    BELAY_CHECK_EQ(got, -ETIME);
    BELAY_CHECK_EQ(belay_latch_left(&st.l), 1);
    belay_latch_fini(&st.l);
}

BELAY_TEST(below_zero_is_misuse, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    belay_latch l = BELAY_LATCH_INIT(1);

    belay_latch_count_down(&l, 2);
}

BELAY_TEST(workers_lose_no_wake_up, .workers = 2, .atomic = true,
    .schedules = 3000)
{
    struct state st = {.l = BELAY_LATCH_INIT(2)};
    int a = 1, b = 1, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 2), await, &st, 2, &a);
        belay_spawn_with(s, (.worker = 1), count, &st);
        belay_spawn_with(s, (.worker = 2), count, &st);
        belay_spawn_with(s, (.worker = 1), await, &st, 2, &b);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK_EQ(b, 0);
    belay_latch_fini(&st.l);
}
