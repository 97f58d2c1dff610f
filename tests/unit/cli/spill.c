/* SPDX-License-Identifier: MIT */
/* cli/spill.h: what goes in comes out, and the file does not grow for ever. */
#include "cli/spill.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char buf[SPILL_SLOT];

/* A byte that depends on the output and the place. */
static char
byte_at(unsigned seed, uint64_t place)
{
    return (char)(seed * 131 + place * 7 + place / 4099);
}

static void
add(struct sink *k, struct spill *sp, unsigned seed, size_t n, uint64_t max)
{
    while (n > 0) {
        size_t room, some;
        char *p = sink_room(k, &room);

        if (room == 0)
            ck_abort_msg("no room");
        some = room < n ? room : n;
        if (some > 1000)
            some = 1000; /* in pieces that do not fit slots */
        for (size_t i = 0; i < some; i++)
            p[i] = byte_at(seed, k->bytes + i);
        if (sink_took(k, sp, some, max) < 0)
            ck_abort_msg("not taken");
        n -= some;
    }
}

static void
check(const struct sink *k, struct spill *sp, unsigned seed, uint64_t all)
{
    uint64_t at = 0, wrong = 0;
    const char *p;
    size_t n;

    for (size_t i = 0;; i++) {
        int r = sink_piece(k, sp, i, buf, &p, &n);

        ck_assert_int_ge(r, 0);
        if (r == 0)
            break;
        for (size_t m = 0; m < n; m++)
            wrong += p[m] != byte_at(seed, at + m);
        at += n;
    }
    ck_assert_uint_eq(at, all);
    ck_assert_uint_eq(wrong, 0);
}

START_TEST(small_ones_stay_in_memory)
{
    struct spill *sp = spill_new("/nowhere");
    struct sink k = {0};

    check(&k, sp, 1, 0);
    add(&k, sp, 1, SPILL_SLOT - 1, UINT64_MAX);
    check(&k, sp, 1, SPILL_SLOT - 1);
    sink_clear(&k, sp);
    spill_free(sp);
}
END_TEST

START_TEST(a_settled_one_may_grow)
{
    struct spill *sp = spill_new("/tmp");
    struct sink k = {0};

    add(&k, sp, 1, 101, UINT64_MAX);
    ck_assert_int_eq(sink_settle(&k, sp), 0);
    ck_assert_uint_eq(spill_most(sp), 0);
    add(&k, sp, 1, 70000, UINT64_MAX);
    ck_assert_int_eq(sink_settle(&k, sp), 0);
    add(&k, sp, 1, 100000, UINT64_MAX);
    check(&k, sp, 1, 170101);
    sink_clear(&k, sp);
    spill_free(sp);
}
END_TEST

START_TEST(large_ones_come_back)
{
    struct spill *sp = spill_new("/tmp");
    struct sink a = {0}, b = {0};

    for (int i = 0; i < 100; i++) {
        add(&a, sp, 1, 10001, UINT64_MAX);
        add(&b, sp, 2, 3333, UINT64_MAX);
    }
    check(&a, sp, 1, 1000100);
    check(&b, sp, 2, 333300);
    ck_assert_int_eq(sink_settle(&a, sp), 0);
    check(&a, sp, 1, 1000100);
    sink_clear(&a, sp);
    check(&b, sp, 2, 333300);
    sink_clear(&b, sp);
    spill_free(sp);
}
END_TEST

START_TEST(slots_are_used_again)
{
    struct spill *sp = spill_new("/tmp");
    struct sink k = {0};

    for (int i = 0; i < 50; i++) {
        add(&k, sp, 3, 3 * SPILL_SLOT, UINT64_MAX);
        check(&k, sp, 3, 3 * SPILL_SLOT);
        sink_clear(&k, sp);
    }
    ck_assert_uint_eq(spill_most(sp), 3);
    spill_free(sp);
}
END_TEST

START_TEST(no_more_than_max_is_kept)
{
    struct spill *sp = spill_new("/tmp");
    struct sink k = {0};
    uint64_t max = 2 * SPILL_SLOT + 77;

    add(&k, sp, 4, 5 * SPILL_SLOT, max);
    ck_assert_uint_eq(k.bytes, 5 * SPILL_SLOT);
    ck_assert_uint_eq(k.kept, max);
    check(&k, sp, 4, max);
    ck_assert_uint_eq(spill_most(sp), 2);
    sink_clear(&k, sp);
    spill_free(sp);
}
END_TEST

START_TEST(a_file_that_cannot_be_made)
{
    struct spill *sp = spill_new("/nowhere");
    struct sink k = {0};
    size_t room, n = 0;
    int r;

    do {
        char *p = sink_room(&k, &room);

        memset(p, 'x', room);
        n += room;
        r = sink_took(&k, sp, room, UINT64_MAX);
    } while (r == 0 && n < 2 * SPILL_SLOT);
    ck_assert_int_eq(r, -ENOENT);
    sink_clear(&k, sp);
    spill_free(sp);
}
END_TEST

SUITE("spill", small_ones_stay_in_memory, a_settled_one_may_grow,
    large_ones_come_back, slots_are_used_again, no_more_than_max_is_kept,
    a_file_that_cannot_be_made)
