/* SPDX-License-Identifier: MIT */
/*
 * The journal of a run: which URLs are done.  JSON lines, the first of which
 * says what the file is; each line is one write at the end of the file, so
 * that a process that is killed tears none.  A machine that stops may: the
 * rest of a line without its end is cut off when the journal is opened again.
 *
 * One process at a time has it; the lock is the system's and ends with it.
 * What is remembered of a done URL is a key of 16 bytes.
 */
#ifndef CLI_JOURNAL_H
#define CLI_JOURNAL_H

#include "cli/text.h"

struct journal;

struct journal_entry {
    const char *url, *sha256, *path, *error; /* NULL: none */
    size_t url_len;
    int status;
    uint64_t bytes;
    bool ok;
};

/*
 * Opens or makes it.  A journal that has entries is an error unless `resume'.
 * Returns 0, or a negative code with a text in why.
 */
int journal_open(struct journal **j, const char *file, bool resume, char *why,
    size_t size);
/* Was it done, well, by an earlier run? */
bool journal_has(const struct journal *j, const char *url, size_t len);
/* How many were, and lines that were no entries. */
uint64_t journal_count(const struct journal *j);
uint64_t journal_damaged(const struct journal *j);

/* Appends the line to *out, which may hold several. */
void journal_line(struct text *out, const struct journal_entry *e);
/* What to write the lines to, and where it is. */
int journal_fd(const struct journal *j);
void journal_close(struct journal *j); /* NULL: nothing */

#endif
