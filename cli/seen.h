/* SPDX-License-Identifier: MIT */
/*
 * A set of keys with a bound.  With a limit of n it holds at least the last n
 * different keys and at most 2 n; older ones are forgotten, half a set at a
 * time.  32 bytes or less a key, 64 while it grows.
 */
#ifndef CLI_SEEN_H
#define CLI_SEEN_H

#include "cli/digest.h"

#include <stdbool.h>

struct seen;

struct seen *seen_new(size_t limit); /* 0: no limit */
/* Adds it; returns whether it was there. */
bool seen_add(struct seen *s, struct digest_key key);
bool seen_has(const struct seen *s, struct digest_key key);
void seen_free(struct seen *s); /* NULL: nothing */

#endif
