/* SPDX-License-Identifier: MIT */
/* Handshakes over loopback, by both drivers: who is accepted, who is not, and
 * what is said about it. */
#include "kit.h"

#include <errno.h>

/* ---- good ones ----------------------------------------------------------- */

static int
of_version(belay_tls_version version, const char *cipher)
{
    CLIENT(client, .max_version = version);
    SERVER(server);
    ENDS(e);
    belay_tls_info info;

    BELAY_TRY(ends_open(&e, client, server));
    EQUAL(belay_tls_get_info(e.client, &info), 0);
    EQUAL(info.version, version);
    CHECK(info.verified && info.problem == NULL);
    CHECK(!info.resumed && info.alpn == NULL);
    SAYS(info.cipher, cipher);
    CHECK(strcmp(info.host, "localhost") == 0);
    CHECK(strcmp(info.subject, "CN=server") == 0);
    CHECK(strcmp(info.issuer, "CN=Test Root") == 0);
    EQUAL(belay_tls_get_info(e.server, &info), 0);
    EQUAL(info.version, version);
    CHECK(!info.verified && info.subject == NULL);
    CHECK(strcmp(info.host, "localhost") == 0);
    CHECK(belay_stream_fd(e.client) >= 0);
    return ends_talk(&e);
}

static int
of_version_1_2(void)
{
    return of_version(BELAY_TLS_1_2, "ECDHE-ECDSA");
}

static int
of_version_1_3(void)
{
    return of_version(BELAY_TLS_1_3, "TLS_AES_");
}

/* The fingerprint and the last day are those of the certificate. */
static int
a_certificate_can_be_pinned(void)
{
    CLIENT(client);
    SERVER(server);
    ENDS(e);
    unsigned char want[EVP_MAX_MD_SIZE];
    unsigned n;
    belay_tls_info info;

    BELAY_TRY(ends_open(&e, client, server));
    EQUAL(belay_tls_get_info(e.client, &info), 0);
    CHECK(X509_digest(kit.server.x, EVP_sha256(), want, &n) == 1);
    EQUAL(n, sizeof info.sha256);
    CHECK(memcmp(info.sha256, want, n) == 0);
    EQUAL(ASN1_TIME_cmp_time_t(X509_get0_notAfter(kit.server.x),
              info.not_after),
        0);
    return 0;
}

static int
names_of_one_host(void)
{
    static const char *const hosts[] = {"localhost", "LOCALHOST", "localhost.",
        "a.test.example", "127.0.0.1", "::1", "[::1]"};
    CLIENT(client);
    SERVER(server);

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        ENDS(e);

        BELAY_TRY(ends_link(&e));
        BELAY_TRY(ends_shake(&e, client, hosts[i], server));
        EQUAL(e.client_err, 0);
        EQUAL(e.server_err, 0);
    }
    return 0;
}

START_TEST(well)
{
    RUN(_i, of_version_1_2);
    RUN(_i, of_version_1_3);
    RUN(_i, a_certificate_can_be_pinned);
    RUN(_i, names_of_one_host);
}
END_TEST

/* ---- certificates that are not good enough ------------------------------- */

/* The client refuses, for this reason; the server hears of it. */
static int
refuses(const struct cert *cert, const char *host, const char *why)
{
    CLIENT(client);
    BELAY_AUTO(belay_tls, server);
    ENDS(e);

    BELAY_TRY(belay_tls_open(&server, .cert_pem = cert->pem,
        .key_pem = cert->key_pem));
    BELAY_TRY(ends_link(&e));
    BELAY_TRY(ends_shake(&e, client, host, server));
    EQUAL(e.client_err, -EACCES);
    SAYS(e.client_why, why);
    SAYS(e.client_why, "certificate of '");
    SAYS(e.client_why, host);
    EQUAL(e.server_err, -ECONNABORTED);
    SAYS(e.server_why, "the client refused the handshake with the alert '");
    return 0;
}

static int
of_another_host(void)
{
    BELAY_TRY(refuses(&kit.server, "example.org",
        "is not valid: it is for localhost, *.test.example"));
    BELAY_TRY(refuses(&kit.server, "a.b.test.example", "it is for localhost"));
    return refuses(&kit.server, "127.0.0.2", "it is for localhost");
}

