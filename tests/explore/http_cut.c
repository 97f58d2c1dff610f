/* SPDX-License-Identifier: MIT */
/*
 * Cuts on a long way: a request that waits in the queue, is sent in vain, is
 * told to come later, is sent to another host over TLS and gets its body in
 * pieces.  Wherever it is cut, its slot and its connection are gone and the
 * next request finds the session as it should be.
 */
#include "http_net.h"

#include <errno.h>

static const char *const later[] = {"Retry-After: 1", NULL};
static const char *const to_b[] = {"Location: https://b.test/", NULL};

#define THE_WAY                                                                \
    {.url = "http://a.test/", .dns = BELAY_MS(1), .connect = BELAY_MS(1),      \
        .first_byte = BELAY_MS(1), .fail = BELAY_HTTP_RESET, .times = 1},      \
        {.url = "http://a.test/", .first_byte = BELAY_MS(1), .status = 503,    \
            .headers = later, .body = "later", .gap = BELAY_MS(1),             \
            .times = 1},                                                       \
        {.url = "http://a.test/", .first_byte = BELAY_MS(1), .status = 307,    \
            .headers = to_b, .body = "there", .times = 1},                     \
        {.url = "https://b.test/", .dns = BELAY_MS(1),                         \
            .connect = BELAY_MS(1), .tls = BELAY_MS(1),                        \
            .first_byte = BELAY_MS(1), .body = "abcdefgh", .piece = 3,         \
            .gap = BELAY_MS(1), .times = 1},                                   \
        {.url = "http://a.test/other", .body = "a"},                           \
        {.url = "https://b.test/other", .body = "b"}

/* No jitter: what comes of it is the same at each cut. */
#define WAY_OPTS .total = 1, .per_host = 1, .retry_pause = -1

static int
go(belay_http *http, belay_http_error *error)
{
    BELAY_AUTO(belay_response, rsp);
    int r = belay_http_request(http, &rsp, .url = "http://me:pw@a.test/",
        .method = "PUT", .body = "payload", .body_len = 7, .error = error);

    /* With too little time for a pause, the answer before it is the result. */
    if (r == 0)
        BELAY_CHECK(body_is(rsp,
            belay_response_status(rsp) == 503 ? "later" : "abcdefgh"));
    return r;
}

/* Nothing is left of the other request, once the driver had its turn. */
static void
others_are_served(belay_http *http, belay_http_net *net)
{
    BELAY_AUTO(belay_response, a);
    BELAY_AUTO(belay_response, b);
    belay_http_info info;

    BELAY_CHECK_EQ(belay_sleep(BELAY_US(10)), 0);
    BELAY_CHECK_EQ(net->active, 0);
    BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/other", &a), 0);
    BELAY_CHECK(body_is(a, "a"));
    BELAY_CHECK_EQ(belay_http_get(http, "https://b.test/other", &b), 0);
    BELAY_CHECK(body_is(b, "b"));
    belay_http_stats(http, &info);
    BELAY_CHECK_EQ(info.active, 0);
    BELAY_CHECK_EQ(info.waiting, 0);
    BELAY_CHECK(net->open <= 2);
    BELAY_CHECK_EQ(net->most, 1);
}

/* What the others rely on: 1 s of pause and these milliseconds. */
BELAY_TEST(the_way_leads_to_an_answer, .strategy = BELAY_FIFO)
{
    SERVE(net, THE_WAY);
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        belay_http_error error;

        OPEN(s, &http, WAY_OPTS);
        BELAY_CHECK_EQ(go(http, &error), 0);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(1) + BELAY_MS(11));
        BELAY_CHECK_EQ(net.requests, 4);
        others_are_served(http, &net);
    }
    BELAY_CHECK_EQ(err, 0);
    net_is_quiet(&net);
}

BELAY_TASK(go_quietly, (belay_http *, http))
{
    belay_http_error error;

    return go(http, &error);
}

/* The run itself, and each allocation. */
BELAY_TEST(a_cut_anywhere_on_the_way_leaves_nothing, .cancel_everywhere = true,
    .fail_allocs = true, .schedules = 200)
{
    SERVE(net, THE_WAY);
    BELAY_AUTO(belay_http, http);
    belay_http_info info;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        OPEN(s, &http, WAY_OPTS);
        if (http != NULL)
            belay_spawn(s, go_quietly, http);
    }
    if (http != NULL) {
        belay_http_stats(http, &info);
        BELAY_CHECK_EQ(info.active, 0);
        BELAY_CHECK_EQ(info.waiting, 0);
    }
    net_is_quiet(&net);
}

