/* SPDX-License-Identifier: MIT */
/* Selects under every order of events: one case happens, the others do not. */
#include "chan_book.h"

enum { IN, OUT, TICK, STOP, CASES };

/* A select over a receive from channel 0, a send to channel 1, time and a
 * stop, whose books are kept.  timeout < 0: no case for it. */
static int
book_select(struct book *b, int value, belay_dur timeout, bool stop)
{
    belay_case none = {0};
    int v = NOTHING, r = 99;
    int which = belay_select(&r, [IN] = BELAY_RECV(&b->ch[0], &v),
        [OUT] = BELAY_SEND(&b->ch[1], &value),
        [TICK] = timeout >= 0 ? BELAY_AFTER(timeout) : none,
        [STOP] = stop ? BELAY_STOP : none);

    if (which == IN)
        (void)book_got(b, r, v);
    else
        BELAY_CHECK_EQ(v, NOTHING);
    if (which == OUT)
        (void)book_sent(b, r, value);
    if (which == TICK)
        BELAY_CHECK_EQ(r, 0);
    if (which == STOP)
        BELAY_CHECK_EQ(r, -ESHUTDOWN);
    if (which < 0)
        BELAY_CHECK_EQ(r, which);
    return which;
}

static void
fill(struct book *b, int i, size_t cap, int first)
{
    for (; cap > 0; cap--, first++)
        BELAY_CHECK_EQ(
            book_sent(b, belay_try_send(&b->ch[i], first), first), 0);
}

/* ---- two things happen to a select -------------------------------------- */

enum happening {
    WAKE_IN, WAKE_OUT, CANCEL, TIMEOUT, AFTER, CLOSE_IN, CLOSE_OUT, STOPPED,
    JOIN, HAPPENINGS
};

BELAY_TASK(event, (struct book *, b), (belay_scope *, s),
    (enum happening, what), (int, v), (belay_dur, when))
{
    int r, got = NOTHING;

    belay_ignore(belay_sleep(when), "perhaps at the same time as time");
    switch (what) {
    case WAKE_IN:
        (void)book_sent(b, belay_try_send(&b->ch[0], v), v);
        break;
    case WAKE_OUT:
        r = belay_try_recv(&b->ch[1], &got);
        (void)book_got(b, r, got);
        break;
    case CANCEL:
        belay_cancel(s, "a test");
        break;
    case CLOSE_IN:
        belay_close(&b->ch[0], -EIO);
        break;
    case CLOSE_OUT:
        belay_close(&b->ch[1], -EIO);
        break;
    case STOPPED:
        belay_stop(s, "a test");
        break;
    default:
        break;
    }
    return 0;
}

BELAY_TASK(selector, (struct book *, b), (enum happening, x),
    (enum happening, y))
{
    bool timeout = x == TIMEOUT || y == TIMEOUT;
    belay_dur after = x == AFTER || y == AFTER ? BELAY_MS(1) : -1;
    bool stop = x == STOPPED || y == STOPPED;
    int which;

    if (timeout) {
        BELAY_DEADLINE(BELAY_MS(1));

        which = book_select(b, 15, after, stop);
    } else {
        which = book_select(b, 15, after, stop);
    }
    BELAY_CHECK(which >= 0 || book_is_cut(which));
    BELAY_CHECK(which != -ETIME || timeout);
    return 0;
}

static int
leave_early(struct book *b, enum happening x, enum happening y)
{
    BELAY_SCOPE(s, .grace = BELAY_S(1)) {
        belay_spawn(s, selector, b, x, y);
        belay_spawn(s, event, b, s, x, 10, BELAY_MS(belay_test_choose(2)));
        belay_spawn(s, event, b, s, y, 11, BELAY_MS(1));
        if (x == JOIN || y == JOIN) {
            belay_ignore(belay_sleep(BELAY_MS(1)), "then we leave");
            return 0;
        }
        belay_ignore(belay_sleep(BELAY_MS(2)), "then it was in vain");
        belay_close(&b->ch[0], -EIO);
    }
    return 0;
}

