/* SPDX-License-Identifier: MIT */
/* What a call sends, from its options and over its redirects. */
#include "http/call.h"

#include "base/alloc.h"
#include "http/error.h"
#include "http/head.h"
#include "http/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { METHOD_MAX = 32 };

int
bly_http_call_fail(struct bly_http_call *c, belay_http_kind kind, int code,
    belay_http_phase phase, const char *why)
{
    char what[128];

    (void)snprintf(what, sizeof what, "%.31s %.90s",
        c->method != NULL ? c->method : "?",
        c->url.text != NULL ? c->url.text : "?");
    c->error.attempts = c->attempts;
    c->error.queue = c->queued;
    return bly_http_error_set(&c->error, kind, code, phase, what, why);
}

static int
call_no_memory(struct bly_http_call *c)
{
    return bly_http_call_fail(c, BELAY_HTTP_INTERNAL, -ENOMEM,
        BELAY_HTTP_IN_QUEUE, "no memory");
}

/* ---- URL, method, headers ------------------------------------------------ */

static bool
method_is_token(const char *m)
{
    size_t n = strspn(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                         "0123456789-_!#$%&'*+.^`|~");

    return n > 0 && n < METHOD_MAX && m[n] == '\0';
}

static int
call_parse(struct bly_http_call *c, const char *base, const char *text)
{
    struct bly_http_url u;
    const char *why;
    int r = bly_http_url_parse(&u, base, text, &why);
    belay_http_kind kind = r == -ENOMEM  ? BELAY_HTTP_INTERNAL
        : r == -EPROTONOSUPPORT          ? BELAY_HTTP_SCHEME
                                         : BELAY_HTTP_BAD_URL;

    if (r < 0) {
        bly_http_url_free(&u);
        return bly_http_call_fail(c, kind, r, BELAY_HTTP_IN_QUEUE, why);
    }
    bly_http_url_free(&c->url);
    c->url = u;
    return 0;
}

static int
call_set_header(struct bly_http_call *c, const char *line)
{
    int r = bly_http_list_set(&c->headers, line);

    if (r == -EINVAL)
        return bly_http_call_fail(c, BELAY_HTTP_BAD_URL, r,
            BELAY_HTTP_IN_QUEUE, "a header that is none");
    return r < 0 ? call_no_memory(c) : 0;
}

/* user:password@ of the URL. */
static int
call_authorize(struct bly_http_call *c)
{
    char *line;
    int r;

    if (c->url.auth == NULL)
        return 0;
    line = bly_http_url_authorization(&c->url);
    if (line == NULL)
        return call_no_memory(c);
    r = call_set_header(c, line);
    bly_free(line);
    return r;
}

static int
call_headers(struct bly_http_call *c)
{
    const char *const *line = c->req->headers;
    int r = 0;

    c->headers = bly_http_list_copy(c->h->headers);
    if (c->headers == NULL)
        return call_no_memory(c);
    if (c->req->json != NULL)
        r = call_set_header(c, "Content-Type: application/json");
    if (r == 0)
        r = call_authorize(c);
    for (; r == 0 && line != NULL && *line != NULL; line++)
        r = call_set_header(c, *line);
    return r;
}

static int
call_payload(struct bly_http_call *c)
{
    const belay_http_req *req = c->req;

    c->sends = req->body_fn != NULL;
    if (req->json != NULL)
        c->payload = bly_http_json_payload(req->json);
    else if (req->body != NULL)
        c->payload = bly_http_payload_new(req->body, req->body_len);
    else
        return 0;
    return c->payload != NULL ? 0 : call_no_memory(c);
}

int
bly_http_call_begin(struct bly_http_call *c, belay_http *h,
    const belay_http_req *req, bool stream, const belay_site *site)
{
    const belay_http_opts *o = &h->opts;
    bool body = req->body != NULL || req->body_fn != NULL || req->json != NULL;
    int r;

    memset(c, 0, sizeof *c);
    c->h = h;
    c->req = req;
    c->site = site;
    c->stream = stream;
    c->method = req->method != NULL ? req->method : body ? "POST" : "GET";
    c->limits = bly_http_limits_over(&req->limits, &o->limits);
    if (stream && req->limits.total == 0)
        c->limits.total = -1;
    c->retries = req->retries != 0 ? req->retries : o->retries;
    c->redirects = req->redirects != 0 ? req->redirects : o->redirects;
    c->max_body = req->max_body != 0 ? req->max_body : o->max_body;
    if (c->max_body == 0)
        c->max_body = stream ? UINT64_MAX : 64 << 20;
    if (req->url == NULL || !method_is_token(c->method))
        return bly_http_call_fail(c, BELAY_HTTP_BAD_URL, -EINVAL,
            BELAY_HTTP_IN_QUEUE, req->url == NULL ? "no URL" : "bad method");
    r = call_parse(c, NULL, req->url);
    if (r == 0)
        r = call_headers(c);
    if (r == 0)
        r = call_payload(c);
    if (r == 0 && (c->origin = bly_http_dup(c->url.key)) == NULL)
        r = call_no_memory(c);
    return r;
}

