/* SPDX-License-Identifier: MIT */
/* trace/ring.h: wrapping, what is lost, and reading beside a writer. */
#include "trace/ring.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

/* Every word of event n is derived from n, so that a mix of two shows. */
static struct bly_trace_event
event(uint64_t n)
{
    struct bly_trace_event e = {.when = (int64_t)n,
        .order = n + 1,
        .task = n + 2,
        .other = n + 3,
        .node = n + 4,
        .code = (int32_t)n};
    int i;

    for (i = 0; i < BLY_EVENT_TEXT - 1; i++)
        e.text[i] = (char)('a' + n % 26);
    return e;
}

static bool
is_event(const struct bly_trace_event *e, uint64_t n)
{
    struct bly_trace_event want = event(n);

    return memcmp(e, &want, sizeof(want)) == 0;
}

static void
put(struct bly_ring *r, uint64_t from, uint64_t to)
{
    for (; from < to; from++) {
        struct bly_trace_event e = event(from);

        bly_ring_put(r, &e);
    }
}

/* The ring has exactly the events from..to of those from `first' on. */
static void
has(struct bly_ring *r, uint64_t first, uint64_t from, uint64_t to)
{
    struct bly_trace_event *out = calloc(r->size, sizeof(*out));
    uint64_t lost = 100;
    size_t n = bly_ring_read(r, first, out, &lost), i;

    ck_assert_uint_eq(n, to - from);
    for (i = 0; i < n; i++)
        ck_assert(is_event(&out[i], from + i));
    ck_assert_uint_eq(lost - 100, from - first);
    free(out);
}

static struct bly_ring *
ring(size_t events, uint32_t size)
{
    struct bly_ring *r = bly_ring_new(events);

    ck_assert_ptr_nonnull(r);
    ck_assert_uint_eq(r->size, size);
    return r;
}

START_TEST(sizes_are_rounded_up)
{
    bly_ring_free(ring(0, 16));
    bly_ring_free(ring(16, 16));
    bly_ring_free(ring(17, 32));
    bly_ring_free(ring(1000, 1024));
    bly_ring_free(NULL);
}
END_TEST

START_TEST(a_new_one_is_empty)
{
    struct bly_ring *r = ring(16, 16);

    ck_assert_uint_eq(bly_ring_count(r), 0);
    has(r, 0, 0, 0);
    bly_ring_free(r);
}
END_TEST

START_TEST(nothing_is_lost_until_it_is_full)
{
    struct bly_ring *r = ring(16, 16);

    put(r, 0, 3);
    has(r, 0, 0, 3);
    put(r, 3, 16);
    has(r, 0, 0, 16);
    ck_assert_uint_eq(bly_ring_count(r), 16);
    bly_ring_free(r);
}
END_TEST

START_TEST(the_oldest_are_lost_and_counted)
{
    struct bly_ring *r = ring(16, 16);

    put(r, 0, 17);
    has(r, 0, 1, 17);
    put(r, 17, 100);
    has(r, 0, 84, 100);
    bly_ring_free(r);
}
END_TEST

START_TEST(what_came_before_is_not_lost)
{
    struct bly_ring *r = ring(16, 16);

    put(r, 0, 100);
    has(r, 100, 100, 100);
    has(r, 95, 95, 100);
    put(r, 100, 110);
    has(r, 100, 100, 110);
    put(r, 110, 120);
    has(r, 100, 104, 120);
    bly_ring_free(r);
}
END_TEST

enum { MANY = 200000 };

static void *
writer(void *arg)
{
    put(arg, 0, MANY);
    return NULL;
}

/* What is read is whole, in order, and with the lost ones all there was. */
START_TEST(reading_beside_the_writer)
{
    struct bly_ring *r = ring(64, 64);
    struct bly_trace_event out[64];
    uint64_t lost, seen = 0;
    pthread_t thread;
    size_t n, i;

    ck_assert_int_eq(pthread_create(&thread, NULL, writer, r), 0);
    while (bly_ring_count(r) < MANY) {
        lost = 0;
        n = bly_ring_read(r, 0, out, &lost);
        for (i = 0; i < n; i++) {
            ck_assert(is_event(&out[i], (uint64_t)out[i].when));
            ck_assert(i == 0 || out[i].when > out[i - 1].when);
        }
        ck_assert_uint_ge(lost + n, seen);
        seen = lost + n;
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    has(r, 0, MANY - 64, MANY);
    bly_ring_free(r);
}
END_TEST

/* ---- texts -------------------------------------------------------------- */

static void
text(const char *in, size_t size, const char *want)
{
    char out[32] = "untouched";

    bly_event_text(out, size, in);
    ck_assert_str_eq(out, want);
}

START_TEST(texts_are_copied)
{
    text("", 8, "");
    text("fetch", 8, "fetch");
    text("seventh", 8, "seventh");
    text("seventh.", 8, "seventh");
}
END_TEST

START_TEST(no_character_is_torn)
{
    text("m\xc3\xa4h", 8, "m\xc3\xa4h");
    text("m\xc3\xa4h", 3, "m"); /* no room for both bytes */
    text("\xe2\x82\xac\xf0\x9f\x8c\xb3", 8, "\xe2\x82\xac\xf0\x9f\x8c\xb3");
    text("\xe2\x82\xac\xf0\x9f\x8c\xb3", 7, "\xe2\x82\xac");
}
END_TEST

START_TEST(what_is_no_text_is_replaced)
{
    text("a\tb\x7f", 8, "a?b?");
    text("\xff\xc3(", 8, "?" "?(");      /* no first byte; no second one */
    text("\xc0\xaf", 8, "??");         /* '/' in two bytes */
    text("\xed\xa0\x80", 8, "???");    /* half of a pair */
    text("\xef\xbf\xbf", 8, "???");    /* no character of XML */
    text("\xf5\x80\x80\x80", 8, "????");
    text("ends\xe2\x82", 8, "ends??");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("ring");
    TCase *t = tcase_create("ring");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(t, sizes_are_rounded_up);
    tcase_add_test(t, a_new_one_is_empty);
    tcase_add_test(t, nothing_is_lost_until_it_is_full);
    tcase_add_test(t, the_oldest_are_lost_and_counted);
    tcase_add_test(t, what_came_before_is_not_lost);
    tcase_add_test(t, reading_beside_the_writer);
    tcase_add_test(t, texts_are_copied);
    tcase_add_test(t, no_character_is_torn);
    tcase_add_test(t, what_is_no_text_is_replaced);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
