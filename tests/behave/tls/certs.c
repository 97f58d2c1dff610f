/* SPDX-License-Identifier: MIT */
/* Certificates for tests; see certs.h. */
#include "certs.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY = 24 * 3600 };

static void
must(bool well, const char *what)
{
    if (well)
        return;
    fprintf(stderr, "a certificate for tests: %s fails\n", what);
    ERR_print_errors_fp(stderr);
    exit(EXIT_FAILURE);
}

static char *
text_of(BIO *bio)
{
    char *data, *text;
    long n = BIO_get_mem_data(bio, &data);

    text = malloc((size_t)n + 1);
    must(text != NULL, "malloc");
    memcpy(text, data, (size_t)n);
    text[n] = '\0';
    BIO_free(bio);
    return text;
}

static void
add_extension(X509 *x, X509 *issuer, int kind, const char *value)
{
    X509_EXTENSION *e;
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, kind, value);
    must(e != NULL && X509_add_ext(x, e, -1) == 1, value);
    X509_EXTENSION_free(e);
}

static void
fill(X509 *x, const struct cert_how *how, X509 *issuer)
{
    static long serial;
    X509_NAME *name = X509_get_subject_name(x);

    must(X509_set_version(x, 2) == 1, "version");
    must(ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial) == 1, "serial");
    must(X509_gmtime_adj(X509_getm_notBefore(x), (long)how->from * DAY - 60) !=
            NULL,
        "from");
    must(X509_gmtime_adj(X509_getm_notAfter(x),
             (long)(how->until != 0 ? how->until : 30) * DAY) != NULL,
        "until");
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
             (const unsigned char *)how->name, -1, -1, 0) == 1,
        "name");
    must(X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1,
        "issuer");
    add_extension(x, issuer, NID_basic_constraints,
        how->authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (how->hosts != NULL)
        add_extension(x, issuer, NID_subject_alt_name, how->hosts);
}

void
cert_make(struct cert *out, const struct cert_how *how)
{
    const struct cert *issuer = how->issuer != NULL ? how->issuer : out;
    BIO *pem = BIO_new(BIO_s_mem()), *key_pem = BIO_new(BIO_s_mem());

    out->x = X509_new();
    out->key = how->fixed_size ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                               : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    must(out->x != NULL && out->key != NULL && pem != NULL && key_pem != NULL,
        "a key");
    fill(out->x, how, issuer->x);
    must(X509_set_pubkey(out->x, out->key) == 1, "its key");
    must(X509_sign(out->x, issuer->key,
             EVP_PKEY_get_id(issuer->key) == EVP_PKEY_ED25519
                 ? NULL
                 : EVP_sha256()) > 0,
        "signing");
    must(PEM_write_bio_X509(pem, out->x) == 1, "PEM");
    if (issuer != out)
        must(PEM_write_bio_X509(pem, issuer->x) == 1, "PEM");
    must(PEM_write_bio_PrivateKey(key_pem, out->key, NULL, NULL, 0, NULL,
             NULL) == 1,
        "PEM of a key");
    out->pem = text_of(pem);
    out->key_pem = text_of(key_pem);
}

void
cert_free(struct cert *c)
{
    X509_free(c->x);
    EVP_PKEY_free(c->key);
    free(c->pem);
    free(c->key_pem);
    *c = (struct cert){NULL, NULL, NULL, NULL};
}
