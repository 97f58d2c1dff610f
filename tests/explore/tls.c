/* SPDX-License-Identifier: MIT */
/*
 * TLS over the simulated network: whatever comes in pieces, late or not at all,
 * and wherever somebody is cut or gets no memory, what is heard is what was
 * said, an end is the peer's, and nobody hangs.
 */
#include "tls_kit.h"

#include <errno.h>

/* ---- both directions at a time ------------------------------------------ */

BELAY_TASK(speaks, (belay_stream *, st), (size_t, n))
{
    BELAY_TRY(say_bytes(st, 0, n));
    return belay_stream_finish(st);
}

BELAY_TASK(listens, (belay_stream *, st), (size_t, n))
{
    size_t got = 0;

    BELAY_TRY(hear_bytes(st, &got));
    BELAY_CHECK_EQ(got, n);
    return 0;
}

static int
both_ways(belay_tls_version version, size_t n)
{
    ENDS(e);

    BELAY_TRY(ends_link(&e, version));
    BELAY_TRY(ends_shake(&e));
    BELAY_SCOPE(s) {
        belay_spawn_with(s, (.worker = 1), speaks, e.client, n);
        belay_spawn_with(s, (.worker = 2), listens, e.client, n / 2);
        belay_spawn_with(s, (.worker = 2), speaks, e.server, n / 2);
        belay_spawn_with(s, (.worker = 1), listens, e.server, n);
    }
    return 0;
}

static void
check_both_ways(belay_tls_version version, size_t n)
{
    int r = both_ways(version, n);

    if (r < 0 && !belay_test_disturbed())
        belay_test_fail_at(BELAY_SITE_("both_ways"), "%s", belay_why());
}

BELAY_TEST(all_is_heard_1_3, .schedules = 150, .workers = 2)
{
    check_both_ways(BELAY_TLS_1_3, 3000);
}

BELAY_TEST(all_is_heard_1_2, .schedules = 150, .workers = 2)
{
    check_both_ways(BELAY_TLS_1_2, 3000);
}

BELAY_TEST(nobody_hangs_after_a_cut, .schedules = 20, .workers = 2,
    .cancel_everywhere = true)
{
    check_both_ways(BELAY_TLS_1_3, 900);
}

BELAY_TEST(nobody_hangs_without_memory, .schedules = 20, .workers = 2,
    .fail_allocs = true)
{
    check_both_ways(BELAY_TLS_1_3, 900);
}

/* Without memory nothing has happened, and there is some the next time. */
#define TWICE(expr)                                                            \
    (__extension__({                                                           \
        ssize_t twice_ = (expr);                                               \
        twice_ == -ENOMEM ? (expr) : twice_;                                   \
    }))

/* Cut: the other task was not spawned. */
static int
well(ssize_t r, ssize_t want)
{
    if (r == -ECANCELED)
        return -ECANCELED;
    BELAY_CHECK_EQ(r, want);
    return 0;
}

BELAY_TASK(speaks_twice, (belay_stream *, st))
{
    char c = 'x';

    BELAY_TRY(well(TWICE(belay_stream_write(st, &c, 1)), 1));
    BELAY_TRY(well(TWICE(belay_stream_finish(st)), 0));
    BELAY_TRY(well(TWICE(belay_stream_read(st, &c, 1)), 1));
    BELAY_TRY(well(TWICE(belay_stream_read(st, &c, 1)), 0));
    return 0;
}

/* What is not TLS's may fail. */
static void
repeats(void)
{
    ENDS(e);
    int err;

    if (ends_link(&e, BELAY_TLS_1_3) < 0 || ends_shake(&e) < 0)
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, speaks_twice, e.client);
        belay_spawn(s, speaks_twice, e.server);
    }
}

BELAY_TEST(what_finds_no_memory_may_be_repeated, .schedules = 50,
    .fail_allocs = true)
{
    repeats();
}

/* Reads certificates and keys. */
static int
opens(void)
{
    static const char *const alpn[] = {"h2", NULL};
    BELAY_AUTO(belay_tls, tls);

    return belay_tls_open(&tls, .ca_pem = kit.root.pem, .alpn = alpn,
        .cert_pem = kit.server.pem, .key_pem = kit.server.key_pem);
}

