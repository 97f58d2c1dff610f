/* SPDX-License-Identifier: MIT */
/* SHA-256, by OpenSSL.  Failures here are those of its memory. */
#include "cli/digest.h"

#include "cli/own.h"
#include "cli/status.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct digest {
    EVP_MD_CTX *ctx;
};

static void
digest_check(bool good)
{
    if (good)
        return;
    fputs("belay: SHA-256 is not available from OpenSSL\n", stderr);
    _Exit(STATUS_ENVIRONMENT);
}

struct digest *
digest_new(void)
{
    struct digest *d = own_alloc(sizeof *d);

    d->ctx = EVP_MD_CTX_new();
    digest_check(d->ctx != NULL);
    digest_again(d);
    return d;
}

void
digest_again(struct digest *d)
{
    digest_check(EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) == 1);
}

void
digest_add(struct digest *d, const void *data, size_t n)
{
    digest_check(EVP_DigestUpdate(d->ctx, data, n) == 1);
}

void
digest_hex(struct digest *d, char hex[DIGEST_HEX])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[EVP_MAX_MD_SIZE];

    digest_check(EVP_DigestFinal_ex(d->ctx, sum, NULL) == 1);
    for (int i = 0; i < 32; i++) {
        hex[2 * i] = digits[sum[i] >> 4];
        hex[2 * i + 1] = digits[sum[i] & 15];
    }
    hex[64] = '\0';
}

void
digest_free(struct digest *d)
{
    if (d == NULL)
        return;
    EVP_MD_CTX_free(d->ctx);
    free(d);
}

struct digest_key
digest_key_of(const void *data, size_t n)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    struct digest_key key;

    digest_check(EVP_Digest(data, n, sum, NULL, EVP_sha256(), NULL) == 1);
    memcpy(key.bytes, sum, sizeof key.bytes);
    return key;
}
