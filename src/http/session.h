/* SPDX-License-Identifier: MIT */
/*
 * A session: options, admission, and the port of the driver.  It is counted:
 * the handle, the driver and every exchange keep it.
 */
#ifndef BLY_HTTP_SESSION_H
#define BLY_HTTP_SESSION_H

#include "http/admit.h"
#include "http/exchange.h"

/*
 * How bytes move.  The product has curl's multi interface (multi.c),
 * belay-http-test the modelled network of memory.c.
 */
struct bly_http_transport {
    /* What the driver needs; -errno. */
    int (*open)(belay_http *h, void **self);
    /* The driver: serves the port until its task is cut or h->closing. */
    void (*run)(belay_http *h, void *self);
    void (*close)(void *self);
    /* Addresses for the exchange, in its own memory (*out NULL: not needed);
     * waits, in the requesting task.  -EHOSTUNREACH: there is none, -EAGAIN:
     * none could be found now. */
    int (*resolve)(belay_http *h, const char *host, unsigned port, char **out);
};

extern const struct bly_http_transport bly_http_transport;

struct belay_http {
    uint32_t refs;  /* atomic */
    uint32_t calls; /* atomic: under way */
    bool closing;   /* atomic */
    belay_http_opts opts; /* with defaults filled in; texts are ours */
    char **headers;
    struct bly_http_admission admission;
    struct bly_http_port port;
    void *transport;
    const belay_site *site; /* of the open */

    struct bly_lock lock;
    /* Under lock. */
    uint64_t rng;
    uint64_t requests, retries, connections, turns;
};

belay_http *bly_http_session_ref(belay_http *h);
void bly_http_session_unref(belay_http *h);
struct bly_http_port *bly_http_session_port(belay_http *h);
bool bly_http_session_closing(belay_http *h);

/* A random number. */
uint32_t bly_http_random(belay_http *h);
/* Adds 1 to a statistic of h. */
void bly_http_count(belay_http *h, uint64_t *what);

/* The limits that hold: what is 0 in own is taken from base. */
belay_http_limits bly_http_limits_over(const belay_http_limits *own,
    const belay_http_limits *base);
/* How long that phase may last; negative: for ever. */
belay_dur bly_http_limit_of(const belay_http_limits *l,
    belay_http_phase phase);

#endif
