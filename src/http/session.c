/* SPDX-License-Identifier: MIT */
/* Opening and closing sessions. */
#include "http/session.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/rng.h"
#include "http/head.h"
#include "os/os.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DRIVER_STACK = 256 << 10, SESSION_AGENT = 512 };

static const belay_http_limits session_limits = {
    .queue = -1,
    .dns = BELAY_S(10),
    .connect = BELAY_S(10),
    .tls = BELAY_S(10),
    .first_byte = BELAY_S(60),
    .idle = BELAY_S(30),
    .total = BELAY_S(300),
};

static belay_dur
limit_over(belay_dur own, belay_dur base)
{
    return own != 0 ? own : base;
}

belay_http_limits
bly_http_limits_over(const belay_http_limits *own,
    const belay_http_limits *base)
{
    return (belay_http_limits){
        .queue = limit_over(own->queue, base->queue),
        .dns = limit_over(own->dns, base->dns),
        .connect = limit_over(own->connect, base->connect),
        .tls = limit_over(own->tls, base->tls),
        .first_byte = limit_over(own->first_byte, base->first_byte),
        .idle = limit_over(own->idle, base->idle),
        .total = limit_over(own->total, base->total),
    };
}

belay_dur
bly_http_limit_of(const belay_http_limits *l, belay_http_phase phase)
{
    switch (phase) {
    case BELAY_HTTP_IN_QUEUE:
        return l->queue;
    case BELAY_HTTP_IN_DNS:
        return l->dns;
    case BELAY_HTTP_IN_CONNECT:
        return l->connect;
    case BELAY_HTTP_IN_TLS:
        return l->tls;
    case BELAY_HTTP_IN_SEND:
    case BELAY_HTTP_IN_BODY:
        return l->idle;
    case BELAY_HTTP_IN_FIRST_BYTE:
        return l->first_byte;
    case BELAY_HTTP_IN_RETRY:
        return -1;
    case BELAY_HTTP_IN_TOTAL:
        return l->total;
    }
    return -1;
}

/* In a shared library of its own the checks are too, and know no tasks. */
static void
session_describe(char *buf, size_t size)
{
    const char *name = belay_task_name();

    if (name != NULL)
        (void)snprintf(buf, size, " in task '%s'", name);
}

/* ---- life ---------------------------------------------------------------- */

static void
session_free(belay_http *h)
{
    if (h->transport != NULL)
        bly_http_transport.close(h->transport);
    bly_http_list_free(h->headers);
    bly_free((char *)h->opts.ca_file);
    bly_free((char *)h->opts.cert_file);
    bly_free((char *)h->opts.key_file);
    bly_free((char *)h->opts.proxy);
    bly_free((char *)h->opts.no_proxy);
    bly_free(h);
}

belay_http *
bly_http_session_ref(belay_http *h)
{
    bly_fetch_add(&h->refs, 1u); /* pairs with bly_http_session_unref */
    return h;
}

void
bly_http_session_unref(belay_http *h)
{
    /* pairs with itself: the last one sees what the others did */
    if (bly_fetch_add(&h->refs, -1u) == 1)
        session_free(h);
}

struct bly_http_port *
bly_http_session_port(belay_http *h)
{
    return &h->port;
}

bool
bly_http_session_closing(belay_http *h)
{
    return bly_load(&h->closing); /* pairs with belay_http_close_at */
}

uint32_t
bly_http_random(belay_http *h)
{
    uint32_t n;

    bly_lock(&h->lock);
    n = bly_rng_next(&h->rng);
    bly_unlock(&h->lock);
    return n;
}

void
bly_http_count(belay_http *h, uint64_t *what)
{
    bly_lock(&h->lock);
    ++*what;
    bly_unlock(&h->lock);
}

/* ---- options ------------------------------------------------------------- */

static int
session_text(const char **text)
{
    if (*text == NULL)
        return 0;
    *text = bly_http_dup(*text);
    return *text != NULL ? 0 : -ENOMEM;
}

/* What each request has, unless it is removed or replaced. */
static int
session_headers(belay_http *h, const char *agent, const char *const *lines)
{
    char line[SESSION_AGENT];
    int n, r = bly_http_list_set(&h->headers, "Accept: */*");

    if (r < 0)
        return r;
    n = snprintf(line, sizeof line, "User-Agent: %s",
        agent != NULL ? agent : "belay/" BELAY_VERSION);
    if (n >= (int)sizeof line)
        return -EINVAL;
    r = bly_http_list_set(&h->headers, line);
    for (; r == 0 && lines != NULL && *lines != NULL; lines++)
        r = bly_http_list_set(&h->headers, *lines);
    return r;
}

