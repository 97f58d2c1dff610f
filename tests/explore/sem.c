/* SPDX-License-Identifier: MIT */
/*
 * The semaphore in every schedule: never more inside than there are permits,
 * every permit comes back, nobody is starved, whoever is cut took nothing.
 */
#include <belay/sync.h>
#include <belay/test.h>

struct state {
    belay_sem sem;
    unsigned inside; /* permits that are out, as the tasks know it */
    unsigned most;
    int done;
    int order[4];
    int n;
};

BELAY_TASK(use, (struct state *, st), (unsigned, need), (int *, got))
{
    *got = belay_sem_acquire(&st->sem, need);
    if (*got < 0)
        return 0;
    st->inside += need;
    BELAY_CHECK(st->inside <= st->most);
    belay_ignore(belay_yield(), "lets the explorer put others here");
    st->inside -= need;
    belay_sem_release(&st->sem, need);
    st->done++;
    return 0;
}

static void
check_all_back(struct state *st)
{
    BELAY_CHECK_EQ(st->inside, 0);
    BELAY_CHECK_EQ(belay_sem_available(&st->sem), st->most);
    belay_sem_fini(&st->sem);
}

BELAY_TEST(no_more_inside_than_permits, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.sem = BELAY_SEM_INIT(2), .most = 2};
    int err, got[3];

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, use, &st, 1, &got[0]);
        belay_spawn(s, use, &st, 1, &got[1]);
        belay_spawn(s, use, &st, 1, &got[2]);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.done, 3);
    check_all_back(&st);
}

BELAY_TEST(permits_have_weights, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct state st = {.sem = BELAY_SEM_INIT(3), .most = 3};
    int err, got[4];

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, use, &st, 2, &got[0]);
        belay_spawn(s, use, &st, 3, &got[1]);
        belay_spawn(s, use, &st, 1, &got[2]);
        belay_spawn(s, use, &st, 2, &got[3]);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.done, 4);
    check_all_back(&st);
}

BELAY_TASK(note, (struct state *, st), (unsigned, need), (int, who))
{
    BELAY_TRY(belay_sem_acquire(&st->sem, need));
    st->order[st->n++] = who;
    belay_sem_release(&st->sem, need);
    return 0;
}

/* One permit is free, but who asked for two came first. */
BELAY_TEST(small_requests_do_not_pass_a_big_one, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.sem = BELAY_SEM_INIT(2), .most = 2};
    int err;

    BELAY_CHECK_EQ(belay_sem_acquire(&st.sem, 1), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, note, &st, 2, 1);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        BELAY_CHECK_EQ(belay_sem_try_acquire(&st.sem, 1), -EBUSY);
        belay_spawn(s, note, &st, 1, 2);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        BELAY_CHECK_EQ(st.n, 0);
        belay_sem_release(&st.sem, 1);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.n, 2);
    BELAY_CHECK_EQ(st.order[0], 1);
    check_all_back(&st);
}

BELAY_TASK(take_one, (struct state *, st), (int *, got))
{
    *got = belay_sem_acquire(&st->sem, 1);
    return 0;
}

BELAY_TEST(a_release_serves_as_many_as_it_can, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.sem = BELAY_SEM_INIT(0)};
    int a = 1, b = 1, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, take_one, &st, &a);
        belay_spawn(s, take_one, &st, &b);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_sem_release(&st.sem, 2);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK_EQ(b, 0);
    BELAY_CHECK_EQ(belay_sem_available(&st.sem), 0);
}

/* The big one is cut; those behind it can go on at once. */
BELAY_TEST(a_cut_big_request_lets_small_ones_in, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.sem = BELAY_SEM_INIT(2), .most = 2};
    int big = 1, small = 1, outer, inner = 0;

    BELAY_CHECK_EQ(belay_sem_acquire(&st.sem, 1), 0);
    BELAY_SCOPE_CATCH(s, &outer) {
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, use, &st, 2, &big);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
            belay_spawn(s, use, &st, 1, &small);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
            BELAY_CHECK_EQ(small, 1);
            belay_cancel(c, "test");
        }
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        BELAY_CHECK_EQ(small, 0);
    }
    BELAY_CHECK_EQ(big, -ECANCELED);
    belay_sem_release(&st.sem, 1);
    st.inside = 0;
    check_all_back(&st);
}

