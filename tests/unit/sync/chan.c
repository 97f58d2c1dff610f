/* SPDX-License-Identifier: MIT */
/* A channel where nobody has to wait: sizes, order, numbers, misuse. */
#include "sync/chan.h"

#include <check.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Each value of elem bytes is filled with one letter. */
static void
letters(size_t elem, size_t cap)
{
    unsigned char value[64], got[64];
    unsigned next = 1, oldest = 1, inside = 0;
    belay_chan_info info;
    belay_chan *ch;
    int round;

    ck_assert_int_eq(belay_chan_open_at(&ch, elem, cap, NULL, NULL), 0);
    for (round = 0; round < 500; round++) {
        bool in = (round * 7 + round / 5) % 3 != 0;
        int r;

        memset(value, (int)(next % 251), sizeof value);
        memset(got, 255, sizeof got);
        if (in) {
            r = belay_try_send_at(ch, value, NULL);
            ck_assert_int_eq(r, inside < cap ? 0 : -EAGAIN);
            next += r == 0;
            inside += r == 0;
            continue;
        }
        r = belay_try_recv_at(ch, got, NULL);
        ck_assert_int_eq(r, inside > 0 ? 1 : -EAGAIN);
        if (r == 1) {
            memset(value, (int)(oldest++ % 251), sizeof value);
            ck_assert_mem_eq(got, value, elem);
            inside--;
        }
        ck_assert_uint_eq(got[r == 1 ? elem : 0], 255);
    }
    belay_chan_stats_at(ch, &info, NULL);
    ck_assert_uint_eq(info.depth, inside);
    ck_assert_uint_eq(info.sent, next - 1);
    ck_assert_uint_eq(info.high, cap);
    ck_assert_uint_eq(info.capacity, cap);
    belay_chan_free_at(&ch, NULL);
    ck_assert_ptr_null(ch);
}

START_TEST(every_size_of_value_and_ring)
{
    static const size_t elems[] = {1, 2, 3, 4, 7, 8, 12, 16, 24, 63};
    size_t i, cap;

    for (i = 0; i < sizeof elems / sizeof *elems; i++)
        for (cap = 1; cap <= 5; cap++)
            letters(elems[i], cap);
}
END_TEST

START_TEST(nobody_is_there_for_a_rendezvous)
{
    belay_chan *ch;
    int v = 1;

    ck_assert_int_eq(belay_chan_open_at(&ch, sizeof v, 0, NULL, NULL), 0);
    ck_assert_int_eq(belay_try_send_at(ch, &v, NULL), -EAGAIN);
    ck_assert_int_eq(belay_try_recv_at(ch, &v, NULL), -EAGAIN);
    belay_close_at(ch, -EIO, NULL);
    ck_assert_int_eq(belay_try_send_at(ch, &v, NULL), BELAY_ECLOSED);
    ck_assert_int_eq(belay_try_recv_at(ch, &v, NULL), -EIO);
    belay_chan_free_at(&ch, NULL);
}
END_TEST

START_TEST(sizes_that_cannot_be)
{
    belay_chan *ch = (belay_chan *)-1;

    ck_assert_int_eq(belay_chan_open_at(&ch, 0, 1, NULL, NULL), -EINVAL);
    ck_assert_ptr_null(ch);
    ck_assert_int_eq(
        belay_chan_open_at(&ch, 8, (size_t)INT_MAX + 1, NULL, NULL), -EINVAL);
    ck_assert_int_eq(
        belay_chan_open_at(&ch, SIZE_MAX / 2, 4, NULL, NULL), -EINVAL);
    ck_assert_ptr_null(ch);
}
END_TEST

static int undelivered[8];
static int undelivered_count;

static void
note_undelivered(void *elem)
{
    undelivered[undelivered_count++] = *(int *)elem;
}

START_TEST(what_is_inside_is_undelivered_in_order)
{
    belay_chan_opts opts = {
        .size = sizeof opts, .undelivered = note_undelivered, .external = 2};
    belay_chan *ch;
    int v;

    ck_assert_int_eq(belay_chan_open_at(&ch, sizeof v, 3, &opts, NULL), 0);
    for (v = 1; v <= 3; v++)
        ck_assert_int_eq(belay_try_send_at(ch, &v, NULL), 0);
    ck_assert_int_eq(belay_try_recv_at(ch, &v, NULL), 1);
    v = 4;
    ck_assert_int_eq(belay_try_send_at(ch, &v, NULL), 0);
    v = 5;
    ck_assert_int_eq(belay_try_send_external_at(ch, &v, NULL), 0);
    belay_chan_free_at(&ch, NULL);
    ck_assert_int_eq(undelivered_count, 4);
    for (v = 0; v < 4; v++)
        ck_assert_int_eq(undelivered[v], v + 2);
}
END_TEST

