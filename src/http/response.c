/* SPDX-License-Identifier: MIT */
/*
 * What the user holds of an answer: a view of its exchange, whose head does
 * not change any more, and the body, collected or still on its way.
 */
#include "http/call.h"

#include "base/alloc.h"
#include "http/error.h"
#include "http/head.h"

#include <errno.h>
#include <string.h>

struct belay_response {
    struct bly_http_exchange *x;
    belay_http_limits limits;
    belay_time began, total_at;
    unsigned attempts, redirects;
    belay_dur queued, dns;
    struct bly_http_chunk *body; /* all of it; or what a stream has begun */
    size_t taken;                /* bytes of that */
    belay_http_error error;      /* error.code != 0: the stream has failed */
};

/* ---- making one ---------------------------------------------------------- */

/* All chunks as one, which ends with a NUL that does not count. */
static int
response_collect(struct bly_http_call *c, struct bly_http_chunk **out)
{
    struct bly_http_exchange *x = c->x;
    struct bly_http_chunk *chunk, *all;
    bool last;

    if (x->in.first != NULL && x->in.first->next == NULL) {
        *out = bly_http_take(&c->h->port, x, &last);
        return 0;
    }
    all = bly_alloc(sizeof *all + x->in.bytes + 1);
    if (all == NULL)
        return -ENOMEM;
    all->len = 0;
    while ((chunk = bly_http_take(&c->h->port, x, &last)) != NULL) {
        memcpy(all->data + all->len, chunk->data, chunk->len);
        all->len += chunk->len;
        bly_free(chunk);
    }
    all->data[all->len] = '\0';
    *out = all;
    return 0;
}

int
bly_http_response_new(struct bly_http_call *c, belay_response **out)
{
    belay_response *rsp = bly_zalloc(sizeof *rsp);
    int r = rsp != NULL ? 0 : -ENOMEM;

    if (r == 0 && !c->stream)
        r = response_collect(c, &rsp->body);
    if (r < 0) {
        bly_free(rsp);
        return bly_http_call_fail(c, BELAY_HTTP_INTERNAL, r,
            BELAY_HTTP_IN_BODY, "no memory");
    }
    rsp->x = c->x;
    c->x = NULL;
    rsp->limits = c->limits;
    rsp->began = c->began;
    rsp->total_at = c->total_at;
    rsp->attempts = c->attempts;
    rsp->redirects = c->redirected;
    rsp->queued = c->queued;
    rsp->dns = c->dns;
    *out = rsp;
    return 0;
}

void
belay_response_close(belay_response *rsp)
{
    if (rsp == NULL)
        return;
    bly_http_give_up(bly_http_session_port(rsp->x->h), rsp->x);
    bly_free(rsp->body);
    bly_free(rsp);
}

void
belay_response_closep(belay_response **rsp)
{
    belay_response_close(*rsp);
    *rsp = NULL;
}

/* ---- the head ------------------------------------------------------------ */

int
belay_response_status(const belay_response *rsp)
{
    return rsp->x->head.status;
}

const char *
belay_response_header(const belay_response *rsp, const char *name)
{
    return bly_http_head_find(&rsp->x->head, name);
}

bool
belay_response_header_at(const belay_response *rsp, size_t i,
    const char **name, const char **value)
{
    const char *n = NULL, *v = NULL;

    do
        if (!bly_http_head_next(&rsp->x->head, &n, &v))
            return false;
    while (i-- > 0);
    *name = n;
    *value = v;
    return true;
}

const char *
belay_response_url(const belay_response *rsp)
{
    return rsp->x->url;
}

/* ---- the body ------------------------------------------------------------ */

belay_slice
belay_response_body(const belay_response *rsp)
{
    belay_slice none = {"", 0};

    if (rsp->x->stream || rsp->body == NULL)
        return none;
    return (belay_slice){rsp->body->data, rsp->body->len};
}

