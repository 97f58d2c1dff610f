/* SPDX-License-Identifier: MIT */
/* Writes JSON.  See jot.h. */
#include "cli/jot.h"

#include <string.h>

static void
jot_before(struct jot *j, const char *key)
{
    if (j->more)
        text_char(j->out, ',');
    j->more = true;
    if (key != NULL)
        text_printf(j->out, "\"%s\":", key);
}

void
jot_open(struct jot *j, const char *key, char bracket)
{
    jot_before(j, key);
    text_char(j->out, bracket);
    j->more = false;
}

void
jot_close(struct jot *j, char bracket)
{
    text_char(j->out, bracket);
    j->more = true;
}

/*
 * The length of the character that s begins with, or 0 if it begins with no
 * character; then *bad is how many bytes one U+FFFD stands for: the longest
 * part that could have begun one (Unicode 15, section 3.9).
 */
static size_t
jot_character(const unsigned char *s, size_t n, size_t *bad)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

    *bad = 1;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    if (s[0] == 0xe0)
        low = 0xa0; /* shorter forms exist */
    else if (s[0] == 0xed)
        high = 0x9f; /* surrogates */
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    for (size_t i = 1; i < len; i++) {
        if (i == n || s[i] < low || s[i] > high) {
            *bad = i;
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return len;
}

bool
jot_utf8(const void *s, size_t n)
{
    const unsigned char *p = s;
    size_t bad, len;

    for (; n > 0; p += len, n -= len) {
        len = jot_character(p, n, &bad);
        if (len == 0)
            return false;
    }
    return true;
}

static void
jot_escape(struct text *out, unsigned char c)
{
    static const char letters[] = "btn\0fr"; /* 8, 9, 10, -, 12, 13 */

    if (c == '"' || c == '\\')
        text_printf(out, "\\%c", c);
    else if (c >= 8 && c <= 13 && c != 11)
        text_printf(out, "\\%c", letters[c - 8]);
    else
        text_printf(out, "\\u%04x", c);
}

void
jot_bytes(struct jot *j, const char *key, const void *s, size_t n)
{
    const unsigned char *p = s, *plain = s, *end = p + n;

    jot_before(j, key);
    text_char(j->out, '"');
    while (p < end) {
        size_t bad, len = jot_character(p, (size_t)(end - p), &bad);

        if (len > 1 || (len == 1 && *p >= 0x20 && *p != '"' && *p != '\\')) {
            p += len;
            continue;
        }
        text_bytes(j->out, plain, (size_t)(p - plain));
        if (len == 1)
            jot_escape(j->out, *p);
        else
            text_add(j->out, "\xef\xbf\xbd");
        p += len == 1 ? 1 : bad;
        plain = p;
    }
    text_bytes(j->out, plain, (size_t)(p - plain));
    text_char(j->out, '"');
}

void
jot_base64(struct jot *j, const char *key, const void *s, size_t n)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = s;

    jot_before(j, key);
    text_char(j->out, '"');
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)p[i] << 16 |
            (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
            (left > 2 ? p[i + 2] : 0);
        const char four[4] = {digits[v >> 18], digits[v >> 12 & 63],
            left > 1 ? digits[v >> 6 & 63] : '=',
            left > 2 ? digits[v & 63] : '='};

        text_bytes(j->out, four, 4);
    }
    text_char(j->out, '"');
}

void
jot_text(struct jot *j, const char *key, const char *s)
{
    if (s == NULL)
        jot_null(j, key);
    else
        jot_bytes(j, key, s, strlen(s));
}

void
jot_number(struct jot *j, const char *key, int64_t n)
{
    jot_before(j, key);
    text_printf(j->out, "%lld", (long long)n);
}

void
jot_ms(struct jot *j, const char *key, belay_dur d)
{
    if (d < 0) {
        jot_null(j, key);
        return;
    }
    jot_before(j, key);
    text_printf(j->out, "%lld.%03d", (long long)(d / 1000000),
        (int)(d / 1000 % 1000));
}

void
jot_bool(struct jot *j, const char *key, bool b)
{
    jot_before(j, key);
    text_add(j->out, b ? "true" : "false");
}

void
jot_null(struct jot *j, const char *key)
{
    jot_before(j, key);
    text_add(j->out, "null");
}
