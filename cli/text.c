/* SPDX-License-Identifier: MIT */
/* A text that grows. */
#include "cli/text.h"

#include "cli/own.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
text_room(struct text *t, size_t more)
{
    size_t want = t->n + more + 1;

    if (want <= t->room)
        return;
    t->room = want < 128 ? 128 : want + want / 2;
    t->p = own_resize(t->p, t->room);
}

void
text_bytes(struct text *t, const void *data, size_t n)
{
    text_room(t, n);
    if (n > 0)
        memcpy(t->p + t->n, data, n);
    t->n += n;
    t->p[t->n] = '\0';
}

void
text_add(struct text *t, const char *s)
{
    text_bytes(t, s, strlen(s));
}

void
text_char(struct text *t, char c)
{
    text_bytes(t, &c, 1);
}

void
text_printf(struct text *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    text_room(t, (size_t)n);
    va_start(ap, fmt);
    vsnprintf(t->p + t->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    t->n += (size_t)n;
}

void
text_clear(struct text *t)
{
    t->n = 0;
    if (t->p != NULL)
        t->p[0] = '\0';
}

void
text_free(struct text *t)
{
    free(t->p);
    *t = (struct text){NULL, 0, 0};
}
