/* SPDX-License-Identifier: MIT */
/* Channels under every order of events. */
#include "chan_book.h"

enum happening { WAKE, CANCEL, TIMEOUT, CLOSE, JOIN, HAPPENINGS };

/* ---- rule 19 ------------------------------------------------------------ */

BELAY_TEST(rule_19_receivers_drain_then_get_the_error,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct book b;

    if (book_open(&b, 2, 1) < 0)
        return;
    BELAY_CHECK_EQ(book_send(&b, 0, 1), 0);
    BELAY_CHECK_EQ(book_send(&b, 0, 2), 0);
    belay_close(&b.ch[0], -EIO);
    belay_close(&b.ch[0], -EPERM);
    BELAY_CHECK_EQ(book_send(&b, 0, 3), BELAY_ECLOSED);
    BELAY_CHECK_EQ(book_recv(&b, 0), 1);
    BELAY_CHECK_EQ(book_recv(&b, 0), 1);
    BELAY_CHECK_EQ(book_recv(&b, 0), -EIO);
    BELAY_CHECK_EQ(book_recv(&b, 0), -EIO);
    book_close(&b);
}

BELAY_TEST(a_full_ring_takes_no_more, .strategy = BELAY_EXHAUSTIVE)
{
    struct book b;
    int v;

    if (book_open(&b, 2, 1) < 0)
        return;
    for (v = 1; v <= 2; v++)
        BELAY_CHECK_EQ(book_sent(&b, belay_try_send(&b.ch[0], v), v), 0);
    BELAY_CHECK_EQ(belay_try_send(&b.ch[0], 3), -EAGAIN);
    BELAY_CHECK_EQ(book_recv(&b, 0), 1);
    BELAY_CHECK_EQ(book_recv(&b, 0), 1);
    BELAY_CHECK_EQ(belay_try_recv(&b.ch[0], &v), -EAGAIN);
    book_close(&b);
}

/* ---- two things happen to one who sleeps -------------------------------- */

/* Does one of the things that can end the sleep of who waits in b->ch[0]. */
static int
happen(struct book *b, belay_scope *s, enum happening what, bool receiver,
    int v)
{
    int r, got = NOTHING;

    switch (what) {
    case WAKE:
        if (receiver) {
            (void)book_sent(b, belay_try_send(&b->ch[0], v), v);
        } else {
            r = belay_try_recv(&b->ch[0], &got);
            (void)book_got(b, r, got);
        }
        break;
    case CANCEL:
        belay_cancel(s, "a test");
        break;
    case CLOSE:
        belay_close(&b->ch[0], -EIO);
        break;
    default:
        break;
    }
    return 0;
}

BELAY_TASK(event, (struct book *, b), (belay_scope *, s),
    (enum happening, what), (bool, receiver), (int, v), (belay_dur, when))
{
    belay_ignore(belay_sleep(when), "perhaps at the same time as time");
    return happen(b, s, what, receiver, v);
}

BELAY_TASK(sleeper, (struct book *, b), (bool, timeout), (bool, receiver))
{
    int r;

    if (timeout) {
        BELAY_DEADLINE(BELAY_MS(1));

        r = receiver ? book_recv(b, 0) : book_send(b, 0, 15);
    } else {
        r = receiver ? book_recv(b, 0) : book_send(b, 0, 15);
    }
    BELAY_CHECK(r == (receiver ? 1 : 0) || book_is_cut(r) ||
        r == (receiver ? -EIO : BELAY_ECLOSED));
    BELAY_CHECK(r != -ETIME || timeout);
    return 0;
}

static int
leave_early(struct book *b, enum happening x, enum happening y, bool receiver)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, sleeper, b, x == TIMEOUT || y == TIMEOUT, receiver);
        belay_spawn(s, event, b, s, x, receiver, 10,
            BELAY_MS(belay_test_choose(2)));
        belay_spawn(s, event, b, s, y, receiver, 11, BELAY_MS(1));
        if (x == JOIN || y == JOIN) {
            belay_ignore(belay_sleep(BELAY_MS(1)), "then we leave");
            return 0;
        }
        belay_ignore(belay_sleep(BELAY_MS(2)), "then it was in vain");
        belay_close(&b->ch[0], -EIO);
    }
    return 0;
}

/* Every pair of {wake, cancel, timeout, close, join} with every capacity. */
static void
two_happen(bool receiver)
{
    enum happening x = belay_test_choose(HAPPENINGS);
    enum happening y = belay_test_choose(HAPPENINGS);
    size_t cap = belay_test_choose(3), i;
    struct book b;

    if (x > y || book_open(&b, cap, 1) < 0)
        return;
    for (i = 0; !receiver && i < cap; i++)
        BELAY_CHECK_EQ(book_sent(&b, belay_try_send(&b.ch[0], (int)i + 1),
            (int)i + 1), 0);
    (void)leave_early(&b, x, y, receiver);
    book_close(&b);
}

