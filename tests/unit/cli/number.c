/* SPDX-License-Identifier: MIT */
/* cli/number.h: what people write is read whole or refused. */
#include "cli/number.h"
#include "suite.h"

#include <errno.h>

START_TEST(counts)
{
    uint64_t n = 7;

    ck_assert_int_eq(number_count("0", &n), 0);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(number_count("18446744073709551615", &n), 0);
    ck_assert_uint_eq(n, UINT64_MAX);
    n = 7;
    ck_assert_int_eq(number_count("18446744073709551616", &n), -ERANGE);
    ck_assert_int_eq(number_count("", &n), -EINVAL);
    ck_assert_int_eq(number_count("-1", &n), -EINVAL);
    ck_assert_int_eq(number_count("1 ", &n), -EINVAL);
    ck_assert_int_eq(number_count("0x10", &n), -EINVAL);
    ck_assert_uint_eq(n, 7); /* untouched by failures */
}
END_TEST

START_TEST(sizes)
{
    uint64_t n = 7;

    ck_assert_int_eq(number_size("100", &n), 0);
    ck_assert_uint_eq(n, 100);
    ck_assert_int_eq(number_size("1.5k", &n), 0);
    ck_assert_uint_eq(n, 1536);
    ck_assert_int_eq(number_size("2MiB", &n), 0);
    ck_assert_uint_eq(n, 2097152);
    ck_assert_int_eq(number_size("3G", &n), 0);
    ck_assert_uint_eq(n, UINT64_C(3221225472));
    n = 7;
    ck_assert_int_eq(number_size("1e3", &n), -EINVAL);
    ck_assert_int_eq(number_size("k", &n), -EINVAL);
    ck_assert_int_eq(number_size(".", &n), -EINVAL);
    ck_assert_int_eq(number_size("5 M", &n), -EINVAL);
    ck_assert_int_eq(number_size("99999999999G", &n), -ERANGE);
    ck_assert_uint_eq(n, 7);
}
END_TEST

START_TEST(durations)
{
    belay_dur d = 7;

    ck_assert_int_eq(number_duration("20", &d), 0);
    ck_assert_int_eq(d, INT64_C(20000000000));
    ck_assert_int_eq(number_duration("1.5s", &d), 0);
    ck_assert_int_eq(d, 1500000000);
    ck_assert_int_eq(number_duration("250ms", &d), 0);
    ck_assert_int_eq(d, 250000000);
    ck_assert_int_eq(number_duration("2m", &d), 0);
    ck_assert_int_eq(d, INT64_C(120000000000));
    d = 7;
    ck_assert_int_eq(number_duration("soon", &d), -EINVAL);
    ck_assert_int_eq(number_duration("-1s", &d), -EINVAL);
    ck_assert_int_eq(number_duration("1000000d", &d), -ERANGE);
    ck_assert_int_eq(d, 7);
}
END_TEST

START_TEST(rates)
{
    struct rate r;

    ck_assert_int_eq(number_rate("10/s", &r), 0);
    ck_assert(r.n == 10 && r.per == 1000000000 && !r.host);
    ck_assert_int_eq(number_rate("0.5/m/host", &r), 0);
    ck_assert(r.n == 0.5 && r.per == INT64_C(60000000000) && r.host);
    ck_assert_int_eq(number_rate("10", &r), -EINVAL);
    ck_assert_int_eq(number_rate("0/s", &r), -EINVAL);
    ck_assert_int_eq(number_rate("10/s/hosts", &r), -EINVAL);
    ck_assert_int_eq(number_rate("/s", &r), -EINVAL);
}
END_TEST

START_TEST(shows)
{
    char buf[NUMBER_ROOM];

    ck_assert_str_eq(number_show_size(buf, 0), "0 B");
    ck_assert_str_eq(number_show_size(buf, 1023), "1023 B");
    ck_assert_str_eq(number_show_size(buf, 1024), "1.0 KiB");
    ck_assert_str_eq(number_show_size(buf, 1048575), "1.0 MiB");
    ck_assert_str_eq(number_show_size(buf, 1288490189), "1.2 GiB");
    ck_assert_str_eq(number_show_duration(buf, 1250000), "1.25 ms");
    ck_assert_str_eq(number_show_duration(buf, 999600000), "1.00 s");
    ck_assert_str_eq(number_show_duration(buf, -5), "0.00 ms");
    ck_assert_str_eq(number_show_duration(buf, BELAY_S(61)), "1:01");
    ck_assert_str_eq(number_show_clock(buf, BELAY_S(3909)), "1:05:09");
    number_show_size(buf, UINT64_MAX); /* fits */
    number_show_clock(buf, INT64_MAX - BELAY_S(1));
}
END_TEST

SUITE("number", counts, sizes, durations, rates, shows)