START_TEST(external_slots_fill_and_empty)
{
    belay_chan_opts opts = {.size = sizeof opts, .external = 4};
    int in = 0, out = 0, round, v;
    belay_chan *ch;

    ck_assert_int_eq(belay_chan_open_at(&ch, sizeof v, 1, &opts, NULL), 0);
    for (round = 0; round < 100; round++) {
        while (in - out < 4)
            ck_assert_int_eq(
                (v = in++, belay_try_send_external_at(ch, &v, NULL)), 0);
        ck_assert_int_eq(
            (v = -1, belay_try_send_external_at(ch, &v, NULL)), -EAGAIN);
        while (in - out > round % 4) {
            ck_assert_int_eq(belay_try_recv_at(ch, &v, NULL), 1);
            ck_assert_int_eq(v, out++);
        }
    }
    belay_close_at(ch, 0, NULL);
    ck_assert_int_eq(belay_try_send_external_at(ch, &v, NULL), BELAY_ECLOSED);
    while (out < in) {
        ck_assert_int_eq(belay_try_recv_at(ch, &v, NULL), 1);
        ck_assert_int_eq(v, out++);
    }
    ck_assert_int_eq(belay_try_recv_at(ch, &v, NULL), 0);
    belay_chan_free_at(&ch, NULL);
}
END_TEST

/* Neither kind of value starves the other. */
START_TEST(external_and_sent_values_take_turns)
{
    belay_chan_opts opts = {.size = sizeof opts, .external = 8};
    int v, i, external = 0;
    belay_chan *ch;

    ck_assert_int_eq(belay_chan_open_at(&ch, sizeof v, 8, &opts, NULL), 0);
    for (i = 0; i < 8; i++) {
        v = 0;
        ck_assert_int_eq(belay_try_send_at(ch, &v, NULL), 0);
        v = 1;
        ck_assert_int_eq(belay_try_send_external_at(ch, &v, NULL), 0);
    }
    for (i = 0; i < 8; i++) {
        ck_assert_int_eq(belay_try_recv_at(ch, &v, NULL), 1);
        external += v;
    }
    ck_assert_int_eq(external, 4);
    belay_chan_free_at(&ch, NULL);
}
END_TEST

START_TEST(freeing_nothing)
{
    belay_chan *ch = NULL;

    belay_chan_free_at(&ch, NULL);
    belay_chan_freep(&ch);
    ck_assert_ptr_null(ch);
}
END_TEST

START_TEST(no_channel)
{
    int v = 0;

    belay_ignore(belay_try_send_at(NULL, &v, NULL), "dies");
}
END_TEST

START_TEST(a_positive_error)
{
    belay_chan *ch;

    if (belay_chan_open_at(&ch, 1, 1, NULL, NULL) == 0)
        belay_close_at(ch, EIO, NULL);
}
END_TEST

START_TEST(a_free_with_a_producer)
{
    belay_chan *ch;

    if (belay_chan_open_at(&ch, 1, 1, NULL, NULL) != 0)
        return;
    belay_chan_hold_at(ch, NULL);
    belay_chan_free_at(&ch, NULL);
}
END_TEST

START_TEST(a_release_without_a_hold)
{
    belay_chan *ch;

    if (belay_chan_open_at(&ch, 1, 1, NULL, NULL) == 0)
        belay_chan_release_at(ch, 0, NULL);
}
END_TEST

START_TEST(external_without_slots)
{
    belay_chan *ch;

    if (belay_chan_open_at(&ch, 1, 1, NULL, NULL) == 0)
        belay_ignore(belay_try_send_external_at(ch, "", NULL), "dies");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("chan");
    TCase *t = tcase_create("chan");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(t, every_size_of_value_and_ring);
    tcase_add_test(t, nobody_is_there_for_a_rendezvous);
    tcase_add_test(t, sizes_that_cannot_be);
    tcase_add_test(t, what_is_inside_is_undelivered_in_order);
    tcase_add_test(t, external_slots_fill_and_empty);
    tcase_add_test(t, external_and_sent_values_take_turns);
    tcase_add_test(t, freeing_nothing);
    tcase_add_test_raise_signal(t, no_channel, SIGABRT);
    tcase_add_test_raise_signal(t, a_positive_error, SIGABRT);
    tcase_add_test_raise_signal(t, a_free_with_a_producer, SIGABRT);
    tcase_add_test_raise_signal(t, a_release_without_a_hold, SIGABRT);
    tcase_add_test_raise_signal(t, external_without_slots, SIGABRT);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
