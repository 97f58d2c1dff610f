/* SPDX-License-Identifier: MIT */
/* What the tests of TLS share: authorities, certificates, a pair of ends. */
#ifndef BEHAVE_TLS_KIT_H
#define BEHAVE_TLS_KIT_H

#include <belay.h>
#include <belay/tls.h>

#include "certs.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(e)                                                               \
    do {                                                                       \
        if (!(e))                                                              \
            return BELAY_FAIL(-EBADMSG, "%s:%d: %s", __FILE__, __LINE__, #e);  \
    } while (0)
/* Two numbers are equal. */
#define EQUAL(a, b)                                                            \
    do {                                                                       \
        long long a_ = (long long)(a), b_ = (long long)(b);                    \
        if (a_ != b_)                                                          \
            return BELAY_FAIL(-EBADMSG, "%s:%d: %s is %lld, not %lld (%s)",    \
                __FILE__, __LINE__, #a, a_, b_, belay_why());                  \
    } while (0)
/* A text has this in it. */
#define SAYS(text, part)                                                       \
    do {                                                                       \
        char text_[512]; /* it may be that of belay_why() */                   \
        (void)snprintf(text_, sizeof text_, "%s", (text));                     \
        if (strstr(text_, (part)) == NULL)                                     \
            return BELAY_FAIL(-EBADMSG, "%s:%d: '%s' does not say '%s'",       \
                __FILE__, __LINE__, text_, (part));                            \
    } while (0)

static const char *const kit_drivers[] = {"epoll", "uring"};
enum { KIT_DRIVERS = 2 };

typedef int kit_fn(void);

BELAY_TASK(kit_can_start)
{
    BELAY_AUTO(belay_stream, a);
    BELAY_AUTO(belay_stream, b);

    return belay_stream_pair(&a, &b);
}

BELAY_TASK(kit_told, (const char *, name), (kit_fn *, run))
{
    int r = run();

    if (r < 0)
        fprintf(stderr, "%s: %s\n", name, belay_why());
    return r;
}

/* Runs a task by one of the drivers; one that is refused here is left out. */
#define RUN(driver, task)                                                      \
    do {                                                                       \
        ck_assert_int_eq(setenv("BELAY_DRIVER", kit_drivers[driver], 1), 0);   \
        if (belay_run(kit_can_start) == 0)                                     \
            ck_assert_int_eq(belay_run_with((.workers = 2), kit_told, #task,   \
                                 task),                                        \
                0);                                                            \
    } while (0)

/* ---- who there is -------------------------------------------------------- */

/* Made once for each program. */
static struct {
    struct cert root, other; /* the clients trust `root' */
    struct cert server;      /* localhost, 127.0.0.1 */
    struct cert client;
} kit;

static void
kit_open(void)
{
    CERT(&kit.root, .name = "Test Root", .authority = true);
    CERT(&kit.other, .name = "Other Root", .authority = true);
    CERT(&kit.server, .issuer = &kit.root, .name = "server",
        .hosts = "DNS:localhost,DNS:*.test.example,IP:127.0.0.1,IP:::1");
    CERT(&kit.client, .issuer = &kit.root, .name = "A Client");
}

static void
kit_close(void)
{
    cert_free(&kit.root);
    cert_free(&kit.other);
    cert_free(&kit.server);
    cert_free(&kit.client);
}

#define CLIENT(tls, ...)                                                       \
    BELAY_AUTO(belay_tls, tls);                                                \
    BELAY_TRY(belay_tls_open(&tls, .ca_pem = kit.root.pem, ##__VA_ARGS__))
#define SERVER(tls, ...)                                                       \
    BELAY_AUTO(belay_tls, tls);                                                \
    BELAY_TRY(belay_tls_open(&tls, .cert_pem = kit.server.pem,                 \
        .key_pem = kit.server.key_pem, ##__VA_ARGS__))

/* ---- two ends ------------------------------------------------------------ */

/* Two ends of one connection and how they shook hands. */
struct ends {
    belay_stream *client, *server; /* closed by who failed */
    int client_err, server_err;
    char client_why[512], server_why[512];
};

BELAY_UNUSED_ static void
ends_close(struct ends *e)
{
    belay_stream_close(&e->client);
    belay_stream_close(&e->server);
}

#define ENDS(e) BELAY_CLEANUP_(ends_close) struct ends e = {0}

static void
ends_note(int *err, char *why, size_t size, int r)
{
    *err = r;
    (void)snprintf(why, size, "%s", r < 0 ? belay_why() : "");
}

BELAY_TASK(ends_connect, (struct ends *, e), (belay_tls *, tls),
    (const char *, host))
{
    ends_note(&e->client_err, e->client_why, sizeof e->client_why,
        belay_tls_connect(&e->client, tls, &e->client, host));
    if (e->client_err < 0)
        belay_stream_close(&e->client);
    return 0;
}

BELAY_TASK(ends_accept, (struct ends *, e), (belay_tls *, tls))
{
    ends_note(&e->server_err, e->server_why, sizeof e->server_why,
        belay_tls_accept(&e->server, tls, &e->server));
    if (e->server_err < 0)
        belay_stream_close(&e->server);
    return 0;
}

/* Over loopback. */
static int
ends_link(struct ends *e)
{
    BELAY_AUTO(belay_listener, l);

    BELAY_TRY(belay_listen(&l, "127.0.0.1:0"));
    BELAY_TRY(belay_connect(&e->client, belay_listener_addr(l)));
    return belay_accept(l, &e->server);
}

/* The results are in e. */
static int
ends_shake(struct ends *e, belay_tls *client, const char *host,
    belay_tls *server)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, ends_connect, e, client, host);
        belay_spawn(s, ends_accept, e, server);
    }
    return 0;
}

/* Over loopback; well. */
BELAY_UNUSED_ static int
ends_open(struct ends *e, belay_tls *client, belay_tls *server)
{
    BELAY_TRY(ends_link(e));
    BELAY_TRY(ends_shake(e, client, "localhost", server));
    if (e->client_err < 0)
        return BELAY_FAIL(e->client_err, "%s", e->client_why);
    if (e->server_err < 0)
        return BELAY_FAIL(e->server_err, "%s", e->server_why);
    return 0;
}

/* Reads until text is complete. */
BELAY_UNUSED_ static int
hear(belay_stream *st, const char *text)
{
    char buf[256];

    for (size_t n = 0; n < strlen(text);) {
        ssize_t r = BELAY_TRY(belay_stream_read(st, buf, strlen(text) - n));

        if (r == 0)
            return BELAY_FAIL(-EBADMSG, "an early end, not '%s'", text);
        CHECK(memcmp(buf, text + n, (size_t)r) == 0);
        n += (size_t)r;
    }
    return 0;
}

BELAY_UNUSED_ static int
say(belay_stream *st, const char *text)
{
    return belay_stream_write_all(st, text, strlen(text), NULL);
}

/* The client's words reach the server, and the other way round. */
BELAY_UNUSED_ static int
ends_talk(struct ends *e)
{
    BELAY_TRY(say(e->client, "question"));
    BELAY_TRY(hear(e->server, "question"));
    BELAY_TRY(say(e->server, "answer"));
    return hear(e->client, "answer");
}

/* ---- the suite ----------------------------------------------------------- */

static int
kit_suite(const char *name, TCase *t)
{
    Suite *s = suite_create(name);
    SRunner *r;
    int failed;

    kit_open();
    tcase_set_timeout(t, 50);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    kit_close();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
