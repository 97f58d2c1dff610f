/* SPDX-License-Identifier: MIT */
/* The barrier in every schedule: nobody goes on before all are there, and one
 * who is cut has never come. */
#include <belay/sync.h>
#include <belay/test.h>

struct state {
    belay_barrier b;
    int before, leaders, through;
};

BELAY_TASK(meet, (struct state *, st), (int, rounds), (int, size))
{
    int i, r;

    for (i = 0; i < rounds; i++) {
        st->before++;
        r = BELAY_TRY(belay_barrier_wait(&st->b));
        BELAY_CHECK(st->before >= (i + 1) * size);
        st->leaders += r;
        st->through++;
    }
    return 0;
}

BELAY_TEST(two_meet_twice, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.b = BELAY_BARRIER_INIT(2)};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, meet, &st, 2, 2);
        belay_spawn(s, meet, &st, 2, 2);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.through, 4);
    BELAY_CHECK_EQ(st.leaders, 2);
    belay_barrier_fini(&st.b);
}

BELAY_TEST(three_meet, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.b = BELAY_BARRIER_INIT(3)};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, meet, &st, 1, 3);
        belay_spawn(s, meet, &st, 1, 3);
        belay_spawn(s, meet, &st, 1, 3);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.through, 3);
    BELAY_CHECK_EQ(st.leaders, 1);
    belay_barrier_fini(&st.b);
}

BELAY_TEST(a_barrier_for_one_does_not_wait, .strategy = BELAY_FIFO)
{
    belay_barrier b = BELAY_BARRIER_INIT(1);

    BELAY_CHECK_EQ(belay_barrier_wait(&b), 1);
    BELAY_CHECK_EQ(belay_barrier_wait(&b), 1);
}

BELAY_TASK(come, (struct state *, st), (int *, got))
{
    *got = belay_barrier_wait(&st->b);
    st->through += *got >= 0;
    return 0;
}

/* One comes and is cut; then two more have to come. */
BELAY_TEST(a_cut_task_never_came, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.b = BELAY_BARRIER_INIT(2)};
    int cut = 9, a = 9, b = 9, err;

    BELAY_SCOPE_CATCH(c, &err) {
        belay_spawn(c, come, &st, &cut);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_cancel(c, "test");
    }
    BELAY_CHECK_EQ(cut, -ECANCELED);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, come, &st, &a);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        BELAY_CHECK_EQ(st.through, 0);
        belay_spawn(s, come, &st, &b);
    }
    BELAY_CHECK_EQ(a + b, 1);
    belay_barrier_fini(&st.b);
}

/* The last one comes while another is cut: both go on, or one is missing and
 * a third is taken in his place. */
BELAY_TEST(a_cancel_races_with_the_last, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.b = BELAY_BARRIER_INIT(2)};
    int a = 9, b = 9, more = 9, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn(s, come, &st, &a);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, come, &st, &b);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_cancel(c, "test");
        }
        if (b < 0)
            belay_spawn(s, come, &st, &more);
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK(a == 0 || a == 1);
    BELAY_CHECK(b < 0 ? b == -ECANCELED && a + more == 1 : a + b == 1);
    BELAY_CHECK_EQ(st.through, 2);
    belay_barrier_fini(&st.b);
}

BELAY_TEST(a_deadline_races_with_the_last, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.b = BELAY_BARRIER_INIT(2)};
    int got = 9, other, err, inner = 0;

    BELAY_SCOPE_CATCH(c, &inner, .timeout = BELAY_MS(1)) {
        belay_spawn(c, come, &st, &got);
        {
            BELAY_SHIELD(BELAY_S(1));
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        }
        BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_MS(1)) {
            BELAY_SHIELD(BELAY_MS(1));
            other = belay_barrier_wait(&st.b);
            BELAY_CHECK(got == -ETIME ? other == -ETIME : other == 1);
        }
    }
    BELAY_CHECK(got == 0 || got == -ETIME);
    belay_barrier_fini(&st.b);
}

BELAY_TEST(workers_meet, .workers = 2, .atomic = true, .schedules = 3000)
{
    struct state st = {.b = BELAY_BARRIER_INIT(2)};
    int a = 9, b = 9, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 1), come, &st, &a);
        belay_spawn_with(s, (.worker = 2), come, &st, &b);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(a + b, 1);
    belay_barrier_fini(&st.b);
}
