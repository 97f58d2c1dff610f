/* SPDX-License-Identifier: MIT */
/*
 * Bodies as files below one directory.  A body is written to a file without a
 * name, which gets its name when it is whole: whatever happens before, SIGKILL
 * included, nothing is left.  Where the file system has no such files, the
 * body has a hidden name and a lock; store_open removes those whose owner is
 * gone.
 *
 * These are system calls that do not wait for the network, but may wait for a
 * disk.
 */
#ifndef CLI_STORE_H
#define CLI_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

struct store_opts {
    bool overwrite; /* replace files that are there */
    bool sync;      /* to the disk before a file gets its name */
    bool no_tmpfile; /* as if the file system had none, for tests */
};

/* Makes dir if it is not there.  Returns 0, or a negative code: it cannot be
 * made or written. */
int store_open(struct store **st, const char *dir,
    const struct store_opts *opts);
/* Temporary files of dead runs that it removed. */
unsigned store_removed(const struct store *st);
void store_close(struct store *st); /* NULL: nothing */

/* A body; all zero bytes: none. */
struct store_file {
    bool open;
    int fd;
    char temp[40]; /* its hidden name, or empty */
};

int store_begin(struct store *st, struct store_file *f);
/* Takes back what was written, for another attempt. */
int store_again(struct store_file *f);
/*
 * Gives it the name, and makes the directories in front of it; no link is
 * followed below dir.  -EEXIST: another file has it; a file with the same
 * content is no error.  The file is closed in any case, and gone unless 0.
 */
int store_finish(struct store *st, struct store_file *f, const char *name);
void store_drop(struct store *st, struct store_file *f);

#endif
