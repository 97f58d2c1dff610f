/* SPDX-License-Identifier: MIT */
/* SHA-256, by OpenSSL. */
#ifndef CLI_DIGEST_H
#define CLI_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_HEX = 65, DIGEST_KEY = 16 };

/* Half of the SHA-256 of something: enough to tell millions of things apart,
 * whoever chose them. */
struct digest_key {
    uint8_t bytes[DIGEST_KEY];
};

struct digest;

struct digest *digest_new(void);
void digest_again(struct digest *d); /* from the beginning */
void digest_add(struct digest *d, const void *data, size_t n);
/* Ends it: 64 small hexadecimal digits and a NUL. */
void digest_hex(struct digest *d, char hex[DIGEST_HEX]);
void digest_free(struct digest *d); /* NULL: nothing */

struct digest_key digest_key_of(const void *data, size_t n);

#endif
