/* SPDX-License-Identifier: MIT */
/*
 * A call, hop by hop and attempt by attempt, in the task that made it.
 *
 *     slot -> addresses -> exchange -> head -> [redirect | pause | answer]
 *
 * Each attempt is a new exchange with slots of its own, so that a redirect to
 * another host is limited there, and a task that pauses holds no slot.  The
 * clock of the whole call begins with its first slot: a request that waits
 * behind many others does not fail for it.
 *
 * A retry that could not end before the deadline, the ambient one or our own,
 * is not begun: what the last attempt brought is the result.
 */
#include "http/call.h"

#include "base/alloc.h"
#include "base/time.h"
#include "http/error.h"
#include "http/head.h"
#include "http/retry.h"

#include <errno.h>
#include <string.h>

enum { SEND_CHUNK = 16 << 10, DRAIN_MAX = 64 << 10 };

/* A code that a wait returned. */
static int
request_cut(struct bly_http_call *c, int code, belay_http_phase phase)
{
    return bly_http_call_fail(c, BELAY_HTTP_CANCELLED, code, phase,
        belay_strerror(code));
}

static int
request_timeout(struct bly_http_call *c, belay_http_phase phase)
{
    char why[32];

    bly_http_error_limit(why, sizeof why, &c->limits, phase);
    return bly_http_call_fail(c, BELAY_HTTP_TIMEOUT, -ETIMEDOUT, phase, why);
}

/* ---- slots and addresses ------------------------------------------------- */

/* The shorter of a phase's limit and what is left of the total; *total: it is
 * the latter. */
static belay_dur
request_limit(const struct bly_http_call *c, belay_dur limit, bool *total)
{
    belay_dur left;

    *total = false;
    if (c->total_at == 0)
        return limit;
    left = c->total_at - belay_now();
    left = left > 0 ? left : 0;
    if (limit >= 0 && limit < left)
        return limit;
    *total = true;
    return left;
}

static int
request_slot(struct bly_http_call *c)
{
    belay_time from = belay_now();
    bool total;
    belay_dur limit = request_limit(c, c->limits.queue, &total);
    int r = bly_http_admit(c->x, c->url.key, limit, c->site);

    c->queued += belay_now() - from;
    if (r == -ETIMEDOUT)
        return request_timeout(c,
            total ? BELAY_HTTP_IN_TOTAL : BELAY_HTTP_IN_QUEUE);
    if (r == -ENOMEM)
        return bly_http_call_fail(c, BELAY_HTTP_INTERNAL, r,
            BELAY_HTTP_IN_QUEUE, "no memory");
    if (r < 0)
        return request_cut(c, r, BELAY_HTTP_IN_QUEUE);
    if (c->began == 0) {
        c->began = belay_now();
        if (c->limits.total >= 0)
            c->total_at = bly_time_add(c->began, c->limits.total);
    }
    return 0;
}

static int
request_resolve(struct bly_http_call *c)
{
    belay_time from = belay_now();
    belay_block block;
    bool total, late;
    belay_dur limit = request_limit(c, c->limits.dns, &total);
    int r;

    belay_deadline_open(&block, limit >= 0 ? limit : INT64_MAX, c->site);
    r = bly_http_transport.resolve(c->h, c->url.host, c->url.port,
        &c->x->addresses);
    late = r == -ETIME && belay_deadline_passed(&block);
    belay_block_close(&block);
    c->dns = belay_now() - from;
    if (r >= 0)
        return 0;
    if (late)
        return request_timeout(c,
            total ? BELAY_HTTP_IN_TOTAL : BELAY_HTTP_IN_DNS);
    if (r == -ECANCELED || r == -ETIME)
        return request_cut(c, r, BELAY_HTTP_IN_DNS);
    if (r == -ENOMEM)
        return bly_http_call_fail(c, BELAY_HTTP_INTERNAL, r,
            BELAY_HTTP_IN_DNS, "no memory");
    return bly_http_call_fail(c, BELAY_HTTP_DNS, r, BELAY_HTTP_IN_DNS,
        r == -EAGAIN ? "the name could not be looked up now"
                     : "the host has no address");
}

/* ---- one attempt --------------------------------------------------------- */

/* What it saw then; see bly_http_wait. */
static int
request_wait(struct bly_http_call *c, enum bly_http_until until)
{
    belay_http_phase phase;
    int r = bly_http_wait(c->x, until, &c->limits, c->total_at, &phase,
        c->site);

    if (r == -ETIMEDOUT)
        return request_timeout(c, phase);
    return r < 0 ? request_cut(c, r, phase) : r;
}

