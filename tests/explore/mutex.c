/* SPDX-License-Identifier: MIT */
/*
 * The mutex in every schedule: exclusion, no lost wake-up, cuts in every
 * place, the hand-over after 1 ms.
 */
#include <belay/sync.h>
#include <belay/test.h>

/* What the tests share.  `inside' is not guarded by anything else, so a second
 * task in the section is seen. */
struct state {
    belay_mutex m;
    int inside;
    int sum;
    int order[4];
    int n;
};

static void
section(struct state *st)
{
    BELAY_CHECK(st->inside == 0);
    st->inside = 1;
    belay_ignore(belay_yield(), "lets the explorer put others here");
    BELAY_CHECK(st->inside == 1);
    st->inside = 0;
    st->sum++;
}

BELAY_TASK(lock_times, (struct state *, st), (int, times))
{
    int i;

    for (i = 0; i < times; i++) {
        BELAY_TRY(belay_mutex_lock(&st->m));
        section(st);
        belay_mutex_unlock(&st->m);
    }
    return 0;
}

static void
check_unused(struct state *st)
{
    BELAY_CHECK(belay_mutex_try_lock(&st->m) == 0);
    belay_mutex_unlock(&st->m);
    belay_mutex_fini(&st->m);
}

/* ---- exclusion, and everybody gets in ----------------------------------- */

BELAY_TEST(two_tasks_exclude_each_other, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.m = BELAY_MUTEX_INIT};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, lock_times, &st, 2);
        belay_spawn(s, lock_times, &st, 1);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.sum, 3);
    check_unused(&st);
}

BELAY_TEST(three_tasks_exclude_each_other, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.m = BELAY_MUTEX_INIT};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, lock_times, &st, 1);
        belay_spawn(s, lock_times, &st, 1);
        belay_spawn(s, lock_times, &st, 1);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.sum, 3);
    check_unused(&st);
}

BELAY_TEST(four_tasks_exclude_each_other, .schedules = 2000)
{
    struct state st = {.m = BELAY_MUTEX_INIT};
    int i, err;

    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < 4; i++)
            belay_spawn(s, lock_times, &st, 3);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.sum, 12);
    check_unused(&st);
}

/* Two workers, another thread at any access. */
BELAY_TASK(lock_plain, (struct state *, st), (int, times))
{
    int i;

    for (i = 0; i < times; i++) {
        BELAY_TRY(belay_mutex_lock(&st->m));
        BELAY_CHECK(st->inside == 0);
        st->inside = 1;
        st->sum++;
        st->inside = 0;
        belay_mutex_unlock(&st->m);
    }
    return 0;
}

static int
run_apart(struct state *st, int tasks, int times)
{
    int i, err;

    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < tasks; i++)
            belay_spawn_with(s, (.worker = (unsigned)i % 2 + 1), lock_plain,
                st, times);
    }
    return err;
}

BELAY_TEST(workers_exclude_each_other, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2, .atomic = true, .preemptions = 1)
{
    struct state st = {.m = BELAY_MUTEX_INIT};

    BELAY_CHECK_EQ(run_apart(&st, 2, 1), 0);
    BELAY_CHECK_EQ(st.sum, 2);
    check_unused(&st);
}

BELAY_TEST(workers_lose_no_wake_up, .workers = 2, .atomic = true,
    .schedules = 4000)
{
    struct state st = {.m = BELAY_MUTEX_INIT};

    BELAY_CHECK_EQ(run_apart(&st, 4, 2), 0);
    BELAY_CHECK_EQ(st.sum, 8);
    check_unused(&st);
}

/* ---- cuts --------------------------------------------------------------- */

/* Whoever is cut does not have it; whoever is not gets it. */
BELAY_TEST(a_cut_leaves_no_trace, .cancel_everywhere = true,
    .schedules = 500)
{
    struct state st = {.m = BELAY_MUTEX_INIT};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, lock_times, &st, 2);
        belay_spawn(s, lock_times, &st, 2);
        belay_spawn(s, lock_times, &st, 1);
    }
    BELAY_CHECK(err == 0 || belay_test_disturbed());
    BELAY_CHECK(st.sum == 5 || belay_test_disturbed());
    BELAY_CHECK_EQ(st.inside, 0);
    check_unused(&st);
}

