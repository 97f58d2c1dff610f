/* SPDX-License-Identifier: MIT */
/*
 * A session against demo/faultd, a program of its own that does wrong in many
 * ways: each has an error that says what and where, none lasts longer than it
 * may, and a request that is cut at any moment takes nothing with it.
 */
#include "remote.h"
#include "web.h"

#include <errno.h>
#include <stdio.h>

static struct remote faultd;

static void
against_faultd(struct web *w, web_fn *fn)
{
    const char *program = getenv("FAULTD");
    const char *const argv[] = {program, "--workers", "1", "--until-eof",
        "--faulty", "10", NULL};

    ck_assert_ptr_nonnull(program);
    remote_start(&faultd, argv);
    (void)snprintf(w->srv.url, sizeof w->srv.url, "%.60s", faultd.line);
    web_test(w, fn);
    ck_assert_int_eq(remote_end(&faultd, 0), 0);
}

/* The session is as good as new. */
static void
still_well(struct web *w)
{
    ck_assert_int_eq(BELAY_WITHIN(BELAY_S(10), web_get(w, "/delay/0/3",
        "abc")), 200);
    web_is_idle(w);
}

/* ---- right -------------------------------------------------------------- */

static int
right_answers(belay_scope *s, struct web *w)
{
    (void)s;
    ck_assert_int_eq(web_get(w, "/", NULL), 200);
    ck_assert_int_eq(web_get(w, "/delay/1/5", "abcde"), 200);
    ck_assert_int_eq(web_get(w, "/drip/1/5", "abcde"), 200);
    ck_assert_int_eq(web_get(w, "/slow/1", ""), 200);
    ck_assert_int_eq(web_get(w, "/status/404", ""), 404);
    ck_assert_int_eq(web_get(w, "/status/204", ""), 204);
    ck_assert_int_eq(web_get(w, "/redirect/5", NULL), 200);
    ck_assert_uint_eq(w->attempts, 6);
    ck_assert_int_eq(web_get(w, "/flaky/2/7", ""), 200);
    ck_assert_uint_eq(w->attempts, 3);
    ck_assert_int_eq(web_get(w, "/lie/3/3", "abc"), 200);
    ck_assert_int_eq(web_get(w, "/stats", "accepted 1\nopen 1\nrequests 17\n"),
        200);
    ck_assert_int_eq(web_get(w, "/nothing", ""), 404);
    return 0;
}

START_TEST(what_is_right_comes_over_one_connection)
{
    against_faultd(&(struct web){.opts = {.per_host = 1,
        .retry_pause = BELAY_MS(1)}}, right_answers);
}
END_TEST

/* ---- wrong -------------------------------------------------------------- */

static const struct wrong {
    const char *path;
    int code;
    belay_http_kind kind;
    belay_http_phase phase;
    const char *says;
} wrongs[] = {
    {"/reset", -ECONNRESET, BELAY_HTTP_RESET, BELAY_HTTP_IN_FIRST_BYTE,
        "connection lost (first byte): "},
    {"/reset/9", -ECONNRESET, BELAY_HTTP_RESET, BELAY_HTTP_IN_BODY,
        "connection lost (body): "},
    {"/lie/9/5", -ECONNRESET, BELAY_HTTP_RESET, BELAY_HTTP_IN_BODY,
        "4 bytes"},
    {"/stall", -ETIMEDOUT, BELAY_HTTP_TIMEOUT, BELAY_HTTP_IN_FIRST_BYTE,
        "timeout (first byte): limit 0.2 s"},
    {"/stall/9", -ETIMEDOUT, BELAY_HTTP_TIMEOUT, BELAY_HTTP_IN_BODY,
        "timeout (body): limit 0.1 s"},
    {"/drip/5/5000", -ETIMEDOUT, BELAY_HTTP_TIMEOUT, BELAY_HTTP_IN_TOTAL,
        "timeout (total): limit 1 s"},
    {"/slow/90", -ETIMEDOUT, BELAY_HTTP_TIMEOUT, BELAY_HTTP_IN_FIRST_BYTE,
        "timeout (first byte): limit 0.2 s"},
    {"/delay/5000/1", -ETIMEDOUT, BELAY_HTTP_TIMEOUT,
        BELAY_HTTP_IN_FIRST_BYTE, "timeout (first byte): limit 0.2 s"},
    {"/loop", -ELOOP, BELAY_HTTP_REDIRECT, BELAY_HTTP_IN_BODY,
        "too many redirects"},
    {"/to/ftp://a.test/", -EPROTONOSUPPORT, BELAY_HTTP_SCHEME,
        BELAY_HTTP_IN_QUEUE, "unknown scheme"},
    {"/to/http://127.0.0.1:1/", -ECONNREFUSED, BELAY_HTTP_REFUSED,
        BELAY_HTTP_IN_CONNECT, "http://127.0.0.1:1/: refused"},
    {"/to/http://host.invalid/", -EHOSTUNREACH, BELAY_HTTP_DNS,
        BELAY_HTTP_IN_DNS, "http://host.invalid/: dns: "},
    {"/garbage", -EPROTO, BELAY_HTTP_PROTOCOL, BELAY_HTTP_IN_FIRST_BYTE,
        "protocol: "},
    {"/endless", -EFBIG, BELAY_HTTP_TOO_LARGE, BELAY_HTTP_IN_BODY,
        "a body of more than 16777216 bytes"},
    {"/bomb", -EFBIG, BELAY_HTTP_TOO_LARGE, BELAY_HTTP_IN_BODY, "200-fold"},
};

