/* SPDX-License-Identifier: MIT */
/* Bodies over real connections: sent, received, compressed, too large. */
#include "web.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define HEAD(more) "HTTP/1.1 200 OK\r\n" more "\r\n"

/* ---- sent --------------------------------------------------------------- */

static const struct page taking[] = {
    PAGE("/", {SAY, OK("2") "ok", 0}),
    {.path = "/no", .early = true,
        .steps = {{SAY, "HTTP/1.1 413 No\r\nContent-Length: 3\r\n"
            "Connection: close\r\n\r\nno!", 0}, {STALL, NULL, 0}}},
    PAGE("/303", {SAY, "HTTP/1.1 303 See\r\nLocation: /\r\n"
        "Content-Length: 4\r\n\r\nelse", 0}),
    PAGE("/307", {SAY, "HTTP/1.1 307 Again\r\nLocation: /\r\n"
        "Content-Length: 0\r\n\r\n", 0}),
    {0}};

static int
request(struct web *w, belay_http_req req)
{
    BELAY_AUTO(belay_response, rsp);

    req.size = sizeof req;
    req.error = &w->error;
    BELAY_TRY(
        belay_http_request_at(w->http, &req, &rsp, BELAY_SITE_("request")));
    return belay_response_status(rsp);
}

#define REQUEST(w, path, ...)                                                  \
    request((w), (belay_http_req){                                             \
        .url = server_url(&(w)->srv, (path)), ##__VA_ARGS__})

static bool
sent(const struct web *w, const char *part)
{
    return strstr(w->srv.request, part) != NULL;
}

static int
plain_bodies(belay_scope *s, struct web *w)
{
    static const char *const headers[] = {"Accept:", "User-Agent: me",
        "X-Mine: 1", NULL};

    (void)s;
    ck_assert_int_eq(REQUEST(w, "/"), 200);
    ck_assert(sent(w, "GET / HTTP/1.1\r\n"));
    ck_assert(sent(w, "\r\nAccept: */*\r\n"));
    ck_assert(sent(w, "\r\nUser-Agent: belay/" BELAY_VERSION "\r\n"));
    ck_assert(sent(w, "\r\nAccept-Encoding: "));
    ck_assert(!sent(w, "Content-Length"));
    ck_assert_int_eq(REQUEST(w, "/", .headers = headers, .body = "payload",
        .body_len = 7), 200);
    ck_assert(sent(w, "POST / HTTP/1.1\r\n"));
    ck_assert(sent(w, "\r\nContent-Length: 7\r\n"));
    ck_assert(sent(w, "\r\nX-Mine: 1\r\n"));
    ck_assert(sent(w, "\r\nUser-Agent: me\r\n"));
    ck_assert(!sent(w, "\r\nAccept:"));
    ck_assert(!sent(w, "\r\nExpect:"));
    ck_assert(sent(w, "\r\n\r\npayload"));
    ck_assert_int_eq(REQUEST(w, "/", .method = "POST"), 200);
    ck_assert(sent(w, "\r\nContent-Length: 0\r\n"));
    ck_assert_int_eq(REQUEST(w, "/", .method = "DELETE"), 200);
    ck_assert(sent(w, "DELETE / HTTP/1.1\r\n"));
    ck_assert_int_eq(REQUEST(w, "/", .method = "PATCH", .body = ""), 200);
    ck_assert(sent(w, "PATCH / HTTP/1.1\r\n"));
    ck_assert_int_eq(REQUEST(w, "/", .method = "GET", .body = "x",
        .body_len = 1), 200);
    ck_assert(sent(w, "GET / HTTP/1.1\r\n"));
    ck_assert(sent(w, "\r\n\r\nx"));
    ck_assert_uint_eq(w->srv.accepted, 1);
    return 0;
}

START_TEST(bodies_are_sent)
{
    web_test(&(struct web){.srv = {.pages = taking, .keep = true}},
        plain_bodies);
}
END_TEST

static int
redirected_bodies(belay_scope *s, struct web *w)
{
    (void)s;
    ck_assert_int_eq(REQUEST(w, "/303", .body = "payload", .body_len = 7),
        200);
    ck_assert(sent(w, "GET / HTTP/1.1\r\n"));
    ck_assert(!sent(w, "payload"));
    ck_assert_int_eq(REQUEST(w, "/307", .body = "payload", .body_len = 7),
        200);
    ck_assert(sent(w, "POST / HTTP/1.1\r\n"));
    ck_assert(sent(w, "\r\n\r\npayload"));
    ck_assert_uint_eq(w->srv.accepted, 1);
    return 0;
}

START_TEST(redirects_keep_or_drop_them)
{
    web_test(&(struct web){.srv = {.pages = taking, .keep = true}},
        redirected_bodies);
}
END_TEST

struct source {
    size_t left, piece;
    unsigned calls;
    belay_dur pause;
    int fails; /* at the end */
};

static ssize_t
source_next(void *arg, void *buf, size_t n)
{
    struct source *src = arg;

    src->calls++;
    if (src->pause > 0)
        BELAY_TRY(belay_sleep(src->pause));
    if (src->left == 0)
        return src->fails;
    n = src->piece < n ? src->piece : n;
    n = src->left < n ? src->left : n;
    memset(buf, 'x', n);
    src->left -= n;
    return (ssize_t)n;
}

/* Larger than all buffers in between, so that it is sent while it is made. */
static int
made_bodies(belay_scope *s, struct web *w)
{
    enum { LARGE = 8 << 20 };
    struct source src = {.left = LARGE, .piece = 10000};
    struct source slow = {.left = 10, .piece = 5, .pause = BELAY_MS(60)};
    struct source wrong = {.left = 10, .piece = 5};
    struct source broken = {.left = 10, .piece = 5, .fails = -EIO};

    (void)s;
    ck_assert_int_eq(REQUEST(w, "/", .body_fn = source_next, .body_arg = &src,
        .body_size = LARGE), 200);
    ck_assert_uint_eq(w->srv.body_len, LARGE);
    ck_assert_uint_gt(src.calls, LARGE / 10000);
    /* Slower than the limit for silence, which is not the peer's. */
    ck_assert_int_eq(REQUEST(w, "/", .body_fn = source_next,
        .body_arg = &slow, .limits.idle = BELAY_MS(100)), 200);
    /* In the form of chunks: the two lengths, line ends, the last chunk. */
    ck_assert_uint_eq(w->srv.body_len, 10 + 2 * 5 + 5);
    ck_assert_uint_eq(w->srv.accepted, 1);
    ck_assert_int_eq(REQUEST(w, "/", .body_fn = source_next,
        .body_arg = &wrong, .body_size = 11), -EINVAL);
    ck_assert_int_eq(w->error.kind, BELAY_HTTP_INTERNAL);
    ck_assert_int_eq(REQUEST(w, "/", .body_fn = source_next,
        .body_arg = &broken), -EIO);
    ck_assert_int_eq(w->error.phase, BELAY_HTTP_IN_SEND);
    ck_assert_int_eq(REQUEST(w, "/"), 200);
    web_is_idle(w);
    return 0;
}

START_TEST(bodies_are_made_while_they_are_sent)
{
    web_test(&(struct web){.srv.pages = taking, .opts.per_host = 1},
        made_bodies);
}
END_TEST

/* The answer comes before the request has ended, and the server reads no
 * more. */
static int
refused_bodies(belay_scope *s, struct web *w)
{
    struct source src = {.left = 64 << 20, .piece = 16384};

    (void)s;
    ck_assert_int_eq(REQUEST(w, "/no", .body_fn = source_next,
        .body_arg = &src, .body_size = 64 << 20), 413);
    ck_assert_uint_gt(src.left, 0);
    ck_assert_int_eq(REQUEST(w, "/"), 200);
    web_is_idle(w);
    return 0;
}

START_TEST(a_refusal_ends_the_sending)
{
    web_test(&(struct web){.srv.pages = taking, .opts.per_host = 1},
        refused_bodies);
}
END_TEST

/* ---- encodings ---------------------------------------------------------- */

static int
encodings(belay_scope *s, struct web *w)
{
    unsigned has = (unsigned)curl_version_info(CURLVERSION_NOW)->features;

    (void)s;
    if ((has & CURL_VERSION_LIBZ) != 0)
        ck_assert_int_eq(web_get(w, "/gzip", "hello"), 200);
    if ((has & CURL_VERSION_BROTLI) != 0)
        ck_assert_int_eq(web_get(w, "/br", "hello"), 200);
    if ((has & CURL_VERSION_ZSTD) != 0)
        ck_assert_int_eq(web_get(w, "/zstd", "hello"), 200);
    return 0;
}

/* Streams that hold the bytes as they are: RFC 1951 3.2.4, RFC 7932 9.2, RFC
 * 8878 3.1.1. */
START_TEST(encoded_bodies_are_decoded)
{
    static const char gzip[] =
        HEAD("Content-Encoding: gzip\r\nContent-Length: 28\r\n")
        "\x1f\x8b\x08\0\0\0\0\0\0\x03"
        "\x01\x05\0\xfa\xffhello\x86\xa6\x10\x36\x05\0\0\0";
    static const char br[] =
        HEAD("Content-Encoding: br\r\nContent-Length: 9\r\n")
        "\x0b\x02\x80hello\x03";
    static const char zstd[] =
        HEAD("Content-Encoding: zstd\r\nContent-Length: 14\r\n")
        "\x28\xb5\x2f\xfd\x20\x05\x29\0\0hello";
    static const struct page pages[] = {
        PAGE("/gzip", {SAY, gzip, sizeof gzip - 1}),
        PAGE("/br", {SAY, br, sizeof br - 1}),
        PAGE("/zstd", {SAY, zstd, sizeof zstd - 1}), {0}};

    web_test(&(struct web){.srv.pages = pages, .opts.retries = -1},
        encodings);
}
END_TEST

/* ---- too large ---------------------------------------------------------- */

/* What a shell command writes, behind a head that says how long it is. */
static size_t
answer_of(const char *command, char *buf, size_t size)
{
    static char body[256 << 10];
    FILE *f = popen(command, "r");
    size_t n;
    int head;

    ck_assert_ptr_nonnull(f);
    n = fread(body, 1, sizeof body, f);
    ck_assert_int_eq(pclose(f), 0);
    head = snprintf(buf, size, HEAD("Content-Encoding: gzip\r\n"
        "Content-Length: %zu\r\n"), n);
    ck_assert_uint_lt((size_t)head + n, size);
    memcpy(buf + head, body, n);
    return (size_t)head + n;
}

static int
bombs(belay_scope *s, struct web *w)
{
    BELAY_AUTO(belay_response, rsp);
    char buf[4096];
    ssize_t n;

    (void)s;
    web_fails(w, "/bomb", -EFBIG, BELAY_HTTP_TOO_LARGE, BELAY_HTTP_IN_BODY);
    ck_assert(strstr(w->error.text, "200-fold") != NULL);
    BELAY_TRY(belay_http_start(w->http, &rsp,
        .url = server_url(&w->srv, "/bomb")));
    while ((n = belay_response_read(rsp, buf, sizeof buf)) > 0)
        ;
    ck_assert_int_eq(n, -EFBIG);
    return 0;
}

/* 40 MB of zeros, which are 40 kB when they are compressed. */
START_TEST(a_bomb_is_not_inflated)
{
    static char bomb[300 << 10];
    size_t n = answer_of("head -c 40000000 /dev/zero | gzip -9", bomb,
        sizeof bomb);
    const struct page pages[] = {PAGE("/bomb", {SAY, bomb, n}), {0}};

    web_test(&(struct web){.srv.pages = pages}, bombs);
}
END_TEST

static int
caps(belay_scope *s, struct web *w)
{
    (void)s;
    ck_assert_int_eq(web_get(w, "/fits", "0123456789"), 200);
    web_fails(w, "/over", -EFBIG, BELAY_HTTP_TOO_LARGE, BELAY_HTTP_IN_BODY);
    web_fails(w, "/endless", -EFBIG, BELAY_HTTP_TOO_LARGE, BELAY_HTTP_IN_BODY);
    web_fails(w, "/small", -EFBIG, BELAY_HTTP_TOO_LARGE, BELAY_HTTP_IN_BODY);
    web_fails(w, "/headers", -EFBIG, BELAY_HTTP_TOO_LARGE, BELAY_HTTP_IN_BODY);
    ck_assert_int_eq(web_get(w, "/fits", "0123456789"), 200);
    web_is_idle(w);
    return 0;
}

START_TEST(bodies_and_headers_have_caps)
{
    static char small[300 << 10];
    size_t n = answer_of("printf 01234567890 | gzip -9", small, sizeof small);
    static const char line[] = "X-Padding: 01234567890123456789\r\n";
    const struct page pages[] = {
        PAGE("/fits", {SAY, OK("10") "0123456789", 0}),
        PAGE("/over", {SAY, OK("11") "01234567890", 0}),
        PAGE("/endless", {SAY, HEAD(""), 0}, {FLOOD, NULL, 1 << 30}),
        PAGE("/small", {SAY, small, n}),
        PAGE("/headers", {SAY, "HTTP/1.1 200 OK\r\n", 0}, {SAY, line, 0},
            {SAY, line, 0}, {SAY, line, 0}, {SAY, line, 0},
            {SAY, "Content-Length: 0\r\n\r\n", 0}),
        {0}};

    web_test(&(struct web){.srv.pages = pages, .opts = {.max_body = 10,
        .per_host = 1, .max_headers = 120}}, caps);
}
END_TEST

static int
long_lines(belay_scope *s, struct web *w)
{
    (void)s;
    ck_assert_int_eq(web_get(w, "/long", NULL), -EFBIG);
    ck_assert_int_eq(w->error.kind, BELAY_HTTP_TOO_LARGE);
    return 0;
}

/* A line that curl itself takes for too long. */
START_TEST(so_has_a_line_of_a_header)
{
    static const struct page pages[] = {
        PAGE("/long", {SAY, "HTTP/1.1 200 OK\r\nX: ", 0},
            {FLOOD, NULL, 200 << 10}, {SAY, "\r\n\r\n", 0}), {0}};

    web_test(&(struct web){.srv.pages = pages, .opts.retries = -1},
        long_lines);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("bodies");

    tcase_add_test(t, bodies_are_sent);
    tcase_add_test(t, redirects_keep_or_drop_them);
    tcase_add_test(t, bodies_are_made_while_they_are_sent);
    tcase_add_test(t, a_refusal_ends_the_sending);
    tcase_add_test(t, encoded_bodies_are_decoded);
    tcase_add_test(t, a_bomb_is_not_inflated);
    tcase_add_test(t, bodies_and_headers_have_caps);
    tcase_add_test(t, so_has_a_line_of_a_header);
    tcase_set_timeout(t, 30);
    return web_suite("http bodies", t);
}