static int
out_of_date(void)
{
    struct cert old = {0}, early = {0};
    int r;

    CERT(&old, .issuer = &kit.root, .name = "old", .hosts = "DNS:localhost",
        .from = -20, .until = -10);
    CERT(&early, .issuer = &kit.root, .name = "early",
        .hosts = "DNS:localhost", .from = 10);
    r = refuses(&old, "localhost", "it has expired, on 20");
    if (r == 0)
        r = refuses(&early, "localhost", "it is not valid before 20");
    cert_free(&old);
    cert_free(&early);
    return r;
}

static int
of_nobody_known(void)
{
    struct cert self = {0}, stranger = {0};
    int r;

    CERT(&self, .name = "self", .hosts = "DNS:localhost");
    CERT(&stranger, .issuer = &kit.other, .name = "stranger",
        .hosts = "DNS:localhost");
    r = refuses(&self, "localhost", "is not valid: self-signed certificate");
    if (r == 0)
        r = refuses(
            &stranger, "localhost", "its root is not trusted: CN=Other Root");
    /* The server sends its own certificate only. */
    strstr(stranger.pem, "-----END CERTIFICATE-----\n")[26] = '\0';
    if (r == 0)
        r = refuses(&stranger, "localhost",
            "nobody trusted has issued it, but CN=Other Root");
    cert_free(&self);
    cert_free(&stranger);
    return r;
}

/* Then it is told what is wrong with it. */
static int
dangerously_any(void)
{
    BELAY_AUTO(belay_tls, client);
    SERVER(server);
    ENDS(e);
    belay_tls_info info;

    BELAY_TRY(belay_tls_open(&client, .ca_pem = kit.other.pem,
        .dangerously_trust_any_server = true));
    BELAY_TRY(ends_open(&e, client, server));
    EQUAL(belay_tls_get_info(e.client, &info), 0);
    CHECK(!info.verified);
    SAYS(info.problem, "Test Root");
    BELAY_TRY(ends_talk(&e));
    ends_close(&e);
    BELAY_TRY(ends_link(&e));
    BELAY_TRY(ends_shake(&e, client, NULL, server));
    EQUAL(e.client_err, 0);
    return 0;
}

START_TEST(bad_certificates)
{
    RUN(_i, of_another_host);
    RUN(_i, out_of_date);
    RUN(_i, of_nobody_known);
    RUN(_i, dangerously_any);
}
END_TEST

/* ---- certificates of clients --------------------------------------------- */

#define CLIENT_WITH(tls, cert)                                                 \
    CLIENT(tls, .cert_pem = (cert)->pem, .key_pem = (cert)->key_pem)

static int
clients_are_known(void)
{
    CLIENT_WITH(client, &kit.client);
    SERVER(server, .ca_pem = kit.root.pem, .clients = BELAY_TLS_CLIENTS_MUST);
    ENDS(e);
    belay_tls_info info;

    BELAY_TRY(ends_open(&e, client, server));
    EQUAL(belay_tls_get_info(e.server, &info), 0);
    CHECK(info.verified);
    CHECK(strcmp(info.subject, "CN=A Client") == 0);
    return ends_talk(&e);
}

static int
clients_may_be_unknown(void)
{
    CLIENT(client);
    SERVER(server, .ca_pem = kit.root.pem, .clients = BELAY_TLS_CLIENTS_MAY);
    ENDS(e);
    belay_tls_info info;

    BELAY_TRY(ends_open(&e, client, server));
    EQUAL(belay_tls_get_info(e.server, &info), 0);
    CHECK(!info.verified && info.subject == NULL);
    return ends_talk(&e);
}

/* In TLS 1.3 the client learns of it when it reads. */
static int
client_is_refused(belay_tls *client, belay_tls *server, const char *why,
    const char *alert)
{
    ENDS(e);
    char c;

    BELAY_TRY(ends_link(&e));
    BELAY_TRY(ends_shake(&e, client, "localhost", server));
    EQUAL(e.server_err, -EACCES);
    SAYS(e.server_why, why);
    if (e.client_err == 0) {
        EQUAL(belay_stream_read(e.client, &c, 1), -ECONNABORTED);
        SAYS(belay_why(), "'localhost' ended TLS with the alert");
        SAYS(belay_why(), alert);
        EQUAL(belay_stream_read(e.client, &c, 1), -ECONNABORTED);
        EQUAL(belay_stream_write(e.client, "x", 1), -ECONNABORTED);
    } else {
        EQUAL(e.client_err, -ECONNABORTED);
        SAYS(e.client_why, alert);
    }
    return 0;
}

