/* SPDX-License-Identifier: MIT */
/*
 * What lies between OpenSSL and the stream below: the bytes that have come and
 * those that are to go.  OpenSSL sees it as a BIO that never waits: it is told
 * to try again when nothing has come, and takes whatever is written.
 */
#ifndef BLY_TLS_WIRE_H
#define BLY_TLS_WIRE_H

#include "base/compiler.h"

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    BLY_TLS_IN = 18 << 10, /* the longest record fits */
    BLY_TLS_FIRST = 24     /* bytes of the peer's that are kept */
};

struct bly_tls_bytes {
    unsigned char *data;
    size_t at; /* up to here they are done with */
    size_t len;
    size_t room;
};

struct bly_tls_wire {
    struct bly_tls_bytes in;
    struct bly_tls_bytes out;
    bool ended;     /* nothing will come after what is in */
    bool no_memory; /* for something that was written: it is lost */
    unsigned char first[BLY_TLS_FIRST]; /* what the peer began with */
    size_t nfirst;
};

/* NULL: no memory. */
BIO_METHOD *bly_tls_wire_method(void);
/* A BIO that stands for w, or NULL. */
BIO *bly_tls_wire_bio(BIO_METHOD *method, struct bly_tls_wire *w);
/* Room for so many bytes more; false: no memory. */
bool bly_tls_wire_reserve(struct bly_tls_bytes *b, size_t more) BLY_MUST_CHECK;
/* n bytes have been read into in. */
void bly_tls_wire_came(struct bly_tls_wire *w, size_t n);
void bly_tls_wire_free(struct bly_tls_bytes *b);

#endif
