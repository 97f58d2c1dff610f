/* SPDX-License-Identifier: MIT */
/*
 * What belay-http-test serves in the place of a network.
 *
 * A test says which routes there are; sessions that it opens afterwards find
 * nothing else.  Time is virtual, and what a network does at random (how many
 * bytes come at once, whose come first) is chosen by the explorer.
 *
 *     static const belay_http_route routes[] = {
 *         {.url = "http://a.test/", .body = "hello"},
 *         {.url = "http://b.test/", .stall = BELAY_HTTP_IN_FIRST_BYTE},
 *     };
 *     belay_http_net net = {.routes = routes, .count = 2};
 *
 *     belay_http_serve(&net);
 */
#ifndef BELAY_HTTP_TEST_H
#define BELAY_HTTP_TEST_H

#include <belay/http.h>

BELAY_BEGIN_DECLS

/* How requests for one URL go; the first route that fits and is not used up is
 * taken.  No route for a host: it has no address; for a URL: status 404. */
typedef struct belay_http_route {
    const char *method; /* NULL = any */
    const char *url;    /* all of it; NULL = any */
    unsigned times;     /* used up after so many requests; 0 = never */
    int status;         /* 0 = 200 */
    const char *const *headers; /* "Name: value"; NULL ends */
    const char *body;
    size_t body_len;    /* 0 = strlen(body) */
    size_t piece;       /* bytes that come at once; 0 = chosen */
    unsigned ratio;     /* decoded bytes for each raw one; 0 = 1 */
    /* How long each phase takes; gap: between two pieces of the body. */
    belay_dur dns, connect, tls, first_byte, gap;
    /* Nothing happens any more in this phase; IN_QUEUE = it does.  IN_BODY:
     * after .after bytes. */
    belay_http_phase stall;
    /* DNS, CONNECT, REFUSED, TLS and CERTIFICATE fail in their phase; RESET
     * before the head, or with .in_body after .after bytes; OK = no failure. */
    belay_http_kind fail;
    bool in_body;
    size_t after;
    void *reserved[4];
} belay_http_route;

/* A request as a server sees it. */
typedef struct belay_http_seen {
    const char *method;
    const char *url;
    const char *const *headers; /* "Name: value"; NULL ends */
    belay_slice body;           /* the first 1 KiB */
    size_t body_len;            /* all of it */
} belay_http_seen;

typedef struct belay_http_net {
    const belay_http_route *routes;
    size_t count; /* at most 32 */
    /* Told of each request that arrived; must not wait. */
    void (*seen)(void *arg, const belay_http_seen *request);
    void *arg;
    /* Counted by the network. */
    unsigned served[32];  /* requests that took each route */
    unsigned requests;    /* that arrived */
    unsigned connections; /* that were opened */
    unsigned open;        /* that are open */
    unsigned active;      /* requests under way; */
    unsigned most;        /* the most there have been at once */
    void *reserved[4];
} belay_http_net;

/* Sessions that are opened from now on are served by net, which must outlive
 * them.  NULL: nothing is. */
BELAY_API void belay_http_serve(belay_http_net *net);

BELAY_END_DECLS

#endif