/* Outcome of one attempt; a cut one must not have it. */
BELAY_TASK(lock_once, (struct state *, st), (int *, got))
{
    *got = belay_mutex_lock(&st->m);
    if (*got < 0)
        return 0;
    section(st);
    belay_mutex_unlock(&st->m);
    return 0;
}

/* unlock against cancel: one of two sleepers is cut while the mutex passes
 * between the others. */
BELAY_TEST(a_cancel_races_with_unlocks, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.m = BELAY_MUTEX_INIT};
    int a = 1, b = 1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn(s, lock_once, &st, &a);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, lock_once, &st, &b);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_cancel(c, "test");
        }
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK_EQ(inner, -ECANCELED);
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK(b == 0 || b == -ECANCELED);
    BELAY_CHECK_EQ(st.sum, (a == 0) + (b == 0));
    check_unused(&st);
}

/* The same with one more sleeper behind the one that is cut. */
BELAY_TEST(a_cut_sleeper_passes_the_wake_up_on, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct state st = {.m = BELAY_MUTEX_INIT};
    int a = 1, b = 1, last = 1, outer, inner = 0;

    BELAY_CHECK_EQ(belay_mutex_lock(&st.m), 0);
    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn(s, lock_once, &st, &a);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, lock_once, &st, &b);
            belay_spawn(s, lock_once, &st, &last);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_mutex_unlock(&st.m);
            belay_cancel(c, "test");
        }
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK_EQ(last, 0);
    BELAY_CHECK(b == 0 || b == -ECANCELED);
    BELAY_CHECK_EQ(st.sum, (a == 0) + (b == 0) + (last == 0));
    check_unused(&st);
}

/* The cut comes from another worker, between any two accesses. */
BELAY_TEST(a_cancel_from_another_worker, .workers = 2, .atomic = true,
    .schedules = 4000)
{
    struct state st = {.m = BELAY_MUTEX_INIT};
    int a = 1, b = 1, last = 1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn_with(s, (.worker = 1), lock_once, &st, &a);
        belay_spawn_with(s, (.worker = 2), lock_once, &st, &last);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn_with(c, (.worker = 2), lock_once, &st, &b);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_cancel(c, "test");
        }
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK_EQ(last, 0);
    BELAY_CHECK(b == 0 || b == -ECANCELED);
    BELAY_CHECK_EQ(st.sum, (a == 0) + (b == 0) + (last == 0));
    check_unused(&st);
}

BELAY_TASK(hold_for, (struct state *, st), (belay_dur, d))
{
    BELAY_TRY(belay_mutex_lock(&st->m));
    st->inside = 1;
    BELAY_TRY(belay_sleep(d));
    st->inside = 0;
    belay_mutex_unlock(&st->m);
    return 0;
}

/* unlock against deadline: both come at the same instant. */
BELAY_TEST(a_deadline_races_with_an_unlock, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.m = BELAY_MUTEX_INIT};
    int got = 1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn(s, hold_for, &st, BELAY_MS(2));
        BELAY_SCOPE_CATCH(c, &inner, .timeout = BELAY_MS(2))
            belay_spawn(c, lock_once, &st, &got);
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK(got == 0 || got == -ETIME);
    BELAY_CHECK(inner == 0 || inner == -ETIME);
    BELAY_CHECK_EQ(st.sum, got == 0);
    check_unused(&st);
}

/* ---- fairness ----------------------------------------------------------- */

BELAY_TASK(note_order, (struct state *, st), (int, who))
{
    BELAY_TRY(belay_mutex_lock(&st->m));
    st->order[st->n++] = who;
    belay_mutex_unlock(&st->m);
    return 0;
}

/* After 1 ms the sleeper is first, whatever the one who unlocks does next. */
BELAY_TEST(who_waited_1_ms_is_given_the_mutex, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.m = BELAY_MUTEX_INIT};
    int err;

    BELAY_CHECK_EQ(belay_mutex_lock(&st.m), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, note_order, &st, 1);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1.5)), 0);
        belay_mutex_unlock(&st.m);
        BELAY_CHECK_EQ(belay_mutex_try_lock(&st.m), -EBUSY);
        BELAY_CHECK_EQ(belay_mutex_lock(&st.m), 0);
        st.order[st.n++] = 2;
        belay_mutex_unlock(&st.m);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.n, 2);
    BELAY_CHECK_EQ(st.order[0], 1);
    check_unused(&st);
}