static void
two_happen(size_t cap)
{
    enum happening x = belay_test_choose(HAPPENINGS);
    enum happening y = belay_test_choose(HAPPENINGS);
    struct book b;

    if (x > y || book_open(&b, cap, 2) < 0)
        return;
    fill(&b, 1, cap, 1);
    (void)leave_early(&b, x, y);
    book_close(&b);
}

BELAY_TEST(two_happen_to_a_select_of_rendezvous,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1, .max_runs = 3000000)
{
    two_happen(0);
}

BELAY_TEST(two_happen_to_a_select_of_one_slot,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1, .max_runs = 3000000)
{
    two_happen(1);
}

BELAY_TEST(two_happen_to_a_select_of_two_slots,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1, .max_runs = 3000000)
{
    two_happen(2);
}

/* ---- selects among themselves ------------------------------------------- */

/* Sends on a and receives from b, whichever comes first, named either way. */
BELAY_TASK(both_ways, (struct book *, b), (int, a), (int, c), (int, value),
    (bool, mirrored))
{
    int v = NOTHING, r, which;

    if (mirrored)
        which = 1 - belay_select(&r, BELAY_RECV(&b->ch[c], &v),
            BELAY_SEND(&b->ch[a], &value));
    else
        which = belay_select(&r, BELAY_SEND(&b->ch[a], &value),
            BELAY_RECV(&b->ch[c], &v));
    if (which == 2 || r < 0)
        return book_got(b, NOTHING, v);
    if (which == 0)
        return book_sent(b, r, value);
    (void)book_got(b, r, v);
    return 0;
}

/* Two selects meet on a rendezvous: one value moves, never two, never none,
 * and the order in which they lock is the same. */
BELAY_TEST(two_selects_meet, .strategy = BELAY_EXHAUSTIVE)
{
    bool mirrored = belay_test_choose(2);
    struct book b;
    int err;

    if (book_open(&b, 0, 2) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, both_ways, &b, 0, 1, 1, false);
        belay_spawn(s, both_ways, &b, 1, 0, 2, mirrored);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(b.in[1] + b.in[2], 1);
    book_close(&b);
}

/* Both cases of a select are on one channel: it does not meet itself. */
BELAY_TEST(a_select_does_not_meet_itself, .strategy = BELAY_EXHAUSTIVE)
{
    struct book b;
    int err;

    if (book_open(&b, 0, 1) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, both_ways, &b, 0, 0, 1, false);
        belay_spawn(s, both_ways, &b, 0, 0, 2, true);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(b.in[1] + b.in[2], 1);
    book_close(&b);
}

BELAY_TEST(selects_among_themselves_by_chance, .schedules = 3000,
    .cancel_everywhere = true, .fail_allocs = true)
{
    struct book b;
    int i, err;

    if (book_open(&b, belay_test_choose(2), 3) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < 6; i++)
            belay_spawn(s, both_ways, &b, i % 3, (i + 1 + i / 3) % 3, i + 1,
                i % 2);
        belay_ignore(belay_sleep(BELAY_MS(1)), "all have met who can");
        for (i = 0; i < 3; i++)
            belay_close(&b.ch[i], -EIO);
    }
    book_close(&b);
}

BELAY_TASK(send_one, (struct book *, b), (int, i), (int, v))
{
    return book_send(b, i, v);
}

