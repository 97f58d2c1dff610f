/* SPDX-License-Identifier: MIT */
/*
 * Single flight in every schedule: one execution for all who ask together, the
 * first one's cancel is his own affair, the last one's ends the work; what is
 * kept for how long; and nothing is left behind whatever is cut.
 */
#include <belay/flight.h>
#include <belay/sync.h>
#include <belay/test.h>

#include <string.h>

struct desk {
    belay_flight *flight;
    int runs;       /* executions begun */
    int cut;        /* and ended by a cut */
    int now, most;  /* at the same time */
    belay_dur takes; /* negative: for ever */
    belay_event never;
    int result;     /* negative: the work fails */
};

/* The value is the length of the key, made as text. */
static int
look_up(void *arg, const void *key, size_t size, void *value)
{
    struct desk *d = arg;
    int r;

    (void)key;
    d->runs++;
    if (++d->now > d->most)
        d->most = d->now;
    r = d->takes >= 0 ? belay_sleep(d->takes) : belay_event_wait(&d->never);
    d->now--;
    if (r < 0) {
        d->cut++;
        return r;
    }
    if (d->result < 0)
        return BELAY_FAIL(d->result, "no such desk");
    memset(value, (int)('a' + size), 8);
    return d->result;
}

static belay_flight_opts
desk_opts(struct desk *d)
{
    return (belay_flight_opts){.size = sizeof(belay_flight_opts),
        .run = look_up, .arg = d, .value_size = 8};
}

static int
desk_open(struct desk *d, belay_scope *s, belay_flight_opts opts)
{
    return belay_flight_open_at(&d->flight, s, &opts, BELAY_SITE_("desk"));
}

static int
ask(struct desk *d, const char *key)
{
    char value[8] = "", want[8];
    int r = belay_flight_get(d->flight, key, strlen(key), value);

    memset(want, (int)('a' + strlen(key)), 8);
    if (r >= 0)
        BELAY_CHECK(memcmp(value, want, 8) == 0);
    else
        BELAY_CHECK(value[0] == '\0');
    return r;
}

BELAY_TASK(asker, (struct desk *, d), (const char *, key), (int *, got))
{
    *got = ask(d, key);
    return 0;
}

BELAY_TEST(one_works_for_all, .schedules = 2000)
{
    struct desk d = {.takes = BELAY_MS(5), .result = 7};
    int err, got[3] = {0};

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(desk_open(&d, s, desk_opts(&d)), 0);
        for (int i = 0; i < 3; i++)
            belay_spawn(s, asker, &d, "x", &got[i]);
    }
    BELAY_CHECK_EQ(err, 0);
    for (int i = 0; i < 3; i++)
        BELAY_CHECK_EQ(got[i], 7);
    BELAY_CHECK_EQ(d.runs, 1);
    belay_flight_close(&d.flight);
    BELAY_CHECK(d.flight == NULL);
}

BELAY_TEST(each_key_has_its_own, .schedules = 2000)
{
    struct desk d = {.takes = BELAY_MS(5)};
    int err, a = 1, b = 1;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(desk_open(&d, s, desk_opts(&d)), 0);
        belay_spawn(s, asker, &d, "x", &a);
        belay_spawn(s, asker, &d, "xy", &b);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(a, 0);
    BELAY_CHECK_EQ(b, 0);
    BELAY_CHECK_EQ(d.runs, 2);
    BELAY_CHECK_EQ(d.most, 2);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(5));
    belay_flight_close(&d.flight);
}

BELAY_TEST(all_are_told_of_a_failure, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct desk d = {.takes = BELAY_MS(5), .result = -ENOENT};
    int err, got = 1;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(desk_open(&d, s, desk_opts(&d)), 0);
        belay_spawn(s, asker, &d, "x", &got);
        BELAY_CHECK_EQ(ask(&d, "x"), -ENOENT);
        BELAY_CHECK(strstr(belay_why(), "no such desk") != NULL);
        belay_ignore(-ENOENT, "it was looked at");
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got, -ENOENT);
    belay_flight_close(&d.flight);
}

