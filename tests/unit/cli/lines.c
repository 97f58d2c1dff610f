/* SPDX-License-Identifier: MIT */
/* cli/lines.h: the same items however the bytes are cut into pieces. */
#include "cli/lines.h"
#include "suite.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST = 8192 };

static struct lines l;
static char buf[LONGEST + 1];

/* Joins the items of data, read in pieces of `step', with | between them. */
static const char *
cut(const char *data, size_t n, enum lines_kind kind, size_t step)
{
    static char out[1000];

    out[0] = '\0';
    lines_init(&l, kind, buf, LONGEST);
    for (size_t i = 0; i < n; i += step) {
        const char *p = data + i;
        size_t left = n - i < step ? n - i : step;

        while (lines_next(&l, &p, &left)) {
            ck_assert_uint_eq(strlen(l.item), l.len);
            strncat(strncat(out, l.item, l.len), "|", 2);
        }
        ck_assert_uint_eq(left, 0);
    }
    if (lines_last(&l))
        strncat(strncat(out, l.item, l.len), "$", 2);
    ck_assert(!lines_last(&l));
    return out;
}

START_TEST(every_cut)
{
    static const char data[] = "one\n  two \r\n\n\t\r\n#three\nfour";

    for (size_t step = 1; step <= sizeof data; step++)
        ck_assert_str_eq(cut(data, sizeof data - 1, LINES_TRIMMED, step),
            "one|two|#three|four$");
}
END_TEST

START_TEST(whole_lines)
{
    static const char data[] = "one\n  two \r\n\n\t\nthree";

    for (size_t step = 1; step <= sizeof data; step++)
        ck_assert_str_eq(cut(data, sizeof data - 1, LINES_WHOLE, step),
            "one|  two \r|\t|three$");
}
END_TEST

START_TEST(with_nul)
{
    static const char data[] = "one\0 two\n\0\0three\0";

    for (size_t step = 1; step <= sizeof data; step++)
        ck_assert_str_eq(cut(data, sizeof data - 1, LINES_NULL, step),
            "one| two\n|three|");
}
END_TEST

START_TEST(nothing)
{
    ck_assert_str_eq(cut("", 0, LINES_TRIMMED, 1), "");
    ck_assert_str_eq(cut("\n\n\n", 3, LINES_WHOLE, 2), "");
    ck_assert_uint_eq(l.number, 3);
}
END_TEST

START_TEST(numbers_and_nul_in_a_line)
{
    static const char data[] = "\na\0b\n\nc";
    const char *p = data;
    size_t n = sizeof data - 1;

    lines_init(&l, LINES_TRIMMED, buf, LONGEST);
    ck_assert(lines_next(&l, &p, &n));
    ck_assert_uint_eq(l.number, 2);
    ck_assert_uint_eq(l.len, 3);
    ck_assert_mem_eq(l.item, "a\0b", 4);
    ck_assert(!lines_next(&l, &p, &n));
    ck_assert(lines_last(&l));
    ck_assert_uint_eq(l.number, 4);
}
END_TEST

START_TEST(too_long)
{
    size_t n = LONGEST + 5;
    char *data = malloc(n);
    const char *p = data;

    ck_assert_ptr_nonnull(data);
    memset(data, 'x', n);
    data[n - 3] = '\n'; /* LONGEST + 2 bytes, then a short one */
    lines_init(&l, LINES_TRIMMED, buf, LONGEST);
    ck_assert(lines_next(&l, &p, &n));
    ck_assert(l.too_long);
    ck_assert_uint_eq(l.len, LONGEST);
    ck_assert(!lines_next(&l, &p, &n));
    ck_assert(lines_last(&l));
    ck_assert(!l.too_long);
    ck_assert_str_eq(l.item, "xx");

    data[LONGEST] = '\n'; /* just as long as may be */
    p = data;
    n = LONGEST + 1;
    lines_init(&l, LINES_TRIMMED, buf, LONGEST);
    ck_assert(lines_next(&l, &p, &n));
    ck_assert(!l.too_long);
    ck_assert_uint_eq(l.len, LONGEST);
    free(data);
}
END_TEST

SUITE("lines", every_cut, whole_lines, with_nul, nothing,
    numbers_and_nul_in_a_line, too_long)