static int
unknown_clients_are_refused(void)
{
    for (int i = 0; i < 2; i++) {
        CLIENT(none, .max_version = i == 0 ? BELAY_TLS_1_2 : BELAY_TLS_1_3);
        SERVER(server, .ca_pem = kit.root.pem,
            .clients = BELAY_TLS_CLIENTS_MUST);

        BELAY_TRY(client_is_refused(none, server,
            "the client has no certificate",
            i == 0 ? "handshake failure" : "certificate required"));
    }
    return 0;
}

static int
false_clients_are_refused(void)
{
    SERVER(server, .ca_pem = kit.root.pem, .clients = BELAY_TLS_CLIENTS_MAY);
    struct cert stranger = {0};
    int r;

    CERT(&stranger, .issuer = &kit.other, .name = "stranger");
    BELAY_AUTO(belay_tls, client);
    r = belay_tls_open(&client, .ca_pem = kit.root.pem,
        .cert_pem = stranger.pem, .key_pem = stranger.key_pem);
    if (r == 0)
        r = client_is_refused(client, server,
            "certificate of the client is not valid: its root is not trusted",
            "unknown CA");
    cert_free(&stranger);
    return r;
}

START_TEST(certificates_of_clients)
{
    RUN(_i, clients_are_known);
    RUN(_i, clients_may_be_unknown);
    RUN(_i, unknown_clients_are_refused);
    RUN(_i, false_clients_are_refused);
}
END_TEST

/* ---- what is agreed on --------------------------------------------------- */

static const char *const some[] = {"h2", "http/1.1", NULL};
static const char *const one[] = {"http/1.1", NULL};
static const char *const other[] = {"gopher", NULL};

static int
alpn_of(const char *const *ours, const char *const *theirs, const char *want)
{
    CLIENT(client, .alpn = ours);
    SERVER(server, .alpn = theirs);
    ENDS(e);
    belay_tls_info a, b;

    BELAY_TRY(ends_open(&e, client, server));
    EQUAL(belay_tls_get_info(e.client, &a), 0);
    EQUAL(belay_tls_get_info(e.server, &b), 0);
    if (want == NULL) {
        CHECK(a.alpn == NULL && b.alpn == NULL);
        return 0;
    }
    CHECK(a.alpn != NULL && strcmp(a.alpn, want) == 0);
    CHECK(b.alpn != NULL && strcmp(b.alpn, want) == 0);
    return 0;
}

static int
protocols_are_agreed_on(void)
{
    BELAY_TRY(alpn_of(some, some, "h2"));
    BELAY_TRY(alpn_of(some, one, "http/1.1"));
    BELAY_TRY(alpn_of(one, some, "http/1.1"));
    BELAY_TRY(alpn_of(some, NULL, NULL));
    return alpn_of(NULL, some, NULL);
}

static int
no_protocol_in_common(void)
{
    CLIENT(client, .alpn = other);
    SERVER(server, .alpn = some);
    ENDS(e);

    BELAY_TRY(ends_link(&e));
    BELAY_TRY(ends_shake(&e, client, "localhost", server));
    EQUAL(e.server_err, -ENOPROTOOPT);
    SAYS(e.server_why, "the client offers none of our application protocols");
    EQUAL(e.client_err, -ENOPROTOOPT);
    SAYS(e.client_why, "'localhost' speaks none of the application protocols");
    return 0;
}

static int
no_version_in_common(void)
{
    CLIENT(client, .max_version = BELAY_TLS_1_2);
    SERVER(server, .min_version = BELAY_TLS_1_3);
    ENDS(e);

    BELAY_TRY(ends_link(&e));
    BELAY_TRY(ends_shake(&e, client, "localhost", server));
    EQUAL(e.server_err, -EPROTO);
    SAYS(e.server_why, "TLS with the client failed: unsupported protocol");
    EQUAL(e.client_err, -ECONNABORTED);
    SAYS(e.client_why, "'localhost' refused the handshake with the alert "
        "'protocol version'");
    return 0;
}

START_TEST(agreement)
{
    RUN(_i, protocols_are_agreed_on);
    RUN(_i, no_protocol_in_common);
    RUN(_i, no_version_in_common);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("handshake");

    tcase_add_loop_test(t, well, 0, KIT_DRIVERS);
    tcase_add_loop_test(t, bad_certificates, 0, KIT_DRIVERS);
    tcase_add_loop_test(t, certificates_of_clients, 0, KIT_DRIVERS);
    tcase_add_loop_test(t, agreement, 0, KIT_DRIVERS);
    return kit_suite("tls handshake", t);
}
