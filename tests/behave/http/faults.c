/* SPDX-License-Identifier: MIT */
/* What a server can do wrong, and what is said about it; and that the next
 * request does not suffer. */
#include "web.h"

#include <errno.h>
#include <stdio.h>

/* ---- all is well -------------------------------------------------------- */

static const struct page good[] = {
    PAGE("/", {SAY, OK("5") "hello", 0}),
    PAGE("/chunks", {SAY, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
        "\r\n\r\n2\r\nhe\r\n", 0},
        {SAY, "3;x=y\r\nllo\r\n0\r\nTrailer: x\r\n\r\n", 0}),
    PAGE("/until-close", {SAY, "HTTP/1.0 200 OK\r\n\r\nhello", 0},
        {CLOSE, NULL, 0}),
    PAGE("/hints", {SAY, "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", 0},
        {SAY, OK("5") "hello", 0}),
    PAGE("/drip", {SAY, OK("5"), 0}, {DRIP, "hello", 0}),
    PAGE("/slow", {DRIP, "HTTP/1.1 200 OK\r\n", 0},
        {SAY, "Content-Length: 5\r\n\r\nhello", 0}),
    PAGE("/nothing", {SAY, "HTTP/1.1 204 No Content\r\n\r\n", 0}),
    {0}};

static int
pages_come(belay_scope *s, struct web *w)
{
    (void)s;
    ck_assert_int_eq(web_get(w, "/", "hello"), 200);
    ck_assert_int_eq(web_get(w, "/", "hello"), 200);
    ck_assert_int_eq(web_get(w, "/chunks", "hello"), 200);
    ck_assert_int_eq(web_get(w, "/hints", "hello"), 200);
    ck_assert_int_eq(web_get(w, "/nothing", ""), 204);
    ck_assert_int_eq(web_get(w, "/missing", ""), 404);
    ck_assert_int_eq(web_get(w, "/drip", "hello"), 200);
    ck_assert_int_eq(web_get(w, "/slow", "hello"), 200);
    ck_assert_uint_eq(w->srv.accepted, 1);
    ck_assert_int_eq(web_get(w, "/until-close", "hello"), 200);
    ck_assert_int_eq(web_get(w, "/", "hello"), 200);
    ck_assert_uint_eq(w->srv.accepted, 2);
    web_is_idle(w);
    return 0;
}

START_TEST(answers_come_over_one_connection)
{
    web_test(&(struct web){.srv.pages = good}, pages_come);
}
END_TEST

static int
figures_are_told(belay_scope *s, struct web *w)
{
    BELAY_AUTO(belay_response, rsp);
    belay_response_info info;
    belay_http_info session;

    (void)s;
    BELAY_TRY(belay_http_get(w->http, server_url(&w->srv, "/drip"), &rsp));
    belay_response_get_info(rsp, &info);
    ck_assert_uint_eq(info.attempts, 1);
    ck_assert_int_eq(info.version, 11);
    ck_assert(!info.reused);
    ck_assert_uint_eq(info.raw, 5);
    ck_assert_uint_eq(info.decoded, 5);
    ck_assert_int_gt(info.connect, 0);
    ck_assert_int_eq(info.tls, 0);
    ck_assert_int_gt(info.first_byte, 0);
    ck_assert_int_ge(info.total, info.connect + info.first_byte);
    ck_assert_str_eq(info.remote, w->srv.url + strlen("http://"));
    ck_assert_str_eq(belay_response_url(rsp), server_url(&w->srv, "/drip"));
    belay_response_close(rsp);
    rsp = NULL;
    BELAY_TRY(belay_http_get(w->http, server_url(&w->srv, "/"), &rsp));
    belay_response_get_info(rsp, &info);
    ck_assert(info.reused);
    ck_assert_int_eq(info.connect, 0);
    ck_assert_str_eq(info.remote, w->srv.url + strlen("http://"));
    belay_http_stats(w->http, &session);
    ck_assert_uint_eq(session.requests, 2);
    ck_assert_uint_eq(session.connections, 1);
    return 0;
}

START_TEST(responses_have_figures)
{
    web_test(&(struct web){.srv.pages = good}, figures_are_told);
}
END_TEST

/* ---- answers that are none ---------------------------------------------- */

