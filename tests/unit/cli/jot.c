/* SPDX-License-Identifier: MIT */
/* cli/jot.h against jansson, which refuses what is not JSON or not UTF-8. */
#include "cli/jot.h"
#include "suite.h"

#include <jansson.h>
#include <string.h>

static struct text out;

/* What jansson reads where we wrote n bytes of s. */
static const char *
back(const char *s, size_t n)
{
    static char copy[4096];
    struct jot j = {&out, false};
    json_error_t error;
    json_t *v;

    text_clear(&out);
    jot_bytes(&j, NULL, s, n);
    v = json_loadb(out.p, out.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    ck_assert_msg(v != NULL, "%s: %s", out.p, error.text);
    memset(copy, 0, sizeof copy);
    memcpy(copy, json_string_value(v), json_string_length(v));
    json_decref(v);
    return copy;
}

START_TEST(all_bytes_stay_valid)
{
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            char s[3] = {(char)a, (char)b, 'x'};

            back(s, 3);
            if (a > 0 && a < 128 && b > 0 && b < 128)
                ck_assert_mem_eq(back(s, 3), s, 3);
        }
}
END_TEST

#define R "\xef\xbf\xbd"

/* The examples of Unicode 15, tables 3-8 to 3-11. */
START_TEST(replaced_as_unicode_says)
{
    static const char *const rows[][2] = {
        {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", R R R R R R R R "A"},
        {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", R R R R R R R R "A"},
        {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", R R R R R "A" R R "B"},
        {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", R R R R "A"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
            "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xe2\x82", R},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *in = rows[i][0];

        ck_assert_str_eq(back(in, strlen(in)), rows[i][1]);
        ck_assert_int_eq(jot_utf8(in, strlen(in)),
            strcmp(in, rows[i][1]) == 0);
    }
}
END_TEST

START_TEST(object)
{
    static const char want[] = "{\"a\":\"x\\\"\\\\\\n\\u0001\",\"b\":null,"
                               "\"c\":{\"d\":[1,-2],\"e\":{}},\"f\":true,"
                               "\"g\":1.005,\"h\":null,\"i\":\"TQ==\","
                               "\"j\":\"TWE=\",\"k\":\"TWFu\",\"l\":\"\"}";
    struct jot j = {&out, false};

    text_clear(&out);
    jot_open(&j, NULL, '{');
    jot_text(&j, "a", "x\"\\\n\001");
    jot_text(&j, "b", NULL);
    jot_open(&j, "c", '{');
    jot_open(&j, "d", '[');
    jot_number(&j, NULL, 1);
    jot_number(&j, NULL, -2);
    jot_close(&j, ']');
    jot_open(&j, "e", '{');
    jot_close(&j, '}');
    jot_close(&j, '}');
    jot_bool(&j, "f", true);
    jot_ms(&j, "g", 1005999);
    jot_ms(&j, "h", -1);
    jot_base64(&j, "i", "M", 1); /* RFC 4648 */
    jot_base64(&j, "j", "Ma", 2);
    jot_base64(&j, "k", "Man", 3);
    jot_base64(&j, "l", "", 0);
    jot_close(&j, '}');
    ck_assert_str_eq(out.p, want);
    text_free(&out);
}
END_TEST

SUITE("jot", all_bytes_stay_valid, replaced_as_unicode_says, object)
