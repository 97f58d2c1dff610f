/* SPDX-License-Identifier: MIT */
/*
 * Who may have a connection: never more at once than allowed, to one host or
 * in all, and every slot comes back, whatever is cut or fails.
 */
#include "http_net.h"

#include <errno.h>

BELAY_TASK(get_one, (belay_http *, http), (const char *, url), (int *, got))
{
    BELAY_AUTO(belay_response, rsp);

    *got = belay_http_get(http, url, &rsp);
    return 0;
}

/* All slots are free, and nobody waits for one. */
static void
slots_are_back(belay_http *http)
{
    belay_http_info info;

    belay_http_stats(http, &info);
    BELAY_CHECK_EQ(info.active, 0);
    BELAY_CHECK_EQ(info.waiting, 0);
}

static void
get_by(belay_http *http, const char *const *urls, int n, int *got)
{
    int i, err;

    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < n; i++)
            belay_spawn(s, get_one, http, urls[i], &got[i]);
    }
    BELAY_CHECK(err == 0 || belay_test_disturbed());
}

BELAY_TEST(no_more_to_one_host_than_allowed, .schedules = 2000)
{
    static const char *const urls[] = {"http://a.test/", "http://a.test/x",
        "http://a.test/y", "http://a.test/z"};
    SERVE(net, {.url = NULL, .first_byte = BELAY_MS(1)});
    int err, i, got[4] = {1, 1, 1, 1};

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);

        OPEN(s, &http, .per_host = 2);
        get_by(http, urls, 4, got);
        slots_are_back(http);
    }
    BELAY_CHECK_EQ(err, 0);
    for (i = 0; i < 4; i++)
        BELAY_CHECK_EQ(got[i], 0);
    BELAY_CHECK_EQ(net.requests, 4);
    BELAY_CHECK_EQ(net.most, 2);
    BELAY_CHECK(net.connections <= 2);
    net_is_quiet(&net);
}

BELAY_TEST(no_more_in_all_than_allowed, .schedules = 2000)
{
    static const char *const urls[] = {"http://a.test/", "http://b.test/",
        "https://a.test/", "http://a.test:81/"};
    SERVE(net, {.url = NULL, .first_byte = BELAY_MS(1)});
    int err, got[4];

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);

        OPEN(s, &http, .total = 3, .per_host = 1);
        get_by(http, urls, 4, got);
        slots_are_back(http);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(net.most, 3);
    net_is_quiet(&net);
}

/* Two tasks wait behind a slow host; a request to another one passes them. */
BELAY_TEST(a_slow_host_does_not_hold_up_others, .schedules = 1000)
{
    SERVE(net, {.url = "http://slow.test/", .first_byte = BELAY_S(10)},
        {.url = "http://a.test/"});
    int err, got[3];

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        int inner, i;

        OPEN(s, &http, .total = 2, .per_host = 1);
        BELAY_SCOPE_CATCH(c, &inner) {
            for (i = 0; i < 3; i++)
                belay_spawn(c, get_one, http, "http://slow.test/", &got[i]);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
            BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/", &rsp), 0);
            BELAY_CHECK(belay_test_elapsed() < BELAY_S(1));
        }
        slots_are_back(http);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(30));
}

/* The clock of a request begins with its slot: who waits for long does not
 * fail for it. */
BELAY_TEST(waiting_for_a_slot_takes_no_time_from_the_request,
    .schedules = 1000)
{
    static const char *const urls[] = {"http://a.test/", "http://a.test/",
        "http://a.test/", "http://a.test/", "http://a.test/"};
    SERVE(net, {.url = NULL, .first_byte = BELAY_MS(300)});
    int err, i, got[5];

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);

        OPEN(s, &http, .per_host = 1, .limits.total = BELAY_MS(400));
        get_by(http, urls, 5, got);
    }
    BELAY_CHECK_EQ(err, 0);
    for (i = 0; i < 5; i++)
        BELAY_CHECK_EQ(got[i], 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(1500));
}

/* Cut at any moment, by its deadline or with its scope: the slot is free for
 * the next one, and the connection does not come back to serve it. */
BELAY_TEST(a_cut_request_gives_its_slot_back, .schedules = 2000)
{
    SERVE(net, {.url = "http://a.test/slow", .connect = BELAY_MS(1),
            .first_byte = BELAY_MS(1), .body = "abcdefgh", .piece = 2,
            .gap = BELAY_MS(1)},
        {.url = "http://a.test/", .body = "ok"});
    belay_dur cut = BELAY_MS(belay_test_choose(7));
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        BELAY_AUTO(belay_response, next);
        int r;

        OPEN(s, &http, .per_host = 1, .retries = -1);
        r = BELAY_WITHIN(cut,
            belay_http_get(http, "http://a.test/slow", &rsp));
        BELAY_CHECK(r == 0 || r == -ETIME);
        BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/", &next), 0);
        BELAY_CHECK(body_is(next, "ok"));
        slots_are_back(http);
        BELAY_CHECK(net.open <= 1);
        BELAY_CHECK_EQ(net.most, 1);
    }
    BELAY_CHECK_EQ(err, 0);
    net_is_quiet(&net);
}

