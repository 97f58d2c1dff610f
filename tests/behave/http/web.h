/* SPDX-License-Identifier: MIT */
/* A test of a session against a server of its own, or one whose URL it
 * knows. */
#ifndef BEHAVE_HTTP_WEB_H
#define BEHAVE_HTTP_WEB_H

#include <belay/http.h>

#include "server.h"

#include <check.h>
#include <string.h>

struct web {
    struct server srv;
    belay_http_opts opts;
    unsigned workers; /* 0 = 1 */
    /* Of the running test. */
    belay_http *http;
    belay_http_error error; /* of the last failure */
    unsigned attempts;      /* of the last response */
};

typedef int web_fn(belay_scope *s, struct web *w);

BELAY_TASK(web_run, (struct web *, w), (web_fn *, fn))
{
    BELAY_AUTO(belay_http, http);

    BELAY_SCOPE(s) {
        if (w->srv.url[0] == '\0')
            BELAY_TRY(server_start(s, &w->srv));
        w->opts.size = sizeof w->opts;
        BELAY_TRY(belay_http_open_at(s, &http, &w->opts, BELAY_SITE_("web")));
        w->http = http;
        BELAY_TRY(fn(s, w));
    }
    return 0;
}

static inline void
web_test(struct web *w, web_fn *fn)
{
    unsigned workers = w->workers > 0 ? w->workers : 1;

    ck_assert_int_eq(belay_run_with((.workers = workers), web_run, w, fn), 0);
    ck_assert_uint_eq(w->srv.accepted, w->srv.closed);
}

/* The status of a page, or the failure; its body must be `want', if given. */
static inline int
web_get(struct web *w, const char *path, const char *want)
{
    BELAY_AUTO(belay_response, rsp);
    belay_response_info info;
    int r = belay_http_get(w->http, server_url(&w->srv, path), &rsp,
        .error = &w->error);

    if (r < 0)
        return r;
    belay_response_get_info(rsp, &info);
    w->attempts = info.attempts;
    if (want != NULL)
        ck_assert_str_eq(belay_response_body(rsp).data, want);
    return belay_response_status(rsp);
}

/* The same for one that fails, in this way and there. */
static inline void
web_fails(struct web *w, const char *path, int code, belay_http_kind kind,
    belay_http_phase phase)
{
    int r = web_get(w, path, NULL);

    ck_assert_msg(r == code, "%s: %d instead of %d: %s", path, r, code,
        r < 0 ? w->error.text : "");
    ck_assert_msg(w->error.kind == kind && w->error.phase == phase,
        "%s: kind %s, phase %s: %s", path, belay_http_kind_name(w->error.kind),
        belay_http_phase_name(w->error.phase), w->error.text);
}

/* Nobody has a slot or waits for one. */
static inline void
web_is_idle(struct web *w)
{
    belay_http_info info;

    belay_http_stats(w->http, &info);
    ck_assert_uint_eq(info.active, 0);
    ck_assert_uint_eq(info.waiting, 0);
}

static inline int
web_suite(const char *name, TCase *t)
{
    Suite *s = suite_create(name);
    SRunner *r;
    int failed;

    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_set_tap(r, "-");
    srunner_run_all(r, CK_SILENT);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

#endif
