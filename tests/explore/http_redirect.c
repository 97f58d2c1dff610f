/* SPDX-License-Identifier: MIT */
/* Redirects: how many, where to, with which method, and who learns what. */
#include "http_net.h"

#include <errno.h>
#include <stdio.h>

/* The requests that arrived, as "METHOD URL[ +body][ +auth][ +cookie]\n". */
struct log {
    char text[1024];
};

static void
log_seen(void *arg, const belay_http_seen *seen)
{
    struct log *log = arg;
    size_t used = strlen(log->text);

    (void)snprintf(log->text + used, sizeof log->text - used,
        "%s %s%s%s%s%s\n", seen->method, seen->url,
        seen->body_len > 0 ? " +body" : "",
        has_name(seen, "Authorization") ? " +auth" : "",
        has_name(seen, "Cookie") ? " +cookie" : "",
        has_name(seen, "Content-Type") ? " +type" : "");
}

static const char *const secrets[] = {"Authorization: Bearer x", "Cookie: y",
    NULL};

/* One request over this network; what the servers saw must be in the log. */
static int
follow(belay_http_net *net, const belay_http_req *req,
    const belay_http_opts *how, belay_http_error *error, const char *saw)
{
    struct log log = {""};
    int err, r = 1;

    net->seen = log_seen;
    net->arg = &log;
    belay_http_serve(net);
    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        belay_http_req mine = *req;
        belay_http_info info;

        mine.error = error;
        BELAY_CHECK_EQ(
            belay_http_open_at(s, &http, how, BELAY_SITE_("test")), 0);
        r = belay_http_request_at(http, &mine, &rsp, BELAY_SITE_("test"));
        if (r == 0) {
            belay_response_info got;

            belay_response_get_info(rsp, &got);
            BELAY_CHECK_EQ(got.attempts, got.redirects + 1);
            r = belay_response_status(rsp);
        }
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_http_stats(http, &info);
        BELAY_CHECK_EQ(info.active, 0);
    }
    BELAY_CHECK_EQ(err, 0);
    if (saw != NULL && strcmp(log.text, saw) != 0)
        belay_test_fail_at(BELAY_SITE_("log"), "saw %s", log.text);
    net_is_quiet(net);
    return r;
}

#define TO(url) ((const char *const[]){"Location: " url, NULL})
#define NET(routes)                                                            \
    {                                                                          \
        .routes = (routes), .count = sizeof(routes) / sizeof *(routes)         \
    }

BELAY_TEST(redirects_are_followed, .schedules = 1000)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/", .status = 302, .headers = TO("next/x?y"),
            .body = "moved"},
        {.url = "http://a.test/next/x?y", .status = 301,
            .headers = TO("../z#part")},
        {.url = "http://a.test/z", .status = 308,
            .headers = TO("//b.test/other")},
        {.url = "http://b.test/other", .body = "here"}};
    belay_http_net net = NET(routes);

    BELAY_CHECK_EQ(follow(&net, BELAY_HTTP_REQ_(.url = "http://a.test/"), NULL,
        NULL, "GET http://a.test/\nGET http://a.test/next/x?y\n"
        "GET http://a.test/z\nGET http://b.test/other\n"), 200);
    BELAY_CHECK_EQ(net.connections, 2); /* what is left over is read */
}

BELAY_TEST(there_are_only_so_many, .strategy = BELAY_FIFO)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/", .status = 302, .headers = TO("/")}};
    belay_http_net net = NET(routes);
    belay_http_error error;

    BELAY_CHECK_EQ(follow(&net, BELAY_HTTP_REQ_(.url = "http://a.test/"), NULL,
        &error, NULL), -ELOOP);
    BELAY_CHECK_EQ(error.kind, BELAY_HTTP_REDIRECT);
    BELAY_CHECK_EQ(error.attempts, 11);
    BELAY_CHECK_EQ(net.requests, 11);
}

BELAY_TEST(their_number_can_be_set, .strategy = BELAY_FIFO)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/", .status = 302, .headers = TO("/")}};
    belay_http_net net = NET(routes);

    BELAY_CHECK_EQ(follow(&net,
        BELAY_HTTP_REQ_(.url = "http://a.test/", .redirects = 1), NULL, NULL,
        "GET http://a.test/\nGET http://a.test/\n"), -ELOOP);
    net = (belay_http_net)NET(routes);
    BELAY_CHECK_EQ(follow(&net,
        BELAY_HTTP_REQ_(.url = "http://a.test/", .redirects = -1), NULL, NULL,
        "GET http://a.test/\n"), 302);
}

