/* SPDX-License-Identifier: MIT */
/* Shaking hands: a stream becomes a TLS stream. */
#include <belay/deep.h>
#include <belay/tls.h>

#include "base/alloc.h"
#include "tls/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/* ---- the handshake ------------------------------------------------------- */

/* Sends what OpenSSL has made.  A failure of the stream below is kept for
 * later: the peer may have said why it went away. */
static int
shake_send(struct bly_tls_conn *c, int *broken, const belay_site *site)
{
    int r = belay_mutex_lock_at(&c->sending, site);

    if (r < 0)
        return r;
    r = bly_tls_send(c, site);
    belay_mutex_unlock_at(&c->sending, site);
    if (r < 0 && r == belay_cancelled())
        return r;
    if (*broken == 0)
        *broken = r;
    return 0;
}

static int
shake_hands(struct bly_tls_conn *c, const belay_site *site)
{
    struct bly_tls_op op = {.c = c, .act = BLY_TLS_SHAKE};
    int r, broken = 0;

    for (;;) {
        r = bly_tls_act(&op, site);
        if (r < 0)
            return r;
        if (op.result < 0 && op.result != BLY_TLS_AGAIN)
            return bly_tls_broken(c, site);
        r = shake_send(c, &broken, site);
        if (r < 0)
            return r;
        /* What a server sends last are tickets, which nobody needs. */
        if (op.result > 0)
            return c->server ? 0 : broken;
        r = bly_tls_fill(c, site);
        if (broken < 0 && (r < 0 || c->wire.ended))
            return broken;
        if (r < 0)
            return r;
    }
}

static int
shake_in_time(struct bly_tls_conn *c, const belay_site *site)
{
    belay_dur limit = c->tls->handshake;
    belay_block block;
    bool passed;
    int r;

    if (limit == 0)
        return shake_hands(c, site);
    belay_deadline_open(&block, limit, site);
    r = shake_hands(c, site);
    passed = r == -ETIME && belay_deadline_passed(&block);
    belay_block_close(&block);
    if (passed && belay_cancelled() == 0)
        return belay_fail_at(-ETIMEDOUT, site, "the TLS handshake with %s "
            "has not ended after %.3g s", c->peer, (double)limit / 1e9);
    return r;
}

/* ---- a new connection ---------------------------------------------------- */

/* Whom a client wants. */
static bool
shake_set_host(struct bly_tls_conn *c)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(c->ssl);
    unsigned char ip[16];

    if (c->host[0] == '\0')
        return true;
    if (inet_pton(AF_INET, c->host, ip) == 1 ||
        inet_pton(AF_INET6, c->host, ip) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(param, c->host) == 1;
    X509_VERIFY_PARAM_set_hostflags(
        param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, c->host, 0) == 1 &&
        SSL_set_tlsext_host_name(c->ssl, c->host) == 1;
}

static int
shake_verify_mode(const struct bly_tls_conn *c)
{
    if (!c->server)
        return c->tls->any_server ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    switch (c->tls->clients) {
    case BELAY_TLS_CLIENTS_MAY:
        return SSL_VERIFY_PEER;
    case BELAY_TLS_CLIENTS_MUST:
        return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    case BELAY_TLS_ANY_CLIENT:
        break;
    }
    return SSL_VERIFY_NONE;
}

static int
shake_prepare_ssl(void *arg)
{
    struct bly_tls_conn *c = arg;
    BIO *bio;

    ERR_clear_error();
    c->ssl = SSL_new(c->tls->ctx);
    bio = c->ssl != NULL ? bly_tls_wire_bio(c->tls->wire, &c->wire) : NULL;
    if (bio != NULL) {
        SSL_set_bio(c->ssl, bio, bio);
        SSL_set_verify(c->ssl, shake_verify_mode(c), bly_tls_verified);
    }
    if (bio == NULL || SSL_set_app_data(c->ssl, c) != 1 ||
        (!c->server && !shake_set_host(c))) {
        ERR_clear_error();
        return -ENOMEM;
    }
    if (c->server)
        SSL_set_accept_state(c->ssl);
    else
        SSL_set_connect_state(c->ssl);
    return 0;
}

/* The name as it is asked for and verified: no brackets, no dot at the end. */
static int
shake_name(struct bly_tls_conn *c, const char *host, const belay_site *site)
{
    size_t n = host != NULL ? strlen(host) : 0;
    bool brackets = n > 2 && host[0] == '[' && host[n - 1] == ']';

    if (host == NULL && c->tls->any_server) {
        (void)snprintf(c->peer, sizeof c->peer, "the server");
        return 0;
    }
    if (brackets) {
        host++;
        n -= 2;
    } else if (n > 1 && host[n - 1] == '.') {
        n--;
    }
    if (n == 0 || n >= sizeof c->host)
        return belay_fail_at(-EINVAL, site,
            "TLS needs the name of the host, to verify who answers");
    memcpy(c->host, host, n);
    c->host[n] = '\0';
    (void)snprintf(c->peer, sizeof c->peer, "'%s'", c->host);
    return 0;
}

static int
shake_open(belay_stream **st, struct bly_tls_conn *c, belay_stream **inner,
    const belay_site *site)
{
    belay_stream *made;
    int r = belay_deep_call_at(shake_prepare_ssl, c, site);

    if (r < 0)
        return r;
    c->inner = *inner;
    r = shake_in_time(c, site);
    if (r == 0)
        r = bly_tls_note(c, site);
    if (r == 0)
        r = belay_stream_open_at(&made, &bly_tls_ops, c, site);
    if (r < 0)
        return r;
    *inner = NULL;
    *st = made;
    return 0;
}

static struct bly_tls_conn *
shake_new(belay_tls *tls, bool server)
{
    struct bly_tls_conn *c = bly_zalloc(sizeof *c);

    if (c == NULL)
        return NULL;
    c->tls = bly_tls_ref(tls);
    c->server = server;
    return c;
}

int
belay_tls_connect_at(belay_stream **st, belay_tls *tls, belay_stream **inner,
    const char *host, const belay_site *site)
{
    struct bly_tls_conn *c;
    int r = belay_checkpoint();

    if (r < 0)
        return r;
    c = shake_new(tls, false);
    if (c == NULL)
        return -ENOMEM;
    r = shake_name(c, host, site);
    if (r == 0)
        r = shake_open(st, c, inner, site);
    if (r < 0)
        bly_tls_conn_free(c, site);
    return r;
}

int
belay_tls_accept_at(belay_stream **st, belay_tls *tls, belay_stream **inner,
    const belay_site *site)
{
    struct bly_tls_conn *c;
    int r = belay_checkpoint();

    if (r < 0)
        return r;
    if (!tls->has_cert)
        return belay_fail_at(
            -EINVAL, site, "a TLS server needs a certificate");
    c = shake_new(tls, true);
    if (c == NULL)
        return -ENOMEM;
    (void)snprintf(c->peer, sizeof c->peer, "the client");
    r = shake_open(st, c, inner, site);
    if (r < 0)
        bly_tls_conn_free(c, site);
    return r;
}