/* Before that a running task may be quicker. */
BELAY_TEST(a_running_task_may_pass, .strategy = BELAY_FIFO)
{
    struct state st = {.m = BELAY_MUTEX_INIT};
    int err;

    BELAY_CHECK_EQ(belay_mutex_lock(&st.m), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, note_order, &st, 1);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(0.5)), 0);
        belay_mutex_unlock(&st.m);
        BELAY_CHECK_EQ(belay_mutex_try_lock(&st.m), 0);
        st.order[st.n++] = 2;
        belay_mutex_unlock(&st.m);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.order[0], 2);
    BELAY_CHECK_EQ(st.order[1], 1);
    check_unused(&st);
}

/* ---- mistakes ----------------------------------------------------------- */

BELAY_TEST(locking_twice_is_refused, .strategy = BELAY_FIFO)
{
    struct state st = {.m = BELAY_MUTEX_INIT};

    BELAY_CHECK_EQ(belay_mutex_lock(&st.m), 0);
    BELAY_CHECK_EQ(belay_mutex_lock(&st.m), -EDEADLK);
    BELAY_CHECK_EQ(belay_mutex_try_lock(&st.m), -EDEADLK);
    belay_mutex_unlock(&st.m);
    check_unused(&st);
}

BELAY_TASK(unlock_only, (struct state *, st))
{
    belay_mutex_unlock(&st->m);
    return 0;
}

BELAY_TEST(only_the_owner_may_unlock, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    struct state st = {.m = BELAY_MUTEX_INIT};
    int err;

    BELAY_CHECK_EQ(belay_mutex_lock(&st.m), 0);
    BELAY_SCOPE_CATCH(s, &err)
        belay_spawn(s, unlock_only, &st);
}

BELAY_TEST(unlocking_a_free_mutex_is_misuse, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    struct state st = {.m = BELAY_MUTEX_INIT};

    belay_mutex_unlock(&st.m);
}

BELAY_TEST(fini_while_somebody_waits_is_misuse, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    struct state st = {.m = BELAY_MUTEX_INIT};
    int err;

    BELAY_CHECK_EQ(belay_mutex_lock(&st.m), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, lock_times, &st, 1);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_mutex_fini(&st.m);
    }
}

/* Two that lock in opposite orders: found as a deadlock in some schedule. */
BELAY_TASK(lock_both, (belay_mutex *, first), (belay_mutex *, second))
{
    BELAY_TRY(belay_mutex_lock(first));
    if (belay_mutex_lock(second) == 0)
        belay_mutex_unlock(second);
    belay_mutex_unlock(first);
    return 0;
}

BELAY_TEST(opposite_orders_deadlock, .strategy = BELAY_EXHAUSTIVE,
    .expect = BELAY_FINDS_DEADLOCK)
{
    belay_mutex a = BELAY_MUTEX_INIT, b = BELAY_MUTEX_INIT;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, lock_both, &a, &b);
        belay_spawn(s, lock_both, &b, &a);
    }
}

/* ---- guarded data ------------------------------------------------------- */

typedef BELAY_GUARDED(int) guarded_int;

BELAY_TASK(count_guarded, (guarded_int *, g))
{
    int seen;

    BELAY_LOCK(g, p);
    seen = *p;
    BELAY_TRY(belay_yield()); /* leaves the block when cut */
    *p = seen + 1;
    return 0;
}

BELAY_TEST(guarded_data_is_unlocked_on_every_way_out,
    .cancel_everywhere = true, .strategy = BELAY_EXHAUSTIVE)
{
    guarded_int g = BELAY_GUARDED_INIT(5);
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, count_guarded, &g);
        belay_spawn(s, count_guarded, &g);
    }
    BELAY_CHECK(g.belay_value_ == 7 || belay_test_disturbed());
    BELAY_CHECK(belay_mutex_try_lock(&g.belay_lock_) == 0);
    belay_mutex_unlock(&g.belay_lock_);
}
