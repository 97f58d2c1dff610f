/* SPDX-License-Identifier: MIT */
/*
 * Protocol buffers, as far as a writer of traces needs them: fields are
 * appended in any order; a message inside another is opened and closed, and
 * its length, for which four bytes were kept, is filled in at the close.
 */
#ifndef BLY_TRACE_PROTO_H
#define BLY_TRACE_PROTO_H

#include "trace/bytes.h"

void bly_proto_uint(struct bly_bytes *b, uint32_t field, uint64_t value);
/* int32 and int64 of the language; a negative number takes ten bytes. */
void bly_proto_int(struct bly_bytes *b, uint32_t field, int64_t value);
void bly_proto_fixed64(struct bly_bytes *b, uint32_t field, uint64_t value);
void bly_proto_text(struct bly_bytes *b, uint32_t field, const char *text);

/* A message of less than 2^28 bytes; open returns what close wants. */
size_t bly_proto_open(struct bly_bytes *b, uint32_t field);
void bly_proto_close(struct bly_bytes *b, size_t opened);

#endif