/* Whether a body of which so much is there may be as long as was said. */
static int
request_check_size(struct bly_http_call *c, int64_t sent, bool ended)
{
    int64_t size = c->req->body_size;

    if (size <= 0 || (ended ? sent == size : sent <= size))
        return 0;
    return bly_http_call_fail(c, BELAY_HTTP_INTERNAL, -EINVAL,
        BELAY_HTTP_IN_SEND, "the body is not as long as was said");
}

/* Feeds what .body_fn gives, until it ends or nobody wants more. */
static int
request_send(struct bly_http_call *c)
{
    int64_t sent = 0;

    for (;;) {
        struct bly_http_chunk *chunk;
        ssize_t n;
        int r = request_wait(c, BLY_HTTP_HAS_ROOM);

        if (r < 0 || (r & (BLY_HTTP_SAW_REFUSAL | BLY_HTTP_SAW_END)) != 0)
            return r;
        chunk = bly_alloc(sizeof *chunk + SEND_CHUNK);
        if (chunk == NULL)
            return bly_http_call_fail(c, BELAY_HTTP_INTERNAL, -ENOMEM,
                BELAY_HTTP_IN_SEND, "no memory");
        c->fn_called = true;
        n = c->req->body_fn(c->req->body_arg, chunk->data, SEND_CHUNK);
        if (n <= 0)
            bly_free(chunk);
        if (n < 0)
            return bly_http_call_fail(c, BELAY_HTTP_INTERNAL, (int)n,
                BELAY_HTTP_IN_SEND, "the body could not be read");
        sent += n;
        r = request_check_size(c, sent, n == 0);
        if (r < 0) {
            bly_free(n > 0 ? chunk : NULL);
            return r;
        }
        if (n > 0)
            chunk->len = (size_t)n;
        bly_http_give(&c->h->port, c->x, n > 0 ? chunk : NULL);
        if (n == 0)
            return 0;
    }
}

/* What the driver noted at the end. */
static int
request_outcome(struct bly_http_call *c)
{
    struct bly_http_exchange *x = c->x;

    if (x->failed == BELAY_HTTP_OK)
        return 0;
    return bly_http_call_fail(c, x->failed, x->code, x->phase, x->why);
}

/* Until the head is there. */
static int
request_attempt(struct bly_http_call *c)
{
    int r = bly_http_call_exchange(c);

    if (r == 0)
        r = request_slot(c);
    if (r == 0)
        r = request_resolve(c);
    if (r < 0)
        return r;
    c->attempts++;
    c->tried++;
    bly_http_count(c->h, &c->h->requests);
    r = bly_http_submit(&c->h->port, c->x);
    if (r < 0)
        return bly_http_call_fail(c, BELAY_HTTP_CLOSED, r,
            BELAY_HTTP_IN_CONNECT, "the session's scope has ended");
    if (c->sends)
        r = request_send(c);
    if (r >= 0)
        r = request_wait(c, BLY_HTTP_HAS_HEAD);
    if (r < 0 || (r & BLY_HTTP_SAW_HEAD) != 0)
        return r < 0 ? r : 0;
    return request_outcome(c);
}

/* The rest of a body that is collected. */
static int
request_finish(struct bly_http_call *c)
{
    int r;

    if (c->stream)
        return 0;
    r = request_wait(c, BLY_HTTP_IS_DONE);
    return r < 0 ? r : request_outcome(c);
}

/* Reads what little may follow the head of an answer that nobody wants, so
 * that the connection can be used again; then lets go. */
static int
request_drain(struct bly_http_call *c)
{
    belay_time until = bly_time_add(belay_now(), BELAY_S(1));
    size_t bytes = 0;
    bool last = false;
    int r = 0;

    while (!last && bytes < DRAIN_MAX) {
        struct bly_http_chunk *chunk;
        belay_http_phase phase;

        r = bly_http_wait(c->x, BLY_HTTP_HAS_BYTES, &c->limits, until, &phase,
            c->site);
        if (r < 0)
            break;
        chunk = bly_http_take(&c->h->port, c->x, &last);
        bytes += chunk != NULL ? chunk->len : 0;
        bly_free(chunk);
    }
    bly_http_give_up(&c->h->port, c->x);
    c->x = NULL;
    return r >= 0 || r == -ETIMEDOUT ? 0
                                     : request_cut(c, r, BELAY_HTTP_IN_BODY);
}

/* ---- again --------------------------------------------------------------- */

static bool
request_may_repeat(const struct bly_http_call *c, bool never_sent)
{
    if (c->retries < 0 || c->tried > (unsigned)c->retries ||
        (c->sends && c->fn_called))
        return false;
    return never_sent || c->req->idempotent || bly_http_idempotent(c->method);
}