BELAY_TEST(two_happen_to_a_receiver, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .max_runs = 3000000)
{
    two_happen(true);
}

BELAY_TEST(two_happen_to_a_sender, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .max_runs = 3000000)
{
    two_happen(false);
}

/* ---- several of each ---------------------------------------------------- */

BELAY_TASK(send_two, (struct book *, b), (int, first))
{
    BELAY_TRY(book_send(b, 0, first));
    return book_send(b, 0, first + 1);
}

BELAY_TASK(recv_until_closed, (struct book *, b))
{
    int r;

    while ((r = book_recv(b, 0)) > 0)
        ;
    return r;
}

static void
several(void)
{
    struct book b;
    size_t cap = belay_test_choose(3);
    int err;

    if (book_open(&b, cap, 1) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_producer(s, &b.ch[0], send_two, &b, 1);
        belay_spawn_producer(s, &b.ch[0], send_two, &b, 3);
        belay_spawn(s, recv_until_closed, &b);
        belay_spawn(s, recv_until_closed, &b);
    }
    if (!belay_test_disturbed()) {
        BELAY_CHECK_EQ(err, 0);
        BELAY_CHECK(b.out[1] && b.out[2] && b.out[3] && b.out[4]);
    }
    book_close(&b);
}

BELAY_TEST(two_producers_two_receivers, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .max_runs = 3000000)
{
    several();
}

BELAY_TEST(two_producers_two_receivers_cancelled, .schedules = 100,
    .cancel_everywhere = true, .fail_allocs = true)
{
    several();
}

BELAY_TEST(two_producers_two_receivers_on_two_workers, .workers = 2,
    .schedules = 2000, .atomic = true)
{
    several();
}

/* ---- order -------------------------------------------------------------- */

BELAY_TASK(send_in_order, (struct book *, b))
{
    for (int v = 1; v <= 4; v++)
        BELAY_TRY(book_send(b, 0, v));
    return 0;
}

BELAY_TEST(values_keep_their_order, .strategy = BELAY_EXHAUSTIVE)
{
    size_t cap = belay_test_choose(3);
    struct book b;
    int v, r, last = 0, err;

    if (book_open(&b, cap, 1) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_producer(s, &b.ch[0], send_in_order, &b);
        while (v = NOTHING, r = belay_recv(&b.ch[0], &v),
            book_got(&b, r, v) > 0)
            BELAY_CHECK_EQ(v, ++last);
        BELAY_CHECK_EQ(r, 0);
    }
    BELAY_CHECK_EQ(last, 4);
    book_close(&b);
}

/* ---- producers ---------------------------------------------------------- */

/* The first failure of this run. */
static int first_failure;

BELAY_TASK(send_and_end, (struct book *, b), (int, v), (int, result))
{
    BELAY_TRY(book_send(b, 0, v));
    if (first_failure == 0)
        first_failure = result;
    return result;
}

BELAY_TEST(the_last_producer_closes_with_the_first_failure,
    .strategy = BELAY_EXHAUSTIVE)
{
    belay_outcome out[3];
    struct book b;
    int i, err;

    first_failure = 0;
    if (book_open(&b, 1, 1) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_chan_hold(&b.ch[0]);
        belay_spawn_with(s, (.producer_of = b.ch[0].base, .outcome = &out[0]),
            send_and_end, &b, 1, -EIO);
        belay_spawn_with(s, (.producer_of = b.ch[0].base, .outcome = &out[1]),
            send_and_end, &b, 2, 0);
        belay_spawn_with(s, (.producer_of = b.ch[0].base, .outcome = &out[2]),
            send_and_end, &b, 3, -EPERM);
        belay_chan_release(&b.ch[0], 0);
        for (i = 0; i < 3; i++)
            BELAY_CHECK_EQ(book_recv(&b, 0), 1);
        BELAY_CHECK_EQ(book_recv(&b, 0), first_failure);
    }
    BELAY_CHECK_EQ(err, 0);
    book_close(&b);
}

/* The first producer may have ended before the second is spawned; nobody has
 * been told of an end then. */
