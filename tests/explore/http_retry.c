/* SPDX-License-Identifier: MIT */
/* What is sent again, how often, when, and when not. */
#include "http_net.h"

#include <errno.h>

static int
ask(belay_http_net *net, const belay_http_req *req,
    const belay_http_opts *how, unsigned *attempts)
{
    int err, r = 1;

    belay_http_serve(net);
    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        belay_http_req mine = *req;
        belay_http_error error = {0};
        belay_http_info info;

        mine.error = &error;
        BELAY_CHECK_EQ(
            belay_http_open_at(s, &http, how, BELAY_SITE_("test")), 0);
        r = belay_http_request_at(http, &mine, &rsp, BELAY_SITE_("test"));
        *attempts = error.attempts;
        if (r == 0) {
            belay_response_info got;

            belay_response_get_info(rsp, &got);
            *attempts = got.attempts;
            r = belay_response_status(rsp);
        }
        belay_http_stats(http, &info);
        BELAY_CHECK_EQ(info.retries, *attempts - 1);
        BELAY_CHECK_EQ(info.requests, *attempts);
    }
    BELAY_CHECK_EQ(err, 0);
    net_is_quiet(net);
    return r;
}

#define NET(routes)                                                            \
    {                                                                          \
        .routes = (routes), .count = sizeof(routes) / sizeof *(routes)         \
    }
#define HEADER(line) ((const char *const[]){line, NULL})

static void
status_is_repeated(int status, unsigned want)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/", .status = status, .times = 1},
        {.url = "http://a.test/"}};
    belay_http_net net = NET(routes);
    unsigned attempts;
    int r = ask(&net, BELAY_HTTP_REQ_(.url = "http://a.test/"), NULL,
        &attempts);

    BELAY_CHECK_EQ(r, want == 1 ? status : 200);
    BELAY_CHECK_EQ(attempts, want);
}

BELAY_TEST(some_statuses_are_worth_another_try, .strategy = BELAY_FIFO)
{
    status_is_repeated(429, 2);
    status_is_repeated(502, 2);
    status_is_repeated(503, 2);
    status_is_repeated(504, 2);
    status_is_repeated(400, 1);
    status_is_repeated(500, 1);
    status_is_repeated(501, 1);
    status_is_repeated(505, 1);
}

BELAY_TEST(the_last_answer_is_the_result, .strategy = BELAY_FIFO)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/", .status = 503}};
    belay_http_net net = NET(routes);
    belay_http_opts none = {.size = sizeof none, .retries = -1};
    unsigned attempts;

    BELAY_CHECK_EQ(ask(&net, BELAY_HTTP_REQ_(.url = "http://a.test/"), NULL,
        &attempts), 503);
    BELAY_CHECK_EQ(attempts, 3);
    BELAY_CHECK_EQ(ask(&net,
        BELAY_HTTP_REQ_(.url = "http://a.test/", .retries = 4), NULL,
        &attempts), 503);
    BELAY_CHECK_EQ(attempts, 5);
    BELAY_CHECK_EQ(ask(&net, BELAY_HTTP_REQ_(.url = "http://a.test/"), &none,
        &attempts), 503);
    BELAY_CHECK_EQ(attempts, 1);
}

static void
failure_is_repeated(belay_http_kind kind, bool in_body, unsigned want)
{
    const belay_http_route routes[] = {
        {.url = "https://a.test/", .fail = kind, .times = 1, .body = "abc",
            .in_body = in_body, .after = 1},
        {.url = "https://a.test/", .body = "abc"}};
    belay_http_net net = NET(routes);
    unsigned attempts;
    int r = ask(&net, BELAY_HTTP_REQ_(.url = "https://a.test/"), NULL,
        &attempts);

    BELAY_CHECK_EQ(r > 0, want == 2);
    BELAY_CHECK_EQ(attempts, want);
}

BELAY_TEST(lost_connections_are_made_again, .strategy = BELAY_FIFO)
{
    failure_is_repeated(BELAY_HTTP_REFUSED, false, 2);
    failure_is_repeated(BELAY_HTTP_CONNECT, false, 2);
    failure_is_repeated(BELAY_HTTP_RESET, false, 2);
    failure_is_repeated(BELAY_HTTP_RESET, true, 2);
    failure_is_repeated(BELAY_HTTP_TLS, false, 1);
    failure_is_repeated(BELAY_HTTP_CERTIFICATE, false, 1);
}

