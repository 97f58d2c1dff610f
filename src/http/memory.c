/* SPDX-License-Identifier: MIT */
/*
 * The network of belay-http-test: routes instead of hosts, virtual time, and
 * the explorer's choices where a real one acts at random.
 *
 * It is a driver like the one over curl: one task, woken by the port or by
 * time, which never waits for a requester.  In each turn it does one step of
 * one request, chosen among those that are due, so that every order of events
 * that a network could bring can be explored.
 *
 * Connections are modelled as far as they matter: an answer that was read to
 * its end leaves one behind for the next request to that origin; a request
 * that was given up, or failed, takes it with it.
 */
#include <belay/http_test.h>
#include <belay/select.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/choice.h"
#include "base/time.h"
#include "http/head.h"
#include "http/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MEMORY_ROUTES = 32, MEMORY_SEEN = 1024, MEMORY_KEY = 300 };

struct memory {
    belay_http_net *net;
    belay_http_net nothing;
    struct bly_list active; /* exchanges, by x->active */
    struct bly_list idle;   /* connections */
};

struct memory_conn {
    struct bly_link link;
    char key[];
};

/* One request; x->handle. */
struct memory_request {
    const belay_http_route *route; /* NULL: not found */
    struct memory_conn *conn;
    belay_http_phase step;         /* what is done next */
    belay_time due;
    bool blocked;                  /* waits to be asked to go on */
    size_t pos, body_len;          /* of the answer's body */
    size_t got;                    /* of the request's body */
    char seen[MEMORY_SEEN];
};

static belay_http_net *memory_net;

void
belay_http_serve(belay_http_net *net)
{
    if (net != NULL && net->count > MEMORY_ROUTES)
        bly_misuse(NULL, "belay_http_serve with %zu routes", net->count);
    memory_net = net;
}

/* ---- routes -------------------------------------------------------------- */

static bool
memory_host_is(const char *url, const char *host)
{
    const char *at = strstr(url, "://");
    size_t n = strlen(host);

    at = at != NULL ? at + 3 : url;
    return strncmp(at, host, n) == 0 && strchr(":/", at[n]) != NULL;
}

static const belay_http_route *
memory_route(belay_http_net *net, const char *host, const char *method,
    const char *url)
{
    size_t i;

    for (i = 0; i < net->count; i++) {
        const belay_http_route *r = &net->routes[i];

        if (r->times != 0 && net->served[i] >= r->times)
            continue;
        if (r->url == NULL || (url == NULL && memory_host_is(r->url, host)))
            return r;
        if (url != NULL && strcmp(r->url, url) == 0 &&
            (r->method == NULL || strcmp(r->method, method) == 0))
            return r;
    }
    return NULL;
}

static void
memory_use(belay_http_net *net, const belay_http_route *r)
{
    if (r != NULL)
        net->served[r - net->routes]++;
}

static int
memory_resolve(belay_http *h, const char *host, unsigned port, char **out)
{
    struct memory *m = h->transport;
    const belay_http_route *r = memory_route(m->net, host, NULL, NULL);
    int err;

    (void)port;
    *out = NULL;
    if (r == NULL)
        return -EHOSTUNREACH;
    if (r->stall == BELAY_HTTP_IN_DNS)
        return belay_sleep(INT64_MAX);
    err = belay_sleep(r->dns);
    if (err == 0 && r->fail == BELAY_HTTP_DNS) {
        memory_use(m->net, r);
        err = -EAGAIN;
    }
    return err;
}

/* ---- connections --------------------------------------------------------- */

static struct memory_conn *
memory_find_conn(struct memory *m, const char *key)
{
    struct bly_link *l;

    for (l = bly_list_first(&m->idle); l != NULL;
         l = bly_list_next(&m->idle, l)) {
        struct memory_conn *c = BLY_CONTAINER(l, struct memory_conn, link);

        if (strcmp(c->key, key) == 0) {
            bly_list_remove(l);
            return c;
        }
    }
    return NULL;
}

static void
memory_key(const struct bly_http_exchange *x, char *key, size_t size)
{
    (void)snprintf(key, size, "%s://%s:%u", x->tls ? "https" : "http", x->host,
        x->port_number);
}

static void
memory_close_conn(struct memory *m, struct memory_conn *c)
{
    if (c != NULL)
        m->net->open--;
    bly_free(c);
}

