/* SPDX-License-Identifier: MIT */
/* What the two sides agreed on: noted when the hands are shaken, because
 * OpenSSL may change it afterwards while others read or write. */
#include <belay/deep.h>
#include <belay/tls.h>

#include "base/alloc.h"
#include "tls/conn.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { INFO_TEXTS = 4 * BLY_TLS_NAME };

struct info_block {
    belay_tls_info info;
    size_t used;
    char texts[]; /* what info points to */
};

/* A copy of n bytes as text, or NULL. */
static const char *
info_text(struct info_block *b, size_t room, const void *data, size_t n)
{
    char *text = b->texts + b->used;

    if (data == NULL || b->used + n + 1 > room)
        return NULL;
    memcpy(text, data, n);
    text[n] = '\0';
    b->used += n + 1;
    return text;
}

static const char *
info_name(struct info_block *b, size_t room, const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text = NULL;
    char *data;
    long n;

    if (bio != NULL &&
        X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
        n = BIO_get_mem_data(bio, &data);
        if (n > BLY_TLS_NAME - 1)
            n = BLY_TLS_NAME - 1;
        text = info_text(b, room, data, (size_t)n);
    }
    (void)BIO_free(bio);
    return text;
}

static void
info_certificate(struct info_block *b, size_t room, X509 *x)
{
    struct tm tm;
    unsigned n = 0;

    b->info.subject = info_name(b, room, X509_get_subject_name(x));
    b->info.issuer = info_name(b, room, X509_get_issuer_name(x));
    if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) == 1)
        b->info.not_after = (int64_t)timegm(&tm);
    (void)X509_digest(x, EVP_sha256(), b->info.sha256, &n);
}

struct info_note {
    struct bly_tls_conn *c;
    struct info_block *block;
};

static int
info_fill(void *arg)
{
    struct info_note *note = arg;
    struct bly_tls_conn *c = note->c;
    struct info_block *b = note->block;
    const char *host = c->server
        ? SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name)
        : c->host;
    const unsigned char *alpn = NULL;
    unsigned n = 0;
    X509 *x = SSL_get0_peer_certificate(c->ssl);

    b->info.version = SSL_version(c->ssl) == TLS1_3_VERSION ? 13 : 12;
    b->info.resumed = SSL_session_reused(c->ssl) == 1;
    b->info.cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(c->ssl));
    SSL_get0_alpn_selected(c->ssl, &alpn, &n);
    b->info.alpn = info_text(b, INFO_TEXTS, alpn, n);
    if (host != NULL && host[0] != '\0')
        b->info.host = info_text(b, INFO_TEXTS, host, strlen(host));
    if (x != NULL)
        info_certificate(b, INFO_TEXTS, x);
    b->info.verified = x != NULL && c->problem[0] == '\0' &&
        SSL_get_verify_result(c->ssl) == X509_V_OK &&
        (c->server || c->host[0] != '\0');
    b->info.problem = c->problem[0] != '\0' ? c->problem : NULL;
    ERR_clear_error();
    return 0;
}

int
bly_tls_note(struct bly_tls_conn *c, const belay_site *site)
{
    struct info_note note = {.c = c};
    int r;

    note.block = bly_zalloc(sizeof *note.block + INFO_TEXTS);
    if (note.block == NULL)
        return -ENOMEM;
    c->info = &note.block->info;
    r = belay_deep_call_at(info_fill, &note, site);
    return r;
}

int
belay_tls_get_info(belay_stream *st, belay_tls_info *out)
{
    struct bly_tls_conn *c = belay_stream_self(st, &bly_tls_ops);

    if (c == NULL)
        return -EINVAL;
    *out = *c->info;
    return 0;
}
