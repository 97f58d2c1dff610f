/* SPDX-License-Identifier: MIT */
/*
 * The terms of a connection: whose certificates are good enough, which
 * protocol, which version; and peers that want what belay does not do: old
 * versions, other terms later on.  Whoever is cut meanwhile, nobody gets a
 * stream that should not exist.
 */
#include <belay/deep.h>

#include "tls_kit.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static const char *const two_protocols[] = {"h2", "http/1.1", NULL};
static const char *const one_protocol[] = {"http/1.1", NULL};
static const char *const no_such_protocol[] = {"gopher", NULL};

/* Certificates and configurations that are not quite right. */
static struct {
    struct cert other_root, expired, other_host, stranger, client;
    struct cert false_client;
    belay_tls *serves_expired, *serves_other_host, *serves_stranger;
    belay_tls *knows_clients;
    belay_tls *known, *known_1_2, *unknown;
    belay_tls *speaks_two, *speaks_one, *speaks_none, *serves_two;
} terms;

static void
terms_serve(belay_tls **tls, const struct cert *c)
{
    kit_must(belay_tls_open(tls, .cert_pem = c->pem, .key_pem = c->key_pem));
}

static void
terms_certificates(void)
{
    CERT(&terms.other_root, .name = "Other Root", .authority = true,
        .fixed_size = true);
    CERT(&terms.expired, .issuer = &kit.root, .name = "server",
        .hosts = "DNS:server", .from = -20, .until = -10, .fixed_size = true);
    CERT(&terms.other_host, .issuer = &kit.root, .name = "other",
        .hosts = "DNS:other", .fixed_size = true);
    CERT(&terms.stranger, .issuer = &terms.other_root, .name = "server",
        .hosts = "DNS:server", .fixed_size = true);
    CERT(&terms.client, .issuer = &kit.root, .name = "A Client",
        .fixed_size = true);
    CERT(&terms.false_client, .issuer = &terms.other_root, .name = "A Client",
        .fixed_size = true);
}

static void
terms_clients(void)
{
    const struct cert *good = &terms.client, *bad = &terms.false_client;

    kit_must(belay_tls_open(&terms.knows_clients, .cert_pem = kit.server.pem,
        .key_pem = kit.server.key_pem, .ca_pem = kit.root.pem,
        .clients = BELAY_TLS_CLIENTS_MUST));
    kit_must(belay_tls_open(&terms.known, .ca_pem = kit.root.pem,
        .cert_pem = good->pem, .key_pem = good->key_pem));
    kit_must(belay_tls_open(&terms.known_1_2, .ca_pem = kit.root.pem,
        .cert_pem = good->pem, .key_pem = good->key_pem,
        .max_version = BELAY_TLS_1_2));
    kit_must(belay_tls_open(&terms.unknown, .ca_pem = kit.root.pem,
        .cert_pem = bad->pem, .key_pem = bad->key_pem));
}

static void
terms_protocols(void)
{
    kit_must(belay_tls_open(&terms.speaks_two, .ca_pem = kit.root.pem,
        .alpn = two_protocols));
    kit_must(belay_tls_open(&terms.speaks_one, .ca_pem = kit.root.pem,
        .alpn = one_protocol));
    kit_must(belay_tls_open(&terms.speaks_none, .ca_pem = kit.root.pem,
        .alpn = no_such_protocol));
    kit_must(belay_tls_open(&terms.serves_two, .cert_pem = kit.server.pem,
        .key_pem = kit.server.key_pem, .alpn = two_protocols));
}

__attribute__((constructor)) static void
terms_open(void)
{
    terms_certificates();
    terms_serve(&terms.serves_expired, &terms.expired);
    terms_serve(&terms.serves_other_host, &terms.other_host);
    terms_serve(&terms.serves_stranger, &terms.stranger);
    terms_clients();
    terms_protocols();
}

/* ---- two ends that shake hands ------------------------------------------- */

struct meeting {
    struct ends e;
    int client, server; /* how it ended for each */
    char client_why[400], server_why[400];
};

BELAY_TASK(client_of_meeting, (struct meeting *, m))
{
    m->client = ends_connect(&m->e);
    (void)snprintf(m->client_why, sizeof m->client_why, "%s", belay_why());
    return 0;
}

BELAY_TASK(server_of_meeting, (struct meeting *, m))
{
    m->server = ends_shaken(&m->e.server,
        belay_tls_accept(&m->e.server, m->e.serves, &m->e.server));
    (void)snprintf(m->server_why, sizeof m->server_why, "%s", belay_why());
    return 0;
}

static void
meeting_close(struct meeting *m)
{
    ends_close(&m->e);
}