/* Nothing was sent then, so it counts as no attempt. */
BELAY_TEST(a_name_that_is_not_found_now_is_looked_up_again,
    .strategy = BELAY_FIFO)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/", .fail = BELAY_HTTP_DNS, .times = 1},
        {.url = "http://a.test/"}};
    belay_http_net net = NET(routes);
    int err;

    belay_http_serve(&net);
    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        belay_response_info info;

        OPEN(s, &http);
        BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/", &rsp), 0);
        belay_response_get_info(rsp, &info);
        BELAY_CHECK_EQ(info.attempts, 1);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* ---- what may be repeated ----------------------------------------------- */

static unsigned
attempts_of(const belay_http_req *req, belay_http_kind kind)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/", .fail = kind, .times = 1},
        {.url = "http://a.test/"}};
    belay_http_net net = NET(routes);
    unsigned attempts;

    (void)ask(&net, req, NULL, &attempts);
    return attempts;
}

#define POST(...)                                                              \
    BELAY_HTTP_REQ_(.url = "http://a.test/", .body = "x", .body_len = 1,       \
        ##__VA_ARGS__)

BELAY_TEST(what_may_have_been_done_is_not_repeated, .strategy = BELAY_FIFO)
{
    BELAY_CHECK_EQ(attempts_of(POST(.method = "GET"), BELAY_HTTP_RESET), 2);
    BELAY_CHECK_EQ(attempts_of(POST(.method = "PUT"), BELAY_HTTP_RESET), 2);
    BELAY_CHECK_EQ(attempts_of(POST(.method = "DELETE"), BELAY_HTTP_RESET), 2);
    BELAY_CHECK_EQ(attempts_of(POST(.method = "PATCH"), BELAY_HTTP_RESET), 1);
    BELAY_CHECK_EQ(attempts_of(POST(.method = "get"), BELAY_HTTP_RESET), 1);
    BELAY_CHECK_EQ(attempts_of(POST(), BELAY_HTTP_RESET), 1);
    BELAY_CHECK_EQ(attempts_of(POST(.idempotent = true), BELAY_HTTP_RESET), 2);
    /* The connection was never made: nothing can have been done. */
    BELAY_CHECK_EQ(attempts_of(POST(), BELAY_HTTP_REFUSED), 2);
}

struct source {
    size_t left;
    unsigned calls;
};

static ssize_t
source_next(void *arg, void *buf, size_t n)
{
    struct source *src = arg;

    src->calls++;
    n = n < src->left ? n : src->left;
    memset(buf, 'x', n);
    src->left -= n;
    return (ssize_t)n;
}

BELAY_TEST(what_was_read_is_not_repeated, .schedules = 1000)
{
    struct source src = {.left = 3};

    BELAY_CHECK_EQ(attempts_of(BELAY_HTTP_REQ_(.url = "http://a.test/",
        .method = "PUT", .body_fn = source_next, .body_arg = &src),
        BELAY_HTTP_RESET), 1);
    BELAY_CHECK_EQ(src.calls, 2);
}

/* ---- pauses ------------------------------------------------------------- */

/* The bound doubles: 100 ms and 200 ms, and no more, whatever is drawn. */
BELAY_TEST(pauses_are_bounded, .strategy = BELAY_FIFO)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/", .status = 503}};
    belay_http_net net = NET(routes);
    belay_http_opts none = {.size = sizeof none, .retry_pause = -1};
    unsigned attempts;
    belay_dur before;

    BELAY_CHECK_EQ(ask(&net, BELAY_HTTP_REQ_(.url = "http://a.test/"), NULL,
        &attempts), 503);
    BELAY_CHECK(belay_test_elapsed() > 0);
    BELAY_CHECK(belay_test_elapsed() <= BELAY_MS(300));
    before = belay_test_elapsed();
    BELAY_CHECK_EQ(ask(&net, BELAY_HTTP_REQ_(.url = "http://a.test/"), &none,
        &attempts), 503);
    BELAY_CHECK_EQ(belay_test_elapsed(), before);
}

static belay_dur
time_with(const char *const *headers, const belay_http_req *req, int *status,
    unsigned *attempts)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/", .status = 429, .headers = headers,
            .times = 1},
        {.url = "http://a.test/"}};
    belay_http_net net = NET(routes);
    belay_dur before = belay_test_elapsed();

    *status = ask(&net, req, NULL, attempts);
    return belay_test_elapsed() - before;
}

#define GET(...) BELAY_HTTP_REQ_(.url = "http://a.test/", ##__VA_ARGS__)

