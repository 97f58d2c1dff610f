/* SPDX-License-Identifier: MIT */
/*
 * Writes JSON (RFC 8259) on one line.  Texts may be any bytes: what is not
 * UTF-8 becomes U+FFFD, one for each part that cannot be the beginning of a
 * character, so that the output is always valid.  key NULL: within an array
 * or at the top.
 */
#ifndef CLI_JOT_H
#define CLI_JOT_H

#include "cli/text.h"

struct jot {
    struct text *out;
    bool more; /* something stands before, so that a comma is needed */
};

void jot_open(struct jot *j, const char *key, char bracket); /* { or [ */
void jot_close(struct jot *j, char bracket);                 /* } or ] */
/* s NULL: null. */
void jot_text(struct jot *j, const char *key, const char *s);
void jot_bytes(struct jot *j, const char *key, const void *s, size_t n);
void jot_base64(struct jot *j, const char *key, const void *s, size_t n);
void jot_number(struct jot *j, const char *key, int64_t n);
/* Milliseconds with three digits after the point; negative: null. */
void jot_ms(struct jot *j, const char *key, belay_dur d);
void jot_bool(struct jot *j, const char *key, bool b);
void jot_null(struct jot *j, const char *key);

/* Is it UTF-8 throughout? */
bool jot_utf8(const void *s, size_t n);

#endif