/* Whether there is time left for a pause. */
static bool
request_has_time(const struct bly_http_call *c, belay_dur pause)
{
    belay_time at = bly_time_add(belay_now(), pause);
    belay_time deadline = belay_deadline_now();

    return (c->total_at == 0 || at < c->total_at) &&
        (deadline == 0 || at < deadline);
}

static int
request_pause(struct bly_http_call *c, belay_dur pause)
{
    int r;

    if (c->x != NULL) {
        bly_http_give_up(&c->h->port, c->x);
        c->x = NULL;
    }
    bly_http_count(c->h, &c->h->retries);
    r = belay_sleep(pause);
    return r < 0 ? request_cut(c, r, BELAY_HTTP_IN_RETRY) : 0;
}

/* After a failure: 1 to try again, or the failure. */
static int
request_failed(struct bly_http_call *c, int code)
{
    belay_dur pause;
    int r;

    if (!bly_http_retry_error(&c->error) ||
        !request_may_repeat(c, bly_http_never_sent(&c->error)))
        return code;
    pause = bly_http_backoff(c->h, c->tried);
    if (!request_has_time(c, pause))
        return code;
    r = request_pause(c, pause);
    return r < 0 ? r : 1;
}

/* After an answer that may be better next time: 1 to try again, 0 to keep. */
static int
request_unlucky(struct bly_http_call *c)
{
    belay_dur pause = bly_http_backoff(c->h, c->tried);
    belay_dur after = bly_http_retry_after(&c->x->head);
    int r;

    if (!request_may_repeat(c, false) || after > c->h->opts.retry_after)
        return 0;
    if (after >= 0)
        pause = bly_time_add(after, pause);
    if (!request_has_time(c, pause))
        return 0;
    r = request_drain(c);
    if (r == 0)
        r = request_pause(c, pause);
    return r < 0 ? r : 1;
}

static bool
request_is_redirect(const struct bly_http_call *c)
{
    int status = c->x->head.status;

    return c->redirects >= 0 && (status == 301 || status == 302 ||
        status == 303 || status == 307 || status == 308) &&
        bly_http_head_find(&c->x->head, "Location") != NULL;
}

static int
request_follow(struct bly_http_call *c)
{
    int status = c->x->head.status, r;
    char *location =
        bly_http_dup(bly_http_head_find(&c->x->head, "Location"));

    if (location == NULL)
        return bly_http_call_fail(c, BELAY_HTTP_INTERNAL, -ENOMEM,
            BELAY_HTTP_IN_BODY, "no memory");
    r = bly_http_call_redirect(c, status, location);
    bly_free(location);
    if (r == 0)
        r = request_drain(c);
    return r;
}

/* One attempt and what follows from it: 1 to go round again, 0 done. */
static int
request_round(struct bly_http_call *c)
{
    int r = request_attempt(c);

    if (r < 0)
        return request_failed(c, r);
    if (request_is_redirect(c)) {
        r = request_follow(c);
        return r < 0 ? r : 1;
    }
    if (bly_http_retry_status(c->x->head.status)) {
        r = request_unlucky(c);
        if (r != 0)
            return r;
    }
    r = request_finish(c);
    return r < 0 ? request_failed(c, r) : 0;
}

static int
request_run(belay_http *h, const belay_http_req *req, bool stream,
    belay_response **rsp, const belay_site *site)
{
    struct bly_http_call c;
    int r;

    *rsp = NULL;
    bly_fetch_add(&h->calls, 1u); /* pairs with belay_http_close_at */
    r = bly_http_call_begin(&c, h, req, stream, site);
    if (r == 0)
        do
            r = request_round(&c);
        while (r > 0);
    if (r == 0)
        r = bly_http_response_new(&c, rsp);
    if (r < 0) {
        if (c.error.kind != BELAY_HTTP_CANCELLED)
            (void)belay_fail_at(r, site, "%s", c.error.text);
        if (req->error != NULL)
            *req->error = c.error;
    }
    bly_http_call_end(&c);
    bly_fetch_add(&h->calls, -1u); /* pairs with belay_http_close_at */
    return r;
}

int
belay_http_request_at(belay_http *h, const belay_http_req *req,
    belay_response **rsp, const belay_site *site)
{
    return request_run(h, req, false, rsp, site);
}

int
belay_http_start_at(belay_http *h, const belay_http_req *req,
    belay_response **rsp, const belay_site *site)
{
    return request_run(h, req, true, rsp, site);
}