/* Two senders, one select: the loser still has its value. */
static void
two_senders(size_t cap, unsigned worker)
{
    struct book b;
    int r, v = NOTHING, err, which;

    if (book_open(&b, cap, 2) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = worker), send_one, &b, 0, 1);
        belay_spawn_with(s, (.worker = worker), send_one, &b, 1, 2);
        which = belay_select(
            &r, BELAY_RECV(&b.ch[0], &v), BELAY_RECV(&b.ch[1], &v));
        BELAY_CHECK(which == 0 || which == 1);
        (void)book_got(&b, r, v);
        BELAY_CHECK_EQ(v, which + 1);
        BELAY_CHECK_EQ(book_recv(&b, 1 - which), 1);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK(b.out[1] == 1 && b.out[2] == 1);
    book_close(&b);
}

BELAY_TEST(a_select_takes_from_one_of_two_senders,
    .strategy = BELAY_EXHAUSTIVE)
{
    two_senders(belay_test_choose(3), 0);
}

BELAY_TEST(a_select_of_rendezvous_at_each_access,
    .strategy = BELAY_EXHAUSTIVE, .workers = 2, .atomic = true,
    .preemptions = 1, .max_runs = 3000000)
{
    two_senders(0, 2);
}

BELAY_TEST(a_select_of_slots_at_each_access, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2, .atomic = true, .preemptions = 1, .max_runs = 3000000)
{
    two_senders(1, 2);
}

/* Two selects meet across two workers; they name their channels in opposite
 * orders, and yet lock them in one. */
BELAY_TEST(two_selects_meet_at_each_access, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2, .atomic = true, .preemptions = 1, .max_runs = 3000000)
{
    struct book b;
    int err;

    if (book_open(&b, 0, 2) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 1), both_ways, &b, 0, 1, 1, false);
        belay_spawn_with(s, (.worker = 2), both_ways, &b, 1, 0, 2, false);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(b.in[1] + b.in[2], 1);
    book_close(&b);
}

/* ---- who is picked ------------------------------------------------------ */

static int
pick_of_three(struct book *b)
{
    int v, r, which;

    BELAY_CHECK(book_open(b, 1, 3) == 0);
    fill(b, 0, 1, 1);
    fill(b, 1, 1, 2);
    fill(b, 2, 1, 3);
    which = belay_select(&r, BELAY_RECV(&b->ch[0], &v),
        BELAY_RECV(&b->ch[1], &v), BELAY_RECV(&b->ch[2], &v));
    BELAY_CHECK_EQ(r, 1);
    book_note(b->out, v);
    book_close(b);
    return which;
}

BELAY_TEST(the_first_ready_case_may_be_picked, .strategy = BELAY_EXHAUSTIVE,
    .expect = BELAY_FINDS_CHECK)
{
    struct book b;

    BELAY_CHECK(pick_of_three(&b) != 0);
}

BELAY_TEST(the_second_ready_case_may_be_picked, .strategy = BELAY_EXHAUSTIVE,
    .expect = BELAY_FINDS_CHECK)
{
    struct book b;

    BELAY_CHECK(pick_of_three(&b) != 1);
}

BELAY_TEST(the_third_ready_case_may_be_picked, .strategy = BELAY_EXHAUSTIVE,
    .expect = BELAY_FINDS_CHECK)
{
    struct book b;

    BELAY_CHECK(pick_of_three(&b) != 2);
}

/* ---- single cases ------------------------------------------------------- */

BELAY_TEST(what_is_not_named_never_happens, .strategy = BELAY_EXHAUSTIVE)
{
    int_chan none = {NULL, NULL};
    struct book b;
    int v, r = 0;

    BELAY_CHECK_EQ(belay_select(&r, [2] = BELAY_RECV(&none, &v)), -EINVAL);
    BELAY_CHECK_EQ(r, -EINVAL);
    if (book_open(&b, 1, 1) < 0)
        return;
    BELAY_CHECK_EQ(belay_try_select(&r, [3] = BELAY_RECV(&b.ch[0], &v),
        [1] = BELAY_RECV(&none, &v)), -EAGAIN);
    fill(&b, 0, 1, 1);
    BELAY_CHECK_EQ(belay_try_select(&r, [3] = BELAY_RECV(&b.ch[0], &v),
        [1] = BELAY_RECV(&none, &v)), 3);
    BELAY_CHECK_EQ(book_got(&b, r, v), 1);
    belay_close(&b.ch[0], -EIO);
    BELAY_CHECK_EQ(belay_select(&r, [5] = BELAY_RECV(&b.ch[0], &v)), 5);
    BELAY_CHECK_EQ(r, -EIO);
    v = 2;
    BELAY_CHECK_EQ(belay_select(&r, [7] = BELAY_SEND(&b.ch[0], &v)), 7);
    BELAY_CHECK_EQ(r, BELAY_ECLOSED);
    book_close(&b);
}