/* ---- who leaves ----------------------------------------------------- */

/* The first is cancelled at 2 ms; the work goes on for the second. */
BELAY_TEST(it_survives_the_first_one, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct desk d = {.takes = BELAY_MS(5), .result = 3};
    int outer, inner = 0, first = 1, second = 1;

    BELAY_SCOPE_CATCH(s, &outer) {
        BELAY_CHECK_EQ(desk_open(&d, s, desk_opts(&d)), 0);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, asker, &d, "x", &first);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
            belay_spawn(s, asker, &d, "x", &second);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
            belay_cancel(c, "a test");
        }
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK_EQ(first, -ECANCELED);
    BELAY_CHECK_EQ(second, 3);
    BELAY_CHECK_EQ(d.runs, 1);
    BELAY_CHECK_EQ(d.cut, 0);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(5));
    belay_flight_close(&d.flight);
}

/* Both are cancelled; the work is too, and who comes then starts anew. */
BELAY_TEST(the_last_one_takes_the_work_along, .schedules = 2000)
{
    struct desk d = {.takes = BELAY_MS(5)};
    int outer, inner = 0, got[3] = {1, 1, 1};

    BELAY_SCOPE_CATCH(s, &outer) {
        BELAY_CHECK_EQ(desk_open(&d, s, desk_opts(&d)), 0);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, asker, &d, "x", &got[0]);
            belay_spawn(c, asker, &d, "x", &got[1]);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(2)), 0);
            belay_cancel(c, "a test");
        }
        belay_spawn(s, asker, &d, "x", &got[2]);
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK_EQ(got[0], -ECANCELED);
    BELAY_CHECK_EQ(got[1], -ECANCELED);
    BELAY_CHECK_EQ(got[2], 0);
    BELAY_CHECK_EQ(d.runs, 2);
    BELAY_CHECK_EQ(d.cut, 1);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(7));
    belay_flight_close(&d.flight);
}

/* Cancelled before anybody could begin with it. */
BELAY_TEST(nobody_begins_what_nobody_wants, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct desk d = {.takes = BELAY_MS(5)};
    int outer, inner = 0, got = 1;

    BELAY_SCOPE_CATCH(s, &outer) {
        BELAY_CHECK_EQ(desk_open(&d, s, desk_opts(&d)), 0);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn(c, asker, &d, "x", &got);
            BELAY_CHECK_EQ(belay_yield(), 0);
            belay_cancel(c, "a test");
        }
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(d.runs, d.cut);
    belay_flight_close(&d.flight);
}

BELAY_TASK(waits_outside, (struct desk *, d), (int *, got))
{
    *got = ask(d, "x");
    return 0;
}

