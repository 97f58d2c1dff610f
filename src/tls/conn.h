/* SPDX-License-Identifier: MIT */
/* A connection; see conn.c for who may touch what. */
#ifndef BLY_TLS_CONN_H
#define BLY_TLS_CONN_H

#include <belay/stream.h>
#include <belay/sync.h>

#include "tls/config.h"
#include "tls/wire.h"

#include <openssl/ssl.h>

enum { BLY_TLS_WHY = 256, BLY_TLS_NAME = 256 };

struct bly_tls_conn {
    belay_tls *tls;      /* counted */
    belay_stream *inner; /* ours once the hands are shaken */
    bool server;
    belay_tls_info *info; /* one block with its texts; set once */

    belay_mutex lock; /* of what follows */
    SSL *ssl;
    struct bly_tls_wire wire; /* but `in', `ended' and `first': the reader's */
    int code;                 /* it has failed for good, or 0 */
    char why[BLY_TLS_WHY];
    char problem[BLY_TLS_WHY]; /* of the peer's certificate, or "" */

    belay_mutex sending;        /* whoever writes to inner */
    struct bly_tls_bytes going; /* on its way; under `sending' */
    bool said_end;              /* likewise: close_notify was written */

    char peer[BLY_TLS_NAME + 2]; /* for texts: "'example.org'" */
    char host[BLY_TLS_NAME];     /* the server's name, or "" */
};

enum bly_tls_act {
    BLY_TLS_SHAKE, /* result 1 when it is done */
    BLY_TLS_READ,  /* bytes; 0: the peer has said its end */
    /* The others never have to wait for the peer. */
    BLY_TLS_WRITE, /* bytes */
    BLY_TLS_END,   /* close_notify */
};

/* An act that has to wait for bytes of the peer's has this result; one that
 * has failed has the code of the connection. */
enum { BLY_TLS_AGAIN = -EAGAIN };

struct bly_tls_op {
    struct bly_tls_conn *c;
    enum bly_tls_act act;
    void *in;
    const void *out;
    size_t n;
    ssize_t result;
    bool said; /* there is something to be sent */
};

/* Does what OpenSSL can do now.  0, or why op->result was not set: a cut, or no
 * memory; then nothing has happened. */
int bly_tls_act(struct bly_tls_op *op, const belay_site *site) BLY_MUST_CHECK;
/* The caller has c->sending: sends what there is. */
int bly_tls_send(struct bly_tls_conn *c, const belay_site *site)
    BLY_MUST_CHECK;
/* What is left to be sent, unless somebody does so already. */
void bly_tls_tidy(struct bly_tls_conn *c, const belay_site *site);
/* Waits for bytes of the peer's: 0 (also at the end), or why there are none. */
int bly_tls_fill(struct bly_tls_conn *c, const belay_site *site)
    BLY_MUST_CHECK;
/* The connection has failed; says so once more.  Sends the alert, if that
 * can be done soon. */
int bly_tls_broken(struct bly_tls_conn *c, const belay_site *site);

extern const belay_stream_ops bly_tls_ops;

/* Without inner, which is the caller's then. */
void bly_tls_conn_free(struct bly_tls_conn *c, const belay_site *site);

/* ---- explain.c ----------------------------------------------------------- */

/* Sets c->code and c->why by what OpenSSL says; under c->lock. */
void bly_tls_explain(struct bly_tls_conn *c, int ssl_error);
/* OpenSSL calls this for each certificate. */
int bly_tls_verified(int ok, X509_STORE_CTX *store);

/* ---- info.c -------------------------------------------------------------- */

/* Sets c->info; -ENOMEM. */
int bly_tls_note(struct bly_tls_conn *c, const belay_site *site)
    BLY_MUST_CHECK;

#endif
