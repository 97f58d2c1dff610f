/* SPDX-License-Identifier: MIT */
/* Selects on real workers: nothing starves, nothing is lost. */
#include <belay.h>

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

typedef BELAY_CHAN(long) long_chan;

/* ---- fairness ----------------------------------------------------------- */

enum { ROUNDS = 30000, CHANNELS = 3 };

/* All channels always have a value. */
BELAY_TASK(always_ready, (int *, picked))
{
    long_chan ch[CHANNELS];
    long v;
    int i, r;

    for (i = 0; i < CHANNELS; i++) {
        BELAY_TRY(belay_chan_open(&ch[i], 1));
        BELAY_TRY(belay_send(&ch[i], i));
    }
    for (i = 0; i < ROUNDS; i++) {
        int which = BELAY_TRY(belay_select(&r, BELAY_RECV(&ch[0], &v),
            BELAY_RECV(&ch[1], &v), BELAY_RECV(&ch[2], &v)));

        if (r != 1 || v != which)
            return BELAY_FAIL(-EPROTO, "case %d got %ld", which, v);
        picked[which]++;
        BELAY_TRY(belay_send(&ch[which], v));
    }
    for (i = 0; i < CHANNELS; i++)
        belay_chan_free(&ch[i]);
    return 0;
}

START_TEST(ready_cases_share_evenly)
{
    int picked[CHANNELS] = {0};

    ck_assert_int_eq(belay_run(always_ready, picked), 0);
    for (int i = 0; i < CHANNELS; i++) {
        /* 10,000 expected, with a deviation of 82. */
        ck_assert_int_ge(picked[i], 9500);
        ck_assert_int_le(picked[i], 10500);
    }
}
END_TEST

/* ---- a ring of selects -------------------------------------------------- */

enum { STATIONS = 5, VALUES = 4000 };

/* Passes on what comes from either side until both are closed. */
BELAY_TASK(merge, (long_chan *, a), (long_chan *, b), (long_chan *, out))
{
    long_chan left = *a, right = *b;
    long v;
    int r;

    while (left.base != NULL || right.base != NULL) {
        int which = BELAY_TRY(belay_select(
            &r, BELAY_RECV(&left, &v), BELAY_RECV(&right, &v)));

        if (r == 1)
            BELAY_TRY(belay_send(out, v));
        else if (which == 0)
            left.base = NULL;
        else
            right.base = NULL;
    }
    return 0;
}

/* Sends its values into whichever channel takes them first. */
BELAY_TASK(spread, (long_chan *, a), (long_chan *, b), (long, first))
{
    for (long v = first; v < first + VALUES; v++) {
        int r;

        (void)BELAY_TRY(
            belay_select(&r, BELAY_SEND(a, &v), BELAY_SEND(b, &v)));
        BELAY_TRY(r);
    }
    return 0;
}

BELAY_TASK(spread_and_merge, (size_t, cap))
{
    static char seen[STATIONS * VALUES];
    long_chan in[2], out;
    long v, n = 0;
    int i, r;

    for (i = 0; i < 2; i++)
        BELAY_TRY(belay_chan_open(&in[i], cap));
    BELAY_TRY(belay_chan_open(&out, cap));
    memset(seen, 0, sizeof seen);
    BELAY_SCOPE(s) {
        for (i = 0; i < 2; i++)
            belay_chan_hold(&in[i]);
        belay_chan_hold(&out);
        for (i = 0; i < STATIONS; i++)
            belay_spawn_producer(s, &out, merge, &in[0], &in[1], &out);
        belay_chan_release(&out, 0);
        BELAY_SCOPE(senders) {
            for (i = 0; i < STATIONS; i++)
                belay_spawn(
                    senders, spread, &in[0], &in[1], (long)i * VALUES);
            for (; n < STATIONS * VALUES; n++)
                if (belay_recv(&out, &v) != 1 || seen[v]++)
                    return BELAY_FAIL(-EPROTO, "value %ld came wrong", v);
        }
        for (i = 0; i < 2; i++)
            belay_chan_release(&in[i], 0);
        r = BELAY_TRY(belay_recv(&out, &v));
        if (r != 0)
            return BELAY_FAIL(-EPROTO, "one value too many");
    }
    for (i = 0; i < 2; i++)
        belay_chan_free(&in[i]);
    belay_chan_free(&out);
    return 0;
}

START_TEST(selects_lose_nothing)
{
    ck_assert_int_eq(belay_run(spread_and_merge, (size_t)_i), 0);
    ck_assert_int_eq(
        belay_run_with((.workers = 3), spread_and_merge, (size_t)_i), 0);
}
END_TEST