BELAY_TEST(producers_may_come_one_after_the_other,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct book b;
    int err;

    if (book_open(&b, 2, 1) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_producer(s, &b.ch[0], send_and_end, &b, 1, 0);
        BELAY_CHECK_EQ(belay_yield(), 0);
        belay_spawn_producer(s, &b.ch[0], send_and_end, &b, 2, 0);
        BELAY_CHECK_EQ(book_recv(&b, 0), 1);
        BELAY_CHECK_EQ(book_recv(&b, 0), 1);
        BELAY_CHECK_EQ(book_recv(&b, 0), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    book_close(&b);
}

/* Once somebody has been told, it stays closed. */
BELAY_TEST(an_end_that_was_told_is_final, .strategy = BELAY_EXHAUSTIVE)
{
    struct book b;
    int err;

    if (book_open(&b, 2, 1) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_producer(s, &b.ch[0], send_and_end, &b, 1, 0);
        BELAY_CHECK_EQ(book_recv(&b, 0), 1);
        BELAY_CHECK_EQ(book_recv(&b, 0), 0);
        belay_chan_hold(&b.ch[0]);
        BELAY_CHECK_EQ(book_send(&b, 0, 2), BELAY_ECLOSED);
        belay_chan_release(&b.ch[0], -EIO);
        BELAY_CHECK_EQ(book_recv(&b, 0), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    book_close(&b);
}

BELAY_TASK(recv_one, (struct book *, b), (int *, result))
{
    *result = book_recv(b, 0);
    return 0;
}

/* A receiver that sleeps is told at once. */
BELAY_TEST(an_end_that_a_sleeper_was_told_is_final,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct book b;
    int err, result = 99;

    if (book_open(&b, 0, 1) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, recv_one, &b, &result);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_chan_hold(&b.ch[0]);
        belay_chan_release(&b.ch[0], -EIO);
        belay_chan_hold(&b.ch[0]);
        BELAY_CHECK_EQ(belay_try_send(&b.ch[0], 1), BELAY_ECLOSED);
        belay_chan_release(&b.ch[0], 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(result, -EIO);
    book_close(&b);
}

/* A producer in a scope that is cut before it starts still counts as ended,
 * and the receiver outside is not left waiting. */
BELAY_TEST(rule_19_a_producer_that_never_ran_has_ended,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct book b;
    int err;

    if (book_open(&b, 0, 1) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_cancel(s, "before anybody ran");
        belay_spawn_producer(s, &b.ch[0], send_and_end, &b, 1, 0);
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(belay_try_recv(&b.ch[0], &err), -ECANCELED);
    book_close(&b);
}

/* ---- one value ---------------------------------------------------------- */

BELAY_TASK(send_once, (struct book *, b), (int, v), (int *, wins))
{
    int r = book_send(b, 0, v);

    BELAY_CHECK(r == 0 || r == BELAY_ECLOSED);
    *wins += r == 0;
    return 0;
}

BELAY_TEST(a_oneshot_takes_one_value, .strategy = BELAY_EXHAUSTIVE)
{
    struct book b = {0};
    int err, wins = 0;

    book_of_this_run = &b;
    BELAY_CHECK_EQ(
        belay_oneshot_open(&b.ch[0], .undelivered = book_undelivered), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, send_once, &b, 1, &wins);
        belay_spawn(s, send_once, &b, 2, &wins);
        BELAY_CHECK_EQ(book_recv(&b, 0), 1);
        BELAY_CHECK_EQ(book_recv(&b, 0), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(wins, 1);
    book_close(&b);
}

/* ---- the smallest race at each access ----------------------------------- */

BELAY_TASK(send_one, (struct book *, b), (int, v))
{
    return book_send(b, 0, v);
}

static void
one_value(size_t cap)
{
    struct book b;
    int err;

    if (book_open(&b, cap, 1) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 2), send_one, &b, 1);
        BELAY_CHECK_EQ(book_recv(&b, 0), 1);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(b.out[1], 1);
    book_close(&b);
}

BELAY_TEST(rendezvous_at_each_access, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2, .atomic = true, .preemptions = 1)
{
    one_value(0);
}

BELAY_TEST(buffered_at_each_access, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2, .atomic = true, .preemptions = 1)
{
    one_value(1);
}

/* A receiver is cut here while the sender is at work there: one of the two
 * is first, and the value is in one place. */
static void
cut_against_send(size_t cap)
{
    struct book b;
    int err, r = 0;

    if (book_open(&b, cap, 1) < 0)
        return;
    BELAY_SCOPE_CATCH(all, &err) {
        belay_spawn_with(all, (.worker = 2), send_one, &b, 1);
        {
            BELAY_DEADLINE(BELAY_MS(1));

            r = book_recv(&b, 0);
        }
        BELAY_CHECK(r == 1 || r == -ETIME);
        belay_close(&b.ch[0], 0);
    }
    BELAY_CHECK(err == 0 || err == BELAY_ECLOSED);
    book_close(&b);
}

BELAY_TEST(deadline_against_rendezvous_at_each_access,
    .strategy = BELAY_EXHAUSTIVE, .workers = 2, .atomic = true,
    .preemptions = 1)
{
    cut_against_send(0);
}

BELAY_TEST(deadline_against_buffered_at_each_access,
    .strategy = BELAY_EXHAUSTIVE, .workers = 2, .atomic = true,
    .preemptions = 1)
{
    cut_against_send(1);
}
