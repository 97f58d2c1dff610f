/* SPDX-License-Identifier: MIT */
/*
 * A call of the user: from the request as he gave it over all its hops and
 * attempts to the answer that he gets.  It lies in the frame of the call.
 */
#ifndef BLY_HTTP_CALL_H
#define BLY_HTTP_CALL_H

#include "http/session.h"
#include "http/url.h"

struct bly_http_call {
    belay_http *h;
    const belay_http_req *req;
    const belay_site *site;
    bool stream;

    /* What the next attempt sends. */
    const char *method;
    struct bly_http_url url;
    char **headers;
    struct bly_http_payload *payload;
    bool sends; /* the body comes from req->body_fn */

    belay_http_limits limits;
    int retries, redirects; /* how many are allowed */
    uint64_t max_body;
    char *origin;   /* key of the first URL: whose credentials we have */

    unsigned attempts, redirected, tried; /* tried: of this hop */
    bool fn_called; /* body_fn has given something away */
    belay_time queued_at, began, total_at, dns_from;
    belay_dur queued, dns;
    belay_http_error error;
    struct bly_http_exchange *x; /* of the attempt that is under way */
};

/* Prepares a call; on failure c->error is set.  To be ended in any case. */
int bly_http_call_begin(struct bly_http_call *c, belay_http *h,
    const belay_http_req *req, bool stream, const belay_site *site)
    BLY_MUST_CHECK;
void bly_http_call_end(struct bly_http_call *c);

/* Makes the exchange of the next attempt, without permits and addresses. */
int bly_http_call_exchange(struct bly_http_call *c) BLY_MUST_CHECK;
/* Goes on at this address, which an answer of that status named. */
int bly_http_call_redirect(struct bly_http_call *c, int status,
    const char *location) BLY_MUST_CHECK;

/* Notes why the call fails; returns code. */
int bly_http_call_fail(struct bly_http_call *c, belay_http_kind kind, int code,
    belay_http_phase phase, const char *why);

/* What the user gets; takes c->x over.  -ENOMEM. */
int bly_http_response_new(struct bly_http_call *c, belay_response **rsp)
    BLY_MUST_CHECK;

#endif
