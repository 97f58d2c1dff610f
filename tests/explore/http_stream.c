/* SPDX-License-Identifier: MIT */
/* Bodies that are read while they come, and how large a body may be. */
#include "http_net.h"

#include <errno.h>

enum { ALPHABET = 26 };

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz";

/* Reads all of a stream in steps of n and compares it. */
static ssize_t
read_all(belay_response *rsp, size_t n, const char *want)
{
    char buf[64];
    size_t got = 0;

    for (;;) {
        ssize_t r = belay_response_read(rsp, buf, n);

        if (r <= 0)
            return r < 0 ? r : (ssize_t)got;
        BELAY_CHECK(memcmp(buf, want + got, (size_t)r) == 0);
        got += (size_t)r;
    }
}

BELAY_TEST(a_stream_brings_all_of_it_in_order, .schedules = 2000)
{
    SERVE(net, {.url = NULL, .body = alphabet});
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        char more;

        OPEN(s, &http, .buffer = 8);
        BELAY_CHECK_EQ(
            belay_http_start(http, &rsp, .url = "http://a.test/"), 0);
        BELAY_CHECK_EQ(belay_response_status(rsp), 200);
        BELAY_CHECK_EQ(belay_response_body(rsp).len, 0);
        BELAY_CHECK_EQ(read_all(rsp, 3, alphabet), ALPHABET);
        BELAY_CHECK_EQ(belay_response_read(rsp, &more, 1), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    net_is_quiet(&net);
}

/* The head comes as soon as it is there, not with the body. */
BELAY_TEST(a_stream_begins_with_its_head, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    SERVE(net, {.url = NULL, .first_byte = BELAY_S(1), .body = "ab",
        .piece = 1, .gap = BELAY_S(20)});
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);

        OPEN(s, &http);
        BELAY_CHECK_EQ(
            belay_http_start(http, &rsp, .url = "http://a.test/"), 0);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(1));
        BELAY_CHECK_EQ(read_all(rsp, 9, "ab"), 2);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(21));
    }
    BELAY_CHECK_EQ(err, 0);
}

/* The peer waits while nobody reads: what has come stays below the buffer and
 * one piece, and a reader that takes its time breaks no limit. */
BELAY_TEST(a_slow_reader_slows_the_peer, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    SERVE(net, {.url = NULL, .body = alphabet, .piece = 2});
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        belay_response_info info;
        char c;
        int i;

        OPEN(s, &http, .buffer = 8);
        BELAY_CHECK_EQ(
            belay_http_start(http, &rsp, .url = "http://a.test/"), 0);
        for (i = 0; i < ALPHABET; i++) {
            BELAY_CHECK_EQ(belay_sleep(BELAY_S(100)), 0);
            belay_response_get_info(rsp, &info);
            BELAY_CHECK(info.decoded <= (uint64_t)i + 1 + 8 + 2);
            BELAY_CHECK_EQ(belay_response_read(rsp, &c, 1), 1);
            BELAY_CHECK_EQ(c, alphabet[i]);
        }
        BELAY_CHECK_EQ(belay_response_read(rsp, &c, 1), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    net_is_quiet(&net);
}

BELAY_TEST(a_stream_that_breaks_says_so, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    SERVE(net, {.url = NULL, .body = "abcdef", .piece = 3, .after = 3,
        .fail = BELAY_HTTP_RESET, .in_body = true});
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        belay_http_error error;
        char c;

        OPEN(s, &http);
        BELAY_CHECK_EQ(
            belay_http_start(http, &rsp, .url = "http://a.test/"), 0);
        BELAY_CHECK_EQ(read_all(rsp, 2, "abc"), -ECONNRESET);
        belay_response_error(rsp, &error);
        BELAY_CHECK_EQ(error.code, -ECONNRESET);
        BELAY_CHECK_EQ(error.kind, BELAY_HTTP_RESET);
        BELAY_CHECK_EQ(error.phase, BELAY_HTTP_IN_BODY);
        BELAY_CHECK_EQ(belay_response_read(rsp, &c, 1), -ECONNRESET);
    }
    BELAY_CHECK_EQ(err, 0);
    net_is_quiet(&net);
}

