/* SPDX-License-Identifier: MIT */
/*
 * Cuts bytes that come in pieces into items, in constant memory: lines, or
 * what stands between NUL bytes.  Empty ones are left out.  There are no
 * comments.
 */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include <belay/base.h>

enum lines_kind {
    LINES_TRIMMED, /* without LF or CRLF and the spaces around them */
    LINES_WHOLE,   /* without LF */
    LINES_NULL,    /* what ends with NUL */
};

struct lines {
    enum lines_kind kind;
    bool too_long;   /* of the item: more than max bytes, of which the first
                      * are here */
    uint64_t number; /* of the item, empty ones counted, from 1 */
    char *item;      /* of len bytes; a NUL follows; may hold others */
    size_t len;
    size_t held;     /* private: bytes of buf, of an item that goes on */
    bool over;       /* private: it is too long already */
    char *buf;       /* private */
    size_t max;      /* private */
};

/* buf, which stays the caller's, has room for max + 1 bytes. */
void lines_init(struct lines *l, enum lines_kind kind, char *buf, size_t max);
/* The next item of *data and *n, which move on by what was taken.  Returns
 * whether there is one; if not, everything was taken. */
bool lines_next(struct lines *l, const char **data, size_t *n);
/* The last item, if it does not end as it should. */
bool lines_last(struct lines *l);

#endif