BELAY_TEST(time_is_the_last_resort, .strategy = BELAY_EXHAUSTIVE)
{
    struct book b;
    int v = NOTHING, r;

    if (book_open(&b, 1, 1) < 0)
        return;
    BELAY_CHECK_EQ(belay_select(&r, [IN] = BELAY_RECV(&b.ch[0], &v),
        [TICK] = BELAY_AFTER(0)), TICK);
    BELAY_CHECK_EQ(belay_test_elapsed(), 0);
    BELAY_CHECK_EQ(belay_select(&r, [IN] = BELAY_RECV(&b.ch[0], &v),
        [TICK] = BELAY_AFTER(BELAY_S(3))), TICK);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(3));
    fill(&b, 0, 1, 1);
    BELAY_CHECK_EQ(belay_select(&r, [IN] = BELAY_RECV(&b.ch[0], &v),
        [TICK] = BELAY_AFTER(0)), IN);
    (void)book_got(&b, r, v);
    book_close(&b);
}

/* Wipes what a call has left behind on the stack. */
static __attribute__((noinline)) void
wipe(void)
{
    volatile char old[4096];
    size_t i;

    for (i = 0; i < sizeof old; i++)
        old[i] = 0;
}

/* No timer of a select outlives it. */
BELAY_TEST(time_that_was_not_needed_does_not_come, .strategy = BELAY_EXHAUSTIVE)
{
    struct book b;
    int err;

    if (book_open(&b, 0, 2) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, send_one, &b, 0, 1);
        BELAY_CHECK_EQ(book_select(&b, 15, BELAY_MS(1), false), IN);
        wipe();
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(3)), 0);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(3));
    }
    BELAY_CHECK_EQ(err, 0);
    book_close(&b);
}

/* Without memory for a timer the select fails at once, and has done nothing. */
BELAY_TEST(no_memory_for_time, .schedules = 10, .fail_allocs = true)
{
    struct book b;
    int which;

    if (book_open(&b, 0, 2) < 0)
        return;
    which = book_select(&b, 15, BELAY_MS(1), false);
    BELAY_CHECK(which == TICK || (which == -ENOMEM && belay_test_disturbed()));
    book_close(&b);
}

/* The same channel twice: its lock is taken once, one case is done. */
BELAY_TEST(one_channel_in_two_cases, .strategy = BELAY_EXHAUSTIVE)
{
    struct book b;
    int v = NOTHING, u = NOTHING, r, which, err;

    if (book_open(&b, 0, 1) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, send_one, &b, 0, 1);
        which = belay_select(
            &r, BELAY_RECV(&b.ch[0], &v), BELAY_RECV(&b.ch[0], &u));
        BELAY_CHECK(which == 0 || which == 1);
        BELAY_CHECK_EQ(which == 0 ? u : v, NOTHING);
        (void)book_got(&b, r, which == 0 ? v : u);
    }
    book_close(&b);
}

/* ---- children ----------------------------------------------------------- */

BELAY_TASK(child, (int, result))
{
    BELAY_TRY(belay_sleep(BELAY_MS(belay_test_choose(2))));
    return result;
}