BELAY_TEST(a_silent_stream_times_out, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    SERVE(net, {.url = NULL, .body = "abc", .piece = 1, .after = 1,
        .stall = BELAY_HTTP_IN_BODY});
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        belay_http_error error;

        OPEN(s, &http, .limits.idle = BELAY_S(4));
        BELAY_CHECK_EQ(
            belay_http_start(http, &rsp, .url = "http://a.test/"), 0);
        BELAY_CHECK_EQ(read_all(rsp, 2, "abc"), -ETIMEDOUT);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(4));
        belay_response_error(rsp, &error);
        BELAY_CHECK_EQ(error.kind, BELAY_HTTP_TIMEOUT);
        BELAY_CHECK_EQ(error.phase, BELAY_HTTP_IN_BODY);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* A read that is cut has taken nothing. */
BELAY_TEST(after_a_cut_one_may_read_on, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    SERVE(net, {.url = NULL, .body = "abcd", .piece = 2, .gap = BELAY_S(9)});
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        char two[2];

        OPEN(s, &http);
        BELAY_CHECK_EQ(
            belay_http_start(http, &rsp, .url = "http://a.test/"), 0);
        BELAY_CHECK_EQ(belay_response_read(rsp, two, 2), 2);
        BELAY_CHECK_EQ(BELAY_WITHIN(BELAY_S(1),
            (int)belay_response_read(rsp, two, 2)), -ETIME);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(1));
        BELAY_CHECK_EQ(read_all(rsp, 2, "cd"), 2);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* Its slot is free from the close on, and its connection is not used again. */
BELAY_TEST(a_stream_may_be_closed_in_the_middle, .schedules = 1000)
{
    SERVE(net, {.url = "http://a.test/", .body = alphabet, .piece = 1},
        {.url = "http://a.test/x", .body = "ok"});
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        BELAY_AUTO(belay_response, next);
        char c;

        OPEN(s, &http, .per_host = 1, .buffer = 2);
        BELAY_CHECK_EQ(
            belay_http_start(http, &rsp, .url = "http://a.test/"), 0);
        BELAY_CHECK_EQ(belay_response_read(rsp, &c, 1), 1);
        belay_response_close(rsp);
        rsp = NULL;
        BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/x", &next), 0);
        BELAY_CHECK(body_is(next, "ok"));
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(net.connections, 2);
    net_is_quiet(&net);
}

BELAY_TEST(a_stream_ends_with_its_session, .schedules = 1000)
{
    SERVE(net, {.url = NULL, .body = "abc", .piece = 1, .after = 1,
        .stall = BELAY_HTTP_IN_BODY});
    BELAY_AUTO(belay_response, rsp);
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);

        OPEN(s, &http);
        BELAY_CHECK_EQ(
            belay_http_start(http, &rsp, .url = "http://a.test/"), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(read_all(rsp, 1, "abc"), BELAY_ECLOSED);
    net_is_quiet(&net);
}

BELAY_TEST(only_streams_are_read, .strategy = BELAY_FIFO)
{
    SERVE(net, {.url = NULL, .body = "abc"});
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        char c;

        OPEN(s, &http);
        BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/", &rsp), 0);
        BELAY_CHECK_EQ(belay_response_read(rsp, &c, 1), -EINVAL);
    }
    BELAY_CHECK_EQ(err, 0);
}

BELAY_TASK(stream_one, (belay_http *, http))
{
    BELAY_AUTO(belay_response, rsp);
    char buf[4];
    ssize_t r;

    BELAY_TRY(belay_http_start(http, &rsp, .url = "http://a.test/"));
    do
        r = belay_response_read(rsp, buf, sizeof buf);
    while (r > 0);
    return (int)r;
}

BELAY_TEST(a_cut_stream_leaves_nothing, .cancel_everywhere = true,
    .fail_allocs = true, .schedules = 500)
{
    SERVE(net, {.url = NULL, .body = alphabet, .piece = 3});
    BELAY_AUTO(belay_http, http);
    belay_http_info info = {0};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        OPEN(s, &http, .per_host = 1, .buffer = 4);
        if (http != NULL) {
            belay_spawn(s, stream_one, http);
            belay_spawn(s, stream_one, http);
        }
    }
    BELAY_CHECK(err == 0 || belay_test_disturbed());
    if (http != NULL)
        belay_http_stats(http, &info);
    BELAY_CHECK_EQ(info.active, 0);
    net_is_quiet(&net);
}

