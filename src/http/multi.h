/* SPDX-License-Identifier: MIT */
/*
 * The driver over libcurl's multi interface, and a transfer of it.  All of
 * this belongs to the task of the driver, but for bly_http_resolve and
 * bly_http_proxy_for.
 */
#ifndef BLY_HTTP_MULTI_H
#define BLY_HTTP_MULTI_H

#include "http/session.h"

#include <curl/curl.h>

struct bly_http_multi {
    belay_http *h;
    CURLM *curl;            /* NULL: there is none, for lack of memory */
    int epfd;               /* has all of curl's sockets */
    belay_time due;         /* when curl wants to be called; BLY_NEVER */
    struct bly_list active; /* exchanges, by x->active */
    struct bly_list gone;   /* sockets that an event may still name */
    bool broken;            /* a transfer is, and must be ended */
    bool moved;             /* something has happened in this turn */
    unsigned idle_turns;    /* that were told of events, for nothing */
};

/* One transfer; x->handle. */
struct bly_http_easy {
    struct bly_http_multi *m;
    struct bly_http_exchange *x;
    CURL *curl;
    struct curl_slist *headers, *resolve;
    int64_t to_send; /* of the body; -1: not known */
    bool recv_paused, send_paused;
    bool broken; /* to be ended; why is noted in x */
    char error[CURL_ERROR_SIZE];
};

/* Begins, or ends x. */
void bly_http_easy_start(struct bly_http_multi *m, struct bly_http_exchange *x);
/* Goes on with what was paused. */
void bly_http_easy_resume(struct bly_http_easy *e, unsigned asked);
/* Ends e and its exchange, with what curl said or what was noted before.  Not
 * in a callback. */
void bly_http_easy_end(struct bly_http_easy *e, CURLcode code);
/* Takes note that e cannot go on.  In a callback. */
void bly_http_easy_break(struct bly_http_easy *e, int code, const char *why);
struct bly_http_easy *bly_http_easy_of(CURL *curl);

/* The proxy for a host, or "". */
const char *bly_http_proxy_for(belay_http *h, const char *host);
bool bly_http_proxy_ok(const char *proxy);

/* See struct bly_http_transport. */
int bly_http_resolve(belay_http *h, const char *host, unsigned port,
    char **out);

#endif
