/* SPDX-License-Identifier: MIT */
/* cli/fetch_tally.h: what a run comes to, in numbers and in words. */
#include "cli/fetch_tally.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

static struct fetch_tally tally;
static struct text text;

static void
add(enum fetch_end end, const char *kind, belay_dur total, uint64_t bytes)
{
    struct fetch_result r = {.end = end, .kind = kind, .total = total,
        .bytes = bytes};

    tally_add(&tally, &r);
}

static const char *
summary(belay_dur took)
{
    text_clear(&text);
    tally_summary(&tally, took, &text);
    return text.p;
}

static void
empty(void)
{
    memset(&tally, 0, sizeof tally);
    text_free(&text);
}

START_TEST(each_end_is_counted)
{
    empty();
    add(FETCH_OK, NULL, BELAY_MS(10), 100);
    add(FETCH_FAILED, "timeout", BELAY_S(1), 0);
    add(FETCH_CUT, "cancelled", BELAY_S(1), 7);
    add(FETCH_SKIPPED, "duplicate", 0, 0);
    ck_assert_uint_eq(tally.ok, 1);
    ck_assert_uint_eq(tally.failed, 1);
    ck_assert_uint_eq(tally.cut, 1);
    ck_assert_uint_eq(tally.skipped, 1);
    ck_assert_uint_eq(tally.bytes, 107);
    ck_assert_uint_eq(tally_done(&tally), 3); /* a duplicate is no job */
    empty();
}
END_TEST

START_TEST(only_good_ones_have_times)
{
    empty();
    add(FETCH_OK, NULL, 50, 0);
    add(FETCH_FAILED, "timeout", BELAY_S(9), 0);
    ck_assert_int_eq(sketch_at(&tally.times, 1), 50);
    empty();
}
END_TEST

START_TEST(kinds_are_told_apart_by_their_words)
{
    char other[] = "reset"; /* another address, the same word */

    empty();
    add(FETCH_FAILED, "reset", 0, 0);
    add(FETCH_FAILED, "status", 0, 0);
    add(FETCH_FAILED, other, 0, 0);
    ck_assert_ptr_nonnull(strstr(summary(BELAY_S(1)),
        "0 ok, 3 failed (reset 2, status 1)"));
    empty();
}
END_TEST

START_TEST(more_kinds_than_there_is_room_for)
{
    char kinds[TALLY_KINDS + 4][4];

    empty();
    for (unsigned i = 0; i < TALLY_KINDS + 4; i++) {
        snprintf(kinds[i], sizeof kinds[i], "k%u", i);
        add(FETCH_FAILED, kinds[i], 0, 0);
    }
    ck_assert_uint_eq(tally.failed, TALLY_KINDS + 4);
    ck_assert_ptr_nonnull(strstr(summary(1), "28 failed (k0 1, k1 1"));
    empty();
}
END_TEST

START_TEST(a_summary_has_what_there_was)
{
    empty();
    ck_assert_str_eq(summary(BELAY_S(2)), "0 URLs in 2.00 s: 0 ok; 0 B\n");
    add(FETCH_OK, NULL, BELAY_MS(500), 2048);
    ck_assert_str_eq(summary(BELAY_S(2)), "1 URL in 2.00 s: 1 ok; 2.0 KiB\n");
    add(FETCH_OK, NULL, BELAY_MS(500), 0);
    add(FETCH_CUT, "deadline", 0, 0);
    add(FETCH_SKIPPED, "duplicate", 0, 0);
    tally.before = 5;
    ck_assert_ptr_nonnull(strstr(summary(BELAY_S(2)),
        "4 URLs in 2.00 s: 2 ok, 1 cut short, 1 duplicate, 5 done before; "
        "2.0 KiB; p50 5"));
    ck_assert_ptr_nonnull(strstr(text.p, "; 2/s\n")); /* 1.5, rounded */
    empty();
}
END_TEST

SUITE("tally", each_end_is_counted, only_good_ones_have_times,
    kinds_are_told_apart_by_their_words, more_kinds_than_there_is_room_for,
    a_summary_has_what_there_was)