#define MEETING(m) BELAY_CLEANUP_(meeting_close) struct meeting m = {0}

static int
meet(struct meeting *m, belay_tls *client, belay_tls *server)
{
    BELAY_TRY(ends_link(&m->e, 0));
    m->e.trusts = client;
    m->e.serves = server;
    m->client = m->server = -ECANCELED;
    BELAY_SCOPE(s) {
        belay_spawn(s, client_of_meeting, m);
        belay_spawn(s, server_of_meeting, m);
    }
    return 0;
}

static void
check_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        belay_test_fail_at(BELAY_SITE_("says"), "'%s' does not say '%s'", text,
            part);
}

/* ---- certificates of servers --------------------------------------------- */

/* Also where somebody was cut: there is no such connection. */
static void
check_refused(belay_tls *serves, const char *why)
{
    MEETING(m);
    int r = meet(&m, kit.trusts, serves);

    BELAY_CHECK(m.client < 0 && m.server < 0);
    if (belay_test_disturbed())
        return;
    BELAY_CHECK_EQ(r, 0);
    BELAY_CHECK_EQ(m.client, -EACCES);
    check_says(m.client_why, "certificate of 'server' is not valid: ");
    check_says(m.client_why, why);
    BELAY_CHECK_EQ(m.server, -ECONNABORTED);
    check_says(m.server_why, "the client refused the handshake");
}

BELAY_TEST(an_expired_server_is_refused, .schedules = 30,
    .cancel_everywhere = true)
{
    check_refused(terms.serves_expired, "it has expired, on 20");
}

BELAY_TEST(another_host_is_refused, .schedules = 30, .cancel_everywhere = true)
{
    check_refused(terms.serves_other_host, "it is for other");
}

BELAY_TEST(a_stranger_is_refused, .schedules = 30, .cancel_everywhere = true)
{
    check_refused(
        terms.serves_stranger, "its root is not trusted: CN=Other Root");
}

/* ---- certificates of clients --------------------------------------------- */

BELAY_TEST(both_know_each_other, .schedules = 60)
{
    MEETING(m);
    belay_tls_info info;
    int r = meet(&m,
        belay_test_choose(2) == 0 ? terms.known : terms.known_1_2,
        terms.knows_clients);

    BELAY_CHECK_EQ(r, 0);
    BELAY_CHECK_EQ(m.client, 0);
    BELAY_CHECK_EQ(m.server, 0);
    r = belay_tls_get_info(m.e.server, &info);
    BELAY_CHECK_EQ(r, 0);
    BELAY_CHECK(info.verified);
    BELAY_CHECK(strcmp(info.subject, "CN=A Client") == 0);
    r = belay_tls_get_info(m.e.client, &info);
    BELAY_CHECK_EQ(r, 0);
    BELAY_CHECK(info.verified);
    BELAY_CHECK(strcmp(info.subject, "CN=server") == 0);
}

/* A client of TLS 1.3 has shaken hands before the server looks at it. */
static void
check_client_refused(belay_tls *client, const char *why)
{
    MEETING(m);
    int r = meet(&m, client, terms.knows_clients);
    char c;

    BELAY_CHECK(m.server < 0);
    if (belay_test_disturbed())
        return;
    BELAY_CHECK_EQ(r, 0);
    BELAY_CHECK_EQ(m.server, -EACCES);
    check_says(m.server_why, why);
    if (m.client == 0)
        m.client = (int)belay_stream_read(m.e.client, &c, 1);
    BELAY_CHECK(m.client == -ECONNABORTED || belay_test_disturbed());
}

BELAY_TEST(clients_without_certificate_are_refused, .schedules = 30,
    .cancel_everywhere = true)
{
    check_client_refused(kit.trusts, "the client has no certificate");
}

BELAY_TEST(false_clients_are_refused, .schedules = 30,
    .cancel_everywhere = true)
{
    check_client_refused(terms.unknown, "its root is not trusted");
}

/* ---- application protocols ----------------------------------------------- */

/* The server's order counts. */
BELAY_TEST(a_protocol_is_agreed_on, .schedules = 40)
{
    bool two = belay_test_choose(2) != 0;
    const char *want = two ? "h2" : "http/1.1";
    belay_tls_info info;
    MEETING(m);
    int r = meet(
        &m, two ? terms.speaks_two : terms.speaks_one, terms.serves_two);

    BELAY_CHECK_EQ(r, 0);
    BELAY_CHECK_EQ(m.client, 0);
    BELAY_CHECK_EQ(m.server, 0);
    r = belay_tls_get_info(m.e.client, &info);
    BELAY_CHECK(r == 0 && strcmp(info.alpn, want) == 0);
    r = belay_tls_get_info(m.e.server, &info);
    BELAY_CHECK(r == 0 && strcmp(info.alpn, want) == 0);
}

