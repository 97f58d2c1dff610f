/* SPDX-License-Identifier: MIT */
/* Each phase has a limit, and the ambient deadline holds over all; in virtual
 * time, to the nanosecond. */
#include "http_net.h"

#include <errno.h>

/* One request, which must fail with code and kind in phase at this time. */
static void
ends_at(belay_dur at, const belay_http_req *req, int code,
    belay_http_kind kind, belay_http_phase phase)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        belay_http_req mine = *req;
        belay_http_error error;
        belay_http_info info;

        mine.error = &error;
        OPEN(s, &http, .retries = -1);
        BELAY_CHECK_EQ(BELAY_WITHIN(code == -ETIME ? at : BELAY_S(99),
            belay_http_request_at(http, &mine, &rsp, BELAY_SITE_("test"))),
            code);
        BELAY_CHECK_EQ(belay_test_elapsed(), at);
        BELAY_CHECK_EQ(error.code, code);
        BELAY_CHECK_EQ(error.kind, kind);
        BELAY_CHECK_EQ(error.phase, phase);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_http_stats(http, &info);
        BELAY_CHECK_EQ(info.active, 0);
    }
    BELAY_CHECK_EQ(err, 0);
}

#define TIMES_OUT(at, phase, ...)                                              \
    ends_at((at), BELAY_HTTP_REQ_(__VA_ARGS__), -ETIMEDOUT,                    \
        BELAY_HTTP_TIMEOUT, (phase))

/* A host that never answers, in whatever phase it stops, against a deadline of
 * 5 s. */
BELAY_TEST(a_deadline_of_5_s_ends_at_5_s, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    static const belay_http_phase where[] = {BELAY_HTTP_IN_DNS,
        BELAY_HTTP_IN_CONNECT, BELAY_HTTP_IN_TLS, BELAY_HTTP_IN_SEND,
        BELAY_HTTP_IN_FIRST_BYTE, BELAY_HTTP_IN_BODY};
    belay_http_phase phase =
        where[belay_test_choose(sizeof where / sizeof *where)];
    belay_http_route route = {.url = "https://a.test/", .stall = phase,
        .body = "abc", .after = 1};
    belay_http_net net = {.routes = &route, .count = 1};

    belay_http_serve(&net);
    ends_at(BELAY_S(5), BELAY_HTTP_REQ_(.url = "https://a.test/"), -ETIME,
        BELAY_HTTP_CANCELLED, phase);
}

BELAY_TEST(dns_has_a_limit, .strategy = BELAY_EXHAUSTIVE, .cooperative = true)
{
    SERVE(net, {.url = "http://a.test/", .stall = BELAY_HTTP_IN_DNS});

    TIMES_OUT(BELAY_S(3), BELAY_HTTP_IN_DNS, .url = "http://a.test/",
        .limits.dns = BELAY_S(3));
}

BELAY_TEST(connecting_has_a_limit, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    SERVE(net, {.url = "http://a.test/", .dns = BELAY_S(2),
        .stall = BELAY_HTTP_IN_CONNECT});

    TIMES_OUT(BELAY_S(5), BELAY_HTTP_IN_CONNECT, .url = "http://a.test/",
        .limits.connect = BELAY_S(3));
}

BELAY_TEST(the_handshake_has_a_limit, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    SERVE(net, {.url = "https://a.test/", .connect = BELAY_S(2),
        .stall = BELAY_HTTP_IN_TLS});

    TIMES_OUT(BELAY_S(5), BELAY_HTTP_IN_TLS, .url = "https://a.test/",
        .limits.tls = BELAY_S(3));
}

BELAY_TEST(the_first_byte_has_a_limit, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    SERVE(net, {.url = "https://a.test/", .connect = BELAY_S(1),
        .tls = BELAY_S(1), .stall = BELAY_HTTP_IN_FIRST_BYTE});

    TIMES_OUT(BELAY_S(9), BELAY_HTTP_IN_FIRST_BYTE, .url = "https://a.test/",
        .limits.first_byte = BELAY_S(7));
}

