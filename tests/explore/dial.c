/* SPDX-License-Identifier: MIT */
/*
 * Connecting to a name with several addresses: when each is tried, who wins,
 * and that of the others nothing is left (a run that leaves a descriptor or a
 * task fails).
 */
#include <belay/net.h>
#include <belay/test.h>

#include <stdio.h>
#include <string.h>

#define LISTEN(l, addr)                                                        \
    BELAY_AUTO(belay_listener, l);                                             \
    BELAY_TEST_TRY(belay_listen(&l, (addr)))

/* In a run that the explorer disturbs, calls may fail. */
#define BELAY_TEST_TRY(call)                                                   \
    do {                                                                       \
        int got_ = (call);                                                     \
        BELAY_CHECK(got_ >= 0 || belay_test_disturbed());                      \
        if (got_ < 0)                                                          \
            return;                                                            \
    } while (0)

/* One that does not answer: its queue is full.  Taking from it is an answer. */
struct hole {
    belay_listener *l;
    belay_stream *fill[2];
};

static void
hole_close(struct hole *h)
{
    belay_stream_close(&h->fill[0]);
    belay_stream_close(&h->fill[1]);
    belay_listener_close(&h->l);
}

static int
hole_open(struct hole *h, const char *addr)
{
    int r = belay_listen(&h->l, addr, .backlog = 1);

    for (int i = 0; i < 2 && r >= 0; i++)
        r = belay_connect(&h->fill[i], belay_listener_addr(h->l));
    return r;
}

#define HOLE(h, addr)                                                          \
    struct hole h __attribute__((cleanup(hole_close))) = {0};                  \
    BELAY_TEST_TRY(hole_open(&h, (addr)))

static void
check_peer(belay_stream *st, const char *text)
{
    char buf[BELAY_ADDR_TEXT];
    belay_addr a;

    BELAY_CHECK_EQ(belay_stream_peer(st, &a), 0);
    BELAY_CHECK(strcmp(belay_addr_format(&a, buf, sizeof buf), text) == 0);
}

static bool
why_has(const char *text)
{
    return strstr(belay_why(), text) != NULL;
}

/* ---- the order ---------------------------------------------------------- */

BELAY_TEST(the_best_address_is_taken, .strategy = BELAY_FIFO)
{
    BELAY_AUTO(belay_stream, st);
    BELAY_AUTO(belay_stream, other);

    LISTEN(v6, "[fd00::1]:80");
    LISTEN(v4, "10.0.0.1:80");
    belay_test_host("a.test", "fd00::1 10.0.0.1", BELAY_S(1));
    BELAY_CHECK_EQ(belay_dial(&st, "a.test:80"), 0);
    check_peer(st, "[fd00::1]:80");
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(1));
    BELAY_CHECK_EQ(BELAY_WITHIN(BELAY_S(1), belay_accept(v4, &other)),
        -ETIME); /* nobody was sent there */
}

BELAY_TEST(addresses_as_text, .strategy = BELAY_FIFO)
{
    BELAY_AUTO(belay_stream, a);
    BELAY_AUTO(belay_stream, b);
    BELAY_AUTO(belay_stream, c);

    LISTEN(v4, "10.0.0.1:80");
    LISTEN(v6, "[fd00::1]:80");
    LISTEN(name, "@name");
    BELAY_CHECK_EQ(belay_dial(&a, "10.0.0.1:80"), 0);
    BELAY_CHECK_EQ(belay_dial(&b, "[fd00::1]:80"), 0);
    BELAY_CHECK_EQ(belay_dial(&c, "@name"), 0);
    check_peer(c, "@name");
}

/* Who refuses is not waited for. */
BELAY_TEST(the_next_is_tried_at_once, .strategy = BELAY_FIFO)
{
    BELAY_AUTO(belay_stream, st);

    LISTEN(l, "10.0.0.3:80");
    belay_test_host("a.test", "10.0.0.1 10.0.0.2 10.0.0.3", 0);
    BELAY_CHECK_EQ(belay_dial(&st, "a.test:80"), 0);
    check_peer(st, "10.0.0.3:80");
    BELAY_CHECK_EQ(belay_test_elapsed(), 0);
}

/* Of five addresses the fourth in this order answers: two of IPv6, the first
 * of IPv4, two of IPv6 again would be the order of the name servers. */
BELAY_TEST(families_take_turns, .strategy = BELAY_FIFO)
{
    BELAY_AUTO(belay_stream, st);

    HOLE(one, "[fd00::1]:80");
    HOLE(two, "[fd00::2]:80");
    HOLE(three, "10.0.0.1:80");
    LISTEN(l, "10.0.0.2:80");
    belay_test_host("a.test", "fd00::1 fd00::2 fd00::3 10.0.0.1 10.0.0.2", 0);
    BELAY_CHECK_EQ(belay_dial(&st, "a.test:80"), 0);
    check_peer(st, "10.0.0.2:80");
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(750));
}

/* A family that is used up leaves its turns to the other. */
BELAY_TEST(one_family_is_left, .strategy = BELAY_FIFO)
{
    BELAY_AUTO(belay_stream, st);

    HOLE(one, "10.0.0.1:80");
    HOLE(two, "[fd00::1]:80");
    HOLE(three, "10.0.0.2:80");
    LISTEN(l, "10.0.0.3:80");
    belay_test_host("a.test", "10.0.0.1 10.0.0.2 10.0.0.3 fd00::1", 0);
    BELAY_CHECK_EQ(belay_dial(&st, "a.test:80"), 0);
    check_peer(st, "10.0.0.3:80");
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(750));
}