BELAY_TEST(another_worker_reads, .workers = 2, .atomic = true,
    .schedules = 1500)
{
    SERVE(net, {.url = NULL, .body = "abcdef", .piece = 2});
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        int inner;

        OPEN(s, &http, .buffer = 2, .limits = {-1, -1, -1, -1, -1, -1, -1});
        BELAY_SCOPE_CATCH(c, &inner)
            belay_spawn_with(c, (.worker = 2), stream_one, http);
        BELAY_CHECK_EQ(inner, 0);
    }
    BELAY_CHECK_EQ(err, 0);
    net_is_quiet(&net);
}

/* ---- caps --------------------------------------------------------------- */

static int
get_capped(const belay_http_route *route, const belay_http_opts *how,
    bool stream, belay_http_error *error)
{
    belay_http_net net = {.routes = route, .count = 1};
    const belay_http_req req = {.size = sizeof req, .url = "http://a.test/",
        .error = error};
    int err, r = 1;

    belay_http_serve(&net);
    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);

        BELAY_CHECK_EQ(
            belay_http_open_at(s, &http, how, BELAY_SITE_("test")), 0);
        if (stream) {
            static char buf[16 << 10];

            r = belay_http_start_at(http, &req, &rsp, BELAY_SITE_("test"));
            BELAY_CHECK_EQ(r, 0);
            do
                r = (int)belay_response_read(rsp, buf, sizeof buf);
            while (r > 0);
            belay_response_error(rsp, error);
        } else {
            r = belay_http_request_at(http, &req, &rsp, BELAY_SITE_("test"));
        }
    }
    BELAY_CHECK_EQ(err, 0);
    net_is_quiet(&net);
    return r;
}

BELAY_TEST(a_body_has_a_cap, .schedules = 1000)
{
    const belay_http_route route = {.url = NULL, .body = alphabet};
    belay_http_opts how = {.size = sizeof how, .max_body = ALPHABET};
    bool stream = belay_test_choose(2) == 1;
    belay_http_error error;

    BELAY_CHECK_EQ(get_capped(&route, &how, stream, &error), 0);
    how.max_body = ALPHABET - 1;
    BELAY_CHECK_EQ(get_capped(&route, &how, stream, &error), -EFBIG);
    BELAY_CHECK_EQ(error.kind, BELAY_HTTP_TOO_LARGE);
    BELAY_CHECK_EQ(error.phase, BELAY_HTTP_IN_BODY);
}

/* Eight raw bytes that would become 26: the cap is of what comes out. */
BELAY_TEST(the_cap_holds_for_the_decoded_body, .strategy = BELAY_FIFO)
{
    const belay_http_route route = {.url = NULL, .body = alphabet, .ratio = 3};
    belay_http_opts how = {.size = sizeof how, .max_body = 9};
    belay_http_error error;

    BELAY_CHECK_EQ(get_capped(&route, &how, false, &error), -EFBIG);
    how.max_body = ALPHABET;
    BELAY_CHECK_EQ(get_capped(&route, &how, false, &error), 0);
}

/* 8 MiB out of 8 KiB: a bomb, also where a larger body would be welcome. */
BELAY_TEST(a_body_may_not_grow_without_bound, .strategy = BELAY_FIFO)
{
    static char zeros[8 << 20];
    belay_http_route route = {.url = NULL, .body = zeros,
        .body_len = sizeof zeros, .piece = 64 << 10, .ratio = 1024};
    belay_http_opts how = {.size = sizeof how};
    belay_http_error error;

    BELAY_CHECK_EQ(get_capped(&route, &how, false, &error), -EFBIG);
    BELAY_CHECK_EQ(error.kind, BELAY_HTTP_TOO_LARGE);
    BELAY_CHECK_EQ(get_capped(&route, &how, true, &error), -EFBIG);
    how.max_ratio = 2000;
    BELAY_CHECK_EQ(get_capped(&route, &how, false, &error), 0);
    how.max_ratio = 0;
    route.ratio = 100;
    BELAY_CHECK_EQ(get_capped(&route, &how, false, &error), 0);
}

BELAY_TEST(headers_have_a_cap, .strategy = BELAY_FIFO)
{
    static const char *const headers[] = {"X-A: 0123456789",
        "X-B: 0123456789", NULL};
    const belay_http_route route = {.url = NULL, .headers = headers};
    belay_http_opts how = {.size = sizeof how, .max_headers = 40};
    belay_http_error error;

    BELAY_CHECK_EQ(get_capped(&route, &how, false, &error), -EFBIG);
    BELAY_CHECK_EQ(error.kind, BELAY_HTTP_TOO_LARGE);
    how.max_headers = 60;
    BELAY_CHECK_EQ(get_capped(&route, &how, false, &error), 0);
}