/* ---- deadlines against values ------------------------------------------- */

BELAY_TASK(hurried_sender, (long_chan *, ch), (long, n), (long *, sent))
{
    for (long i = 0; i < n; i++) {
        int r = BELAY_WITHIN(i % 50 * 1000, belay_send(ch, i));

        if (r == 0)
            *sent += i;
        else if (r != -ETIME)
            return r;
    }
    return 0;
}

BELAY_TASK(hurried, (size_t, cap))
{
    long sent[2] = {0}, got = 0, v = -1;
    long_chan ch;
    int r, which;

    BELAY_TRY(belay_chan_open(&ch, cap));
    BELAY_SCOPE(s) {
        belay_chan_hold(&ch);
        for (int i = 0; i < 2; i++)
            belay_spawn_producer(s, &ch, hurried_sender, &ch, 2000, &sent[i]);
        belay_chan_release(&ch, 0);
        do {
            v = -1;
            which = BELAY_TRY(belay_select(
                &r, BELAY_RECV(&ch, &v), BELAY_AFTER(BELAY_US(20))));
            if (which == 0 && r == 1)
                got += v;
            else if (v != -1)
                return BELAY_FAIL(-EPROTO, "a value without a result");
        } while (which == 1 || r == 1);
    }
    belay_chan_free(&ch);
    if (got != sent[0] + sent[1])
        return BELAY_FAIL(-EPROTO, "%ld sent, %ld received",
            sent[0] + sent[1], got);
    return 0;
}

START_TEST(a_send_in_time_arrives)
{
    ck_assert_int_eq(belay_run(hurried, (size_t)_i), 0);
    ck_assert_int_eq(belay_run_with((.workers = 3), hurried, (size_t)_i), 0);
}
END_TEST

/* ---- another runtime ---------------------------------------------------- */

enum { ABROAD = 500000 };

struct abroad {
    long_chan ch;
    int open; /* atomic */
    long sum;
    int err;
};

BELAY_TASK(sends_abroad, (struct abroad *, a))
{
    for (long i = 1; i <= ABROAD; i++)
        BELAY_TRY(belay_send(&a->ch, i));
    return 0;
}

BELAY_TASK(yields_until, (int *, done))
{
    while (!*done)
        BELAY_TRY(belay_yield());
    return 0;
}

/* The channel leans to this runtime's only worker, which is kept awake. */
BELAY_TASK(opens_channel, (struct abroad *, a))
{
    int done = 0;

    BELAY_TRY(belay_chan_open(&a->ch, 64));
    __atomic_store_n(&a->open, 1, __ATOMIC_RELEASE);
    BELAY_SCOPE(all) {
        belay_spawn(all, yields_until, &done);
        BELAY_SCOPE(s)
            belay_spawn(s, sends_abroad, a);
        done = 1;
    }
    return 0;
}

BELAY_TASK(selects_abroad, (struct abroad *, a))
{
    long v;
    int i, r;

    for (i = 0; i < ABROAD;) {
        if (belay_try_select(&r, BELAY_RECV(&a->ch, &v)) != 0) {
            BELAY_TRY(belay_sleep(BELAY_US(1)));
            continue;
        }
        a->sum += v;
        i++;
    }
    return 0;
}

static void *
abroad_thread(void *arg)
{
    struct abroad *a = arg;

    while (!__atomic_load_n(&a->open, __ATOMIC_ACQUIRE))
        (void)sched_yield();
    a->err = belay_run_with((.workers = 1), selects_abroad, a);
    return NULL;
}

START_TEST(a_select_of_another_runtime_takes_turns)
{
    struct abroad a = {.open = 0};
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, abroad_thread, &a), 0);
    ck_assert_int_eq(belay_run_with((.workers = 1), opens_channel, &a), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(a.err, 0);
    ck_assert_int_eq(a.sum, (long)ABROAD * (ABROAD + 1) / 2);
    belay_chan_free(&a.ch);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("select");
    TCase *t = tcase_create("select");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(t, ready_cases_share_evenly);
    tcase_add_loop_test(t, selects_lose_nothing, 0, 3);
    tcase_add_loop_test(t, a_send_in_time_arrives, 0, 3);
    tcase_add_test(t, a_select_of_another_runtime_takes_turns);
    tcase_set_timeout(t, 50);
    suite_add_tcase(s, t);
    srunner_set_tap(r, "-");
    srunner_run_all(r, CK_SILENT);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