/* Not before the time that the server named, and little later. */
BELAY_TEST(retry_after_is_obeyed, .strategy = BELAY_FIFO)
{
    static const char *const date[] = {"Date: Fri, 31 Dec 1999 23:59:59 GMT",
        "Retry-After: Sat, 01 Jan 2000 00:00:19 GMT", NULL};
    static const char *const past[] = {"Date: Sat, 01 Jan 2000 00:00:19 GMT",
        "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT", NULL};
    unsigned attempts;
    belay_dur d;
    int status;

    d = time_with(HEADER("Retry-After: 7"), GET(), &status, &attempts);
    BELAY_CHECK_EQ(status, 200);
    BELAY_CHECK(d >= BELAY_S(7) && d <= BELAY_S(7.1));
    d = time_with(date, GET(), &status, &attempts);
    BELAY_CHECK_EQ(status, 200);
    BELAY_CHECK(d >= BELAY_S(20) && d <= BELAY_S(20.1));
    d = time_with(past, GET(), &status, &attempts);
    BELAY_CHECK_EQ(status, 200);
    BELAY_CHECK(d <= BELAY_MS(100));
    d = time_with(HEADER("Retry-After: soon"), GET(), &status, &attempts);
    BELAY_CHECK_EQ(status, 200);
    BELAY_CHECK(d <= BELAY_MS(100));
}

/* Longer than one is willing to wait: the answer is the result, at once. */
BELAY_TEST(a_long_retry_after_is_left_to_the_caller, .strategy = BELAY_FIFO)
{
    unsigned attempts;
    int status;

    BELAY_CHECK_EQ(time_with(HEADER("Retry-After: 31"), GET(), &status,
        &attempts), 0);
    BELAY_CHECK_EQ(status, 429);
    BELAY_CHECK_EQ(attempts, 1);
    BELAY_CHECK_EQ(time_with(HEADER("Retry-After: 99999999999999999999"),
        GET(), &status, &attempts), 0);
    BELAY_CHECK_EQ(status, 429);
}

/* Nor is one begun that could not begin before the deadline or the limit of
 * all: no time is lost by waiting for what will not be. */
BELAY_TEST(no_pause_beyond_the_deadline, .strategy = BELAY_FIFO)
{
    unsigned attempts;
    int status;

    BELAY_CHECK_EQ(BELAY_WITHIN(BELAY_S(5), time_with(
        HEADER("Retry-After: 7"), GET(), &status, &attempts)), 0);
    BELAY_CHECK_EQ(status, 429);
    BELAY_CHECK_EQ(attempts, 1);
    BELAY_CHECK_EQ(time_with(HEADER("Retry-After: 7"),
        GET(.limits.total = BELAY_S(5)), &status, &attempts), 0);
    BELAY_CHECK_EQ(status, 429);
    BELAY_CHECK(BELAY_WITHIN(BELAY_S(9), time_with(
        HEADER("Retry-After: 7"), GET(), &status, &attempts)) < BELAY_S(8));
    BELAY_CHECK_EQ(status, 200);
}

BELAY_TASK(cancel_at, (belay_scope *, s), (belay_dur, d))
{
    BELAY_TRY(belay_sleep(d));
    belay_cancel(s, "test");
    return 0;
}

BELAY_TEST(a_pause_can_be_cut, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/", .status = 429,
            .headers = HEADER("Retry-After: 20")}};
    belay_http_net net = NET(routes);
    int err;

    belay_http_serve(&net);
    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_S(60)) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        belay_http_error error;
        belay_http_info info;
        int r, inner;

        OPEN(s, &http, .per_host = 1);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(s, cancel_at, c, BELAY_S(5));
            r = belay_http_get(http, "http://a.test/", &rsp, .error = &error);
        }
        BELAY_CHECK_EQ(r, -ECANCELED);
        BELAY_CHECK_EQ(error.phase, BELAY_HTTP_IN_RETRY);
        BELAY_CHECK_EQ(error.kind, BELAY_HTTP_CANCELLED);
        BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(5));
        belay_http_stats(http, &info);
        BELAY_CHECK_EQ(info.active, 0);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* Who pauses holds no slot. */
BELAY_TASK(get_patiently, (belay_http *, http))
{
    BELAY_AUTO(belay_response, rsp);

    BELAY_TRY(belay_http_get(http, "http://a.test/busy", &rsp));
    BELAY_CHECK_EQ(belay_response_status(rsp), 200);
    return 0;
}

BELAY_TEST(others_pass_during_a_pause, .schedules = 1000)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/busy", .status = 503, .times = 1,
            .headers = HEADER("Retry-After: 20"), .body = "busy"},
        {.url = "http://a.test/busy"}, {.url = "http://a.test/"}};
    belay_http_net net = NET(routes);
    int err;

    belay_http_serve(&net);
    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        int inner;

        OPEN(s, &http, .per_host = 1);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, get_patiently, http);
            BELAY_CHECK_EQ(belay_sleep(BELAY_S(2)), 0);
            BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/", &rsp), 0);
            BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(2));
        }
        BELAY_CHECK_EQ(inner, 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(net.connections, 1);
}