/* ---- one request --------------------------------------------------------- */

static void
memory_at(struct memory_request *q, belay_http_phase step, belay_dur after)
{
    q->step = step;
    q->due = bly_time_add(belay_now(), after);
    if (q->route != NULL && q->route->stall == step &&
        step != BELAY_HTTP_IN_BODY && step != BELAY_HTTP_IN_QUEUE)
        q->due = BLY_NEVER;
}

/* Ends x; clean: its connection may serve another one. */
static void
memory_end(struct memory *m, struct bly_http_exchange *x, bool clean)
{
    struct memory_request *q = x->handle;

    if (clean && q->conn != NULL)
        bly_list_push(&m->idle, &q->conn->link);
    else
        memory_close_conn(m, q->conn);
    bly_list_remove(&x->active);
    bly_free(q);
    m->net->active--;
    bly_http_end(x);
}

static void
memory_fail(struct memory *m, struct bly_http_exchange *x,
    belay_http_kind kind, int code, const char *why)
{
    (void)bly_http_fail(x, kind, code, "%s", why);
    memory_end(m, x, false);
}

/* Begins, or ends x. */
static void
memory_start(struct memory *m, struct bly_http_exchange *x)
{
    struct memory_request *q = bly_zalloc(sizeof *q);
    char key[MEMORY_KEY];

    if (q == NULL) {
        (void)bly_http_fail(x, BELAY_HTTP_INTERNAL, -ENOMEM, "no memory");
        bly_http_end(x);
        return;
    }
    x->handle = q;
    bly_list_push(&m->active, &x->active);
    if (++m->net->active > m->net->most)
        m->net->most = m->net->active;
    q->route = memory_route(m->net, x->host, x->method, x->url);
    memory_use(m->net, q->route);
    memory_key(x, key, sizeof key);
    q->conn = memory_find_conn(m, key);
    if (q->conn != NULL) {
        x->reused = true;
        bly_http_enter_phase(x, BELAY_HTTP_IN_SEND);
        memory_at(q, BELAY_HTTP_IN_SEND, 0);
        return;
    }
    bly_http_enter_phase(x, BELAY_HTTP_IN_CONNECT);
    memory_at(q, BELAY_HTTP_IN_CONNECT, q->route ? q->route->connect : 0);
}

static void
memory_connect(struct memory *m, struct bly_http_exchange *x)
{
    struct memory_request *q = x->handle;
    belay_http_kind fail = q->route != NULL ? q->route->fail : BELAY_HTTP_OK;
    char key[MEMORY_KEY];

    if (fail == BELAY_HTTP_REFUSED || fail == BELAY_HTTP_CONNECT) {
        memory_fail(m, x, fail,
            fail == BELAY_HTTP_REFUSED ? -ECONNREFUSED : -EHOSTUNREACH, "");
        return;
    }
    memory_key(x, key, sizeof key);
    q->conn = bly_zalloc(sizeof *q->conn + strlen(key) + 1);
    if (q->conn == NULL) {
        memory_fail(m, x, BELAY_HTTP_INTERNAL, -ENOMEM, "no memory");
        return;
    }
    memcpy(q->conn->key, key, strlen(key) + 1);
    m->net->connections++;
    m->net->open++;
    bly_http_count(x->h, &x->h->connections);
    if (x->tls) {
        bly_http_enter_phase(x, BELAY_HTTP_IN_TLS);
        memory_at(q, BELAY_HTTP_IN_TLS, q->route ? q->route->tls : 0);
    } else {
        bly_http_enter_phase(x, BELAY_HTTP_IN_SEND);
        memory_at(q, BELAY_HTTP_IN_SEND, 0);
    }
}

static void
memory_tls(struct memory *m, struct bly_http_exchange *x)
{
    struct memory_request *q = x->handle;
    belay_http_kind fail = q->route != NULL ? q->route->fail : BELAY_HTTP_OK;

    if (fail == BELAY_HTTP_TLS || fail == BELAY_HTTP_CERTIFICATE) {
        memory_fail(m, x, fail, fail == BELAY_HTTP_TLS ? -EPROTO : -EACCES, "");
        return;
    }
    bly_http_enter_phase(x, BELAY_HTTP_IN_SEND);
    memory_at(q, BELAY_HTTP_IN_SEND, 0);
}