BELAY_TEST(opening_needs_memory, .schedules = 1, .fail_allocs = true)
{
    int r = opens();

    BELAY_CHECK(r == 0 || (r == -ENOMEM && belay_test_disturbed()));
}

/* The system's certificates are read by another thread. */
BELAY_TEST(opening_is_cut_before_it_has_begun, .schedules = 5, .workers = 2,
    .cancel_everywhere = true)
{
    BELAY_AUTO(belay_tls, tls);
    int r = belay_tls_open(&tls, .alpn = NULL);

    BELAY_CHECK(r == 0 || (r == -ECANCELED && belay_test_disturbed()));
    BELAY_CHECK((r == 0) == (tls != NULL));
}

BELAY_TEST(nobody_hangs_after_a_failure, .schedules = 20, .workers = 2,
    .fail_io = true)
{
    check_both_ways(BELAY_TLS_1_3, 900);
}

/* ---- cut off on the way -------------------------------------------------- */

/* Passes on so many bytes, and breaks off. */
BELAY_TASK(passes_on, (belay_stream *, from), (belay_stream *, to),
    (size_t, most))
{
    char buf[400];

    while (most > 0) {
        size_t want = most < sizeof buf ? most : sizeof buf;
        size_t n = (size_t)BELAY_TRY(belay_stream_read(from, buf, want));

        if (n == 0)
            break;
        BELAY_TRY(belay_stream_write_all(to, buf, n, NULL));
        most -= n;
    }
    return belay_stream_finish(to);
}

struct cut_off {
    struct ends near, far; /* client - server of each */
    size_t said, heard;
    int said_err, heard_err;
};

/* What goes back is never touched. */
BELAY_TASK(client_of_cut_off, (struct cut_off *, x))
{
    size_t got = 0;

    x->said_err = ends_connect(&x->near);
    if (x->said_err == 0)
        x->said_err = say_bytes(x->near.client, 0, 40);
    if (x->said_err == 0)
        x->said_err = belay_stream_finish(x->near.client);
    if (x->said_err == 0)
        x->said_err = hear_bytes(x->near.client, &got);
    belay_stream_close(&x->near.client);
    return 0;
}

BELAY_TASK(server_of_cut_off, (struct cut_off *, x))
{
    x->heard_err = ends_accept(&x->far);
    if (x->heard_err == 0)
        x->heard_err = hear_bytes(x->far.server, &x->heard);
    if (x->heard_err == 0)
        x->heard_err = belay_stream_finish(x->far.server);
    belay_stream_close(&x->far.server);
    return 0;
}

/* near.server and far.client are in plain: between them is who cuts off. */
static int
cut_off(struct cut_off *x, belay_tls_version version, size_t most)
{
    int err;

    BELAY_TRY(ends_link(&x->near, version));
    BELAY_TRY(ends_link(&x->far, version));
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, client_of_cut_off, x);
        belay_spawn(s, server_of_cut_off, x);
        belay_spawn(s, passes_on, x->near.server, x->far.client, most);
        belay_spawn(s, passes_on, x->far.client, x->near.server, SIZE_MAX);
    }
    return err;
}

static bool
is_broken(int r)
{
    return r == -ECONNRESET || r == -EPIPE || r == -ECONNABORTED ||
        r == -ECANCELED;
}

/* Only the whole of it is followed by an end. */
static void
check_cut_off(belay_tls_version version)
{
    struct cut_off x = {0};
    size_t most = belay_test_choose(2000);
    int r = cut_off(&x, version, most);

    BELAY_CHECK(r == 0 || is_broken(r));
    BELAY_CHECK(x.heard <= 40);
    if (x.heard_err == 0)
        BELAY_CHECK_EQ(x.heard, 40);
    else if (!is_broken(x.heard_err))
        belay_test_fail_at(BELAY_SITE_("heard_err"), "%d", x.heard_err);
    BELAY_CHECK(x.said_err == 0 || is_broken(x.said_err));
    BELAY_CHECK(x.heard_err == 0 || x.said_err < 0);
    ends_close(&x.near);
    ends_close(&x.far);
}

