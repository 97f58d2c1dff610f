/* SPDX-License-Identifier: MIT */
/* A text that grows. */
#include "core/text.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_FIRST = 1024 };

static bool
text_grow(struct bly_text *x, size_t want)
{
    size_t room = x->room != 0 ? x->room : TEXT_FIRST;
    char *at;

    while (room < want)
        room *= 2;
    at = bly_alloc_quiet(room);
    if (at == NULL)
        return false;
    if (x->at != NULL)
        memcpy(at, x->at, x->used + 1);
    bly_free_quiet(x->at);
    x->at = at;
    x->room = room;
    return true;
}

void
bly_text_add(struct bly_text *x, const char *fmt, ...)
{
    va_list ap, again;
    size_t room = x->room - x->used;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(x->at != NULL ? x->at + x->used : NULL, room, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n >= room) {
        if (text_grow(x, x->used + (size_t)n + 1)) {
            (void)vsnprintf(
                x->at + x->used, x->room - x->used, fmt, again);
        } else {
            n = 0;
            if (x->at != NULL)
                x->at[x->used] = '\0';
        }
    }
    va_end(again);
    if (n > 0)
        x->used += (size_t)n;
}

void
bly_text_number(struct bly_text *x, uint64_t n)
{
    char digits[24];
    int count = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
    int i;

    for (i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            bly_text_add(x, ",");
        bly_text_add(x, "%c", digits[i]);
    }
}

void
bly_text_ms(struct bly_text *x, uint32_t ms)
{
    if (ms < 1000)
        bly_text_add(x, "%u ms", ms);
    else if (ms < 10000)
        bly_text_add(x, "%u.%u s", ms / 1000, ms / 100 % 10);
    else if (ms < 180000)
        bly_text_add(x, "%u s", ms / 1000);
    else
        bly_text_add(x, "%u min", ms / 60000);
}

void
bly_text_site(struct bly_text *x, const char *word, const belay_site *site)
{
    if (site != NULL)
        bly_text_add(x, "%s %s:%d", word, site->file, site->line);
}

const char *
bly_text_get(const struct bly_text *x)
{
    return x->at != NULL ? x->at : "";
}

void
bly_text_free(struct bly_text *x)
{
    bly_free_quiet(x->at);
    x->at = NULL;
    x->used = x->room = 0;
}