static void
memory_tell(struct memory *m, struct bly_http_exchange *x)
{
    struct memory_request *q = x->handle;
    size_t kept = q->got < MEMORY_SEEN ? q->got : MEMORY_SEEN;
    belay_http_seen seen = {.method = x->method, .url = x->url,
        .headers = (const char *const *)x->headers,
        .body = {q->seen, kept}, .body_len = q->got};

    m->net->requests++;
    if (m->net->seen != NULL)
        m->net->seen(m->net->arg, &seen);
}

static void
memory_send(struct memory *m, struct bly_http_exchange *x)
{
    struct memory_request *q = x->handle;
    char piece[256];
    ssize_t n = bly_http_to_send(x, piece, sizeof piece);
    size_t room = MEMORY_SEEN - (q->got < MEMORY_SEEN ? q->got : MEMORY_SEEN);

    if (n == -EAGAIN) {
        q->blocked = true;
    } else if (n > 0) {
        memcpy(q->seen + (MEMORY_SEEN - room), piece,
            (size_t)n < room ? (size_t)n : room);
        q->got += (size_t)n;
    } else {
        memory_tell(m, x);
        bly_http_enter_phase(x, BELAY_HTTP_IN_FIRST_BYTE);
        memory_at(q, BELAY_HTTP_IN_FIRST_BYTE,
            q->route ? q->route->first_byte : 0);
    }
}

static int
memory_head(struct bly_http_exchange *x, const belay_http_route *route)
{
    const char *const *line = route != NULL ? route->headers : NULL;
    int status = route == NULL ? 404 : route->status ? route->status : 200;
    char first[32];
    int r;

    (void)snprintf(first, sizeof first, "HTTP/1.1 %d x", status);
    r = bly_http_head_line(x, first, strlen(first));
    for (; r >= 0 && line != NULL && *line != NULL; line++)
        r = bly_http_head_line(x, *line, strlen(*line));
    return r < 0 ? r : bly_http_head_line(x, "", 0);
}

static void
memory_first_byte(struct memory *m, struct bly_http_exchange *x)
{
    struct memory_request *q = x->handle;
    const belay_http_route *route = q->route;

    if (route != NULL && route->fail == BELAY_HTTP_RESET && !route->in_body) {
        memory_fail(m, x, BELAY_HTTP_RESET, -ECONNRESET, "");
        return;
    }
    if (memory_head(x, route) < 0) {
        memory_end(m, x, false);
        return;
    }
    if (route != NULL && route->body != NULL && strcmp(x->method, "HEAD") != 0)
        q->body_len = route->body_len != 0 ? route->body_len
                                           : strlen(route->body);
    memory_at(q, BELAY_HTTP_IN_BODY, 0);
}

/* How much comes now. */
static size_t
memory_piece(const struct memory_request *q, size_t left)
{
    uint32_t choice;

    if (q->route->piece != 0)
        return q->route->piece < left ? q->route->piece : left;
    choice = left > 1 ? bly_choose(BLY_CHOOSE_RANDOM, 3) : 0;
    return choice == 0 ? left : choice == 1 ? 1 : left / 2;
}

static void
memory_body(struct memory *m, struct bly_http_exchange *x)
{
    struct memory_request *q = x->handle;
    const belay_http_route *route = q->route;
    size_t end = q->body_len, n;
    bool stalls = route != NULL && route->stall == BELAY_HTTP_IN_BODY;
    bool breaks = route != NULL && route->fail == BELAY_HTTP_RESET;
    int r;

    if ((stalls || breaks) && route->after < end)
        end = route->after;
    if (q->pos == end) {
        if (stalls)
            q->due = BLY_NEVER;
        else if (breaks)
            memory_fail(m, x, BELAY_HTTP_RESET, -ECONNRESET, "");
        else
            memory_end(m, x, true);
        return;
    }
    n = memory_piece(q, end - q->pos);
    r = bly_http_body(x, route->body + q->pos, n,
        (q->pos + n) / (route->ratio != 0 ? route->ratio : 1));
    if (r < 0) {
        memory_end(m, x, false);
    } else if (r == BLY_HTTP_FULL) {
        q->blocked = true;
    } else {
        q->pos += n;
        memory_at(q, BELAY_HTTP_IN_BODY, q->pos < end ? route->gap : 0);
    }
}