static const struct page bad[] = {
    PAGE("/ok", {SAY, OK("2") "ok", 0}),
    PAGE("/reset", {RESET, NULL, 0}),
    PAGE("/close", {CLOSE, NULL, 0}),
    PAGE("/head-reset", {SAY, "HTTP/1.1 200 OK\r\nConte", 0},
        {PAUSE, NULL, 20}, {RESET, NULL, 0}),
    PAGE("/body-reset", {SAY, OK("9") "abc", 0}, {PAUSE, NULL, 20},
        {RESET, NULL, 0}),
    PAGE("/short", {SAY, OK("9") "abc", 0}, {CLOSE, NULL, 0}),
    PAGE("/short-chunk", {SAY, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
        "\r\n\r\n9\r\nabc", 0}, {CLOSE, NULL, 0}),
    PAGE("/no-last-chunk", {SAY, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\n", 0}, {CLOSE, NULL, 0}),
    PAGE("/bad-chunk", {SAY, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
        "\r\n\r\nxyz\r\nabc\r\n", 0}),
    PAGE("/garbage", {SAY, "SSH-2.0-OpenSSH_9.2\r\n", 0}, {CLOSE, NULL, 0}),
    PAGE("/status", {SAY, "HTTP/1.1 2xx OK\r\n\r\n", 0}, {CLOSE, NULL, 0}),
    PAGE("/long", {SAY, OK("3") "abcdefghi", 0}),
    PAGE("/gzip", {SAY, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
        "Content-Length: 9\r\n\r\nnot gzip!", 0}),
    PAGE("/encoding", {SAY, "HTTP/1.1 200 OK\r\nContent-Encoding: secret\r\n"
        "Content-Length: 2\r\n\r\nab", 0}),
    {0}};

static int
bad_answers(belay_scope *s, struct web *w)
{
    static const struct {
        const char *path;
        int code;
        belay_http_kind kind;
        belay_http_phase phase;
    } cases[] = {
        {"/reset", -ECONNRESET, BELAY_HTTP_RESET, BELAY_HTTP_IN_FIRST_BYTE},
        {"/close", -ECONNRESET, BELAY_HTTP_RESET, BELAY_HTTP_IN_FIRST_BYTE},
        {"/head-reset", -ECONNRESET, BELAY_HTTP_RESET, BELAY_HTTP_IN_BODY},
        {"/body-reset", -ECONNRESET, BELAY_HTTP_RESET, BELAY_HTTP_IN_BODY},
        {"/short", -ECONNRESET, BELAY_HTTP_RESET, BELAY_HTTP_IN_BODY},
        {"/short-chunk", -ECONNRESET, BELAY_HTTP_RESET, BELAY_HTTP_IN_BODY},
        {"/no-last-chunk", -ECONNRESET, BELAY_HTTP_RESET, BELAY_HTTP_IN_BODY},
        {"/bad-chunk", -EPROTO, BELAY_HTTP_PROTOCOL, BELAY_HTTP_IN_BODY},
        {"/garbage", -EPROTO, BELAY_HTTP_PROTOCOL, BELAY_HTTP_IN_FIRST_BYTE},
        {"/status", -EPROTO, BELAY_HTTP_PROTOCOL, BELAY_HTTP_IN_FIRST_BYTE},
        {"/gzip", -EPROTO, BELAY_HTTP_PROTOCOL, BELAY_HTTP_IN_BODY},
        {"/encoding", -EPROTO, BELAY_HTTP_PROTOCOL, BELAY_HTTP_IN_BODY},
    };

    (void)s;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        web_fails(w, cases[i].path, cases[i].code, cases[i].kind,
            cases[i].phase);
        ck_assert_int_eq(web_get(w, "/ok", "ok"), 200);
        web_is_idle(w);
    }
    return 0;
}

START_TEST(bad_answers_fail_and_poison_nothing)
{
    web_test(&(struct web){.srv.pages = bad,
        .opts = {.retries = -1, .per_host = 1}}, bad_answers);
}
END_TEST

/* More than was announced is cut off, and does not become the beginning of
 * the next answer. */
static int
long_answer(belay_scope *s, struct web *w)
{
    (void)s;
    ck_assert_int_eq(web_get(w, "/long", "abc"), 200);
    ck_assert_int_eq(web_get(w, "/ok", "ok"), 200);
    ck_assert_uint_eq(w->srv.accepted, 2);
    return 0;
}

START_TEST(what_is_too_much_is_not_the_next_answer)
{
    web_test(&(struct web){.srv.pages = bad}, long_answer);
}
END_TEST

static int
flaky(belay_scope *s, struct web *w)
{
    (void)s;
    web_fails(w, "/reset", -ECONNRESET, BELAY_HTTP_RESET,
        BELAY_HTTP_IN_FIRST_BYTE);
    ck_assert_uint_eq(w->error.attempts, 4);
    ck_assert_uint_eq(w->srv.requests, 4);
    return 0;
}

START_TEST(lost_connections_are_tried_again)
{
    web_test(&(struct web){.srv.pages = bad,
        .opts = {.retries = 3, .retry_pause = BELAY_MS(1)}}, flaky);
}
END_TEST

/* ---- silence ------------------------------------------------------------ */

static const struct page silent[] = {
    PAGE("/ok", {SAY, OK("2") "ok", 0}),
    PAGE("/head", {STALL, NULL, 0}),
    PAGE("/half-head", {SAY, "HTTP/1.1 200 OK\r\nCont", 0}, {STALL, NULL, 0}),
    PAGE("/body", {SAY, OK("9") "abc", 0}, {STALL, NULL, 0}),
    PAGE("/drip", {SAY, OK("60"), 0}, {DRIP,
        "012345678901234567890123456789012345678901234567890123456789", 0}),
    {0}};

static int
silence(belay_scope *s, struct web *w)
{
    (void)s;
    web_fails(w, "/head", -ETIMEDOUT, BELAY_HTTP_TIMEOUT,
        BELAY_HTTP_IN_FIRST_BYTE);
    web_fails(w, "/half-head", -ETIMEDOUT, BELAY_HTTP_TIMEOUT,
        BELAY_HTTP_IN_BODY);
    web_fails(w, "/body", -ETIMEDOUT, BELAY_HTTP_TIMEOUT, BELAY_HTTP_IN_BODY);
    BELAY_TRY(server_await(&w->srv, &w->srv.closed, 3));
    ck_assert_int_eq(web_get(w, "/ok", "ok"), 200);
    web_is_idle(w);
    return 0;
}

START_TEST(silence_ends_in_its_phase)
{
    web_test(&(struct web){.srv.pages = silent,
        .opts = {.retries = -1, .per_host = 1, .limits = {
            .first_byte = BELAY_MS(60), .idle = BELAY_MS(80)}}}, silence);
}
END_TEST

/* Neither idle nor late, but too much in all. */
static int
dripping(belay_scope *s, struct web *w)
{
    (void)s;
    web_fails(w, "/drip", -ETIMEDOUT, BELAY_HTTP_TIMEOUT, BELAY_HTTP_IN_TOTAL);
    ck_assert_int_eq(web_get(w, "/ok", "ok"), 200);
    return 0;
}

START_TEST(a_server_that_drips_is_stopped)
{
    web_test(&(struct web){.srv.pages = silent,
        .opts = {.per_host = 1, .limits.total = BELAY_MS(200)}}, dripping);
}
END_TEST

static int
deadline(belay_scope *s, struct web *w)
{
    (void)s;
    ck_assert_int_eq(BELAY_WITHIN(BELAY_MS(50), web_get(w, "/body", NULL)),
        -ETIME);
    ck_assert_int_eq(w->error.kind, BELAY_HTTP_CANCELLED);
    ck_assert_int_eq(w->error.phase, BELAY_HTTP_IN_BODY);
    BELAY_TRY(server_await(&w->srv, &w->srv.closed, 1));
    ck_assert_int_eq(web_get(w, "/ok", "ok"), 200);
    return 0;
}

START_TEST(the_callers_deadline_holds)
{
    web_test(&(struct web){.srv.pages = silent, .opts.per_host = 1}, deadline);
}
END_TEST

/* ---- connections that do not come about --------------------------------- */

static int
nobody_listens(belay_scope *s, struct web *w)
{
    BELAY_AUTO(belay_response, rsp);
    int r;

    (void)s;
    /* Port 1 is nobody's in a test. */
    r = belay_http_get(w->http, "http://127.0.0.1:1/", &rsp,
        .error = &w->error);
    ck_assert_int_eq(r, -ECONNREFUSED);
    ck_assert_int_eq(w->error.kind, BELAY_HTTP_REFUSED);
    ck_assert_int_eq(w->error.phase, BELAY_HTTP_IN_CONNECT);
    ck_assert_uint_eq(w->error.attempts, 3);
    return 0;
}

START_TEST(a_refused_connection_is_tried_again)
{
    web_test(&(struct web){.srv.pages = good,
        .opts.retry_pause = BELAY_MS(1)}, nobody_listens);
}
END_TEST

/* Its queue is full after a few: the kernel then drops what comes. */
BELAY_TASK(knock, (struct web *, w))
{
    ck_assert_int_eq(web_get(w, "/", NULL), -ETIMEDOUT);
    return 0;
}

static int
full_queue(belay_scope *s, struct web *w)
{
    (void)s;
    BELAY_SCOPE(c) {
        for (int i = 0; i < 3; i++)
            belay_spawn(c, knock, w);
    }
    web_fails(w, "/", -ETIMEDOUT, BELAY_HTTP_TIMEOUT, BELAY_HTTP_IN_CONNECT);
    return 0;
}

START_TEST(a_connection_that_is_not_taken_times_out)
{
    web_test(&(struct web){.srv = {.pages = good, .deaf = true},
        .opts = {.retries = -1, .limits = {.connect = BELAY_MS(100),
            .first_byte = BELAY_MS(100)}}}, full_queue);
}
END_TEST

static void
https(struct web *w)
{
    char url[64];

    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u", w->srv.port);
    memcpy(w->srv.url, url, sizeof url);
}

static int
no_handshake(belay_scope *s, struct web *w)
{
    (void)s;
    https(w);
    web_fails(w, "/", -ETIMEDOUT, BELAY_HTTP_TIMEOUT, BELAY_HTTP_IN_TLS);
    BELAY_TRY(server_await(&w->srv, &w->srv.closed, 1));
    return 0;
}

START_TEST(a_handshake_that_stalls_times_out)
{
    web_test(&(struct web){.srv.mute = true,
        .opts = {.retries = -1, .limits.tls = BELAY_MS(100)}}, no_handshake);
}
END_TEST

static int
no_tls(belay_scope *s, struct web *w)
{
    (void)s;
    https(w);
    web_fails(w, "/", -EPROTO, BELAY_HTTP_TLS, BELAY_HTTP_IN_TLS);
    return 0;
}

START_TEST(who_does_not_speak_tls_is_told_apart)
{
    static const struct page pages[] = {
        PAGE("", {SAY, "HTTP/1.1 400 Bad Request\r\n\r\n", 0},
            {PAUSE, NULL, 50}),
        {0}};

    web_test(&(struct web){.srv = {.pages = pages, .raw = true},
        .opts.retries = -1}, no_tls);
}
END_TEST

static int
hangs_up(belay_scope *s, struct web *w)
{
    (void)s;
    https(w);
    web_fails(w, "/", -ECONNRESET, BELAY_HTTP_RESET, BELAY_HTTP_IN_TLS);
    ck_assert_uint_eq(w->error.attempts, 2);
    return 0;
}

START_TEST(a_handshake_that_is_cut_off_is_tried_again)
{
    web_test(&(struct web){.srv.hang_up = true,
        .opts = {.retries = 1, .retry_pause = BELAY_MS(1)}}, hangs_up);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("faults");

    tcase_add_test(t, answers_come_over_one_connection);
    tcase_add_test(t, responses_have_figures);
    tcase_add_test(t, bad_answers_fail_and_poison_nothing);
    tcase_add_test(t, what_is_too_much_is_not_the_next_answer);
    tcase_add_test(t, lost_connections_are_tried_again);
    tcase_add_test(t, silence_ends_in_its_phase);
    tcase_add_test(t, a_server_that_drips_is_stopped);
    tcase_add_test(t, the_callers_deadline_holds);
    tcase_add_test(t, a_refused_connection_is_tried_again);
    tcase_add_test(t, a_connection_that_is_not_taken_times_out);
    tcase_add_test(t, a_handshake_that_stalls_times_out);
    tcase_add_test(t, who_does_not_speak_tls_is_told_apart);
    tcase_add_test(t, a_handshake_that_is_cut_off_is_tried_again);
    tcase_set_timeout(t, 30);
    return web_suite("http faults", t);
}
