/* SPDX-License-Identifier: MIT */
/* Requests and what they bring, on a network in memory. */
#include "http_net.h"

#include <errno.h>
#include <jansson.h>

BELAY_TEST(a_page_comes, .schedules = 2000)
{
    static const char *const headers[] = {"Content-Type: text/plain",
        "X-Twice: one", "x-twice:  two ", NULL};
    SERVE(net, {.url = "http://a.test/page?q=1", .headers = headers,
        .body = "hello"});
    const char *name, *value;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);

        OPEN(s, &http);
        BELAY_CHECK_EQ(
            belay_http_get(http, "http://a.test/page?q=1#part", &rsp), 0);
        BELAY_CHECK_EQ(belay_response_status(rsp), 200);
        BELAY_CHECK(body_is(rsp, "hello"));
        BELAY_CHECK(strcmp(belay_response_header(rsp, "content-TYPE"),
            "text/plain") == 0);
        BELAY_CHECK(belay_response_header(rsp, "Content") == NULL);
        BELAY_CHECK(belay_response_header_at(rsp, 2, &name, &value));
        BELAY_CHECK(strcmp(name, "x-twice") == 0);
        BELAY_CHECK(strcmp(value, "two") == 0);
        BELAY_CHECK(!belay_response_header_at(rsp, 3, &name, &value));
        BELAY_CHECK(strcmp(belay_response_url(rsp),
            "http://a.test/page?q=1") == 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(net.requests, 1);
    net_is_quiet(&net);
}

/* A response outlives its session, and the session its scope. */
BELAY_TEST(a_response_is_good_until_it_is_closed, .schedules = 1000)
{
    SERVE(net, {.body = "hello"});
    BELAY_AUTO(belay_http, http);
    BELAY_AUTO(belay_response, rsp);
    BELAY_AUTO(belay_response, more);
    belay_http_error error;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        OPEN(s, &http);
        BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/", &rsp), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    net_is_quiet(&net);
    BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/", &more,
        .error = &error), BELAY_ECLOSED);
    BELAY_CHECK_EQ(error.kind, BELAY_HTTP_CLOSED);
    BELAY_CHECK(more == NULL);
    belay_http_close(http);
    http = NULL;
    BELAY_CHECK(body_is(rsp, "hello"));
}