/* Who waits is not below the scope of the flight, which is cut. */
BELAY_TEST(the_end_of_the_scope_is_told, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct desk d = {.takes = BELAY_MS(5)};
    int outer, inner = 0, got = 1;

    BELAY_SCOPE_CATCH(s, &outer) {
        BELAY_SCOPE_CATCH(c, &inner) {
            BELAY_CHECK_EQ(desk_open(&d, c, desk_opts(&d)), 0);
            belay_spawn(s, waits_outside, &d, &got);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
            belay_cancel(c, "a test");
        }
        BELAY_CHECK_EQ(ask(&d, "x"), -ESHUTDOWN);
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK_EQ(got, -ESHUTDOWN);
    belay_flight_close(&d.flight);
}

/* ---- what is kept --------------------------------------------------- */

BELAY_TEST(values_are_kept_for_a_while, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct desk d = {.takes = BELAY_MS(5)};
    belay_flight_opts opts = desk_opts(&d);
    int err;

    opts.ttl = BELAY_MS(10);
    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(desk_open(&d, s, opts), 0);
        BELAY_CHECK_EQ(ask(&d, "x"), 0);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(9)), 0);
        BELAY_CHECK_EQ(ask(&d, "x"), 0);
        BELAY_CHECK_EQ(d.runs, 1);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        BELAY_CHECK_EQ(ask(&d, "x"), 0);
        BELAY_CHECK_EQ(d.runs, 2);
        belay_flight_forget(d.flight, "y", 1);
        BELAY_CHECK_EQ(ask(&d, "x"), 0);
        BELAY_CHECK_EQ(d.runs, 2);
        belay_flight_forget(d.flight, "x", 1);
        BELAY_CHECK_EQ(ask(&d, "x"), 0);
        BELAY_CHECK_EQ(d.runs, 3);
        d.result = -ENOENT; /* failures are not */
        for (int i = 0; i < 2; i++)
            BELAY_CHECK_EQ(ask(&d, "xyz"), -ENOENT);
        BELAY_CHECK_EQ(d.runs, 5);
        belay_ignore(-ENOENT, "it was looked at");
    }
    BELAY_CHECK_EQ(err, 0);
    belay_flight_close(&d.flight);
}

BELAY_TEST(failures_are_kept_for_their_own_while,
    .strategy = BELAY_EXHAUSTIVE, .preemptions = 1)
{
    struct desk d = {.takes = BELAY_MS(5), .result = -ENOENT};
    belay_flight_opts opts = desk_opts(&d);
    int err;

    opts.ttl = BELAY_S(10);
    opts.failed_ttl = BELAY_MS(2);
    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(desk_open(&d, s, opts), 0);
        for (int i = 0; i < 3; i++)
            BELAY_CHECK_EQ(ask(&d, "x"), -ENOENT);
        BELAY_CHECK(strstr(belay_why(), "no such desk") != NULL);
        BELAY_CHECK_EQ(d.runs, 1);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(2)), 0);
        d.result = 0;
        for (int i = 0; i < 2; i++)
            BELAY_CHECK_EQ(ask(&d, "x"), 0);
        BELAY_CHECK_EQ(d.runs, 2);
        belay_ignore(-ENOENT, "it was looked at");
    }
    BELAY_CHECK_EQ(err, 0);
    belay_flight_close(&d.flight);
}

BELAY_TEST(the_oldest_make_room, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct desk d = {.takes = BELAY_MS(1)};
    belay_flight_opts opts = desk_opts(&d);
    int err;

    opts.ttl = BELAY_S(10);
    opts.max = 2;
    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(desk_open(&d, s, opts), 0);
        BELAY_CHECK_EQ(ask(&d, "x"), 0);
        BELAY_CHECK_EQ(ask(&d, "xy"), 0);
        BELAY_CHECK_EQ(ask(&d, "xyz"), 0);
        BELAY_CHECK_EQ(d.runs, 3);
        BELAY_CHECK_EQ(ask(&d, "xyz"), 0);
        BELAY_CHECK_EQ(ask(&d, "xy"), 0);
        BELAY_CHECK_EQ(d.runs, 3);
        BELAY_CHECK_EQ(ask(&d, "x"), 0);
        BELAY_CHECK_EQ(d.runs, 4);
    }
    BELAY_CHECK_EQ(err, 0);
    belay_flight_close(&d.flight);
}

/* Those who wait get what they asked for; the next one asks anew. */
BELAY_TEST(forgotten_while_under_way, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1)
{
    struct desk d = {.takes = BELAY_MS(5), .result = 4};
    int err, got[2] = {1, 1};

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(desk_open(&d, s, desk_opts(&d)), 0);
        belay_spawn(s, asker, &d, "x", &got[0]);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_flight_forget(d.flight, "x", 1);
        belay_spawn(s, asker, &d, "x", &got[1]);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got[0], 4);
    BELAY_CHECK_EQ(got[1], 4);
    BELAY_CHECK_EQ(d.runs, 2);
    belay_flight_close(&d.flight);
}