BELAY_TEST(our_end_decides_the_family, .strategy = BELAY_FIFO)
{
    BELAY_AUTO(belay_stream, st);

    LISTEN(v6, "[fd00::1]:80");
    LISTEN(v4, "10.0.0.1:80");
    belay_test_host("a.test", "fd00::1 10.0.0.1", 0);
    BELAY_CHECK_EQ(belay_dial(&st, "a.test:80", .from = "10.0.0.9:0"), 0);
    check_peer(st, "10.0.0.1:80");
    belay_stream_close(&st);
    BELAY_CHECK_EQ(belay_dial(&st, "a.test:80", .from = "x"), -EINVAL);
    BELAY_CHECK_EQ(belay_dial(&st, "[fd00::1]:80", .from = "10.0.0.9:0"),
        -EAFNOSUPPORT);
    BELAY_CHECK(why_has("'[fd00::1]:80'") && why_has("'10.0.0.9:0'"));
    BELAY_CHECK(st == NULL);
}

/* ---- who wins ----------------------------------------------------------- */

BELAY_TASK(take_later, (struct hole *, h), (belay_dur, when))
{
    BELAY_AUTO(belay_stream, st);

    BELAY_TRY(belay_sleep(when));
    return belay_accept(h->l, &st);
}

/* The first is slow, but faster than the second would be; or as fast as the
 * second, which is tried then; or slower. */
static void
slow_one(belay_dur when)
{
    BELAY_AUTO(belay_stream, st);
    char buf[BELAY_ADDR_TEXT];
    belay_addr a;
    int err, r = -1;

    HOLE(h, "[fd00::1]:80");
    LISTEN(l, "10.0.0.1:80");
    belay_test_host("a.test", "fd00::1 10.0.0.1", 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, take_later, &h, when);
        r = belay_dial(&st, "a.test:80");
    }
    BELAY_TEST_TRY(r);
    BELAY_CHECK_EQ(belay_stream_peer(st, &a), 0);
    (void)belay_addr_format(&a, buf, sizeof buf);
    if (when < BELAY_MS(250))
        BELAY_CHECK(strcmp(buf, "[fd00::1]:80") == 0);
    if (when > BELAY_MS(250))
        BELAY_CHECK(strcmp(buf, "10.0.0.1:80") == 0);
    BELAY_CHECK(belay_stream_write(st, "x", 1) == 1 || belay_test_disturbed());
}

BELAY_TEST(a_slow_one_may_win, .schedules = 1000)
{
    slow_one(BELAY_MS(249));
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(249));
}

BELAY_TEST(a_slower_one_does_not, .schedules = 1000)
{
    slow_one(BELAY_MS(251));
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(251));
}

BELAY_TEST(two_may_be_connected_at_the_same_time, .schedules = 3000)
{
    slow_one(BELAY_MS(250));
}

BELAY_TEST(whatever_goes_wrong_nothing_is_left, .schedules = 500,
    .cancel_everywhere = true, .fail_allocs = true, .fail_io = true)
{
    slow_one(BELAY_MS(250));
}

/* ---- failing ------------------------------------------------------------ */

BELAY_TEST(a_deadline_ends_it, .schedules = 300)
{
    BELAY_AUTO(belay_stream, st);

    HOLE(one, "10.0.0.1:80");
    HOLE(two, "10.0.0.2:80");
    belay_test_host("a.test", "10.0.0.1 10.0.0.2", BELAY_S(1));
    BELAY_CHECK_EQ(BELAY_WITHIN(BELAY_S(3), belay_dial(&st, "a.test:80")),
        -ETIME);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(3));
    BELAY_CHECK(st == NULL);
}

BELAY_TEST(failures_name_name_and_address, .strategy = BELAY_FIFO)
{
    BELAY_AUTO(belay_stream, st);

    belay_test_host("one.test", "10.0.0.1", 0);
    belay_test_host("two.test", "10.0.0.1 10.0.0.2", 0);
    belay_test_host("way.test", "2001:db8::1 10.0.0.1 192.0.2.1", 0);
    belay_test_host("none.test", "192.0.2.1 2001:db8::1", 0);
    BELAY_CHECK_EQ(belay_dial(&st, "one.test:80"), -ECONNREFUSED);
    BELAY_CHECK(why_has("'one.test:80'") && why_has("10.0.0.1:80"));
    BELAY_CHECK(why_has("Connection refused"));
    BELAY_CHECK_EQ(belay_dial(&st, "two.test:80"), -ECONNREFUSED);
    BELAY_CHECK(why_has("'two.test:80'") && why_has("10.0.0.2:80"));
    /* That there is no way says less than who was there. */
    BELAY_CHECK_EQ(belay_dial(&st, "way.test:80"), -ECONNREFUSED);
    BELAY_CHECK(why_has("10.0.0.1:80"));
    BELAY_CHECK_EQ(belay_dial(&st, "none.test:80"), -ENETUNREACH);
    BELAY_CHECK(why_has("[2001:db8::1]:80"));
    BELAY_CHECK_EQ(belay_dial(&st, "who.test:80"), -ENOENT);
    BELAY_CHECK(why_has("'who.test'"));
    BELAY_CHECK(st == NULL);
}
