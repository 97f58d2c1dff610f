/* SPDX-License-Identifier: MIT */
/*
 * Configurations: an SSL_CTX for both roles, which OpenSSL lets all threads
 * use, and what it does not keep.  The handle and each connection count.
 */
#include "tls/config.h"

#include <belay/blocking.h>
#include <belay/deep.h>

#include "base/alloc.h"
#include "base/check.h"
#include "tls/wire.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

static const belay_dur CONFIG_HANDSHAKE = BELAY_S(30);

/* ---- counting ------------------------------------------------------------ */

static int
config_free(void *arg)
{
    belay_tls *tls = arg;

    SSL_CTX_free(tls->ctx);
    BIO_meth_free(tls->wire);
    ERR_clear_error();
    return 0;
}

belay_tls *
bly_tls_ref(belay_tls *tls)
{
    bly_fetch_add(&tls->refs, 1u); /* pairs with bly_tls_unref */
    return tls;
}

void
bly_tls_unref(belay_tls *tls)
{
    static const belay_site site = {__FILE__, __LINE__, __func__, "tls_close"};

    /* pairs with itself: the last one sees what the others did */
    if (bly_fetch_add(&tls->refs, -1u) != 1)
        return;
    if (belay_deep_call_at(config_free, tls, &site) < 0)
        (void)config_free(tls);
    bly_free(tls->alpn);
    bly_free(tls);
}

/* ---- options ------------------------------------------------------------- */

/* In a shared library of its own the checks are too, and know no tasks. */
static void
config_describe(char *buf, size_t size)
{
    const char *name = belay_task_name();

    if (name != NULL)
        (void)snprintf(buf, size, " in task '%s'", name);
}

static int
config_alpn(belay_tls *tls, const char *const *alpn, const belay_site *site)
{
    size_t len = 0, i;

    if (alpn == NULL)
        return 0;
    for (i = 0; alpn[i] != NULL; i++) {
        size_t n = strlen(alpn[i]);

        if (n == 0 || n > 255)
            return belay_fail_at(-EINVAL, site, "an application protocol has "
                "a name of 1 to 255 bytes, not %zu", n);
        len += n + 1;
    }
    if (len == 0 || len > 65535)
        return len == 0 ? 0 : -EINVAL;
    tls->alpn = bly_alloc(len);
    if (tls->alpn == NULL)
        return -ENOMEM;
    for (i = 0; alpn[i] != NULL; i++) {
        size_t n = strlen(alpn[i]);

        tls->alpn[tls->alpn_len] = (unsigned char)n;
        memcpy(tls->alpn + tls->alpn_len + 1, alpn[i], n);
        tls->alpn_len += (unsigned)n + 1;
    }
    return 0;
}

/* A server takes the first of its protocols that the client has. */
static int
config_select_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
    const unsigned char *in, unsigned inlen, void *arg)
{
    belay_tls *tls = arg;
    unsigned char *chosen;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, outlen, tls->alpn, tls->alpn_len, in,
            inlen) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int
config_version(belay_tls_version v, int none)
{
    if (v == 0)
        return none;
    return v == BELAY_TLS_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

static bool
config_set(belay_tls *tls, const belay_tls_opts *o)
{
    SSL_CTX *ctx = tls->ctx;

    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version(
            ctx, config_version(o->min_version, TLS1_2_VERSION)) != 1 ||
        SSL_CTX_set_max_proto_version(
            ctx, config_version(o->max_version, 0)) != 1 ||
        /* Sessions of clients with certificates belong to a name. */
        SSL_CTX_set_session_id_context(
            ctx, (const unsigned char *)"belay", 5) != 1)
        return false;
    if (tls->alpn != NULL) {
        if (SSL_CTX_set_alpn_protos(ctx, tls->alpn, tls->alpn_len) != 0)
            return false;
        SSL_CTX_set_alpn_select_cb(ctx, config_select_alpn, tls);
    }
    return true;
}

struct config_make {
    belay_tls *tls;
    const belay_tls_opts *opts;
    const belay_site *site;
};

static int
config_make(void *arg)
{
    struct config_make *m = arg;
    belay_tls *tls = m->tls;
    int r = -ENOMEM;

    ERR_clear_error();
    tls->ctx = SSL_CTX_new(TLS_method());
    tls->wire = bly_tls_wire_method();
    if (tls->ctx != NULL && tls->wire != NULL && config_set(tls, m->opts))
        r = bly_tls_load(tls, m->opts, m->site);
    ERR_clear_error();
    return r;
}

static int
config_check(const belay_tls_opts *o, const belay_site *site)
{
    belay_tls_version low = o->min_version, high = o->max_version;

    if ((low != 0 && low != BELAY_TLS_1_2 && low != BELAY_TLS_1_3) ||
        (high != 0 && high != BELAY_TLS_1_2 && high != BELAY_TLS_1_3) ||
        (high != 0 && high < low))
        return belay_fail_at(-EINVAL, site,
            "TLS from version %d to %d is none", (int)low, (int)high);
    if ((o->ca_file != NULL && o->ca_pem != NULL) ||
        (o->cert_file != NULL && o->cert_pem != NULL) ||
        (o->key_file != NULL && o->key_pem != NULL))
        return belay_fail_at(-EINVAL, site,
            "a certificate or key is given both as a file and as its text");
    return 0;
}

/* The system's certificates are some hundred KiB, and parsing them is slow:
 * no worker stands still for that.  Texts are short. */
static int
config_fill(struct config_make *make)
{
    const belay_tls_opts *o = make->opts;

    if (belay_task_id() != 0 &&
        (o->ca_pem == NULL || o->cert_file != NULL || o->key_file != NULL))
        return belay_blocking_call(config_make, make, make->site);
    return belay_deep_call_at(config_make, make, make->site);
}

/* ---- the calls ----------------------------------------------------------- */

int
belay_tls_open_at(belay_tls **out, const belay_tls_opts *opts,
    const belay_site *site)
{
    belay_tls_opts o = {.size = sizeof o};
    struct config_make make = {.opts = &o, .site = site};
    belay_tls *tls;
    int r;

    if (opts != NULL)
        memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);
    r = config_check(&o, site);
    if (r < 0)
        return r;
    tls = bly_zalloc(sizeof *tls);
    if (tls == NULL)
        return -ENOMEM;
    if (bly_stat_load(&bly_check_describe) == NULL)
        bly_stat_store(&bly_check_describe, config_describe);
    tls->refs = 1;
    tls->clients = o.clients;
    tls->any_server = o.dangerously_trust_any_server;
    tls->handshake = o.handshake == 0 ? CONFIG_HANDSHAKE
        : o.handshake > 0             ? o.handshake
                                      : 0;
    make.tls = tls;
    r = config_alpn(tls, o.alpn, site);
    if (r == 0)
        r = config_fill(&make);
    if (r < 0) {
        bly_tls_unref(tls);
        return r;
    }
    *out = tls;
    return 0;
}

void
belay_tls_close(belay_tls **tls)
{
    if (*tls != NULL)
        bly_tls_unref(*tls);
    *tls = NULL;
}

void
belay_tls_closep(belay_tls **tls)
{
    belay_tls_close(tls);
}