/* ---- a cut anywhere ------------------------------------------------- */

static void
everything(struct desk *d, belay_dur ttl, unsigned workers)
{
    belay_flight_opts opts = desk_opts(d);
    int err, r, got[4] = {1, 1, 1, 1};

    opts.ttl = ttl;
    BELAY_SCOPE_CATCH(s, &err) {
        r = desk_open(d, s, opts);
        for (unsigned i = 0; i < 4 && r == 0; i++)
            belay_spawn_with(s, (.worker = i % workers + 1), asker, d,
                i < 3 ? "x" : "xy", &got[i]);
    }
    belay_flight_close(&d->flight);
    BELAY_CHECK_EQ(d->now, 0);
    if (belay_test_disturbed())
        return;
    BELAY_CHECK_EQ(err, 0);
    for (int i = 0; i < 4; i++)
        BELAY_CHECK_EQ(got[i], 0);
}

BELAY_TEST(a_cut_anywhere_leaves_nothing, .cancel_everywhere = true,
    .fail_allocs = true, .schedules = 600)
{
    struct desk d = {.takes = BELAY_MS(1)};

    everything(&d, 0, 1);
}

BELAY_TEST(nothing_that_is_kept_leaks, .cancel_everywhere = true,
    .fail_allocs = true, .schedules = 300)
{
    struct desk d = {.takes = BELAY_MS(1)};

    everything(&d, BELAY_S(1), 1);
}

BELAY_TASK(asks_within, (struct desk *, d), (belay_dur, limit))
{
    int r = BELAY_WITHIN(limit, ask(d, "x"));

    BELAY_CHECK(r == 0 || r == -ETIME || belay_test_disturbed());
    return 0;
}

/* Deadlines race with each other and with the result. */
BELAY_TEST(deadlines_race_with_the_result, .schedules = 2000)
{
    struct desk d = {.takes = BELAY_MS(2)};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(desk_open(&d, s, desk_opts(&d)), 0);
        belay_spawn(s, asks_within, &d, BELAY_MS(1));
        belay_spawn(s, asks_within, &d, BELAY_MS(2));
        belay_spawn(s, asks_within, &d, BELAY_MS(2));
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(d.now, 0);
    belay_flight_close(&d.flight);
}

BELAY_TEST(workers_share_a_flight, .workers = 2, .atomic = true,
    .schedules = 2000)
{
    static struct desk d;

    d = (struct desk){.takes = 0};
    everything(&d, 0, 2);
}

/* Both leave at the same moment, on two workers. */
BELAY_TEST(workers_leave_a_flight_together, .workers = 2, .atomic = true,
    .schedules = 2000)
{
    static struct desk d;
    int outer, inner = 0, got[2] = {1, 1};

    d = (struct desk){.takes = -1};
    BELAY_SCOPE_CATCH(s, &outer) {
        BELAY_CHECK_EQ(desk_open(&d, s, desk_opts(&d)), 0);
        BELAY_SCOPE_CATCH(c, &inner) {
            belay_spawn_with(c, (.worker = 1), asker, &d, "x", &got[0]);
            belay_spawn_with(c, (.worker = 2), asker, &d, "x", &got[1]);
            BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
            belay_cancel(c, "a test");
        }
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK_EQ(got[0], -ECANCELED);
    BELAY_CHECK_EQ(got[1], -ECANCELED);
    BELAY_CHECK_EQ(d.runs, d.cut);
    belay_flight_close(&d.flight);
}

BELAY_TEST(who_waits_keeps_it_open, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    struct desk d = {.takes = BELAY_S(1)};
    int err, got;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(desk_open(&d, s, desk_opts(&d)), 0);
        belay_spawn(s, asker, &d, "x", &got);
        BELAY_CHECK_EQ(belay_sleep(BELAY_MS(1)), 0);
        belay_flight_close(&d.flight);
    }
}