BELAY_TEST(without_a_protocol_there_is_no_connection, .schedules = 30,
    .cancel_everywhere = true)
{
    MEETING(m);
    int r = meet(&m, terms.speaks_none, terms.serves_two);

    BELAY_CHECK(m.client < 0 && m.server < 0);
    if (belay_test_disturbed())
        return;
    BELAY_CHECK_EQ(r, 0);
    BELAY_CHECK_EQ(m.client, -ENOPROTOOPT);
    BELAY_CHECK_EQ(m.server, -ENOPROTOOPT);
}

/* ---- old versions -------------------------------------------------------- */

/* RFC 4346, 7.4.1.2: a client that knows TLS 1.1 and not more. */
static const unsigned char old_client[] = {
    22, 3, 1, 0, 45,             /* a record: a handshake */
    1, 0, 0, 41, 3, 2,           /* ClientHello, TLS 1.1 */
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
    21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, /* random */
    0,                           /* no session */
    0, 2, 0xc0, 0x13,            /* ECDHE_RSA_WITH_AES_128_CBC_SHA */
    1, 0,                        /* no compression */
};
/* The same for a server's answer. */
static const unsigned char old_server[] = {
    22, 3, 2, 0, 42,
    2, 0, 0, 38, 3, 2,           /* ServerHello, TLS 1.1 */
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
    21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
    0,
    0xc0, 0x13,
    0,
};

/* Says something in plain and takes what comes, up to the end. */
BELAY_TASK(old_peer, (belay_stream *, st), (const unsigned char *, says),
    (size_t, n), (unsigned char *, last))
{
    unsigned char buf[512];
    size_t have = 0;
    ssize_t r;

    BELAY_TRY(belay_stream_write_all(st, says, n, NULL));
    while ((r = BELAY_TRY(belay_stream_read(
                st, buf + have, sizeof buf - have))) > 0)
        have += (size_t)r;
    BELAY_CHECK(have >= 7);
    memcpy(last, buf + have - 7, 7);
    return 0;
}

/* A fatal alert, protocol_version (RFC 5246, 7.2). */
static void
check_is_told(const unsigned char *last)
{
    BELAY_CHECK_EQ(last[0], 21);
    BELAY_CHECK_EQ(last[5], 2);
    BELAY_CHECK_EQ(last[6], 70);
}

static int
serves_old_client(void)
{
    unsigned char last[7];
    ENDS(e);

    BELAY_TRY(ends_link(&e, 0));
    BELAY_SCOPE(s) {
        belay_spawn(s, old_peer, e.client, old_client, sizeof old_client, last);
        BELAY_CHECK_EQ(belay_tls_accept(&e.server, e.serves, &e.server),
            -EPROTO);
        check_says(belay_why(), "unsupported protocol");
        belay_stream_close(&e.server);
    }
    check_is_told(last);
    return 0;
}

BELAY_TEST(a_client_of_tls_1_1_is_refused, .schedules = 50)
{
    BELAY_CHECK_EQ(serves_old_client(), 0);
}

static int
asks_old_server(void)
{
    unsigned char last[7];
    ENDS(e);

    BELAY_TRY(ends_link(&e, 0));
    BELAY_SCOPE(s) {
        belay_spawn(s, old_peer, e.server, old_server, sizeof old_server, last);
        BELAY_CHECK_EQ(belay_tls_connect(&e.client, e.trusts, &e.client,
                           "server"),
            -EPROTO);
        check_says(belay_why(), "unsupported protocol");
        belay_stream_close(&e.client);
    }
    check_is_told(last);
    return 0;
}

BELAY_TEST(a_server_of_tls_1_1_is_refused, .schedules = 50)
{
    BELAY_CHECK_EQ(asks_old_server(), 0);
}

/* ---- other terms later on ------------------------------------------------ */

/* A peer that is OpenSSL and nothing else, in TLS 1.2. */
struct plain {
    belay_stream *st;
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    int (*act)(SSL *ssl);
    int result;
    int reason; /* why it failed; the queue of errors is the thread's */
};

static int
plain_open(struct plain *p, belay_stream *st, bool server)
{
    p->st = st;
    p->ctx = SSL_CTX_new(TLS_method());
    BELAY_CHECK(p->ctx != NULL);
    BELAY_CHECK(SSL_CTX_set_max_proto_version(p->ctx, TLS1_2_VERSION) == 1);
    BELAY_CHECK(!server ||
        (SSL_CTX_use_certificate(p->ctx, kit.server.x) == 1 &&
            SSL_CTX_use_PrivateKey(p->ctx, kit.server.key) == 1));
    p->ssl = SSL_new(p->ctx);
    p->in = BIO_new(BIO_s_mem());
    p->out = BIO_new(BIO_s_mem());
    BELAY_CHECK(p->ssl != NULL && p->in != NULL && p->out != NULL);
    (void)BIO_set_mem_eof_return(p->in, -1);
    SSL_set_bio(p->ssl, p->in, p->out);
    if (server)
        SSL_set_accept_state(p->ssl);
    else
        SSL_set_connect_state(p->ssl);
    return 0;
}

