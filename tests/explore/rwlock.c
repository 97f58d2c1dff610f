/* SPDX-License-Identifier: MIT */
/*
 * The rwlock in every schedule: a writer is alone, readers are together, and
 * a cut of anyone lets those in who can go on.
 */
#include <belay/sync.h>
#include <belay/test.h>

struct state {
    belay_rwlock l;
    int readers, writers;
    int together; /* most readers at once */
    int done;
    int order[4];
    int n;
};

BELAY_TASK(reads, (struct state *, st), (int *, got))
{
    *got = belay_rwlock_read(&st->l);
    if (*got < 0)
        return 0;
    st->readers++;
    if (st->readers > st->together)
        st->together = st->readers;
    BELAY_CHECK_EQ(st->writers, 0);
    belay_ignore(belay_yield(), "lets the explorer put others here");
    BELAY_CHECK_EQ(st->writers, 0);
    st->readers--;
    belay_rwlock_unlock(&st->l);
    st->done++;
    return 0;
}

BELAY_TASK(writes, (struct state *, st), (int *, got))
{
    *got = belay_rwlock_write(&st->l);
    if (*got < 0)
        return 0;
    BELAY_CHECK_EQ(st->writers++, 0);
    BELAY_CHECK_EQ(st->readers, 0);
    belay_ignore(belay_yield(), "lets the explorer put others here");
    BELAY_CHECK_EQ(st->readers, 0);
    BELAY_CHECK_EQ(--st->writers, 0);
    belay_rwlock_unlock(&st->l);
    st->done++;
    return 0;
}

static void
check_unused(struct state *st)
{
    BELAY_CHECK_EQ(belay_rwlock_try_write(&st->l), 0);
    belay_rwlock_unlock(&st->l);
    belay_rwlock_fini(&st->l);
}

/* ---- exclusion ---------------------------------------------------------- */

BELAY_TEST(two_readers_and_a_writer, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.l = BELAY_RWLOCK_INIT};
    int err, got[3];

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, reads, &st, &got[0]);
        belay_spawn(s, writes, &st, &got[1]);
        belay_spawn(s, reads, &st, &got[2]);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.done, 3);
    check_unused(&st);
}

BELAY_TEST(two_writers_and_a_reader, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.l = BELAY_RWLOCK_INIT};
    int err, got[3];

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, writes, &st, &got[0]);
        belay_spawn(s, writes, &st, &got[1]);
        belay_spawn(s, reads, &st, &got[2]);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.done, 3);
    check_unused(&st);
}

BELAY_TEST(many_of_both, .schedules = 2000)
{
    struct state st = {.l = BELAY_RWLOCK_INIT};
    int err, i, got[6];

    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < 6; i += 2) {
            belay_spawn(s, reads, &st, &got[i]);
            belay_spawn(s, writes, &st, &got[i + 1]);
        }
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.done, 6);
    check_unused(&st);
}

BELAY_TEST(readers_are_together, .strategy = BELAY_FIFO)
{
    struct state st = {.l = BELAY_RWLOCK_INIT};
    int err, got[2];

    BELAY_CHECK_EQ(belay_rwlock_write(&st.l), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, reads, &st, &got[0]);
        belay_spawn(s, reads, &st, &got[1]);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(0.5)), 0);
        belay_rwlock_unlock(&st.l);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.together, 2);
    check_unused(&st);
}

/* ---- cuts --------------------------------------------------------------- */

BELAY_TEST(a_cancel_races_with_unlocks, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct state st = {.l = BELAY_RWLOCK_INIT};
    int a = 1, b = 1, last = 1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn(s, reads, &st, &a);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, writes, &st, &b);
            belay_spawn(s, writes, &st, &last);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_cancel(c, "test");
        }
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK_EQ(last, 0);
    BELAY_CHECK(b == 0 || b == -ECANCELED);
    BELAY_CHECK_EQ(st.done, 2 + (b == 0));
    check_unused(&st);
}

/* A writer waits for a reader, and a reader waits behind it.  When the writer
 * is cut, the reader behind can join the one inside at once. */
BELAY_TEST(a_cut_writer_lets_readers_in, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.l = BELAY_RWLOCK_INIT};
    int w = 1, r = 1, outer, inner = 0;

    BELAY_CHECK_EQ(belay_rwlock_read(&st.l), 0);
    BELAY_SCOPE_CATCH(s, &outer) {
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, writes, &st, &w);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(2)), 0);
            belay_spawn(s, reads, &st, &r);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(2)), 0);
            BELAY_CHECK_EQ(r, 1); /* the writer has waited for 1 ms */
            belay_cancel(c, "test");
        }
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        BELAY_CHECK_EQ(r, 0);
    }
    BELAY_CHECK_EQ(w, -ECANCELED);
    belay_rwlock_unlock(&st.l);
    check_unused(&st);
}

BELAY_TASK(read_for, (struct state *, st), (belay_dur, d))
{
    BELAY_TRY(belay_rwlock_read(&st->l));
    BELAY_TRY(belay_sleep(d));
    belay_rwlock_unlock(&st->l);
    return 0;
}

BELAY_TEST(a_deadline_races_with_an_unlock, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.l = BELAY_RWLOCK_INIT};
    int got = 1, outer, inner = 0;

    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn(s, read_for, &st, BELAY_MS(2));
        BELAY_SCOPE_CATCH(c, &inner, .timeout = BELAY_MS(2))
            belay_spawn(c, writes, &st, &got);
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK(got == 0 || got == -ETIME);
    check_unused(&st);
}

