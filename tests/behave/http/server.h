/* SPDX-License-Identifier: MIT */
/*
 * A server that does what a test tells it, right or wrong, on a loopback port
 * of its own.
 *
 * A page is a path and what is done once a request for it has been read: a
 * list of steps.  A page whose steps have all been done, and did not close the
 * connection, leaves it open for the next request.
 */
#ifndef BEHAVE_HTTP_SERVER_H
#define BEHAVE_HTTP_SERVER_H

#include <belay.h>

#include <stdatomic.h>

enum act {
    END,
    SAY,   /* text, or n bytes of it */
    DRIP,  /* text, a byte each 20 ms */
    FLOOD, /* n bytes 'x' */
    PAUSE, /* n ms */
    STALL, /* for ever */
    CLOSE,
    RESET,
};

struct step {
    enum act act;
    const char *text;
    size_t n;
};

struct page {
    const char *path;
    bool early; /* does not read the request's body */
    struct step steps[8];
};

enum { SERVER_REQUEST = 64 << 10 };

struct server {
    /* Set by the test. */
    const struct page *pages; /* the last one has no path */
    bool mute;                /* accepts, and never says a word */
    bool hang_up;             /* accepts, and resets */
    bool deaf;                /* accepts nothing */
    bool raw;  /* is no HTTP: does the first page's steps at once */
    bool keep; /* what it reads, in .request; with one worker */

    unsigned port;
    int fd;
    char url[64]; /* "http://127.0.0.1:12345", without a slash */

    /* Counted. */
    atomic_uint accepted, closed, requests;
    _Atomic uint64_t sent; /* bytes of floods */
    belay_event changed;   /* set with each change of these */
    atomic_size_t body_len; /* of the last request */
    char request[SERVER_REQUEST + 1]; /* .keep: all of it */
};

/* Listens, and serves as a daemon of s. */
int server_start(belay_scope *s, struct server *srv) BELAY_MUST_CHECK;

/* Sleeps until *count is n. */
int server_await(struct server *srv, atomic_uint *count, unsigned n)
    BELAY_MUST_CHECK;

/* srv->url with this path; good until the eighth call from now. */
const char *server_url(struct server *srv, const char *path);

#define PAGE(where, ...) {.path = (where), .steps = {__VA_ARGS__}}
#define OK(length) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n"

#endif