static void
session_numbers(belay_http_opts *o)
{
    o->total = o->total != 0 ? o->total : 64;
    o->per_host = o->per_host != 0 ? o->per_host : 8;
    o->limits = bly_http_limits_over(&o->limits, &session_limits);
    o->retries = o->retries != 0 ? o->retries : 2;
    o->retry_pause = o->retry_pause != 0 ? o->retry_pause : BELAY_MS(100);
    o->retry_after = o->retry_after != 0 ? o->retry_after : BELAY_S(30);
    o->redirects = o->redirects != 0 ? o->redirects : 10;
    o->max_ratio = o->max_ratio != 0 ? o->max_ratio : 200;
    o->max_headers = o->max_headers != 0 ? o->max_headers : 256 << 10;
    o->buffer = o->buffer != 0 ? o->buffer : 256 << 10;
}

/* All texts are copied or NULL afterwards, also on failure. */
static int
session_configure(belay_http *h, const belay_http_opts *opts)
{
    belay_http_opts *o = &h->opts;
    const char **texts[] = {&o->ca_file, &o->cert_file, &o->key_file,
        &o->proxy, &o->no_proxy};
    size_t i, size = sizeof *o;
    int r = 0;

    if (opts != NULL)
        memcpy(o, opts, opts->size < size ? opts->size : size);
    for (i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (r == 0)
            r = session_text(texts[i]);
        else
            *texts[i] = NULL;
    }
    session_numbers(o);
    return r == 0 ? session_headers(h, o->user_agent, o->headers) : r;
}

/* ---- the driver ---------------------------------------------------------- */

static int
session_drive(void *arg)
{
    belay_http *h = *(belay_http **)arg;

    bly_http_transport.run(h, h->transport);
    bly_http_port_over(&h->port);
    bly_http_session_unref(h);
    return 0;
}

static int
session_start(belay_scope *s, belay_http *h, const belay_site *site)
{
    belay_spawn_opts how = {.size = sizeof how, .name = "http driver",
        .daemon = true, .own_stack = true, .stack = DRIVER_STACK};
    int r;

    bly_http_session_ref(h);
    r = belay_scope_spawn(s, session_drive, &h, sizeof h, &how, site);
    if (r < 0)
        bly_http_session_unref(h);
    return r;
}

int
belay_http_open_at(belay_scope *s, belay_http **out,
    const belay_http_opts *opts, const belay_site *site)
{
    belay_http *h = bly_zalloc(sizeof *h);
    int r;

    *out = NULL;
    if (h == NULL)
        return -ENOMEM;
    h->refs = 1;
    h->site = site;
    if (bly_stat_load(&bly_check_describe) == NULL)
        bly_stat_store(&bly_check_describe, session_describe);
    h->rng = bly_os_entropy() | 1;
    bly_http_port_init(&h->port);
    r = session_configure(h, opts);
    bly_http_admission_init(&h->admission, h->opts.total, h->opts.per_host);
    if (r == 0)
        r = bly_http_transport.open(h, &h->transport);
    if (r == 0)
        r = session_start(s, h, site);
    if (r < 0) {
        bly_http_session_unref(h);
        return r;
    }
    *out = h;
    return 0;
}

void
belay_http_close_at(belay_http *h, const belay_site *site)
{
    if (h == NULL)
        return;
    if (bly_load(&h->calls) != 0) /* pairs with belay_http_start_at */
        bly_misuse(site, "an http session is closed while it is used; it was "
            "opened at %s:%d", h->site->file, h->site->line);
    /* pairs with bly_http_session_closing */
    (void)bly_xchg(&h->closing, true);
    belay_event_set(&h->port.work);
    bly_http_session_unref(h);
}

void
belay_http_closep(belay_http **h)
{
    belay_http_close_at(*h, BELAY_SITE_("http_close"));
    *h = NULL;
}

void
belay_http_stats(belay_http *h, belay_http_info *out)
{
    struct bly_http_admission *a = &h->admission;

    memset(out, 0, sizeof *out);
    out->active = a->total_limit - belay_sem_available(&a->total);
    bly_lock(&a->lock);
    out->waiting = a->waiting;
    bly_unlock(&a->lock);
    bly_lock(&h->lock);
    out->requests = h->requests;
    out->retries = h->retries;
    out->connections = h->connections;
    out->turns = h->turns;
    bly_unlock(&h->lock);
}
