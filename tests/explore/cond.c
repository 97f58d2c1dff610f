/* SPDX-License-Identifier: MIT */
/*
 * The condition in every schedule: no signal is lost, no signal is spent on
 * one who is leaving, and whoever returns has the mutex.
 */
#include <belay/sync.h>
#include <belay/test.h>

struct state {
    belay_mutex m;
    belay_cond c;
    int items;
    int taken;
    int inside;
};

/* Takes one item; a cut while waiting ends it, with the mutex held. */
BELAY_TASK(take, (struct state *, st), (int *, got))
{
    int r = belay_mutex_lock(&st->m);

    *got = r;
    if (r < 0)
        return 0;
    while (st->items == 0 && r == 0) {
        r = belay_cond_wait(&st->c, &st->m);
        BELAY_CHECK_EQ(st->inside, 0);
        BELAY_CHECK_EQ(belay_mutex_try_lock(&st->m), -EDEADLK);
    }
    *got = r;
    if (r == 0) {
        st->inside = 1;
        st->items--;
        st->taken++;
        belay_ignore(belay_yield(), "lets the explorer put others here");
        st->inside = 0;
    }
    belay_mutex_unlock(&st->m);
    return 0;
}

BELAY_TASK(put, (struct state *, st), (int, n), (bool, all))
{
    BELAY_TRY(belay_mutex_lock(&st->m));
    st->items += n;
    if (all)
        belay_cond_broadcast(&st->c);
    else
        belay_cond_signal(&st->c);
    belay_mutex_unlock(&st->m);
    return 0;
}

static void
check_unused(struct state *st)
{
    BELAY_CHECK_EQ(belay_mutex_try_lock(&st->m), 0);
    belay_mutex_unlock(&st->m);
    belay_mutex_fini(&st->m);
    belay_cond_fini(&st->c);
}

BELAY_TEST(a_signal_wakes_one, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.m = BELAY_MUTEX_INIT, .c = BELAY_COND_INIT};
    int err, got[2];

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, take, &st, &got[0]);
        belay_spawn(s, put, &st, 1, false);
        belay_spawn(s, take, &st, &got[1]);
        belay_spawn(s, put, &st, 1, false);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.taken, 2);
    check_unused(&st);
}

BELAY_TEST(a_broadcast_wakes_all, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.m = BELAY_MUTEX_INIT, .c = BELAY_COND_INIT};
    int err, got[2];

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, take, &st, &got[0]);
        belay_spawn(s, take, &st, &got[1]);
        belay_spawn(s, put, &st, 2, true);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.taken, 2);
    check_unused(&st);
}

/* signal against cancel: one item, two that want it, one of them is cut. */
BELAY_TEST(a_signal_is_not_spent_on_a_cut_task, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct state st = {.m = BELAY_MUTEX_INIT, .c = BELAY_COND_INIT};
    int a = 1, b = 1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, take, &st, &b);
            belay_spawn(s, take, &st, &a);
            belay_spawn(s, put, &st, 1, false);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_cancel(c, "test");
        }
        /* If the cut one got the item, the other wants one more. */
        if (b == 0)
            belay_spawn(s, put, &st, 1, false);
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK(b == 0 || b == -ECANCELED);
    check_unused(&st);
}

BELAY_TASK(put_after, (struct state *, st), (belay_dur, d))
{
    BELAY_TRY(belay_sleep(d));
    BELAY_TRY(belay_mutex_lock(&st->m));
    st->items++;
    belay_cond_signal(&st->c);
    belay_mutex_unlock(&st->m);
    return 0;
}

BELAY_TEST(a_deadline_races_with_a_signal, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.m = BELAY_MUTEX_INIT, .c = BELAY_COND_INIT};
    int got = 1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn(s, put_after, &st, BELAY_MS(2));
        BELAY_SCOPE_CATCH(c, &inner, .timeout = BELAY_MS(2))
            belay_spawn(c, take, &st, &got);
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK(got == 0 || got == -ETIME);
    BELAY_CHECK_EQ(st.items, got != 0);
    check_unused(&st);
}

BELAY_TEST(a_cut_anywhere_leaves_the_mutex_free, .cancel_everywhere = true,
    .schedules = 500)
{
    struct state st = {.m = BELAY_MUTEX_INIT, .c = BELAY_COND_INIT};
    int err, got[2];

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, take, &st, &got[0]);
        belay_spawn(s, take, &st, &got[1]);
        belay_spawn(s, put, &st, 2, true);
    }
    BELAY_CHECK(st.taken == 2 || belay_test_disturbed());
    check_unused(&st);
}

/* The cut one locks again although others have the mutex for a while. */
BELAY_TASK(wait_cut, (struct state *, st), (int *, got))
{
    BELAY_TRY(belay_mutex_lock(&st->m));
    *got = belay_cond_wait(&st->c, &st->m);
    BELAY_CHECK_EQ(st->inside, 0);
    BELAY_CHECK_EQ(belay_mutex_try_lock(&st->m), -EDEADLK);
    belay_mutex_unlock(&st->m);
    return 0;
}

BELAY_TEST(a_cut_waiter_waits_for_the_mutex, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.m = BELAY_MUTEX_INIT, .c = BELAY_COND_INIT};
    int got = 1, inner;

    BELAY_SCOPE_CATCH(c, &inner) {
        belay_spawn(c, wait_cut, &st, &got);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        BELAY_CHECK_EQ(belay_mutex_lock(&st.m), 0);
        st.inside = 1;
        belay_cancel(c, "test");
        {
            BELAY_SHIELD(BELAY_S(1));
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(3)), 0);
        }
        BELAY_CHECK_EQ(got, 1);
        st.inside = 0;
        belay_mutex_unlock(&st.m);
    }
    BELAY_CHECK_EQ(got, -ECANCELED);
    check_unused(&st);
}

BELAY_TEST(waiting_without_the_mutex_is_misuse, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    struct state st = {.m = BELAY_MUTEX_INIT, .c = BELAY_COND_INIT};

    BELAY_CHECK_EQ(belay_cond_wait(&st.c, &st.m), 0);
}

BELAY_TEST(two_mutexes_are_misuse, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    struct state st = {.m = BELAY_MUTEX_INIT, .c = BELAY_COND_INIT};
    belay_mutex other = BELAY_MUTEX_INIT;
    int err, got;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, wait_cut, &st, &got);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        BELAY_CHECK_EQ(belay_mutex_lock(&other), 0);
        BELAY_CHECK_EQ(belay_cond_wait(&st.c, &other), 0);
    }
}

/* ---- two workers -------------------------------------------------------- */

BELAY_TEST(workers_lose_no_signal, .workers = 2, .atomic = true,
    .schedules = 3000)
{
    struct state st = {.m = BELAY_MUTEX_INIT, .c = BELAY_COND_INIT};
    int err, got[2];

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 2), take, &st, &got[0]);
        belay_spawn_with(s, (.worker = 1), put, &st, 1, false);
        belay_spawn_with(s, (.worker = 1), take, &st, &got[1]);
        belay_spawn_with(s, (.worker = 2), put, &st, 1, false);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.taken, 2);
    check_unused(&st);
}