/* release against cancel: the permit is the sleeper's or still there. */
BELAY_TEST(a_grant_beats_a_cancel, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.sem = BELAY_SEM_INIT(1), .most = 1};
    int a = 1, b = 1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn(s, use, &st, 1, &a);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, use, &st, 1, &b);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_cancel(c, "test");
        }
    }
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK(b == 0 || b == -ECANCELED);
    BELAY_CHECK_EQ(st.done, (a == 0) + (b == 0));
    check_all_back(&st);
}

/* release, then cancel, with nothing in between: the grant stands. */
BELAY_TEST(a_granted_permit_is_kept, .strategy = BELAY_FIFO)
{
    struct state st = {.sem = BELAY_SEM_INIT(0), .most = 1};
    int got = 1, inner;

    BELAY_SCOPE_CATCH(c, &inner) {
        belay_spawn(c, use, &st, 1, &got);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_sem_release(&st.sem, 1);
        belay_cancel(c, "test");
    }
    BELAY_CHECK_EQ(got, 0);
    check_all_back(&st);
}

BELAY_TASK(use_for, (struct state *, st), (belay_dur, d))
{
    BELAY_TRY(belay_sem_acquire(&st->sem, 1));
    BELAY_TRY(belay_sleep(d));
    belay_sem_release(&st->sem, 1);
    return 0;
}

BELAY_TEST(a_deadline_races_with_a_release, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.sem = BELAY_SEM_INIT(1), .most = 1};
    int got = 1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn(s, use_for, &st, BELAY_MS(2));
        BELAY_SCOPE_CATCH(c, &inner, .timeout = BELAY_MS(2))
            belay_spawn(c, use, &st, 1, &got);
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK(got == 0 || got == -ETIME);
    check_all_back(&st);
}

BELAY_TEST(a_cut_anywhere_loses_no_permit, .cancel_everywhere = true,
    .schedules = 500)
{
    struct state st = {.sem = BELAY_SEM_INIT(2), .most = 2};
    int i, err, got[4];

    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < 4; i++)
            belay_spawn(s, use, &st, i % 2 == 0 ? 1 : 2, &got[i]);
    }
    BELAY_CHECK(st.done == 4 || belay_test_disturbed());
    check_all_back(&st);
}

/* ---- two workers -------------------------------------------------------- */

BELAY_TASK(take_and_give, (struct state *, st), (int, times))
{
    int i;

    for (i = 0; i < times; i++) {
        BELAY_TRY(belay_sem_acquire(&st->sem, 1));
        BELAY_CHECK(st->inside == 0);
        st->inside = 1;
        st->done++;
        st->inside = 0;
        belay_sem_release(&st->sem, 1);
    }
    return 0;
}

static void
run_apart(struct state *st, int tasks, int times)
{
    int i, err;

    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < tasks; i++)
            belay_spawn_with(s, (.worker = (unsigned)i % 2 + 1), take_and_give,
                st, times);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st->done, tasks * times);
    check_all_back(st);
}

BELAY_TEST(workers_share_one_permit, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2, .atomic = true, .preemptions = 1)
{
    struct state st = {.sem = BELAY_SEM_INIT(1), .most = 1};

    run_apart(&st, 2, 1);
}

BELAY_TEST(workers_lose_no_permit, .workers = 2, .atomic = true,
    .schedules = 3000)
{
    struct state st = {.sem = BELAY_SEM_INIT(1), .most = 1};

    run_apart(&st, 4, 2);
}

/* The cut comes from another worker, at any access of the release. */
BELAY_TEST(a_cancel_from_another_worker, .workers = 2, .atomic = true,
    .schedules = 4000)
{
    struct state st = {.sem = BELAY_SEM_INIT(0), .most = 1};
    int a = 1, b = 1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn_with(s, (.worker = 2), take_one, &st, &a);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn_with(c, (.worker = 2), take_one, &st, &b);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_sem_release(&st.sem, 1);
            belay_cancel(c, "test");
        }
        if (b == 0)
            belay_sem_release(&st.sem, 1);
    }
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK(b == 0 || b == -ECANCELED);
    BELAY_CHECK_EQ(belay_sem_available(&st.sem), 0);
}
