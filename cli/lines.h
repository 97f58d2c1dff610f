/* SPDX-License-Identifier: MIT */
/*
 * Cuts bytes that come in pieces into items, in constant memory: lines, or
 * what stands between NUL bytes.  Lines lose their LF or CRLF and the spaces
 * around them; empty ones are left out.  There are no comments.
 */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include <belay/base.h>

enum { LINES_MAX = 8192 };

struct lines {
    bool null;       /* items end with NUL instead of LF */
    bool too_long;   /* of the item: more than LINES_MAX bytes, of which the
                      * first are here */
    uint64_t number; /* of the item, empty ones counted, from 1 */
    char *item;      /* of len bytes; a NUL follows; may hold others */
    size_t len;
    size_t held;     /* private: bytes of buf, of an item that goes on */
    bool over;       /* private: it is too long already */
    char buf[LINES_MAX + 1];
};

void lines_init(struct lines *l, bool null);
/* The next item of *data and *n, which move on by what was taken.  Returns
 * whether there is one; if not, everything was taken. */
bool lines_next(struct lines *l, const char **data, size_t *n);
/* The last item, if it does not end as it should. */
bool lines_last(struct lines *l);

#endif
