/* SPDX-License-Identifier: MIT */
/* A text that grows.  All zero bytes: empty. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <belay/base.h>

struct text {
    char *p; /* ends with a NUL that is not counted, unless it is NULL */
    size_t n, room;
};

void text_bytes(struct text *t, const void *data, size_t n);
void text_add(struct text *t, const char *s);
void text_char(struct text *t, char c);
void text_printf(struct text *t, const char *fmt, ...) BELAY_PRINTF_(2, 3);
/* Empties it, keeps the memory. */
void text_clear(struct text *t);
void text_free(struct text *t);

#endif
