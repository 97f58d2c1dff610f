/* SPDX-License-Identifier: MIT */
/*
 * Selects whose peers are on other workers, at atomic depth: who wins the
 * claim, and what becomes of those who have lost.
 */
#include <belay/select.h>

#include "chan_book.h"
#include "closeup.h"
#include "core/rt.h"

#include <errno.h>

enum { HERE = 1, THERE = 2, YONDER = 3 };

BELAY_TASK(send_one, (struct book *, b), (int, i), (int, v))
{
    return book_send(b, i, v);
}

/* Locks that two cases share are taken once. */
BELAY_TEST(one_channel_in_two_cases, .strategy = BELAY_EXHAUSTIVE,
    .workers = 2)
{
    int v = NOTHING, u = NOTHING, r, which, err;
    struct book b;

    if (book_open(&b, 0, 1) < 0)
        return;
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), send_one, &b, 0, 1);
        which = belay_select(
            &r, BELAY_RECV(&b.ch[0], &v), BELAY_RECV(&b.ch[0], &u));
        BELAY_CHECK(which == 0 || which == 1);
        BELAY_CHECK_EQ(which == 0 ? u : v, NOTHING);
        (void)book_got(&b, r, which == 0 ? v : u);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
    book_close(&b);
}

/* Two who send at the same time: one value goes to the select, the other stays
 * with its sender until it is asked for. */
static void
two_senders(void)
{
    int v = NOTHING, r, which, err;
    struct book b;

    if (book_open(&b, 0, 2) < 0)
        return;
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), send_one, &b, 0, 1);
        belay_spawn_with(s, (.worker = YONDER), send_one, &b, 1, 2);
        which = belay_select(
            &r, BELAY_RECV(&b.ch[0], &v), BELAY_RECV(&b.ch[1], &v));
        BELAY_CHECK(which == 0 || which == 1);
        BELAY_CHECK_EQ(v, which + 1);
        (void)book_got(&b, r, v);
        BELAY_CHECK_EQ(book_recv(&b, 1 - which), 1);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK(b.out[1] == 1 && b.out[2] == 1);
    book_close(&b);
}

BELAY_TEST(two_senders_for_one_select, .schedules = 8000, .workers = 3)
{
    two_senders();
}

/* A peer that could be had has been had by somebody else: the select looks
 * again, and waits. */
BELAY_TASK(takes_either, (struct book *, b))
{
    int v = NOTHING, r, which;

    which = belay_select(
        &r, BELAY_RECV(&b->ch[0], &v), BELAY_RECV(&b->ch[1], &v));
    BELAY_CHECK(which == 0 || which == 1);
    (void)book_got(b, r, v);
    return 0;
}

BELAY_TASK(gives_in_a_select, (struct book *, b))
{
    int u = NOTHING, v = 1, r, which;

    which = belay_select(
        &r, BELAY_SEND(&b->ch[0], &v), BELAY_RECV(&b->ch[2], &u));
    BELAY_CHECK_EQ(which, 0);
    BELAY_CHECK_EQ(r, 0);
    return book_sent(b, r, v);
}

BELAY_TEST(a_peer_that_is_taken_by_another, .schedules = 8000, .workers = 3)
{
    struct book b;
    int err;

    if (book_open(&b, 0, 3) < 0)
        return;
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = HERE), takes_either, &b);
        belay_spawn_with(s, (.worker = HERE), takes_either, &b);
        belay_spawn_with(s, (.worker = YONDER), send_one, &b, 1, 2);
        belay_spawn_with(s, (.worker = THERE), gives_in_a_select, &b);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK(b.out[1] == 1 && b.out[2] == 1);
    book_close(&b);
}

/* A child that ends finds the select in the scope's list, while that is woken
 * by a value: the next select stands in the same frame. */
BELAY_TASK(ends)
{
    return 0;
}

BELAY_TEST(a_child_ends_while_a_value_comes, .schedules = 10000, .workers = 3)
{
    int r, v = NOTHING, which, err, values = 0, ended = 0;
    belay_done done;
    struct book b;
    int_chan in;

    if (book_open(&b, 0, 1) < 0)
        return;
    in = b.ch[0];
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT) {
        belay_spawn_with(s, (.worker = YONDER), send_one, &b, 0, 1);
        belay_spawn_with(s, (.worker = THERE, .tagged = true), ends);
        belay_spawn_with(s, (.worker = HERE, .tagged = true), ends);
        while (values < 1 || ended < 2) {
            which = belay_select(&r,
                BELAY_NEXT(ended < 2 ? s : NULL, &done),
                BELAY_RECV(&in, &v));
            BELAY_CHECK_EQ(r, 1);
            ended += which == 0;
            values += which == 1;
            if (which == 1)
                in.base = NULL;
        }
        (void)book_got(&b, 1, v);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
    book_close(&b);
}

/* Selects that lock the same two channels, named in opposite orders. */
BELAY_TASK(both_ways, (struct book *, b), (int, a), (int, c), (int, value))
{
    int v = NOTHING, r, which;

    which = belay_select(
        &r, BELAY_SEND(&b->ch[a], &value), BELAY_RECV(&b->ch[c], &v));
    if (which == 0)
        return book_sent(b, r, value);
    BELAY_CHECK_EQ(which, 1);
    (void)book_got(b, r, v);
    return 0;
}

BELAY_TEST(two_selects_meet, .strategy = BELAY_EXHAUSTIVE, .workers = 2)
{
    struct book b;
    int err;

    if (book_open(&b, 0, 2) < 0)
        return;
    closeup_begin();
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = HERE), both_ways, &b, 0, 1, 1);
        belay_spawn_with(s, (.worker = THERE), both_ways, &b, 1, 0, 2);
    }
    closeup_end();
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(b.in[1] + b.in[2], 1);
    book_close(&b);
}
