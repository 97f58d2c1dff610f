/* SPDX-License-Identifier: MIT */
/* What connections share; see config.c. */
#ifndef BLY_TLS_CONFIG_H
#define BLY_TLS_CONFIG_H

#include <belay/tls.h>

#include "base/atomic.h"

#include <openssl/ssl.h>

struct belay_tls {
    uint32_t refs; /* atomic: the handle and each connection */
    SSL_CTX *ctx;
    BIO_METHOD *wire;
    unsigned char *alpn; /* as it is sent: each with its length before it */
    unsigned alpn_len;
    belay_tls_clients clients;
    belay_dur handshake; /* 0 = no limit */
    bool any_server;
    bool has_cert;
};

belay_tls *bly_tls_ref(belay_tls *tls);
void bly_tls_unref(belay_tls *tls);

/* ---- load.c -------------------------------------------------------------- */

/* Loads what opts names into tls->ctx.  Wants a deep stack. */
int bly_tls_load(belay_tls *tls, const belay_tls_opts *opts,
    const belay_site *site) BLY_MUST_CHECK;

#endif