/* Children and values come through one select, each once. */
static void
children_and_values(unsigned worker)
{
    int r, v, which, err, values = 0, seen[3] = {0};
    belay_done done;
    struct book b;
    int_chan in;

    if (book_open(&b, belay_test_choose(2), 1) < 0)
        return;
    in = b.ch[0];
    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT) {
        belay_spawn_with(s, (.tagged = true, .tag = 1, .worker = worker),
            child, 0);
        belay_spawn_with(s, (.tagged = true, .tag = 2, .worker = worker),
            child, -EIO);
        belay_spawn_with(s, (.producer_of = in.base, .worker = worker),
            send_one, &b, 0, 5);
        belay_scope *kids = s;

        while (v = NOTHING, (which = belay_select(&r, BELAY_NEXT(kids, &done),
                                 BELAY_RECV(&in, &v))) >= 0) {
            if (which == 1 && book_got(&b, r, v) == 1) {
                values++;
            } else if (which == 1) {
                in.base = NULL;
            } else if (r == 0) {
                kids = NULL;
            } else {
                BELAY_CHECK_EQ(r, 1);
                seen[done.tag]++;
                BELAY_CHECK(belay_test_disturbed() ||
                    done.err == (done.tag == 1 ? 0 : -EIO));
            }
        }
        BELAY_CHECK(which == -EINVAL || belay_test_disturbed());
    }
    if (!belay_test_disturbed()) {
        BELAY_CHECK_EQ(values, 1);
        BELAY_CHECK(seen[1] == 1 && seen[2] == 1);
        BELAY_CHECK_EQ(err, 0);
    }
    book_close(&b);
}

BELAY_TEST(children_come_through_a_select, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    children_and_values(0);
}

BELAY_TEST(children_come_until_cancelled, .cancel_everywhere = true,
    .fail_allocs = true, .schedules = 300)
{
    children_and_values(0);
}

BELAY_TEST(children_come_from_another_worker, .workers = 2, .atomic = true,
    .schedules = 3000)
{
    children_and_values(2);
}

/* ---- rule 16 ------------------------------------------------------------ */

BELAY_TASK(waits_on, (struct book *, b), (bool, minds))
{
    int which = book_select(b, 15, -1, minds);

    if (minds)
        BELAY_CHECK_EQ(which, STOP);
    else
        BELAY_CHECK_EQ(which, IN);
    return 0;
}

/* A stop ends the select that has a case for it, and no other. */
BELAY_TEST(rule_16_a_stop_is_for_stop_cases_only,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    struct book b, c;
    int err;

    if (book_open(&b, 0, 2) < 0)
        return;
    if (book_open(&c, 0, 2) < 0) {
        book_close(&b);
        return;
    }
    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_S(5)) {
        belay_spawn(s, waits_on, &b, true);
        belay_spawn(s, waits_on, &c, false);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(belay_test_choose(2))), 0);
        belay_stop(s, "please");
        BELAY_CHECK_EQ(belay_sleep(BELAY_S(1)), 0);
        BELAY_CHECK_EQ(book_send(&c, 0, 1), 0);
        BELAY_CHECK_EQ(book_select(&b, 14, 0, true), STOP);
    }
    BELAY_CHECK_EQ(err, 0);
    book_close(&b);
    book_close(&c);
}

BELAY_TASK(waits_for_a_stop, (struct book *, b))
{
    BELAY_CHECK_EQ(book_select(b, 15, -1, true), STOP);
    BELAY_CHECK_EQ(belay_yield(), -ECANCELED);
    return 0;
}

/* Like any operation that is done, a stop that came first beats a cut that
 * comes before the task has run again. */
BELAY_TEST(rule_1_a_stop_beats_a_later_cut, .strategy = BELAY_EXHAUSTIVE)
{
    struct book b;
    int err;

    if (book_open(&b, 0, 2) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_S(5)) {
        belay_spawn(s, waits_for_a_stop, &b);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_stop(s, "first");
        belay_cancel(s, "second");
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    book_close(&b);
}
