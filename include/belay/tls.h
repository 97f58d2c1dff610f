/* SPDX-License-Identifier: MIT */
/*
 * TLS on any stream: a socket, a pair of pipes, another TLS stream.
 *
 *     BELAY_AUTO(belay_tls, tls);
 *     BELAY_AUTO(belay_stream, st);
 *
 *     BELAY_TRY(belay_tls_open(&tls));
 *     BELAY_TRY(belay_connect(&st, &addr));
 *     BELAY_TRY(belay_tls_connect(&st, tls, &st, "example.org"));
 *     BELAY_TRY(belay_stream_write_all(st, "hello\n", 6, NULL));
 *
 * What comes out is a belay_stream like any other: one task may read it while
 * another one writes.  The end of it is the peer's word, not that of the
 * connection below: if that just breaks off, reading fails.
 *
 * This is the library belay-tls, on OpenSSL; tests that explore link
 * belay-tls-test in its place.
 */
#ifndef BELAY_TLS_H
#define BELAY_TLS_H

#include <belay/base.h>
#include <belay/error.h>
#include <belay/stream.h>
#include <belay/task.h>

BELAY_BEGIN_DECLS

/* What connections have in common: whom to trust, who we are. */
typedef struct belay_tls belay_tls;

typedef enum belay_tls_version {
    BELAY_TLS_1_2 = 12,
    BELAY_TLS_1_3 = 13,
} belay_tls_version;

/* What a server wants to know of its clients. */
typedef enum belay_tls_clients {
    BELAY_TLS_ANY_CLIENT,    /* nothing */
    BELAY_TLS_CLIENTS_MAY,   /* a certificate, which is verified if it comes */
    BELAY_TLS_CLIENTS_MUST,  /* a certificate, or there is no connection */
} belay_tls_clients;

/* Texts and files are PEM; each may be given as a file or as its text. */
typedef struct belay_tls_opts {
    size_t size; /* sizeof(belay_tls_opts) */
    /* Whom to trust.  None of the three: whom the system trusts. */
    const char *ca_file;
    const char *ca_pem;
    const char *ca_dir; /* files by the hash of their subject */
    /* Who we are; a server needs it.  First the own certificate, then those
     * between it and the root. */
    const char *cert_file;
    const char *cert_pem;
    const char *key_file; /* neither: it stands with the certificate */
    const char *key_pem;
    const char *key_password;      /* of an encrypted key */
    const char *const *alpn;       /* protocols, the best first; NULL ends */
    belay_tls_version min_version; /* 0 = TLS 1.2 */
    belay_tls_version max_version; /* 0 = the newest */
    belay_tls_clients clients;
    belay_dur handshake;           /* may last so long; 0 = 30 s, negative: no
                                    * limit but the caller's */
    /* Connects to whoever answers: neither certificate nor host are verified,
     * and anybody on the way can read and change everything. */
    bool dangerously_trust_any_server;
    void *reserved[8];
} belay_tls_opts;

/*
 * Reads certificates and keys.  Nothing of opts is needed afterwards; it may be
 * NULL.  Returns 0; -ENOENT ... with the name of the file; -EBADMSG: one that
 * is no PEM; -EKEYREJECTED: the key does not belong to the certificate, or the
 * password not to the key; -EINVAL; -ENOMEM.  A task that opens has the files
 * read by another thread, unless all is given as text, and may be cut before
 * that has begun.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_tls_open_at(belay_tls **tls,
    const belay_tls_opts *opts, const belay_site *site);
/* Frees *tls, unless it is NULL, and sets it to NULL.  Its connections live
 * on.  Cancellation point: no. */
BELAY_API void belay_tls_close(belay_tls **tls);
/* For BELAY_AUTO(belay_tls, tls). */
BELAY_API void belay_tls_closep(belay_tls **tls);

/*
 * Shakes hands as a client with the server at the other end of *inner, which
 * has to have a certificate for host, a name or an IP address.  On success
 * *inner is the new stream's, and NULL; st and inner may be the same.  Returns
 * 0; -EACCES: the certificate is not valid, for that host; -EPROTO: it is no
 * TLS, or none that both sides speak; -ECONNABORTED: the peer refused;
 * -ENOPROTOOPT: it has none of our .alpn; -ECONNRESET: it went away;
 * -ETIMEDOUT: .handshake has passed; or what *inner fails with.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_tls_connect_at(
    belay_stream **st, belay_tls *tls, belay_stream **inner, const char *host,
    const belay_site *site);
/* The same as a server; -EACCES: the client's certificate. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_tls_accept_at(
    belay_stream **st, belay_tls *tls, belay_stream **inner,
    const belay_site *site);

/* What the two sides agreed on; texts live as long as the stream. */
typedef struct belay_tls_info {
    int version;         /* 12, 13 */
    bool verified;       /* the peer's certificate and host are what they
                          * should be */
    bool resumed;        /* an earlier session goes on */
    const char *cipher;  /* "TLS_AES_256_GCM_SHA384" */
    const char *alpn;    /* the protocol; NULL: none was agreed on */
    const char *host;    /* whom the client asked for, or NULL */
    const char *subject; /* of the peer's certificate, "CN=example.org"; NULL:
                          * it has none */
    const char *issuer;
    const char *problem; /* what is wrong with it, or NULL */
    int64_t not_after;   /* the last second of it, since 1970 */
    unsigned char sha256[32]; /* its fingerprint */
    void *reserved[8];
} belay_tls_info;

/* Returns 0, or -EINVAL: st is no TLS stream.  Cancellation point: no. */
BELAY_API BELAY_MUST_CHECK int belay_tls_get_info(belay_stream *st,
    belay_tls_info *out);

BELAY_END_DECLS

#if !defined(__cplusplus)

/* belay_tls_open(&tls, .cert_file = "own.pem", .alpn = protocols) */
#define belay_tls_open(tls, ...)                                               \
    belay_tls_open_at((tls),                                                   \
        &(const belay_tls_opts){                                               \
            .size = sizeof(belay_tls_opts) __VA_OPT__(, ) __VA_ARGS__},        \
        BELAY_SITE_("tls_open"))
#define belay_tls_connect(st, tls, inner, host)                                \
    belay_tls_connect_at((st), (tls), (inner), (host),                         \
        BELAY_SITE_("tls_connect"))
#define belay_tls_accept(st, tls, inner)                                       \
    belay_tls_accept_at((st), (tls), (inner), BELAY_SITE_("tls_accept"))

#endif
#endif