BELAY_TEST(a_redirect_that_leads_nowhere_is_the_answer, .strategy = BELAY_FIFO)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/none", .status = 302},
        {.url = "http://a.test/300", .status = 300, .headers = TO("/")},
        {.url = "http://a.test/304", .status = 304, .headers = TO("/")}};
    belay_http_net net = NET(routes);

    BELAY_CHECK_EQ(follow(&net, BELAY_HTTP_REQ_(.url = "http://a.test/none"),
        NULL, NULL, "GET http://a.test/none\n"), 302);
    BELAY_CHECK_EQ(follow(&net, BELAY_HTTP_REQ_(.url = "http://a.test/300"),
        NULL, NULL, "GET http://a.test/300\n"), 300);
    BELAY_CHECK_EQ(follow(&net, BELAY_HTTP_REQ_(.url = "http://a.test/304"),
        NULL, NULL, "GET http://a.test/304\n"), 304);
}

BELAY_TEST(the_target_is_checked, .strategy = BELAY_FIFO)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/file", .status = 302,
            .headers = TO("file:///etc/passwd")},
        {.url = "http://a.test/bad", .status = 302,
            .headers = TO("http://:0:0/")}};
    belay_http_net net = NET(routes);
    belay_http_error error;

    BELAY_CHECK_EQ(follow(&net, BELAY_HTTP_REQ_(.url = "http://a.test/file"),
        NULL, &error, "GET http://a.test/file\n"), -EPROTONOSUPPORT);
    BELAY_CHECK_EQ(error.kind, BELAY_HTTP_SCHEME);
    BELAY_CHECK_EQ(follow(&net, BELAY_HTTP_REQ_(.url = "http://a.test/bad"),
        NULL, &error, "GET http://a.test/bad\n"), -EINVAL);
    BELAY_CHECK_EQ(error.kind, BELAY_HTTP_BAD_URL);
}

/* ---- secrets ------------------------------------------------------------ */

BELAY_TEST(credentials_stay_with_their_origin, .strategy = BELAY_FIFO)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/", .status = 302, .headers = TO("/same")},
        {.url = "http://a.test/same", .status = 302,
            .headers = TO("http://a.test:81/")},
        {.url = "http://a.test:81/", .status = 302,
            .headers = TO("http://a.test/back")},
        {.url = "http://a.test/back"}};
    belay_http_net net = NET(routes);

    BELAY_CHECK_EQ(follow(&net,
        BELAY_HTTP_REQ_(.url = "http://a.test/", .headers = secrets), NULL,
        NULL, "GET http://a.test/ +auth +cookie\n"
        "GET http://a.test/same +auth +cookie\n"
        "GET http://a.test:81/\nGET http://a.test/back\n"), 200);
}

BELAY_TEST(so_do_those_of_the_url_and_the_session, .strategy = BELAY_FIFO)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/", .status = 302,
            .headers = TO("http://b.test/")},
        {.url = "http://b.test/"}};
    belay_http_net net = NET(routes);
    belay_http_opts how = {.size = sizeof how, .headers = secrets};

    BELAY_CHECK_EQ(follow(&net,
        BELAY_HTTP_REQ_(.url = "http://me:pw@a.test/"), NULL, NULL,
        "GET http://a.test/ +auth\nGET http://b.test/\n"), 200);
    BELAY_CHECK_EQ(follow(&net, BELAY_HTTP_REQ_(.url = "http://a.test/"), &how,
        NULL, "GET http://a.test/ +auth +cookie\nGET http://b.test/\n"), 200);
}

BELAY_TEST(https_does_not_become_http, .strategy = BELAY_FIFO)
{
    const belay_http_route routes[] = {
        {.url = "https://a.test/", .status = 302,
            .headers = TO("http://a.test/")},
        {.url = "http://a.test/"}};
    belay_http_net net = NET(routes);
    belay_http_opts how = {.size = sizeof how, .allow_downgrade = true};
    belay_http_error error;

    BELAY_CHECK_EQ(follow(&net, BELAY_HTTP_REQ_(.url = "https://a.test/"),
        NULL, &error, "GET https://a.test/\n"), -EACCES);
    BELAY_CHECK_EQ(error.kind, BELAY_HTTP_REDIRECT);
    BELAY_CHECK_EQ(follow(&net,
        BELAY_HTTP_REQ_(.url = "https://a.test/", .headers = secrets), &how,
        NULL, "GET https://a.test/ +auth +cookie\nGET http://a.test/\n"), 200);
}