BELAY_TEST(a_cut_anywhere_loses_no_slot, .cancel_everywhere = true,
    .fail_allocs = true, .schedules = 500)
{
    static const char *const urls[] = {"http://a.test/", "http://a.test/x",
        "http://b.test/", "http://a.test/y"};
    SERVE(net, {.url = NULL, .first_byte = BELAY_MS(1), .body = "ok"});
    BELAY_AUTO(belay_http, http);
    int err, got[4];

    BELAY_SCOPE_CATCH(s, &err) {
        OPEN(s, &http, .total = 2, .per_host = 1);
        if (http != NULL)
            get_by(http, urls, 4, got);
    }
    if (http != NULL)
        slots_are_back(http);
    net_is_quiet(&net);
}

BELAY_TEST(a_full_queue_has_its_own_limit, .strategy = BELAY_EXHAUSTIVE,
    .cooperative = true)
{
    SERVE(net, {.url = NULL, .first_byte = BELAY_S(10)});
    int err, got = 1;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        belay_http_error error;
        int inner;

        OPEN(s, &http, .per_host = 1);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, get_one, http, "http://a.test/", &got);
            BELAY_CHECK_EQ(belay_sleep(BELAY_S(1)), 0);
            BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/", &rsp,
                .limits.queue = BELAY_S(2), .error = &error), -ETIMEDOUT);
            BELAY_CHECK_EQ(error.kind, BELAY_HTTP_TIMEOUT);
            BELAY_CHECK_EQ(error.phase, BELAY_HTTP_IN_QUEUE);
            BELAY_CHECK_EQ(error.attempts, 0);
            BELAY_CHECK_EQ(error.queue, BELAY_S(2));
            BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(3));
        }
        slots_are_back(http);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got, 0);
}

/* ---- the end of the session's scope ------------------------------------- */

BELAY_TASK(get_until_the_end, (belay_http *, http), (int *, got))
{
    BELAY_AUTO(belay_response, rsp);

    *got = belay_http_get(http, "http://a.test/", &rsp);
    return 0;
}

/* The driver ends with the scope that was given at the open; requests of
 * tasks that live longer end then, the one under way and the one in the
 * queue. */
BELAY_TEST(requests_end_with_the_sessions_scope, .schedules = 2000)
{
    SERVE(net, {.url = NULL, .stall = BELAY_HTTP_IN_FIRST_BYTE});
    BELAY_AUTO(belay_http, http);
    int err, inner, got[2] = {1, 1};

    BELAY_SCOPE_CATCH(outer, &err) {
        BELAY_SCOPE_CATCH(s, &inner) {
            OPEN(s, &http, .per_host = 1);
            belay_spawn(outer, get_until_the_end, http, &got[0]);
            belay_spawn(outer, get_until_the_end, http, &got[1]);
            BELAY_CHECK_EQ(belay_sleep(BELAY_S(1)), 0);
        }
        BELAY_CHECK_EQ(inner, 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got[0], BELAY_ECLOSED);
    BELAY_CHECK_EQ(got[1], BELAY_ECLOSED);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(1));
    slots_are_back(http);
    net_is_quiet(&net);
}

/* ---- several workers ---------------------------------------------------- */

/* Time may pass at any access there, so that limits would be reached. */
#define NO_LIMITS {-1, -1, -1, -1, -1, -1, -1}

BELAY_TEST(workers_share_a_session, .workers = 2, .atomic = true,
    .schedules = 1500)
{
    SERVE(net, {.url = NULL, .body = "ok"});
    int err, i, got[3] = {1, 1, 1};

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        int inner;

        OPEN(s, &http, .per_host = 1, .limits = NO_LIMITS);
        BELAY_SCOPE_CATCH(c, &inner) {
            for (i = 0; i < 3; i++)
                belay_spawn_with(c, (.worker = (unsigned)i % 2 + 1), get_one,
                    http, "http://a.test/", &got[i]);
        }
        slots_are_back(http);
    }
    BELAY_CHECK_EQ(err, 0);
    for (i = 0; i < 3; i++)
        BELAY_CHECK_EQ(got[i], 0);
    BELAY_CHECK_EQ(net.most, 1);
    net_is_quiet(&net);
}

/* The cut comes from the other worker, at any access. */
BELAY_TEST(a_cut_from_another_worker, .workers = 2, .atomic = true,
    .schedules = 1500)
{
    SERVE(net, {.url = NULL, .body = "ok"});
    int err, got = 1;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_AUTO(belay_http, http);
        BELAY_AUTO(belay_response, rsp);
        int inner;

        OPEN(s, &http, .per_host = 1, .limits = NO_LIMITS);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn_with(c, (.worker = 2), get_one, http, "http://a.test/",
                &got);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_cancel(c, "test");
        }
        BELAY_CHECK(got == 0 || got == -ECANCELED);
        BELAY_CHECK_EQ(belay_http_get(http, "http://a.test/", &rsp), 0);
        slots_are_back(http);
    }
    BELAY_CHECK_EQ(err, 0);
    net_is_quiet(&net);
}