enum { WRONGS = sizeof wrongs / sizeof *wrongs };

static int
wrong_answers(belay_scope *s, struct web *w)
{
    static char texts[WRONGS][sizeof w->error.text];

    (void)s;
    for (size_t i = 0; i < WRONGS; i++) {
        const struct wrong *wrong = &wrongs[i];

        web_fails(w, wrong->path, wrong->code, wrong->kind, wrong->phase);
        ck_assert_msg(strstr(w->error.text, wrong->says) != NULL, "%s: %s",
            wrong->path, w->error.text);
        (void)snprintf(texts[i], sizeof texts[i], "%s",
            strstr(w->error.text, ": "));
        still_well(w);
    }
    /* One kind, three different texts, even without the URL. */
    ck_assert_str_ne(texts[0], texts[1]);
    ck_assert_str_ne(texts[0], texts[2]);
    ck_assert_str_ne(texts[1], texts[2]);
    ck_assert_str_ne(texts[3], texts[4]);
    ck_assert_str_ne(texts[3], texts[5]);
    ck_assert_str_ne(texts[4], texts[5]);
    return 0;
}

START_TEST(each_fault_has_its_error)
{
    against_faultd(&(struct web){.opts = {.per_host = 1, .retries = -1,
        .limits = {.first_byte = BELAY_MS(200), .idle = BELAY_MS(100),
            .total = BELAY_S(1)}, .max_body = 16 << 20}}, wrong_answers);
}
END_TEST

/* ---- cuts --------------------------------------------------------------- */

/* The caller's deadline, in whatever state it meets the request. */
static int
deadlines(belay_scope *s, struct web *w)
{
    static const struct {
        const char *path;
        belay_http_phase phase;
    } slow[] = {{"/stall", BELAY_HTTP_IN_FIRST_BYTE},
        {"/stall/1000000", BELAY_HTTP_IN_BODY},
        {"/delay/9999/1", BELAY_HTTP_IN_FIRST_BYTE},
        {"/drip/1/10000", BELAY_HTTP_IN_BODY},
        {"/slow/20", BELAY_HTTP_IN_FIRST_BYTE},
        {"/flaky/1000000/1", BELAY_HTTP_IN_RETRY}};

    (void)s;
    for (size_t i = 0; i < sizeof slow / sizeof *slow; i++) {
        ck_assert_int_eq(BELAY_WITHIN(BELAY_MS(60),
            web_get(w, slow[i].path, NULL)), -ETIME);
        ck_assert_int_eq(w->error.kind, BELAY_HTTP_CANCELLED);
        /* Or one before, on a busy machine. */
        ck_assert_int_le(w->error.phase, slow[i].phase);
        still_well(w);
    }
    return 0;
}

START_TEST(a_deadline_ends_whatever_hangs)
{
    against_faultd(&(struct web){.opts = {.per_host = 1, .retries = 1000000,
        .retry_pause = -1}}, deadlines);
}
END_TEST

static uint64_t
turns(struct web *w)
{
    belay_http_info info;

    belay_http_stats(w->http, &info);
    return info.turns;
}

BELAY_TASK(get_one, (struct web *, w), (const char *, path), (bool *, done))
{
    int r = web_get(w, path, NULL);

    *done = true;
    return r < 0 ? r : 0;
}

/* Reads a bit of it. */
BELAY_TASK(read_some, (struct web *, w), (const char *, path), (bool *, done))
{
    BELAY_AUTO(belay_response, rsp);
    char buf[5000];
    ssize_t n = belay_http_start(w->http, &rsp,
        .url = server_url(&w->srv, path));

    for (int i = 0; i < 20 && n >= 0; i++)
        n = belay_response_read(rsp, buf, sizeof buf);
    *done = true;
    return n < 0 ? (int)n : 0;
}

/* Cuts a request after so many turns of the driver, or when that has been
 * asleep for long.  True: it was, or the request had ended by itself. */
