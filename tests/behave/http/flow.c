/* SPDX-License-Identifier: MIT */
/*
 * The driver under load and under odd circumstances: streams that nobody
 * reads, cuts at any moment, connections that end while they rest, many
 * requests from several workers.
 */
#include "web.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

static const struct page pages[] = {
    PAGE("/", {SAY, OK("2") "ok", 0}),
    PAGE("/flood", {SAY, OK("268435456"), 0}, {FLOOD, NULL, 256 * MIB}),
    PAGE("/break", {SAY, OK("268435456"), 0}, {FLOOD, NULL, 8 * MIB},
        {RESET, NULL, 0}),
    PAGE("/stall", {STALL, NULL, 0}),
    PAGE("/half", {SAY, OK("4") "ha", 0}, {STALL, NULL, 0}),
    PAGE("/short", {SAY, OK("9") "abc", 0}, {CLOSE, NULL, 0}),
    PAGE("/reset", {RESET, NULL, 0}),
    PAGE("/last", {SAY, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
        "Connection: close\r\n\r\nok", 0}, {CLOSE, NULL, 0}),
    PAGE("/kept", {SAY, OK("2") "ok", 0}, {CLOSE, NULL, 0}),
    PAGE("/drip", {SAY, OK("5"), 0}, {DRIP, "hello", 0}),
    {0}};

static uint64_t
turns(struct web *w)
{
    belay_http_info info;

    belay_http_stats(w->http, &info);
    return info.turns;
}

static int
start(struct web *w, const char *path, belay_response **rsp)
{
    return belay_http_start(w->http, rsp, .url = server_url(&w->srv, path),
        .error = &w->error);
}

static int
read_bytes(belay_response *rsp, size_t n)
{
    static char buf[16384];

    while (n > 0) {
        ssize_t r = BELAY_TRY(belay_response_read(rsp, buf,
            n < sizeof buf ? n : sizeof buf));

        if (r == 0)
            return -EPROTO;
        n -= (size_t)r;
    }
    return 0;
}

/* ---- streams that rest -------------------------------------------------- */

/* While it rests, other requests go their way, the server is held up by the
 * buffers in between, and the driver sleeps. */
static int
slow_reader(belay_scope *s, struct web *w)
{
    BELAY_AUTO(belay_response, rsp);
    uint64_t before;
    char c;

    (void)s;
    BELAY_TRY(start(w, "/flood", &rsp));
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(web_get(w, "/", "ok"), 200);
    before = turns(w);
    BELAY_TRY(belay_sleep(BELAY_MS(100))); /* the time to do wrong */
    ck_assert_uint_lt(turns(w) - before, 20);
    ck_assert_uint_lt(w->srv.sent, 64 * MIB);
    BELAY_TRY(read_bytes(rsp, 256 * MIB));
    ck_assert_int_eq(belay_response_read(rsp, &c, 1), 0);
    ck_assert_uint_eq(w->srv.accepted, 2);
    return 0;
}

START_TEST(a_stream_waits_for_its_reader)
{
    web_test(&(struct web){.srv.pages = pages}, slow_reader);
}
END_TEST

/* A socket that has news all the time, and nobody who wants them. */
static int
broken_at_rest(belay_scope *s, struct web *w)
{
    BELAY_AUTO(belay_response, rsp);
    static char buf[16384];
    uint64_t before;
    ssize_t n;

    (void)s;
    BELAY_TRY(start(w, "/break", &rsp));
    BELAY_TRY(read_bytes(rsp, 4 * MIB));
    BELAY_TRY(server_await(&w->srv, &w->srv.closed, 1));
    before = turns(w);
    BELAY_TRY(belay_sleep(BELAY_MS(100))); /* the time to do wrong */
    ck_assert_uint_lt(turns(w) - before, 20);
    while ((n = belay_response_read(rsp, buf, sizeof buf)) > 0)
        ;
    ck_assert_int_eq(n, -ECONNRESET);
    ck_assert_int_eq(web_get(w, "/", "ok"), 200);
    return 0;
}

START_TEST(a_resting_stream_that_breaks_does_not_spin)
{
    web_test(&(struct web){.srv.pages = pages, .opts = {.per_host = 1,
        .buffer = 2 * MIB}}, broken_at_rest);
}
END_TEST

static int
closed_early(belay_scope *s, struct web *w)
{
    (void)s;
    for (unsigned i = 1; i <= 5; i++) {
        BELAY_AUTO(belay_response, rsp);

        BELAY_TRY(start(w, "/flood", &rsp));
        BELAY_TRY(read_bytes(rsp, 100000));
        belay_response_close(rsp);
        rsp = NULL;
        BELAY_TRY(server_await(&w->srv, &w->srv.closed, i));
    }
    ck_assert_int_eq(web_get(w, "/", "ok"), 200);
    web_is_idle(w);
    return 0;
}

START_TEST(a_stream_may_be_closed_at_any_time)
{
    web_test(&(struct web){.srv.pages = pages, .opts.per_host = 1},
        closed_early);
}
END_TEST

static int
left_open(belay_scope *s, struct web *w)
{
    BELAY_AUTO(belay_response, rsp);

    (void)s;
    BELAY_TRY(start(w, "/flood", &rsp));
    return read_bytes(rsp, 100000);
}

START_TEST(a_session_ends_with_streams_under_way)
{
    web_test(&(struct web){.srv.pages = pages}, left_open);
}
END_TEST

/* ---- cuts --------------------------------------------------------------- */

BELAY_TASK(get_quietly, (struct web *, w), (const char *, path))
{
    BELAY_AUTO(belay_response, rsp);

    return belay_http_get(w->http, server_url(&w->srv, path), &rsp);
}

