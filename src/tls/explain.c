/* SPDX-License-Identifier: MIT */
/*
 * What went wrong, for people: OpenSSL's words are kept where they are good,
 * and the peer, the certificate or the bytes that are to blame are named.
 */
#include "tls/conn.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    TLS_ALERT = 21, /* the types of record with which a peer may begin */
    TLS_HANDSHAKE = 22,
    EXPLAIN_NAMES = 3 /* of a certificate, in a text */
};

/* Are the hands shaken?  OpenSSL does not tell after a failure. */
static bool
explain_is_open(const struct bly_tls_conn *c)
{
    return c->info != NULL;
}

static BLY_PRINTF(3, 4) void
explain_as(struct bly_tls_conn *c, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(c->why, sizeof c->why, fmt, ap);
    va_end(ap);
    c->code = code;
}

/* ---- certificates -------------------------------------------------------- */

static BLY_PRINTF(3, 4) void
text_add(char *text, size_t size, const char *fmt, ...)
{
    size_t used = strlen(text);
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text + used, size - used, fmt, ap);
    va_end(ap);
}

static void
text_add_name(char *text, size_t size, const X509_NAME *name)
{
    char line[128] = "?";

    if (name != NULL)
        (void)X509_NAME_oneline(name, line, sizeof line);
    text_add(text, size, "%s", line[0] == '/' ? line + 1 : line);
}

static void
text_add_time(char *text, size_t size, const ASN1_TIME *t)
{
    struct tm tm;
    char day[32];

    if (ASN1_TIME_to_tm(t, &tm) == 1 &&
        strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S UTC", &tm) > 0)
        text_add(text, size, "%s", day);
}

/* The first names of hosts that a certificate has. */
static void
text_add_hosts(char *text, size_t size, X509 *x)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    int i, told = 0, n = names != NULL ? sk_GENERAL_NAME_num(names) : 0;

    for (i = 0; i < n && told < EXPLAIN_NAMES; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type != GEN_DNS)
            continue;
        text_add(text, size, "%s%.*s", told++ > 0 ? ", " : "",
            ASN1_STRING_length(name->d.dNSName),
            (const char *)ASN1_STRING_get0_data(name->d.dNSName));
    }
    if (told == 0)
        text_add(text, size, "no name of a host");
    else if (i < n)
        text_add(text, size, ", ...");
    GENERAL_NAMES_free(names);
}

static void
explain_certificate(char *text, size_t size, int error, X509 *x)
{
    text[0] = '\0';
    switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        text_add(text, size, "it is for ");
        text_add_hosts(text, size, x);
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        text_add(text, size, "it has expired, on ");
        text_add_time(text, size, X509_get0_notAfter(x));
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        text_add(text, size, "it is not valid before ");
        text_add_time(text, size, X509_get0_notBefore(x));
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        text_add(text, size, "nobody trusted has issued it, but ");
        text_add_name(text, size, X509_get_issuer_name(x));
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        text_add(text, size, "its root is not trusted: ");
        text_add_name(text, size, X509_get_subject_name(x));
        break;
    default:
        text_add(text, size, "%s", X509_verify_cert_error_string(error));
        break;
    }
}

int
bly_tls_verified(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(
        store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct bly_tls_conn *c = SSL_get_app_data(ssl);
    X509 *x = X509_STORE_CTX_get_current_cert(store);

    if (!ok && c->problem[0] == '\0' && x != NULL)
        explain_certificate(c->problem, sizeof c->problem,
            X509_STORE_CTX_get_error(store), x);
    return ok;
}

/* ---- the rest ------------------------------------------------------------ */

/* Has the peer begun with something that is no record of TLS? */
static bool
explain_is_foreign(const struct bly_tls_wire *w)
{
    return w->nfirst > 0 &&
        ((w->first[0] != TLS_ALERT && w->first[0] != TLS_HANDSHAKE) ||
            (w->nfirst > 1 && w->first[1] != 3));
}

static void
explain_foreign(struct bly_tls_conn *c)
{
    const struct bly_tls_wire *w = &c->wire;
    char text[BLY_TLS_FIRST + 1];
    size_t n = 0;

    while (n < w->nfirst && isprint(w->first[n])) {
        text[n] = (char)w->first[n];
        n++;
    }
    text[n] = '\0';
    if (n > 0)
        explain_as(c, -EPROTO, "%s does not speak TLS: it says \"%s\"",
            c->peer, text);
    else
        explain_as(c, -EPROTO, "%s does not speak TLS", c->peer);
}

static void
explain_alert(struct bly_tls_conn *c, int alert)
{
    const char *what = SSL_alert_desc_string_long(alert);

    if (alert == SSL_AD_CERTIFICATE_REQUIRED) /* has no text in OpenSSL 3.0 */
        what = "certificate required";
    if (alert == SSL_AD_NO_APPLICATION_PROTOCOL)
        explain_as(c, -ENOPROTOOPT,
            "%s speaks none of the application protocols it was offered",
            c->peer);
    else
        explain_as(c, -ECONNABORTED, "%s %s with the alert '%s'", c->peer,
            explain_is_open(c) ? "ended TLS" : "refused the handshake", what);
}

static void
explain_verify(struct bly_tls_conn *c)
{
    long error = SSL_get_verify_result(c->ssl);

    explain_as(c, -EACCES, "certificate of %s is not valid: %s", c->peer,
        c->problem[0] != '\0' ? c->problem
                              : X509_verify_cert_error_string(error));
}

static void
explain_reason(struct bly_tls_conn *c, unsigned long error)
{
    int reason = ERR_GET_REASON(error);
    const char *text = ERR_reason_error_string(error);

    switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        explain_verify(c);
        break;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        explain_as(c, -EACCES, "%s has no certificate", c->peer);
        break;
    case SSL_R_NO_APPLICATION_PROTOCOL:
        explain_as(c, -ENOPROTOOPT,
            "%s offers none of our application protocols", c->peer);
        break;
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        explain_as(c, -ECONNRESET, "%s closed the connection %s", c->peer,
            explain_is_open(c)
                ? "without saying so in TLS: what came may be cut off"
                : "during the handshake");
        break;
    default:
        if (reason >= SSL_AD_REASON_OFFSET)
            explain_alert(c, reason - SSL_AD_REASON_OFFSET);
        else
            explain_as(c, -EPROTO, "TLS with %s failed: %s", c->peer,
                text != NULL ? text : "unknown error");
        break;
    }
}

void
bly_tls_explain(struct bly_tls_conn *c, int ssl_error)
{
    unsigned long error = ERR_peek_error();

    if (c->wire.no_memory)
        explain_as(c, -ENOMEM, "no memory for TLS with %s", c->peer);
    else if (!explain_is_open(c) && explain_is_foreign(&c->wire))
        explain_foreign(c);
    else if (error != 0 && ERR_GET_LIB(error) == ERR_LIB_SSL)
        explain_reason(c, error);
    else if (ssl_error == SSL_ERROR_ZERO_RETURN)
        explain_as(c, -ECONNRESET,
            "%s ended TLS during the handshake", c->peer);
    else if (error != 0)
        explain_as(c, -EPROTO, "TLS with %s failed: %s", c->peer,
            ERR_reason_error_string(error));
    else
        explain_as(c, -EPROTO, "TLS with %s failed (OpenSSL %d)", c->peer,
            ssl_error);
}
