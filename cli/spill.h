/* SPDX-License-Identifier: MIT */
/*
 * What programs write, kept in bounded memory however much it is: the end of
 * each output in memory, the rest in one file without a name that all outputs
 * of a run share.  The file is made of slots; one that is not needed any more
 * is used again, so that it is only as long as what is kept at one time.
 */
#ifndef CLI_SPILL_H
#define CLI_SPILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SPILL_SLOT = 64 << 10 };

struct spill;

/* Nothing is opened before something is spilled; dir is kept. */
struct spill *spill_new(const char *dir);
void spill_free(struct spill *sp); /* NULL: nothing */
/* Slots that the file has had at once, at most. */
uint32_t spill_most(const struct spill *sp);

struct spill_part;

/* One output.  All zero bytes: nothing came. */
struct sink {
    uint64_t bytes, kept;     /* that came; of these */
    struct spill_part *parts; /* private, as all that follows */
    size_t n, room;
    char *tail;
    size_t len, tail_room;
};

/* Where the next bytes may be put; *n of them, at least one. */
char *sink_room(struct sink *k, size_t *n);
/* They have been, n of them; what is more than max in all is counted and
 * dropped.  Returns 0, or -errno of the file: then they are lost. */
int sink_took(struct sink *k, struct spill *sp, size_t n, uint64_t max);
/* It will be kept for a while, and need not be in memory. */
int sink_settle(struct sink *k, struct spill *sp);
/*
 * The i-th piece of what is kept, in order; buf has SPILL_SLOT bytes for it.
 * Returns 1, 0 behind the last piece, or -errno.
 */
int sink_piece(const struct sink *k, struct spill *sp, size_t i, char *buf,
    const char **data, size_t *n);
/* Empties it. */
void sink_clear(struct sink *k, struct spill *sp);

#endif