/* From the moment of the cut on, the call is over; the connection follows. */
static int
cut_short(belay_scope *s, struct web *w)
{
    static const char *const paths[] = {"/stall", "/half"};

    (void)s;
    for (unsigned i = 0; i < 10; i++) {
        int err;

        BELAY_SCOPE_CATCH(c, &err) {
            belay_spawn(c, get_quietly, w, paths[i % 2]);
            BELAY_TRY(server_await(&w->srv, &w->srv.requests, i + 1));
            belay_cancel(c, "test");
        }
        ck_assert_int_eq(err, -ECANCELED);
        BELAY_TRY(server_await(&w->srv, &w->srv.closed, i + 1));
    }
    ck_assert_int_eq(web_get(w, "/", "ok"), 200);
    web_is_idle(w);
    return 0;
}

START_TEST(a_cut_request_closes_its_connection)
{
    web_test(&(struct web){.srv.pages = pages, .opts.per_host = 1}, cut_short);
}
END_TEST

/* ---- connections at rest ------------------------------------------------ */

/* The server closes them after the answer; curl finds out in time, or the
 * request, which may be repeated, is. */
static int
stale(belay_scope *s, struct web *w)
{
    (void)s;
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_int_eq(web_get(w, i % 2 == 0 ? "/kept" : "/last", "ok"),
            200);
        BELAY_TRY(server_await(&w->srv, &w->srv.closed, i + 1));
    }
    return 0;
}

START_TEST(a_connection_that_was_closed_is_replaced)
{
    web_test(&(struct web){.srv.pages = pages, .opts.per_host = 1}, stale);
}
END_TEST

static int
idle_session(belay_scope *s, struct web *w)
{
    uint64_t before;

    (void)s;
    ck_assert_int_eq(web_get(w, "/", "ok"), 200);
    before = turns(w);
    BELAY_TRY(belay_sleep(BELAY_MS(100))); /* the time to do wrong */
    ck_assert_uint_lt(turns(w) - before, 20);
    return 0;
}

START_TEST(an_idle_session_sleeps)
{
    web_test(&(struct web){.srv.pages = pages}, idle_session);
}
END_TEST

/* ---- many --------------------------------------------------------------- */

/* What must come of each. */
struct deed {
    const char *path;
    int want;
};

BELAY_TASK(do_all, (struct web *, w), (unsigned, first))
{
    static const struct deed deeds[] = {{"/", 200}, {"/short", -ECONNRESET},
        {"/last", 200}, {"/reset", -ECONNRESET}, {"/missing", 404},
        {"/kept", 200}, {"/half", -ETIME}, {"/drip", 200}, {"/", 200},
        {"/stall", -ETIME}};
    enum { DEEDS = sizeof deeds / sizeof *deeds };

    for (unsigned i = 0; i < 2 * DEEDS; i++) {
        const struct deed *d = &deeds[(first + i) % DEEDS];
        char url[128];
        int r;

        (void)snprintf(url, sizeof url, "%s%s", w->srv.url, d->path);
        BELAY_AUTO(belay_response, rsp);
        if (d->want == -ETIME)
            r = BELAY_WITHIN(BELAY_MS(20), belay_http_get(w->http, url, &rsp));
        else
            r = belay_http_get(w->http, url, &rsp);
        r = r == 0 ? belay_response_status(rsp) : r;
        if (r != d->want)
            return BELAY_FAIL(-EPROTO, "%s: %d: %s", d->path, r, belay_why());
    }
    return 0;
}

static unsigned
count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    ck_assert_ptr_nonnull(d);
    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n;
}

static int
everything_at_once(belay_scope *s, struct web *w)
{
    (void)s;
    BELAY_SCOPE(c) {
        for (unsigned i = 0; i < 30; i++)
            belay_spawn(c, do_all, w, i);
    }
    /* The answer to a cut may still be on its way to the driver. */
    ck_assert_int_eq(web_get(w, "/", "ok"), 200);
    return 0;
}

START_TEST(workers_share_a_session)
{
    unsigned before = count_fds();
    struct web w = {.srv.pages = pages, .workers = _i == 0 ? 1 : 3,
        .opts = {.per_host = 6, .retries = -1}};

    web_test(&w, everything_at_once);
    ck_assert_uint_eq(count_fds(), before);
}
END_TEST

/* ---- no descriptors ----------------------------------------------------- */

static int
no_descriptors(belay_scope *s, struct web *w)
{
    int fds[1024], n = 0, r;

    (void)s;
    while (n < 1024 && (fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        n++;
    r = web_get(w, "/", NULL);
    while (n > 0)
        (void)close(fds[--n]);
    ck_assert_int_lt(r, 0);
    ck_assert_int_eq(w->error.code, -EMFILE);
    ck_assert_int_eq(w->error.kind, BELAY_HTTP_INTERNAL);
    ck_assert_int_eq(web_get(w, "/", "ok"), 200);
    return 0;
}

START_TEST(without_descriptors_it_says_so)
{
    struct rlimit few = {200, 200};

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    web_test(&(struct web){.srv.pages = pages, .opts.retries = -1},
        no_descriptors);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("flow");

    tcase_add_test(t, a_stream_waits_for_its_reader);
    tcase_add_test(t, a_resting_stream_that_breaks_does_not_spin);
    tcase_add_test(t, a_stream_may_be_closed_at_any_time);
    tcase_add_test(t, a_session_ends_with_streams_under_way);
    tcase_add_test(t, a_cut_request_closes_its_connection);
    tcase_add_test(t, a_connection_that_was_closed_is_replaced);
    tcase_add_test(t, an_idle_session_sleeps);
    tcase_add_loop_test(t, workers_share_a_session, 0, 2);
    tcase_add_test(t, without_descriptors_it_says_so);
    tcase_set_timeout(t, 60);
    return web_suite("http flow", t);
}
