/* SPDX-License-Identifier: MIT */
/*
 * TLS under the explorer.  A run has to take the same course each time, so
 * OpenSSL gets its random numbers from here, anew for each run, and signatures
 * are all of one length.
 */
#ifndef EXPLORE_TLS_KIT_H
#define EXPLORE_TLS_KIT_H

/* The one simple way to replace its random numbers is an old one. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <belay/net.h>
#include <belay/stream.h>
#include <belay/test.h>
#include <belay/tls.h>

#include "../behave/tls/certs.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    uint64_t random;
    struct cert root, server;
    belay_tls *trusts, *trusts_1_2, *serves;
} kit;

static int
kit_random(unsigned char *buf, int n)
{
    for (int i = 0; i < n; i++) {
        kit.random = kit.random * UINT64_C(6364136223846793005) + 1;
        buf[i] = (unsigned char)(kit.random >> 56);
    }
    return 1;
}

static int
kit_random_ready(void)
{
    return 1;
}

static const RAND_METHOD kit_rand = {
    .bytes = kit_random,
    .pseudorand = kit_random,
    .status = kit_random_ready,
};

static void
kit_must(int r)
{
    if (r < 0) {
        fprintf(stderr, "TLS for tests: %s\n", belay_strerror(r));
        exit(EXIT_FAILURE);
    }
}

/* What takes long is done once, before the first run. */
__attribute__((constructor)) static void
kit_open(void)
{
    CERT(&kit.root, .name = "Root", .authority = true, .fixed_size = true);
    CERT(&kit.server, .issuer = &kit.root, .name = "server",
        .hosts = "DNS:server", .fixed_size = true);
    kit_must(belay_tls_open(&kit.trusts, .ca_pem = kit.root.pem));
    kit_must(belay_tls_open(&kit.trusts_1_2, .ca_pem = kit.root.pem,
        .max_version = BELAY_TLS_1_2));
    kit_must(belay_tls_open(&kit.serves, .cert_pem = kit.server.pem,
        .key_pem = kit.server.key_pem));
    (void)RAND_set_rand_method(&kit_rand);
}

/* Both ends: streams, and what they shake hands with. */
struct ends {
    belay_tls *trusts, *serves; /* not ours */
    belay_stream *client, *server;
};

static void
ends_close(struct ends *e)
{
    belay_stream_close(&e->client);
    belay_stream_close(&e->server);
}

#define ENDS(e) BELAY_CLEANUP_(ends_close) struct ends e = {0}

/* Two streams in plain, and what they need to become more; begins a run. */
static int
ends_link(struct ends *e, belay_tls_version version)
{
    kit.random = 1;
    e->trusts = version == BELAY_TLS_1_2 ? kit.trusts_1_2 : kit.trusts;
    e->serves = kit.serves;
    return belay_stream_pair(&e->client, &e->server);
}

/* Who cannot go on lets the other one know. */
static int
ends_shaken(belay_stream **st, int r)
{
    if (r < 0)
        belay_stream_close(st);
    return r;
}

BELAY_TASK(ends_accept, (struct ends *, e))
{
    return ends_shaken(&e->server,
        belay_tls_accept(&e->server, e->serves, &e->server));
}

static int
ends_connect(struct ends *e)
{
    return ends_shaken(&e->client,
        belay_tls_connect(&e->client, e->trusts, &e->client, "server"));
}

BELAY_UNUSED_ static int
ends_shake(struct ends *e)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, ends_accept, e);
        BELAY_TRY(ends_connect(e));
    }
    return 0;
}

/* The byte at a place of what is sent. */
BELAY_UNUSED_ static char
byte_at(size_t i)
{
    return (char)(i * 7 + (i >> 8));
}

/* Writes bytes [from, to). */
BELAY_UNUSED_ static int
say_bytes(belay_stream *st, size_t from, size_t to)
{
    char buf[512];

    while (from < to) {
        size_t n = to - from < sizeof buf ? to - from : sizeof buf;

        for (size_t i = 0; i < n; i++)
            buf[i] = byte_at(from + i);
        BELAY_TRY(belay_stream_write_all(st, buf, n, NULL));
        from += n;
    }
    return 0;
}

/* One read of what begins at from: how many there are. */
BELAY_UNUSED_ static ssize_t
hear_some(belay_stream *st, size_t from)
{
    char buf[700];
    ssize_t n = belay_stream_read(st, buf, sizeof buf);

    for (ssize_t i = 0; i < n; i++)
        BELAY_CHECK_EQ(buf[i], byte_at(from + (size_t)i));
    return n;
}

/* All that comes, up to the end; *got in any case. */
BELAY_UNUSED_ static int
hear_bytes(belay_stream *st, size_t *got)
{
    ssize_t n;

    do {
        n = BELAY_TRY(hear_some(st, *got));
        *got += (size_t)n;
    } while (n > 0);
    return 0;
}

#endif
