/* SPDX-License-Identifier: MIT */
/* Values from threads that know nothing of tasks, pushed at any moment. */
#include "chan_book.h"

#include "os/os.h"

struct pusher {
    struct book *b;
    struct bly_thread thread;
    int first, count;
};

static void
push_all(void *arg)
{
    struct pusher *p = arg;
    int i;

    for (i = p->first; i < p->first + p->count; i++) {
        int r = belay_try_send_external(&p->b->ch[0], i);

        if (r == 0)
            book_note(p->b->in, i);
        else
            BELAY_CHECK(r == -EAGAIN || r == BELAY_ECLOSED);
    }
}

static void
push_start(struct pusher *p, struct book *b, int first, int count)
{
    *p = (struct pusher){.b = b, .first = first, .count = count};
    /* One allocation of a run fails, perhaps the thread's. */
    while (bly_os_thread_start(&p->thread, push_all, p, "pusher") < 0)
        BELAY_CHECK(belay_test_disturbed());
}

static int
external_open(struct book *b, size_t cap, unsigned slots)
{
    *b = (struct book){0};
    book_of_this_run = b;
    if (belay_chan_open(&b->ch[0], cap, .external = slots,
            .undelivered = book_undelivered) < 0) {
        BELAY_CHECK(belay_test_disturbed());
        return -ENOMEM;
    }
    return 0;
}

/* Whoever sleeps is woken, however push and sleep interleave. */
BELAY_TEST(a_push_wakes_the_receiver, .strategy = BELAY_EXHAUSTIVE,
    .atomic = true, .preemptions = 2)
{
    struct pusher p;
    struct book b;

    if (external_open(&b, 0, 2) < 0)
        return;
    push_start(&p, &b, 1, 1);
    BELAY_CHECK_EQ(book_recv(&b, 0), 1);
    bly_os_thread_join(&p.thread);
    BELAY_CHECK_EQ(b.out[1], 1);
    book_close(&b);
}

/* One pusher may stand still between taking a slot and filling it. */
BELAY_TEST(two_pushers_do_not_hide_each_other, .strategy = BELAY_EXHAUSTIVE,
    .atomic = true, .preemptions = 1)
{
    struct pusher p, q;
    struct book b;

    if (external_open(&b, 0, 2) < 0)
        return;
    push_start(&p, &b, 1, 1);
    push_start(&q, &b, 2, 1);
    BELAY_CHECK_EQ(book_recv(&b, 0), 1);
    BELAY_CHECK_EQ(book_recv(&b, 0), 1);
    bly_os_thread_join(&p.thread);
    bly_os_thread_join(&q.thread);
    book_close(&b);
}

/* The channel may go while the message is on its way. */
BELAY_TEST(a_free_while_the_message_is_on_its_way,
    .strategy = BELAY_EXHAUSTIVE, .atomic = true, .preemptions = 2)
{
    struct pusher p;
    struct book b;
    int r;

    if (external_open(&b, 0, 2) < 0)
        return;
    push_start(&p, &b, 1, 2);
    {
        BELAY_DEADLINE(BELAY_MS(1));

        r = book_recv(&b, 0);
    }
    BELAY_CHECK(r == 1 || r == -ETIME);
    bly_os_thread_join(&p.thread);
    book_close(&b);
}

BELAY_TASK(send_one, (struct book *, b), (int, v))
{
    return book_send(b, 0, v);
}

/* Sent values, external ones and a select on one channel: none is overslept. */
static void
all_at_once(unsigned worker)
{
    struct pusher p;
    struct book b;
    int err, r, v, which, got = 0;

    if (external_open(&b, belay_test_choose(2), 4) < 0)
        return;
    push_start(&p, &b, 1, 3);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = worker), send_one, &b, 10);
        do {
            v = NOTHING;
            which = belay_select(&r, BELAY_RECV(&b.ch[0], &v), BELAY_STOP);
            if (which == 0)
                got += book_got(&b, r, v);
        } while (which == 0 && got < 4);
    }
    bly_os_thread_join(&p.thread);
    if (!belay_test_disturbed())
        BELAY_CHECK_EQ(got, 4);
    book_close(&b);
}

BELAY_TEST(sent_and_external_by_chance, .atomic = true, .schedules = 3000)
{
    all_at_once(0);
}

BELAY_TEST(sent_and_external_on_two_workers, .atomic = true, .workers = 2,
    .schedules = 3000)
{
    all_at_once(2);
}

BELAY_TEST(sent_and_external_cancelled, .cancel_everywhere = true,
    .fail_allocs = true, .atomic = true, .schedules = 100)
{
    all_at_once(0);
}