BELAY_TEST(connections_are_used_again, .schedules = 1000)
{
    SERVE(net, {.url = "http://a.test/"}, {.url = "https://a.test/"});
    belay_response_info info;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        belay_http_info session;
        int i;

        OPEN(s, &http);
        for (i = 0; i < 4; i++) {
            BELAY_AUTO(belay_response, rsp);
            const char *url = i < 2 ? "http://a.test/" : "https://a.test/";

            BELAY_CHECK_EQ(belay_http_get(http, url, &rsp), 0);
            belay_response_get_info(rsp, &info);
            BELAY_CHECK_EQ(info.reused, i % 2);
            BELAY_CHECK_EQ(info.version, 11);
        }
        belay_http_stats(http, &session);
        BELAY_CHECK_EQ(session.connections, 2);
        BELAY_CHECK_EQ(session.requests, 4);
        BELAY_CHECK_EQ(session.active, 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(net.connections, 2);
    net_is_quiet(&net);
}

BELAY_TEST(any_status_is_a_response, .strategy = BELAY_FIFO)
{
    SERVE(net, {.url = "http://a.test/bad", .status = 500, .body = "sorry"});
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        BELAY_AUTO(belay_response, none);

        OPEN(s, &http);
        BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/bad", &rsp), 0);
        BELAY_CHECK_EQ(belay_response_status(rsp), 500);
        BELAY_CHECK(body_is(rsp, "sorry"));
        BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/none", &none), 0);
        BELAY_CHECK_EQ(belay_response_status(none), 404);
        BELAY_CHECK_EQ(belay_response_body(none).len, 0);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* ---- what is sent ------------------------------------------------------- */

struct expected {
    const char *method, *body;
    const char *has[4], *lacks[4];
    unsigned seen;
};

static void
check_seen(void *arg, const belay_http_seen *seen)
{
    struct expected *e = arg;
    size_t i;

    e->seen++;
    BELAY_CHECK(strcmp(seen->method, e->method) == 0);
    BELAY_CHECK_EQ(seen->body_len, strlen(e->body));
    BELAY_CHECK(memcmp(seen->body.data, e->body, seen->body.len) == 0);
    for (i = 0; e->has[i] != NULL; i++)
        BELAY_CHECK(has_header(seen, e->has[i]));
    for (i = 0; e->lacks[i] != NULL; i++)
        BELAY_CHECK(!has_name(seen, e->lacks[i]));
}

static void
send_one(struct expected *e, const belay_http_opts *how,
    const belay_http_req *req)
{
    SERVE(net, {.url = NULL});
    int err;

    net.seen = check_seen;
    net.arg = e;
    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);

        BELAY_CHECK_EQ(
            belay_http_open_at(s, &http, how, BELAY_SITE_("test")), 0);
        BELAY_CHECK_EQ(
            belay_http_request_at(http, req, &rsp, BELAY_SITE_("test")), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(e->seen, 1);
}

BELAY_TEST(headers_of_session_and_request_are_sent, .strategy = BELAY_FIFO)
{
    static const char *const all[] = {"X-All: 1", "X-Gone: 1", "X-New: old",
        NULL};
    static const char *const own[] = {"X-Own: 2", "x-gone:", "X-NEW: 3", NULL};
    struct expected e = {.method = "GET", .body = "",
        .has = {"X-All: 1", "X-Own: 2", "X-NEW: 3"},
        .lacks = {"X-Gone", "X-New"}};
    belay_http_opts how = {.size = sizeof how, .headers = all};

    send_one(&e, &how,
        BELAY_HTTP_REQ_(.url = "http://a.test/", .headers = own));
}

BELAY_TEST(credentials_of_the_url_are_sent, .strategy = BELAY_FIFO)
{
    /* RFC 7617: Aladdin, open sesame. */
    struct expected e = {.method = "GET", .body = "",
        .has = {"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}};

    send_one(&e, NULL,
        BELAY_HTTP_REQ_(.url = "http://Aladdin:open%20sesame@a.test/"));
}

BELAY_TEST(a_body_makes_a_post, .strategy = BELAY_EXHAUSTIVE)
{
    struct expected e = {.method = "POST", .body = "payload"};

    send_one(&e, NULL, BELAY_HTTP_REQ_(.url = "http://a.test/",
        .body = "payload", .body_len = 7));
}

BELAY_TEST(json_is_sent_as_such, .strategy = BELAY_FIFO)
{
    struct expected e = {.method = "PUT", .body = "{\"a\":[1,null]}",
        .has = {"Content-Type: application/json"}};
    json_t *json = json_pack("{s:[i,n]}", "a", 1);

    send_one(&e, NULL, BELAY_HTTP_REQ_(.url = "http://a.test/",
        .method = "PUT", .json = json));
    json_decref(json);
}

struct source {
    const char *text;
    size_t piece;
    belay_dur pause;
    int fails;
};

/* A body of pieces, each of which takes its time. */
static ssize_t
source_next(void *arg, void *buf, size_t n)
{
    struct source *src = arg;
    size_t len = strlen(src->text);

    if (src->pause > 0)
        BELAY_TRY(belay_sleep(src->pause));
    if (len == 0 && src->fails != 0)
        return src->fails;
    n = src->piece < n ? src->piece : n;
    n = len < n ? len : n;
    memcpy(buf, src->text, n);
    src->text += n;
    return (ssize_t)n;
}

/* Slower than the limit for idle connections, but never idle for so long. */
BELAY_TEST(a_body_may_come_in_pieces, .schedules = 2000)
{
    struct expected e = {.method = "POST", .body = "abcdefg"};
    struct source src = {.text = "abcdefg", .piece = 3, .pause = BELAY_S(20)};

    send_one(&e, NULL, BELAY_HTTP_REQ_(.url = "http://a.test/",
        .body_fn = source_next, .body_arg = &src, .limits.total = -1));
}

BELAY_TEST(a_body_that_fails_ends_the_request, .strategy = BELAY_EXHAUSTIVE)
{
    SERVE(net, {.url = NULL});
    struct source src = {.text = "abc", .piece = 2, .fails = -EIO};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        belay_http_error error;

        OPEN(s, &http);
        BELAY_CHECK_EQ(belay_http_request(http, &rsp, .url = "http://a.test/",
            .method = "PUT", .body_fn = source_next, .body_arg = &src,
            .error = &error), -EIO);
        BELAY_CHECK_EQ(error.kind, BELAY_HTTP_INTERNAL);
        BELAY_CHECK_EQ(error.attempts, 1);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(net.requests, 0);
    net_is_quiet(&net);
}

/* ---- failures ----------------------------------------------------------- */

struct failing {
    const char *url, *method, *header;
    int code;
    belay_http_kind kind;
    belay_http_phase phase;
};

BELAY_TEST(failures_say_what_and_where, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    SERVE(net, {.url = "http://dns.test/", .fail = BELAY_HTTP_DNS},
        {.url = "http://refused.test/", .fail = BELAY_HTTP_REFUSED},
        {.url = "http://far.test/", .fail = BELAY_HTTP_CONNECT},
        {.url = "https://tls.test/", .fail = BELAY_HTTP_TLS},
        {.url = "https://who.test/", .fail = BELAY_HTTP_CERTIFICATE},
        {.url = "http://reset.test/", .fail = BELAY_HTTP_RESET},
        {.url = "http://half.test/", .body = "half", .after = 2,
            .fail = BELAY_HTTP_RESET, .in_body = true});
    static const struct failing f[] = {
        {"http://dns.test/", "GET", NULL, -EAGAIN, BELAY_HTTP_DNS,
            BELAY_HTTP_IN_DNS},
        {"http://nowhere.test/", "GET", NULL, -EHOSTUNREACH, BELAY_HTTP_DNS,
            BELAY_HTTP_IN_DNS},
        {"http://refused.test/", "GET", NULL, -ECONNREFUSED,
            BELAY_HTTP_REFUSED, BELAY_HTTP_IN_CONNECT},
        {"http://far.test/", "GET", NULL, -EHOSTUNREACH, BELAY_HTTP_CONNECT,
            BELAY_HTTP_IN_CONNECT},
        {"https://tls.test/", "GET", NULL, -EPROTO, BELAY_HTTP_TLS,
            BELAY_HTTP_IN_TLS},
        {"https://who.test/", "GET", NULL, -EACCES, BELAY_HTTP_CERTIFICATE,
            BELAY_HTTP_IN_TLS},
        {"http://reset.test/", "GET", NULL, -ECONNRESET, BELAY_HTTP_RESET,
            BELAY_HTTP_IN_FIRST_BYTE},
        {"http://half.test/", "GET", NULL, -ECONNRESET, BELAY_HTTP_RESET,
            BELAY_HTTP_IN_BODY},
        {"a.test/", "GET", NULL, -EINVAL, BELAY_HTTP_BAD_URL,
            BELAY_HTTP_IN_QUEUE},
        {"http://", "GET", NULL, -EINVAL, BELAY_HTTP_BAD_URL,
            BELAY_HTTP_IN_QUEUE},
        {"ftp://a.test/", "GET", NULL, -EPROTONOSUPPORT, BELAY_HTTP_SCHEME,
            BELAY_HTTP_IN_QUEUE},
        {NULL, "GET", NULL, -EINVAL, BELAY_HTTP_BAD_URL, BELAY_HTTP_IN_QUEUE},
        {"http://a.test/", "GE T", NULL, -EINVAL, BELAY_HTTP_BAD_URL,
            BELAY_HTTP_IN_QUEUE},
        {"http://a.test/", "GET", "no header", -EINVAL, BELAY_HTTP_BAD_URL,
            BELAY_HTTP_IN_QUEUE},
        {"http://a.test/", "GET", "Two: 1\r\nLines: 2", -EINVAL,
            BELAY_HTTP_BAD_URL, BELAY_HTTP_IN_QUEUE},
    };
    const struct failing *one =
        &f[belay_test_choose(sizeof f / sizeof *f)];
    const char *headers[] = {one->header, NULL};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        belay_http_error error;

        OPEN(s, &http, .retries = -1);
        BELAY_CHECK_EQ(belay_http_request(http, &rsp, .url = one->url,
            .method = one->method, .headers = headers, .error = &error),
            one->code);
        BELAY_CHECK(rsp == NULL);
        BELAY_CHECK_EQ(error.code, one->code);
        BELAY_CHECK_EQ(error.kind, one->kind);
        BELAY_CHECK_EQ(error.phase, one->phase);
        BELAY_CHECK(strstr(belay_why(), error.text) != NULL);
    }
    BELAY_CHECK_EQ(err, 0);
    net_is_quiet(&net);
}

BELAY_TEST(errors_hold_no_credentials, .strategy = BELAY_FIFO)
{
    SERVE(net, {.url = "http://a.test/", .fail = BELAY_HTTP_REFUSED});
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        belay_http_error error;

        OPEN(s, &http, .retries = -1);
        BELAY_CHECK_EQ(belay_http_get(http, "http://me:secret@a.test/", &rsp,
            .error = &error), -ECONNREFUSED);
        BELAY_CHECK(strstr(error.text, "http://a.test/") != NULL);
        BELAY_CHECK(strstr(error.text, "secret") == NULL);
        BELAY_CHECK(strstr(belay_why(), "secret") == NULL);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* ---- JSON --------------------------------------------------------------- */

BELAY_TEST(json_is_parsed, .strategy = BELAY_FIFO)
{
    SERVE(net, {.url = "http://a.test/good", .body = "{\"n\": [1, 2.5]}"},
        {.url = "http://a.test/bad", .body = "{\n  \"n\": oops}"},
        {.url = "http://a.test/empty"});
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, good);
        BELAY_AUTO(belay_response, bad);
        BELAY_AUTO(belay_response, empty);
        json_t *json = NULL;

        OPEN(s, &http);
        BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/good", &good), 0);
        BELAY_CHECK_EQ(belay_response_json(good, &json), 0);
        BELAY_CHECK_EQ(json_array_size(json_object_get(json, "n")), 2);
        json_decref(json);
        BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/bad", &bad), 0);
        BELAY_CHECK_EQ(belay_response_json(bad, &json), -EBADMSG);
        BELAY_CHECK(json == NULL);
        BELAY_CHECK(strstr(belay_why(), "line 2") != NULL);
        BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/empty", &empty), 0);
        BELAY_CHECK_EQ(belay_response_json(empty, &json), -EBADMSG);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* ---- anything may fail -------------------------------------------------- */

BELAY_TASK(post_one, (belay_http *, http), (int *, got))
{
    static const char *const headers[] = {"X-One: 1", NULL};
    BELAY_AUTO(belay_response, rsp);

    *got = belay_http_request(http, &rsp, .url = "http://me:pw@a.test/",
        .body = "abc", .body_len = 3, .headers = headers);
    BELAY_CHECK((rsp != NULL) == (*got == 0));
    return *got;
}

BELAY_TEST(a_cut_or_a_failed_allocation_leaves_nothing,
    .cancel_everywhere = true, .fail_allocs = true, .schedules = 500)
{
    static const char *const headers[] = {"A: 1", NULL};
    static const char *const to_b[] = {"Location: https://b.test/x", NULL};
    SERVE(net, {.url = "http://a.test/", .status = 307, .headers = to_b},
        {.url = "https://b.test/x", .body = "hello, world", .piece = 5,
            .headers = headers, .times = 1, .status = 503},
        {.url = "https://b.test/x", .body = "hello, world", .piece = 5,
            .headers = headers});
    int err, got = 1, other = 1;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        belay_http_info info;

        OPEN(s, &http, .user_agent = "x", .headers = headers, .total = 1);
        if (http != NULL) {
            int inner;

            BELAY_SCOPE_CATCH(c, &inner, .policy = BELAY_COLLECT) {
                belay_spawn(c, post_one, http, &got);
                belay_spawn(c, post_one, http, &other);
            }
            belay_http_stats(http, &info);
            BELAY_CHECK_EQ(info.waiting, 0);
        }
    }
    BELAY_CHECK((got == 0 && other == 0) || belay_test_disturbed());
    net_is_quiet(&net);
}

/* ---- misuse ------------------------------------------------------------- */

BELAY_TASK(get_slowly, (belay_http *, http))
{
    BELAY_AUTO(belay_response, rsp);

    return belay_http_get(http, "http://a.test/", &rsp);
}

BELAY_TEST(a_session_in_use_cannot_be_closed, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    SERVE(net, {.url = NULL, .first_byte = BELAY_S(1)});
    belay_http *http;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(belay_http_open(s, &http), 0);
        belay_spawn(s, get_slowly, http);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_http_close(http);
    }
}