BELAY_TEST(silence_has_a_limit, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    SERVE(net, {.url = "http://a.test/", .first_byte = BELAY_S(1),
        .body = "abcdef", .piece = 1, .gap = BELAY_S(2), .after = 3,
        .stall = BELAY_HTTP_IN_BODY});

    /* At 1 s the first byte, at 5 s the third and last one. */
    TIMES_OUT(BELAY_S(8), BELAY_HTTP_IN_BODY, .url = "http://a.test/",
        .limits.idle = BELAY_S(3));
}

/* A server that drips is never silent for long. */
BELAY_TEST(all_of_it_has_a_limit, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    SERVE(net, {.url = "http://a.test/", .dns = BELAY_S(1),
        .body = "abcdefghijklmnopqrstuvwxyz", .piece = 1, .gap = BELAY_S(1)});

    TIMES_OUT(BELAY_S(10), BELAY_HTTP_IN_TOTAL, .url = "http://a.test/",
        .limits.idle = BELAY_S(3), .limits.total = BELAY_S(10));
}

BELAY_TEST(the_total_limit_holds_in_each_phase, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    static const belay_http_phase where[] = {BELAY_HTTP_IN_DNS,
        BELAY_HTTP_IN_CONNECT, BELAY_HTTP_IN_TLS, BELAY_HTTP_IN_FIRST_BYTE,
        BELAY_HTTP_IN_BODY};
    belay_http_route route = {.url = "https://a.test/",
        .stall = where[belay_test_choose(sizeof where / sizeof *where)]};
    belay_http_net net = {.routes = &route, .count = 1};

    belay_http_serve(&net);
    TIMES_OUT(BELAY_S(2), BELAY_HTTP_IN_TOTAL, .url = "https://a.test/",
        .limits.total = BELAY_S(2));
}

/* Redirects do not start the clock again. */
BELAY_TEST(the_total_limit_holds_over_redirects, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    static const char *const to_b[] = {"Location: http://b.test/", NULL};
    SERVE(net, {.url = "http://a.test/", .first_byte = BELAY_S(3),
            .status = 302, .headers = to_b},
        {.url = "http://b.test/", .stall = BELAY_HTTP_IN_FIRST_BYTE});

    TIMES_OUT(BELAY_S(4), BELAY_HTTP_IN_TOTAL, .url = "http://a.test/",
        .limits.total = BELAY_S(4));
}

/* The total counts from the first slot, so with the queue both pass. */
BELAY_TEST(no_limit_is_reached_by_what_is_slow_but_moves,
    .strategy = BELAY_EXHAUSTIVE, .cooperative = true)
{
    SERVE(net, {.url = "https://a.test/", .dns = BELAY_S(9),
        .connect = BELAY_S(9), .tls = BELAY_S(9), .first_byte = BELAY_S(59),
        .body = "abcd", .piece = 1, .gap = BELAY_S(29)});
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        belay_response_info info;

        OPEN(s, &http);
        BELAY_CHECK_EQ(belay_http_get(http, "https://a.test/", &rsp), 0);
        belay_response_get_info(rsp, &info);
        BELAY_CHECK_EQ(info.queue, 0);
        BELAY_CHECK_EQ(info.dns, BELAY_S(9));
        BELAY_CHECK_EQ(info.connect, BELAY_S(9));
        BELAY_CHECK_EQ(info.tls, BELAY_S(9));
        BELAY_CHECK_EQ(info.first_byte, BELAY_S(59));
        BELAY_CHECK_EQ(info.total, BELAY_S(27 + 59 + 3 * 29));
        BELAY_CHECK_EQ(info.raw, 4);
        BELAY_CHECK_EQ(info.decoded, 4);
        BELAY_CHECK_EQ(info.attempts, 1);
    }
    BELAY_CHECK_EQ(err, 0);
}

BELAY_TEST(negative_limits_are_none, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    SERVE(net, {.url = "https://a.test/", .dns = BELAY_S(999),
        .connect = BELAY_S(999), .tls = BELAY_S(999),
        .first_byte = BELAY_S(999), .body = "ab", .piece = 1,
        .gap = BELAY_S(999)});
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);

        OPEN(s, &http, .limits = {-1, -1, -1, -1, -1, -1, -1});
        BELAY_CHECK_EQ(belay_http_get(http, "https://a.test/", &rsp), 0);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(5 * 999));
    }
    BELAY_CHECK_EQ(err, 0);
}