/* By a deadline, in each millisecond of the way and at its edges. */
BELAY_TEST(a_deadline_anywhere_leaves_a_good_session, .schedules = 3000)
{
    SERVE(net, THE_WAY);
    belay_dur cut = BELAY_MS(belay_test_choose(28)) / 2;
    int err;

    cut += cut > BELAY_MS(5) ? BELAY_S(1) - BELAY_MS(1) : 0;
    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        belay_http_error error = {0};
        int r;

        OPEN(s, &http, WAY_OPTS);
        r = BELAY_WITHIN(cut, go(http, &error));
        BELAY_CHECK(r == 0 || r == -ETIME);
        BELAY_CHECK_EQ(error.kind, r == 0 ? BELAY_HTTP_OK
                                          : BELAY_HTTP_CANCELLED);
        BELAY_CHECK(r == 0 || belay_test_elapsed() == cut);
        others_are_served(http, &net);
    }
    BELAY_CHECK_EQ(err, 0);
    net_is_quiet(&net);
}

/* By another task, after any number of steps of whoever is ready. */
BELAY_TEST(a_cut_after_any_step_leaves_a_good_session, .schedules = 3000)
{
    SERVE(net, THE_WAY);
    unsigned steps = belay_test_choose(40);
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        int inner;

        OPEN(s, &http, WAY_OPTS);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, go_quietly, http);
            while (steps-- > 0)
                BELAY_CHECK_EQ(steps % 4 != 0 ? belay_yield()
                                              : belay_sleep(BELAY_MS(1)), 0);
            belay_cancel(c, "test");
        }
        BELAY_CHECK(inner == 0 || inner == -ECANCELED);
        others_are_served(http, &net);
    }
    BELAY_CHECK_EQ(err, 0);
    net_is_quiet(&net);
}

/* ---- hosts that stall --------------------------------------------------- */

/* The caller's 5 s hold on the second hop and the second attempt too, in each
 * phase, and not a nanosecond longer. */
BELAY_TEST(five_seconds_are_five_seconds, .schedules = 2000)
{
    static const belay_http_phase where[] = {BELAY_HTTP_IN_DNS,
        BELAY_HTTP_IN_CONNECT, BELAY_HTTP_IN_TLS, BELAY_HTTP_IN_SEND,
        BELAY_HTTP_IN_FIRST_BYTE, BELAY_HTTP_IN_BODY};
    belay_http_phase phase =
        where[belay_test_choose(sizeof where / sizeof *where)];
    bool retry = belay_test_choose(2) == 1;
    const belay_http_route routes[] = {
        {.url = "https://a.test/", .first_byte = BELAY_S(2), .times = 1,
            .status = retry ? 503 : 302, .headers = retry ? NULL : to_b},
        {.url = retry ? "https://a.test/" : "https://b.test/", .stall = phase,
            .body = "abc", .piece = 1, .after = 1},
        {.url = "https://c.test/"}};
    belay_http_net net = {.routes = routes, .count = 3};
    int err;

    belay_http_serve(&net);
    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        BELAY_AUTO(belay_response, next);
        belay_http_error error;

        OPEN(s, &http, .total = 1, .retry_pause = -1);
        /* A connection that is there is used again, without its phases. */
        if (retry && phase > BELAY_HTTP_IN_DNS && phase < BELAY_HTTP_IN_SEND)
            break;
        BELAY_CHECK_EQ(BELAY_WITHIN(BELAY_S(5),
            belay_http_get(http, "https://a.test/", &rsp, .error = &error)),
            -ETIME);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(5));
        BELAY_CHECK_EQ(error.phase, phase);
        BELAY_CHECK_EQ(error.attempts, phase == BELAY_HTTP_IN_DNS ? 1 : 2);
        BELAY_CHECK_EQ(belay_http_get(http, "https://c.test/", &next), 0);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(5));
    }
    BELAY_CHECK_EQ(err, 0);
    net_is_quiet(&net);
}