static bool
cut_after(struct web *w, const char *path, uint64_t count, bool stream)
{
    uint64_t from = turns(w), last = from;
    belay_time moved = belay_now();
    bool done = false, ended = false;
    int err;

    BELAY_SCOPE_CATCH(c, &err) {
        if (stream)
            belay_spawn(c, read_some, w, path, &done);
        else
            belay_spawn(c, get_one, w, path, &done);
        while (!ended && turns(w) - from < count) {
            belay_ignore(belay_yield(), "the other one ends by itself");
            moved = turns(w) != last ? belay_now() : moved;
            last = turns(w);
            ended = done || belay_now() - moved > BELAY_MS(20);
        }
        belay_cancel(c, "after %u turns", (unsigned)count);
    }
    /* What was there before the cut counts. */
    ck_assert(err == -ECANCELED || err == 0 || err == -ECONNRESET ||
        err == -EFBIG);
    return ended;
}

/* At each of the driver's turns, until a request comes through, or hangs. */
static int
cuts(belay_scope *s, struct web *w)
{
    static const struct {
        const char *path;
        bool stream;
    } ways[] = {{"/delay/1/200000", false}, {"/drip/1/8", false},
        {"/redirect/3", false}, {"/status/503", false}, {"/slow/1", false},
        {"/reset/5", false}, {"/bomb", true}, {"/endless", true},
        {"/stall/100", false}, {"/stall", false}};

    (void)s;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        uint64_t count = 0;

        while (count < 100 &&
            !cut_after(w, ways[i].path, count, ways[i].stream)) {
            still_well(w);
            count++;
        }
        ck_assert_msg(count >= 2, "%s was not cut", ways[i].path);
    }
    return 0;
}

/* A slot that is lost is the only one. */
START_TEST(a_cut_at_each_turn_of_the_driver_loses_nothing)
{
    against_faultd(&(struct web){.opts = {.per_host = 1, .total = 1,
        .retries = 1, .retry_pause = BELAY_MS(1)}}, cuts);
}
END_TEST

/* Behind others that have all slots, and in front of the driver. */
static int
cuts_in_the_queue(belay_scope *s, struct web *w)
{
    BELAY_AUTO(belay_response, rsp);
    belay_http_info info;

    (void)s;
    BELAY_TRY(belay_http_start(w->http, &rsp,
        .url = server_url(&w->srv, "/stall/10")));
    for (int i = 0; i < 5; i++) {
        bool done = false;
        int err;

        BELAY_SCOPE_CATCH(c, &err) {
            belay_spawn(c, get_one, w, "/", &done);
            do {
                belay_ignore(belay_yield(), "nobody cuts it");
                belay_http_stats(w->http, &info);
            } while (info.waiting == 0);
            belay_cancel(c, "in the queue");
        }
        ck_assert_int_eq(err, -ECANCELED);
        ck_assert_int_eq(w->error.phase, BELAY_HTTP_IN_QUEUE);
    }
    belay_response_close(rsp);
    rsp = NULL;
    still_well(w);
    return 0;
}

START_TEST(a_cut_in_the_queue_loses_nothing)
{
    against_faultd(&(struct web){.opts.per_host = 1}, cuts_in_the_queue);
}
END_TEST

/* ---- many --------------------------------------------------------------- */

enum { PAGES = 600 };

static int
get_pages(struct web *w, int *ends)
{
    belay_outcome out[PAGES];
    bool done[PAGES];
    static char paths[PAGES][32];

    BELAY_SCOPE(c) {
        for (int i = 0; i < PAGES; i++) {
            (void)snprintf(paths[i], sizeof paths[i], "/page/%d", i);
            belay_spawn_catch(c, &out[i], get_one, w, paths[i], &done[i]);
        }
    }
    for (int i = 0; i < PAGES; i++)
        ends[i] = out[i].err;
    return 0;
}

/* The faults of the pages are always the same, and so are their ends. */
static int
pages_twice(belay_scope *s, struct web *w)
{
    static int first[PAGES], second[PAGES];
    int failed = 0;

    (void)s;
    BELAY_TRY(get_pages(w, first));
    BELAY_TRY(get_pages(w, second));
    for (int i = 0; i < PAGES; i++) {
        ck_assert_msg(first[i] == second[i], "page %d: %d, then %d", i,
            first[i], second[i]);
        failed += first[i] < 0;
    }
    ck_assert_int_gt(failed, PAGES / 20);
    ck_assert_int_lt(failed, PAGES / 5);
    still_well(w);
    return 0;
}

START_TEST(many_pages_end_as_they_must)
{
    against_faultd(&(struct web){.opts = {.per_host = 64, .retries = -1,
        .limits.first_byte = BELAY_S(1), .limits.idle = BELAY_S(1)}},
        pages_twice);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("faultd");

    tcase_add_test(t, what_is_right_comes_over_one_connection);
    tcase_add_test(t, each_fault_has_its_error);
    tcase_add_test(t, a_deadline_ends_whatever_hangs);
    tcase_add_test(t, a_cut_at_each_turn_of_the_driver_loses_nothing);
    tcase_add_test(t, a_cut_in_the_queue_loses_nothing);
    tcase_add_test(t, many_pages_end_as_they_must);
    tcase_set_timeout(t, 60);
    return web_suite("http faultd", t);
}