/* ---- methods and bodies ------------------------------------------------- */

static int
post_over(int status, const char *method, const char *saw)
{
    static const char *const type[] = {"Content-Type: text/plain", NULL};
    const belay_http_route routes[] = {
        {.url = "http://a.test/", .status = status, .headers = TO("/to")},
        {.url = "http://a.test/to"}};
    belay_http_net net = NET(routes);

    return follow(&net, BELAY_HTTP_REQ_(.url = "http://a.test/",
        .method = method, .headers = type, .body = "abc", .body_len = 3), NULL,
        NULL, saw);
}

/* RFC 9110, 15.4. */
BELAY_TEST(the_status_decides_about_method_and_body, .strategy = BELAY_FIFO)
{
    static const char to_get[] = "POST http://a.test/ +body +type\n"
                                 "GET http://a.test/to\n";
    static const char again[] = "POST http://a.test/ +body +type\n"
                                "POST http://a.test/to +body +type\n";
    static const char put[] = "PUT http://a.test/ +body +type\n"
                              "PUT http://a.test/to +body +type\n";

    BELAY_CHECK_EQ(post_over(301, "POST", to_get), 200);
    BELAY_CHECK_EQ(post_over(302, "POST", to_get), 200);
    BELAY_CHECK_EQ(post_over(303, "POST", to_get), 200);
    BELAY_CHECK_EQ(post_over(307, "POST", again), 200);
    BELAY_CHECK_EQ(post_over(308, "POST", again), 200);
    BELAY_CHECK_EQ(post_over(302, "PUT", put), 200);
    BELAY_CHECK_EQ(post_over(303, "PUT", "PUT http://a.test/ +body +type\n"
        "GET http://a.test/to\n"), 200);
}

static ssize_t
three_bytes(void *arg, void *buf, size_t n)
{
    unsigned *calls = arg;

    (void)n;
    if (++*calls > 1)
        return 0;
    memcpy(buf, "abc", 3);
    return 3;
}

BELAY_TEST(what_was_read_cannot_be_sent_again, .strategy = BELAY_FIFO)
{
    const belay_http_route routes[] = {
        {.url = "http://a.test/307", .status = 307, .headers = TO("/to")},
        {.url = "http://a.test/303", .status = 303, .headers = TO("/to")},
        {.url = "http://a.test/to"}};
    belay_http_net net = NET(routes);
    belay_http_error error;
    unsigned calls = 0;

    BELAY_CHECK_EQ(follow(&net, BELAY_HTTP_REQ_(.url = "http://a.test/307",
        .body_fn = three_bytes, .body_arg = &calls), NULL, &error,
        "POST http://a.test/307 +body\n"), -EACCES);
    BELAY_CHECK_EQ(error.kind, BELAY_HTTP_REDIRECT);
    calls = 0;
    BELAY_CHECK_EQ(follow(&net, BELAY_HTTP_REQ_(.url = "http://a.test/303",
        .body_fn = three_bytes, .body_arg = &calls), NULL, NULL,
        "POST http://a.test/303 +body\nGET http://a.test/to\n"), 200);
}

/* ---- slots -------------------------------------------------------------- */

/* Each hop has the slots of its own host, and only those: two requests that
 * are sent to each other's host pass, with one connection to each. */
BELAY_TASK(get_from, (belay_http *, http), (const char *, url))
{
    BELAY_AUTO(belay_response, rsp);

    BELAY_TRY(belay_http_get(http, url, &rsp));
    BELAY_CHECK_EQ(belay_response_status(rsp), 200);
    return 0;
}

BELAY_TEST(a_redirect_holds_no_slot_of_the_last_host, .schedules = 2000)
{
    static const char *const to_a[] = {"Location: http://a.test/to", NULL};
    static const char *const to_b[] = {"Location: http://b.test/to", NULL};
    SERVE(net, {.url = "http://a.test/", .status = 302, .headers = to_b},
        {.url = "http://b.test/", .status = 302, .headers = to_a},
        {.url = "http://a.test/to"}, {.url = "http://b.test/to"});
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        int inner;

        OPEN(s, &http, .per_host = 1, .total = 2);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, get_from, http, "http://a.test/");
            belay_spawn(c, get_from, http, "http://b.test/");
        }
        BELAY_CHECK_EQ(inner, 0);
    }
    BELAY_CHECK_EQ(err, 0);
    net_is_quiet(&net);
}
