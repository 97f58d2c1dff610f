/* SPDX-License-Identifier: MIT */
/* Texts in events. */
#include "trace/event.h"

/* The bytes of the character at s if it is well-formed and to be seen in a
 * line; else 0. */
static size_t
event_char(const unsigned char *s)
{
    size_t n, i;

    if (*s < 0x80)
        return *s >= ' ' && *s != 0x7f;
    n = *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
    if (*s < 0xc2 || *s > 0xf4)
        return 0;
    for (i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    /* Longer than need be, surrogates, no characters of XML, too large. */
    if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
        (*s == 0xef && s[1] == 0xbf && s[2] > 0xbd) ||
        (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

void
bly_event_text(char *out, size_t size, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t used = 0, i;

    while (*s != '\0') {
        size_t n = event_char(s);

        if (used + (n != 0 ? n : 1) >= size)
            break;
        if (n == 0) {
            out[used++] = '?';
            s++;
        }
        for (i = 0; i < n; i++)
            out[used++] = (char)*s++;
    }
    out[used] = '\0';
}
