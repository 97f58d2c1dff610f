/* SPDX-License-Identifier: MIT */
/* cli/pulse.h: rates are of late, and what nobody knows is not guessed. */
#include "cli/pulse.h"
#include "suite.h"

START_TEST(nothing_is_known_at_first)
{
    struct pulse p = {.looks = 0};

    ck_assert(!(pulse_rate(&p) > 0));
    ck_assert_int_eq(pulse_eta(&p, 10), -1);
    pulse_look(&p, BELAY_S(1), 0);
    ck_assert(!(pulse_rate(&p) > 0));
    ck_assert_int_eq(pulse_eta(&p, 10), -1);
}
END_TEST

START_TEST(the_rate_is_of_late)
{
    struct pulse p = {.looks = 0};
    uint64_t last = 20000 + (PULSE_LOOKS - 1) * 2;

    for (int i = 0; i < 100; i++) /* fast at first: 100 a second */
        pulse_look(&p, BELAY_S(i), (uint64_t)i * 100);
    ck_assert_double_eq(pulse_rate(&p), 100);
    for (int i = 0; i < PULSE_LOOKS; i++) /* then 2 a second */
        pulse_look(&p, BELAY_S(200 + i), 20000 + (uint64_t)i * 2);
    ck_assert_double_eq(pulse_rate(&p), 2);
    ck_assert_int_eq(pulse_eta(&p, (double)last + 30), BELAY_S(15));
    ck_assert_int_eq(pulse_eta(&p, (double)last), 0);
    ck_assert_int_eq(pulse_eta(&p, -1), -1);
    ck_assert_int_eq(pulse_eta(&p, 1e12), -1);
}
END_TEST

START_TEST(all_from_a_part)
{
    ck_assert_double_eq(pulse_all(10, 100, 1000), 100);
    ck_assert_double_lt(pulse_all(10, 100, 0), 0);
    ck_assert_double_lt(pulse_all(0, 0, 1000), 0);
}
END_TEST

SUITE("pulse", nothing_is_known_at_first, the_rate_is_of_late, all_from_a_part)