static void
plain_close(struct plain *p)
{
    SSL_free(p->ssl);
    SSL_CTX_free(p->ctx);
}

#define PLAIN(p) BELAY_CLEANUP_(plain_close) struct plain p = {0}

static int
plain_try(void *arg)
{
    struct plain *p = arg;

    ERR_clear_error();
    p->result = p->act(p->ssl);
    p->reason = ERR_GET_REASON(ERR_peek_error());
    if (p->result <= 0 && SSL_get_error(p->ssl, p->result) ==
            SSL_ERROR_WANT_READ)
        return 1;
    return 0;
}

/* Acts until it need not wait for the peer; the result is in p->result. */
static int
plain_do(struct plain *p, int (*act)(SSL *ssl))
{
    char buf[4096];
    int wants;

    p->act = act;
    do {
        wants = BELAY_TRY(belay_deep_call(plain_try, p));
        for (int n; (n = BIO_read(p->out, buf, sizeof buf)) > 0;)
            BELAY_TRY(belay_stream_write_all(p->st, buf, (size_t)n, NULL));
        if (wants) {
            ssize_t n = BELAY_TRY(belay_stream_read(p->st, buf, sizeof buf));

            if (n == 0)
                return -ECONNRESET;
            BELAY_CHECK(BIO_write(p->in, buf, (int)n) == n);
        }
    } while (wants);
    return 0;
}

static int
act_say(SSL *ssl)
{
    return SSL_write(ssl, "a", 1);
}

static int
act_hear(SSL *ssl)
{
    char c;

    return SSL_read(ssl, &c, 1);
}

/* Wants to shake hands again, says something all the same, and listens until
 * it learns that the other one does not want to. */
BELAY_TASK(plain_peer, (belay_stream *, st), (bool, server))
{
    PLAIN(p);

    BELAY_TRY(plain_open(&p, st, server));
    BELAY_TRY(plain_do(&p, SSL_do_handshake));
    BELAY_CHECK_EQ(p.result, 1);
    BELAY_TRY(plain_do(&p, act_say));
    BELAY_CHECK_EQ(p.result, 1);
    BELAY_CHECK_EQ(SSL_renegotiate(p.ssl), 1);
    BELAY_TRY(plain_do(&p, server ? SSL_do_handshake : act_hear));
    if (server) {
        BELAY_TRY(plain_do(&p, act_say));
        BELAY_TRY(plain_do(&p, act_hear));
    }
    BELAY_CHECK(p.result <= 0);
    BELAY_CHECK_EQ(p.reason, SSL_R_NO_RENEGOTIATION);
    return 0;
}

/* Hears what is said; then the peer has had enough. */
static int
hears_out(belay_stream *st, int most)
{
    ssize_t r;
    char c;
    int n = 0;

    while ((r = belay_stream_read(st, &c, 1)) == 1)
        n++;
    BELAY_CHECK_EQ(n, most);
    BELAY_CHECK_EQ(r, -ECONNABORTED);
    check_says(belay_why(), "ended TLS with the alert 'handshake failure'");
    return 0;
}

static int
client_wants_more(void)
{
    ENDS(e);

    BELAY_TRY(ends_link(&e, 0));
    BELAY_SCOPE(s) {
        belay_spawn(s, plain_peer, e.client, false);
        BELAY_TRY(belay_tls_accept(&e.server, e.serves, &e.server));
        BELAY_TRY(hears_out(e.server, 1));
    }
    return 0;
}

BELAY_TEST(a_client_cannot_renegotiate, .schedules = 100)
{
    BELAY_CHECK_EQ(client_wants_more(), 0);
}

static int
server_wants_more(void)
{
    ENDS(e);

    BELAY_TRY(ends_link(&e, 0));
    BELAY_SCOPE(s) {
        belay_spawn(s, plain_peer, e.server, true);
        BELAY_TRY(belay_tls_connect(&e.client, e.trusts, &e.client, "server"));
        BELAY_TRY(hears_out(e.client, 2));
    }
    return 0;
}

BELAY_TEST(a_server_cannot_renegotiate, .schedules = 100)
{
    BELAY_CHECK_EQ(server_wants_more(), 0);
}