BELAY_TEST(an_end_is_the_peers_1_3, .schedules = 400)
{
    check_cut_off(BELAY_TLS_1_3);
}

BELAY_TEST(an_end_is_the_peers_1_2, .schedules = 400)
{
    check_cut_off(BELAY_TLS_1_2);
}

/* ---- cuts that one lives through ----------------------------------------- */

enum { PIECES = 12, PIECE = 150 };

BELAY_TASK(speaks_now_and_then, (belay_stream *, st))
{
    for (size_t i = 0; i < PIECES; i++) {
        BELAY_TRY(belay_sleep(1 + belay_test_choose(3)));
        BELAY_TRY(say_bytes(st, i * PIECE, (i + 1) * PIECE));
    }
    return belay_stream_finish(st);
}

/* Whatever is cut here has taken nothing. */
static int
hear_in_haste(belay_stream *st)
{
    size_t got = 0;
    ssize_t n = 1;

    while (n != 0) {
        n = BELAY_WITHIN(1 + belay_test_choose(3), hear_some(st, got));
        if (n < 0 && n != -ETIME)
            return (int)n;
        got += n > 0 ? (size_t)n : 0;
        if (n == -ETIME)
            BELAY_TRY(belay_sleep(1));
    }
    BELAY_CHECK_EQ(got, PIECES * PIECE);
    return 0;
}

static int
reads_in_haste(void)
{
    ENDS(e);

    BELAY_TRY(ends_link(&e, BELAY_TLS_1_3));
    BELAY_TRY(ends_shake(&e));
    BELAY_SCOPE(s) {
        belay_spawn(s, speaks_now_and_then, e.client);
        BELAY_TRY(hear_in_haste(e.server));
    }
    return 0;
}

BELAY_TEST(a_read_that_is_cut_takes_nothing, .schedules = 300)
{
    int r = reads_in_haste();

    BELAY_CHECK_EQ(r, 0);
}

/* Nobody reads for a while, so that writers are stuck in all places. */
BELAY_TASK(listens_late, (belay_stream *, st), (size_t *, got))
{
    for (ssize_t n = 1; n != 0;) {
        BELAY_TRY(belay_sleep(belay_test_choose(4)));
        n = BELAY_TRY(hear_some(st, *got));
        *got += (size_t)n;
    }
    return 0;
}

static int
speak_in_haste(belay_stream *st, size_t *said)
{
    char buf[3000];
    int r;

    for (int i = 0; i < 40; i++) {
        for (size_t k = 0; k < sizeof buf; k++)
            buf[k] = byte_at(*said + k);
        ssize_t n = BELAY_WITHIN(1 + belay_test_choose(3),
            belay_stream_write(st, buf, 1 + belay_test_choose(sizeof buf)));

        if (n < 0 && n != -ETIME)
            return (int)n;
        *said += n > 0 ? (size_t)n : 0;
        if (n == -ETIME)
            BELAY_TRY(belay_sleep(1));
    }
    do {
        r = BELAY_WITHIN(1 + belay_test_choose(3), belay_stream_finish(st));
        if (r == -ETIME)
            BELAY_TRY(belay_sleep(1));
    } while (r == -ETIME);
    return r;
}

static int
writes_in_haste(void)
{
    size_t said = 0, got = 0;
    ENDS(e);

    BELAY_TRY(ends_link(&e, BELAY_TLS_1_3));
    BELAY_TRY(ends_shake(&e));
    BELAY_SCOPE(s) {
        belay_spawn(s, listens_late, e.server, &got);
        BELAY_TRY(speak_in_haste(e.client, &said));
    }
    BELAY_CHECK_EQ(said, got);
    return 0;
}

BELAY_TEST(a_write_that_is_cut_tells_what_it_wrote, .schedules = 300)
{
    int r = writes_in_haste();

    BELAY_CHECK_EQ(r, 0);
}

/* ---- time ---------------------------------------------------------------- */

