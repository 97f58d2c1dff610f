/* SPDX-License-Identifier: MIT */
/* Certificates for tests, made when they are needed. */
#ifndef BEHAVE_TLS_CERTS_H
#define BEHAVE_TLS_CERTS_H

#include <openssl/x509.h>
#include <stdbool.h>

/* All zero: none. */
struct cert {
    X509 *x;
    EVP_PKEY *key;
    char *pem;     /* the certificate, then that of who issued it */
    char *key_pem; /* without a password */
};

struct cert_how {
    const struct cert *issuer; /* NULL: itself */
    const char *name;          /* of the subject */
    const char *hosts;         /* "DNS:a.example,IP:127.0.0.1", or NULL */
    bool authority;            /* it may issue others */
    int from, until;           /* days from today; until 0: 30 */
    bool fixed_size;           /* its signatures are of one length (Ed25519) */
};

/* Ends the program if OpenSSL cannot. */
void cert_make(struct cert *out, const struct cert_how *how);
void cert_free(struct cert *c);

#define CERT(out, ...) cert_make((out), &(const struct cert_how){__VA_ARGS__})

#endif
