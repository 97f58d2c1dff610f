/* SPDX-License-Identifier: MIT */
/* What a stream can show: colour, width, lines that are drawn over. */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include "cli/text.h"

enum term_when { TERM_AUTO, TERM_ALWAYS, TERM_NEVER };

/*
 * Whether to colour what goes to fd: `when' if it says so; else no with
 * NO_COLOR, yes with CLICOLOR_FORCE or FORCE_COLOR, no with TERM=dumb or
 * without TERM, and else if it is a terminal.  Each stream for itself.
 */
bool term_colour(int fd, enum term_when when);
bool term_is(int fd);    /* a terminal that can draw over a line */
unsigned term_width(int fd);

enum term_ink { TERM_RED = 31, TERM_GREEN = 32, TERM_YELLOW = 33,
    TERM_DIM = 2, TERM_BOLD = 1 };

/* Writes up to 4096 bytes of s to stderr if there is room for them within so
 * many milliseconds: who does not read it must not hold us up. */
void term_tell(const char *s, size_t n, int patience);

/* s in that colour, if on. */
void term_paint(struct text *t, bool on, enum term_ink ink, const char *s);
/* Drops what does not fit into `width' columns; control characters, which
 * could do anything to a terminal, become '?'. */
void term_fit(struct text *t, unsigned width);
/* Bytes of others, shown as they are but for control characters. */
void term_safe(struct text *t, const char *s, size_t n);

#endif