/* The peer says nothing at all. */
static int
handshake_with_silence(belay_dur within, bool serves)
{
    BELAY_DEADLINE(within);
    ENDS(e);

    BELAY_TRY(ends_link(&e, 0));
    return serves ? ends_accept(&e) : ends_connect(&e);
}

BELAY_TEST(a_handshake_ends_in_time, .schedules = 50)
{
    bool serves = belay_test_choose(2) != 0;

    BELAY_CHECK_EQ(handshake_with_silence(BELAY_S(60), serves), -ETIMEDOUT);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(30));
    BELAY_CHECK(strstr(belay_why(), serves
            ? "the TLS handshake with the client has not ended after 30 s"
            : "the TLS handshake with 'server' has not ended after 30 s") !=
        NULL);
    BELAY_CHECK_EQ(handshake_with_silence(BELAY_S(5), serves), -ETIME);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(35));
}

/* A peer that says so many bytes of its handshake and no more. */
BELAY_TASK(passes_on_and_stalls, (belay_stream *, from), (belay_stream *, to),
    (size_t, most))
{
    char buf[400];

    while (most > 0) {
        size_t want = most < sizeof buf ? most : sizeof buf;
        size_t n = (size_t)BELAY_TRY(belay_stream_read(from, buf, want));

        BELAY_TRY(belay_stream_write_all(to, buf, n, NULL));
        most -= n;
    }
    return 0;
}

struct stalled {
    struct ends near, far; /* client - server of each */
    int client, server;    /* how the handshake ended */
};

BELAY_TASK(client_of_stalled, (struct stalled *, x))
{
    x->client = ends_connect(&x->near);
    return 0;
}

BELAY_TASK(server_of_stalled, (struct stalled *, x))
{
    x->server = ends_accept(&x->far);
    return 0;
}

static int
stall(struct stalled *x, belay_tls_version version)
{
    size_t said = belay_test_choose(1500), heard = belay_test_choose(1500);

    BELAY_TRY(ends_link(&x->near, version));
    BELAY_TRY(ends_link(&x->far, version));
    BELAY_SCOPE(s) {
        belay_spawn_daemon(s, passes_on_and_stalls, x->near.server,
            x->far.client, said);
        belay_spawn_daemon(s, passes_on_and_stalls, x->far.client,
            x->near.server, heard);
        belay_spawn(s, client_of_stalled, x);
        belay_spawn(s, server_of_stalled, x);
    }
    return 0;
}

static void
check_stall(belay_tls_version version)
{
    struct stalled x = {0};

    BELAY_CHECK_EQ(stall(&x, version), 0);
    BELAY_CHECK(x.client == 0 || x.client == -ETIMEDOUT);
    BELAY_CHECK(x.server == 0 || x.server == -ETIMEDOUT);
    BELAY_CHECK_EQ(belay_test_elapsed(),
        x.client < 0 || x.server < 0 ? BELAY_S(30) : 0);
    ends_close(&x.near);
    ends_close(&x.far);
}

BELAY_TEST(a_handshake_that_stalls_ends_in_time_1_3, .schedules = 200)
{
    check_stall(BELAY_TLS_1_3);
}

BELAY_TEST(a_handshake_that_stalls_ends_in_time_1_2, .schedules = 200)
{
    check_stall(BELAY_TLS_1_2);
}

/* Neither does the stream suffer, nor is it late. */
static int
reads_in_time(void)
{
    ENDS(e);

    BELAY_TRY(ends_link(&e, BELAY_TLS_1_3));
    BELAY_TRY(ends_shake(&e));
    BELAY_CHECK_EQ(BELAY_WITHIN(BELAY_S(5), hear_some(e.client, 0)), -ETIME);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(5));
    BELAY_TRY(say_bytes(e.server, 0, 10));
    BELAY_CHECK_EQ(BELAY_WITHIN(BELAY_S(5), hear_some(e.client, 0)), 10);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(5));
    return 0;
}

BELAY_TEST(a_read_ends_in_time, .schedules = 50)
{
    BELAY_CHECK_EQ(reads_in_time(), 0);
}
