/* SPDX-License-Identifier: MIT */
/* Cuts bytes that come in pieces into items.  See lines.h. */
#include "cli/lines.h"

#include <string.h>

void
lines_init(struct lines *l, enum lines_kind kind, char *buf, size_t max)
{
    *l = (struct lines){.kind = kind, .buf = buf, .max = max};
}

static void
lines_hold(struct lines *l, const char *data, size_t n)
{
    size_t room = l->max - l->held;

    if (n > room) {
        l->over = true;
        n = room;
    }
    memcpy(l->buf + l->held, data, n);
    l->held += n;
}

static bool
lines_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* What is held is an item. */
static bool
lines_cut(struct lines *l)
{
    char *p = l->buf, *end = l->buf + l->held;

    l->too_long = l->over;
    l->number++;
    l->held = 0;
    l->over = false;
    if (l->kind == LINES_TRIMMED) {
        while (p < end && lines_space(*p))
            p++;
        while (end > p && lines_space(end[-1]))
            end--;
    }
    *end = '\0';
    l->item = p;
    l->len = (size_t)(end - p);
    return l->len > 0 || l->too_long;
}

bool
lines_next(struct lines *l, const char **data, size_t *n)
{
    char mark = l->kind == LINES_NULL ? '\0' : '\n';

    while (*n > 0) {
        const char *end = memchr(*data, mark, *n);
        size_t len = end != NULL ? (size_t)(end - *data) : *n;

        lines_hold(l, *data, len);
        *data += len + (end != NULL);
        *n -= len + (end != NULL);
        if (end != NULL && lines_cut(l))
            return true;
    }
    return false;
}

bool
lines_last(struct lines *l)
{
    return l->held > 0 && lines_cut(l);
}
