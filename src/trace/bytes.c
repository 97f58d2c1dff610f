/* SPDX-License-Identifier: MIT */
/* Growing bytes. */
#include "trace/bytes.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BYTES_FIRST = 4096 };

static bool
bytes_grow(struct bly_bytes *b, size_t more)
{
    size_t room = b->room != 0 ? b->room : BYTES_FIRST;
    char *at;

    if (b->failed)
        return false;
    if (b->room - b->used >= more)
        return true;
    while (room - b->used < more)
        room *= 2;
    at = bly_alloc_quiet(room);
    if (at == NULL) {
        b->failed = true;
        return false;
    }
    if (b->used != 0)
        memcpy(at, b->at, b->used);
    bly_free_quiet(b->at);
    b->at = at;
    b->room = room;
    return true;
}

void
bly_bytes_add(struct bly_bytes *b, const void *data, size_t n)
{
    if (n == 0 || !bytes_grow(b, n))
        return;
    memcpy(b->at + b->used, data, n);
    b->used += n;
}

void
bly_bytes_print(struct bly_bytes *b, const char *fmt, ...)
{
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    /* One more, for the zero that is then written over. */
    if (n > 0 && bytes_grow(b, (size_t)n + 1)) {
        (void)vsnprintf(b->at + b->used, (size_t)n + 1, fmt, again);
        b->used += (size_t)n;
    }
    va_end(again);
}

void
bly_bytes_free(struct bly_bytes *b)
{
    bly_free_quiet(b->at);
    *b = (struct bly_bytes){0};
}
