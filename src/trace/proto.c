/* SPDX-License-Identifier: MIT */
/* Protocol buffers: varints, tags, lengths. */
#include "trace/proto.h"

#include <string.h>

enum { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2 };
enum { PROTO_LENGTH = 4, PROTO_VARINT_MAX = 10 };

static void
proto_varint(struct bly_bytes *b, uint64_t value)
{
    unsigned char out[PROTO_VARINT_MAX];
    size_t n = 0;

    while (value >= 0x80) {
        out[n++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (unsigned char)value;
    bly_bytes_add(b, out, n);
}

static void
proto_tag(struct bly_bytes *b, uint32_t field, uint32_t wire)
{
    proto_varint(b, (uint64_t)field << 3 | wire);
}

void
bly_proto_uint(struct bly_bytes *b, uint32_t field, uint64_t value)
{
    proto_tag(b, field, PROTO_VARINT);
    proto_varint(b, value);
}

void
bly_proto_int(struct bly_bytes *b, uint32_t field, int64_t value)
{
    bly_proto_uint(b, field, (uint64_t)value);
}

void
bly_proto_fixed64(struct bly_bytes *b, uint32_t field, uint64_t value)
{
    unsigned char out[8];
    size_t i;

    for (i = 0; i < sizeof(out); i++)
        out[i] = (unsigned char)(value >> 8 * i);
    proto_tag(b, field, PROTO_FIXED64);
    bly_bytes_add(b, out, sizeof(out));
}

void
bly_proto_text(struct bly_bytes *b, uint32_t field, const char *text)
{
    size_t n = strlen(text);

    proto_tag(b, field, PROTO_BYTES);
    proto_varint(b, n);
    bly_bytes_add(b, text, n);
}

size_t
bly_proto_open(struct bly_bytes *b, uint32_t field)
{
    static const char room[PROTO_LENGTH];

    proto_tag(b, field, PROTO_BYTES);
    bly_bytes_add(b, room, sizeof(room));
    return b->used;
}

/* A varint may have more bytes than it needs. */
void
bly_proto_close(struct bly_bytes *b, size_t opened)
{
    size_t n = b->used - opened, i;

    if (b->failed)
        return;
    for (i = 0; i < PROTO_LENGTH; i++, n >>= 7)
        b->at[opened - PROTO_LENGTH + i] =
            (char)((n & 0x7f) | (i + 1 < PROTO_LENGTH ? 0x80 : 0));
}