void
bly_http_call_end(struct bly_http_call *c)
{
    if (c->x != NULL)
        bly_http_give_up(&c->h->port, c->x);
    bly_http_payload_unref(c->payload);
    bly_http_list_free(c->headers);
    bly_http_url_free(&c->url);
    bly_free(c->origin);
}

/* ---- attempts ------------------------------------------------------------ */

static belay_http_version
call_version(const struct bly_http_call *c)
{
    belay_http_version v = c->h->opts.version;

    /* HTTP/2 goes on sending to who pauses, up to its window. */
    if (c->stream && v == BELAY_HTTP_AUTO && !c->req->http2)
        return BELAY_HTTP_1;
    return v;
}

int
bly_http_call_exchange(struct bly_http_call *c)
{
    struct bly_http_exchange *x = bly_http_exchange_new(c->h);

    if (x == NULL)
        return call_no_memory(c);
    c->x = x;
    x->method = c->method;
    x->port_number = c->url.port;
    x->tls = c->url.tls;
    x->sends = c->sends;
    x->send_size = c->req->body_size > 0 ? c->req->body_size : -1;
    x->stream = c->stream;
    x->version = call_version(c);
    x->max_body = c->max_body;
    x->max_ratio = c->h->opts.max_ratio;
    x->max_headers = c->h->opts.max_headers;
    x->buffer = c->h->opts.buffer;
    x->payload = bly_http_payload_ref(c->payload);
    x->url = bly_http_dup(c->url.text);
    x->host = bly_http_dup(c->url.host);
    x->headers = bly_http_list_copy(c->headers);
    if (x->url == NULL || x->host == NULL || x->headers == NULL)
        return call_no_memory(c);
    return 0;
}

/* ---- redirects ----------------------------------------------------------- */

static bool
redirect_to_get(const char *method, int status)
{
    if (status == 303)
        return strcmp(method, "HEAD") != 0;
    return (status == 301 || status == 302) && strcmp(method, "POST") == 0;
}

static void
redirect_drop_body(struct bly_http_call *c)
{
    c->method = "GET";
    c->sends = false;
    bly_http_payload_unref(c->payload);
    c->payload = NULL;
    bly_http_list_remove(c->headers, "Content-Type");
    bly_http_list_remove(c->headers, "Content-Length");
    bly_http_list_remove(c->headers, "Content-Encoding");
    bly_http_list_remove(c->headers, "Transfer-Encoding");
}

/* What was meant for one origin is not told another one, nor when a redirect
 * leads back. */
static void
redirect_drop_credentials(struct bly_http_call *c)
{
    bly_http_list_remove(c->headers, "Authorization");
    bly_http_list_remove(c->headers, "Cookie");
    bly_http_list_remove(c->headers, "Proxy-Authorization");
    bly_http_list_remove(c->headers, "Host");
}

int
bly_http_call_redirect(struct bly_http_call *c, int status,
    const char *location)
{
    bool was_tls = c->url.tls;
    char *base;
    int r;

    if (c->redirected >= (unsigned)c->redirects)
        return bly_http_call_fail(c, BELAY_HTTP_REDIRECT, -ELOOP,
            BELAY_HTTP_IN_BODY, "too many redirects");
    base = bly_http_dup(c->url.text);
    if (base == NULL)
        return call_no_memory(c);
    r = call_parse(c, base, location);
    bly_free(base);
    if (r < 0)
        return r;
    if (was_tls && !c->url.tls && !c->h->opts.allow_downgrade)
        return bly_http_call_fail(c, BELAY_HTTP_REDIRECT, -EACCES,
            BELAY_HTTP_IN_BODY, "a redirect from https to http");
    if (redirect_to_get(c->method, status))
        redirect_drop_body(c);
    else if (c->sends)
        return bly_http_call_fail(c, BELAY_HTTP_REDIRECT, -EACCES,
            BELAY_HTTP_IN_BODY, "the body cannot be sent again");
    if (strcmp(c->url.key, c->origin) != 0)
        redirect_drop_credentials(c);
    c->redirected++;
    c->tried = 0;
    return call_authorize(c);
}
