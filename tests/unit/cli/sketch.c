/* SPDX-License-Identifier: MIT */
/* cli/sketch.h against sorted values. */
#include "cli/sketch.h"
#include "suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 20000 };

static struct sketch s;
static belay_dur values[MANY];

static int
compare(const void *a, const void *b)
{
    belay_dur x = *(const belay_dur *)a, y = *(const belay_dur *)b;

    return (x > y) - (x < y);
}

static void
within_one_percent(double q)
{
    size_t at = (size_t)ceil(q * MANY);
    belay_dur want = values[at > 0 ? at - 1 : 0], have = sketch_at(&s, q);

    ck_assert_msg(fabs((double)(have - want)) <= 0.01 * (double)want,
        "q %g: %lld, not %lld", q, (long long)have, (long long)want);
}

START_TEST(like_sorting)
{
    uint64_t x = 88172645463325252u;

    for (int i = 0; i < MANY; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        /* all magnitudes up to some hours */
        values[i] = (belay_dur)(x >> 20) >> (x % 43);
        sketch_add(&s, values[i]);
    }
    qsort(values, MANY, sizeof *values, compare);
    for (int i = 0; i <= 100; i++)
        within_one_percent(i / 100.0);
    within_one_percent(0.999);
}
END_TEST

START_TEST(ends)
{
    static struct sketch e;

    ck_assert_int_eq(sketch_at(&e, 0.5), -1);
    sketch_add(&e, -7);
    ck_assert_int_eq(sketch_at(&e, 0), 0);
    ck_assert_int_eq(sketch_at(&e, 1), 0);
    sketch_add(&e, INT64_MAX);
    ck_assert_int_gt(sketch_at(&e, 1), INT64_MAX / 100 * 99);
    ck_assert_int_eq(sketch_at(&e, 0.5), 0);
}
END_TEST

START_TEST(small_ones_are_exact)
{
    static struct sketch e;

    for (int i = 0; i < 128; i++) {
        memset(&e, 0, sizeof e);
        sketch_add(&e, i);
        ck_assert_int_eq(sketch_at(&e, 0.5), i);
    }
}
END_TEST

SUITE("sketch", like_sorting, ends, small_ones_are_exact)