BELAY_TEST(a_cut_anywhere_leaves_it_free, .cancel_everywhere = true,
    .schedules = 500)
{
    struct state st = {.l = BELAY_RWLOCK_INIT};
    int err, got[4];

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, reads, &st, &got[0]);
        belay_spawn(s, writes, &st, &got[1]);
        belay_spawn(s, reads, &st, &got[2]);
        belay_spawn(s, writes, &st, &got[3]);
    }
    BELAY_CHECK(st.done == 4 || belay_test_disturbed());
    check_unused(&st);
}

/* ---- fairness ----------------------------------------------------------- */

BELAY_TASK(note_write, (struct state *, st), (int, who))
{
    BELAY_TRY(belay_rwlock_write(&st->l));
    st->order[st->n++] = who;
    belay_rwlock_unlock(&st->l);
    return 0;
}

BELAY_TEST(a_writer_of_1_ms_is_not_passed, .strategy = BELAY_EXHAUSTIVE)
{
    struct state st = {.l = BELAY_RWLOCK_INIT};
    int err;

    BELAY_CHECK_EQ(belay_rwlock_read(&st.l), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, note_write, &st, 1);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1.5)), 0);
        BELAY_CHECK_EQ(belay_rwlock_try_read(&st.l), -EBUSY);
        belay_rwlock_unlock(&st.l);
        BELAY_CHECK_EQ(belay_rwlock_write(&st.l), 0);
        st.order[st.n++] = 2;
        belay_rwlock_unlock(&st.l);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.n, 2);
    BELAY_CHECK_EQ(st.order[0], 1);
    check_unused(&st);
}

BELAY_TEST(readers_pass_a_writer_before_that, .strategy = BELAY_FIFO)
{
    struct state st = {.l = BELAY_RWLOCK_INIT};
    int err;

    BELAY_CHECK_EQ(belay_rwlock_read(&st.l), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, note_write, &st, 1);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(0.5)), 0);
        BELAY_CHECK_EQ(belay_rwlock_try_read(&st.l), 0);
        belay_rwlock_unlock(&st.l);
        BELAY_CHECK_EQ(st.n, 0);
        belay_rwlock_unlock(&st.l);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(st.n, 1);
    check_unused(&st);
}

/* ---- mistakes ----------------------------------------------------------- */

BELAY_TEST(waiting_for_oneself_is_refused, .strategy = BELAY_FIFO)
{
    struct state st = {.l = BELAY_RWLOCK_INIT};

    BELAY_CHECK_EQ(belay_rwlock_write(&st.l), 0);
    BELAY_CHECK_EQ(belay_rwlock_write(&st.l), -EDEADLK);
    BELAY_CHECK_EQ(belay_rwlock_read(&st.l), -EDEADLK);
    BELAY_CHECK_EQ(belay_rwlock_try_read(&st.l), -EDEADLK);
    belay_rwlock_unlock(&st.l);
    BELAY_CHECK_EQ(belay_rwlock_read(&st.l), 0);
    BELAY_CHECK_EQ(belay_rwlock_write(&st.l), -EDEADLK);
    belay_rwlock_unlock(&st.l);
    check_unused(&st);
}

BELAY_TASK(unlock_only, (struct state *, st))
{
    belay_rwlock_unlock(&st->l);
    return 0;
}

BELAY_TEST(only_the_writer_may_unlock, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    struct state st = {.l = BELAY_RWLOCK_INIT};
    int err;

    BELAY_CHECK_EQ(belay_rwlock_write(&st.l), 0);
    BELAY_SCOPE_CATCH(s, &err)
        belay_spawn(s, unlock_only, &st);
}

BELAY_TEST(only_the_reader_may_unlock, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    struct state st = {.l = BELAY_RWLOCK_INIT};
    int err;

    BELAY_CHECK_EQ(belay_rwlock_read(&st.l), 0);
    BELAY_SCOPE_CATCH(s, &err)
        belay_spawn(s, unlock_only, &st);
}

/* ---- guarded data ------------------------------------------------------- */

typedef BELAY_GUARDED_RW(int) guarded_int;

BELAY_TASK(add_guarded, (guarded_int *, g))
{
    int seen;

    BELAY_LOCK_WRITE(g, p);
    seen = *p;
    BELAY_TRY(belay_yield());
    *p = seen + 1;
    return 0;
}

BELAY_TASK(look_guarded, (guarded_int *, g))
{
    int seen;

    BELAY_LOCK_READ(g, p);
    seen = *p;
    BELAY_TRY(belay_yield());
    BELAY_CHECK_EQ(*p, seen);
    return 0;
}

BELAY_TEST(guarded_data_hold_still, .strategy = BELAY_EXHAUSTIVE,
    .cancel_everywhere = true)
{
    guarded_int g = BELAY_GUARDED_INIT(5);
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, add_guarded, &g);
        belay_spawn(s, look_guarded, &g);
        belay_spawn(s, add_guarded, &g);
    }
    BELAY_CHECK(g.belay_value_ == 7 || belay_test_disturbed());
    BELAY_CHECK_EQ(belay_rwlock_try_write(&g.belay_rwlock_), 0);
    belay_rwlock_unlock(&g.belay_rwlock_);
}

/* ---- two workers -------------------------------------------------------- */

BELAY_TEST(workers_lose_no_wake_up, .workers = 2, .atomic = true,
    .schedules = 3000)
{
    struct state st = {.l = BELAY_RWLOCK_INIT};
    int err, got[4], i;

    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < 4; i += 2) {
            belay_spawn_with(s, (.worker = 1), reads, &st, &got[i]);
            belay_spawn_with(s, (.worker = 2), writes, &st, &got[i + 1]);
        }
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got[0] + got[1] + got[2] + got[3], 0);
    check_unused(&st);
}