/* The stream is over for good. */
static int
response_fail(belay_response *rsp, belay_http_kind kind, int code,
    belay_http_phase phase, const char *why)
{
    rsp->error.attempts = rsp->attempts;
    rsp->error.queue = rsp->queued;
    return bly_http_error_set(&rsp->error, kind, code, phase, rsp->x->url,
        why);
}

/* Gets the next chunk.  1, 0 at the end, or why not. */
static int
response_next(belay_response *rsp, const belay_site *site)
{
    struct bly_http_exchange *x = rsp->x;
    struct bly_http_port *p = bly_http_session_port(x->h);
    belay_http_phase phase;
    bool last;
    int r = bly_http_wait(x, BLY_HTTP_HAS_BYTES, &rsp->limits, rsp->total_at,
        &phase, site);

    if (r == -ETIMEDOUT) {
        char why[32];

        bly_http_error_limit(why, sizeof why, &rsp->limits, phase);
        return response_fail(rsp, BELAY_HTTP_TIMEOUT, r, phase, why);
    }
    if (r < 0) /* a cut, after which one may go on */
        return r;
    bly_free(rsp->body);
    rsp->taken = 0;
    rsp->body = bly_http_take(p, x, &last);
    if (rsp->body != NULL)
        return 1;
    if (x->failed == BELAY_HTTP_OK)
        return 0;
    return response_fail(rsp, x->failed, x->code, x->phase, x->why);
}

ssize_t
belay_response_read_at(belay_response *rsp, void *buf, size_t n,
    const belay_site *site)
{
    if (rsp->error.code != 0)
        return rsp->error.code;
    if (!rsp->x->stream)
        return -EINVAL;
    if (rsp->body == NULL || rsp->taken == rsp->body->len) {
        int r = response_next(rsp, site);

        if (r < 0 && rsp->error.code != 0)
            (void)belay_fail_at(r, site, "%s", rsp->error.text);
        if (r <= 0)
            return r;
    } else {
        int r = belay_checkpoint();

        if (r < 0)
            return r;
    }
    if (n > rsp->body->len - rsp->taken)
        n = rsp->body->len - rsp->taken;
    memcpy(buf, rsp->body->data + rsp->taken, n);
    rsp->taken += n;
    return (ssize_t)n;
}

void
belay_response_error(const belay_response *rsp, belay_http_error *out)
{
    *out = rsp->error;
}

/* ---- figures ------------------------------------------------------------- */

/* How long it was in a phase, that the next one that it entered ended. */
static belay_dur
info_phase(const struct bly_http_exchange *x, belay_http_phase phase)
{
    unsigned next;

    if (x->entered[phase] == 0)
        return 0;
    for (next = phase + 1; next < BELAY_HTTP_IN_TOTAL; next++)
        if (x->entered[next] >= x->entered[phase])
            return x->entered[next] - x->entered[phase];
    return 0;
}

void
belay_response_get_info(const belay_response *rsp, belay_response_info *out)
{
    struct bly_http_exchange *x = rsp->x;

    memset(out, 0, sizeof *out);
    out->attempts = rsp->attempts;
    out->redirects = rsp->redirects;
    out->queue = rsp->queued;
    out->dns = rsp->dns;
    bly_lock(&x->lock);
    out->version = x->head.version;
    out->reused = x->reused;
    out->raw = x->raw;
    out->decoded = x->decoded;
    if (!x->reused) {
        out->connect = info_phase(x, BELAY_HTTP_IN_CONNECT);
        out->tls = info_phase(x, BELAY_HTTP_IN_TLS);
    }
    out->first_byte = x->entered[BELAY_HTTP_IN_FIRST_BYTE] != 0
        ? info_phase(x, BELAY_HTTP_IN_FIRST_BYTE)
        : info_phase(x, BELAY_HTTP_IN_SEND);
    out->total = x->moved - rsp->began;
    memcpy(out->remote, x->remote, sizeof out->remote);
    bly_unlock(&x->lock);
}