static void
memory_step(struct memory *m, struct bly_http_exchange *x)
{
    struct memory_request *q = x->handle;

    switch (q->step) {
    case BELAY_HTTP_IN_CONNECT:
        memory_connect(m, x);
        break;
    case BELAY_HTTP_IN_TLS:
        memory_tls(m, x);
        break;
    case BELAY_HTTP_IN_SEND:
        memory_send(m, x);
        break;
    case BELAY_HTTP_IN_FIRST_BYTE:
        memory_first_byte(m, x);
        break;
    default:
        memory_body(m, x);
        break;
    }
}

/* ---- the driver ---------------------------------------------------------- */

static void
memory_serve_port(belay_http *h, struct memory *m)
{
    struct bly_http_exchange *x;
    unsigned asked;

    belay_event_reset(&h->port.work);
    while ((x = bly_http_next_asked(&h->port, &asked)) != NULL) {
        if (asked == BLY_HTTP_ASK_START)
            memory_start(m, x);
        else if ((asked & BLY_HTTP_ASK_START) != 0)
            bly_http_end(x); /* given up before it began */
        else if ((asked & BLY_HTTP_ASK_CANCEL) != 0)
            memory_end(m, x, false);
        else
            ((struct memory_request *)x->handle)->blocked = false;
    }
}

/* One of the requests that are due, or NULL and *next, when one will be. */
static struct bly_http_exchange *
memory_pick(struct memory *m, belay_time *next)
{
    struct bly_link *l;
    belay_time now = belay_now();
    uint32_t due = 0, pick;

    *next = BLY_NEVER;
    for (l = bly_list_first(&m->active); l != NULL;
         l = bly_list_next(&m->active, l)) {
        struct memory_request *q =
            BLY_CONTAINER(l, struct bly_http_exchange, active)->handle;

        if (q->blocked)
            continue;
        due += q->due <= now;
        *next = q->due < *next ? q->due : *next;
    }
    if (due == 0)
        return NULL;
    pick = due > 1 ? bly_choose(BLY_CHOOSE_RANDOM, due) : 0;
    for (l = bly_list_first(&m->active);; l = bly_list_next(&m->active, l)) {
        struct bly_http_exchange *x =
            BLY_CONTAINER(l, struct bly_http_exchange, active);
        struct memory_request *q = x->handle;

        if (!q->blocked && q->due <= now && pick-- == 0)
            return x;
    }
}

static int
memory_sleep(belay_http *h, belay_time next)
{
    belay_case cases[2];
    belay_case_room room[2];
    int r;

    cases[0] = belay_case_event(&h->port.work);
    cases[1] = belay_case_after(next - belay_now());
    r = belay_select_at(NULL, cases, room, next == BLY_NEVER ? 1 : 2, h->site);
    /* No memory for the wait: there may be soon. */
    if (r < 0 && belay_cancelled() == 0)
        r = belay_sleep(BELAY_MS(2));
    return r;
}

static void
memory_run(belay_http *h, void *self)
{
    struct memory *m = self;
    struct bly_link *l;
    belay_time next;
    int r = 0;

    while (r >= 0 && !bly_http_session_closing(h)) {
        struct bly_http_exchange *x;

        bly_http_count(h, &h->turns);
        memory_serve_port(h, m);
        x = memory_pick(m, &next);
        if (x != NULL)
            memory_step(m, x);
        r = x != NULL ? belay_yield() : memory_sleep(h, next);
    }
    while ((l = bly_list_first(&m->active)) != NULL)
        memory_fail(m, BLY_CONTAINER(l, struct bly_http_exchange, active),
            BELAY_HTTP_CLOSED, BELAY_ECLOSED, "the session has ended");
    while ((l = bly_list_pop(&m->idle)) != NULL)
        memory_close_conn(m, BLY_CONTAINER(l, struct memory_conn, link));
}

static int
memory_open(belay_http *h, void **self)
{
    struct memory *m = bly_zalloc(sizeof *m);

    (void)h;
    if (m == NULL)
        return -ENOMEM;
    m->net = memory_net != NULL ? memory_net : &m->nothing;
    bly_list_init(&m->active);
    bly_list_init(&m->idle);
    *self = m;
    return 0;
}

static void
memory_close(void *self)
{
    bly_free(self);
}

const struct bly_http_transport bly_http_transport = {
    .open = memory_open,
    .run = memory_run,
    .close = memory_close,
    .resolve = memory_resolve,
};
