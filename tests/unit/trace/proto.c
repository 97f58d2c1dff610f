/* SPDX-License-Identifier: MIT */
/* trace/proto.h: bytes as the encoding of protocol buffers defines them. */
#include "trace/proto.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct bly_bytes out;

/* Compares and empties. */
static void
is(const char *want, size_t n)
{
    ck_assert(!out.failed);
    ck_assert_uint_eq(out.used, n);
    ck_assert_mem_eq(out.at, want, n);
    out.used = 0;
}
#define IS(bytes) is(bytes, sizeof(bytes) - 1)

START_TEST(varints)
{
    bly_proto_uint(&out, 1, 0);
    IS("\x08\x00");
    bly_proto_uint(&out, 1, 127);
    IS("\x08\x7f");
    bly_proto_uint(&out, 1, 128);
    IS("\x08\x80\x01");
    bly_proto_uint(&out, 1, 150); /* the example of its documentation */
    IS("\x08\x96\x01");
    bly_proto_uint(&out, 1, UINT64_MAX);
    IS("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
}
END_TEST

START_TEST(fields_of_two_bytes)
{
    bly_proto_uint(&out, 15, 1);
    IS("\x78\x01");
    bly_proto_uint(&out, 16, 1);
    IS("\x80\x01\x01");
    bly_proto_text(&out, 60, "");
    IS("\xe2\x03\x00");
}
END_TEST

START_TEST(negative_numbers)
{
    bly_proto_int(&out, 2, 1);
    IS("\x10\x01");
    bly_proto_int(&out, 2, -1);
    IS("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    bly_proto_int(&out, 2, -2);
    IS("\x10\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01");
}
END_TEST

START_TEST(fixed_numbers)
{
    bly_proto_fixed64(&out, 3, UINT64_C(0x0102030405060708));
    IS("\x19\x08\x07\x06\x05\x04\x03\x02\x01");
}
END_TEST

START_TEST(texts)
{
    bly_proto_text(&out, 2, "testing");
    IS("\x12\x07testing");
}
END_TEST

START_TEST(messages_in_messages)
{
    size_t outer = bly_proto_open(&out, 1), inner;

    inner = bly_proto_open(&out, 3);
    bly_proto_uint(&out, 1, 150);
    bly_proto_close(&out, inner);
    bly_proto_close(&out, outer);
    /* Lengths are varints of four bytes: 8, then 3. */
    IS("\x0a\x88\x80\x80\x00\x1a\x83\x80\x80\x00\x08\x96\x01");
}
END_TEST

START_TEST(long_messages)
{
    size_t opened = bly_proto_open(&out, 1), i;

    for (i = 0; i < 1000; i++)
        bly_proto_fixed64(&out, 1, i);
    bly_proto_close(&out, opened);
    ck_assert_uint_eq(out.used, 5 + 9000); /* 9000 = 70 * 128 + 40 */
    ck_assert_mem_eq(out.at, "\x0a\xa8\xc6\x80\x00", 5);
    out.used = 0;
}
END_TEST

START_TEST(printed_bytes)
{
    size_t i;

    for (i = 0; i < 5000; i++)
        bly_bytes_print(&out, "%zu,", i % 10);
    bly_bytes_print(&out, "%s", "");
    ck_assert_uint_eq(out.used, 10000);
    ck_assert_mem_eq(out.at + 9980, "0,1,2,3,4,5,6,7,8,9,", 20);
    out.used = 0;
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("proto");
    TCase *t = tcase_create("proto");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(t, varints);
    tcase_add_test(t, fields_of_two_bytes);
    tcase_add_test(t, negative_numbers);
    tcase_add_test(t, fixed_numbers);
    tcase_add_test(t, texts);
    tcase_add_test(t, messages_in_messages);
    tcase_add_test(t, long_messages);
    tcase_add_test(t, printed_bytes);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    bly_bytes_free(&out);
    return failed != 0;
}
