/* SPDX-License-Identifier: MIT */
/* The mailbox between a task and the driver; see exchange.h. */
#include "http/exchange.h"

#include "base/alloc.h"
#include "base/check.h"
#include "http/admit.h"
#include "http/head.h"
#include "http/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { EXCHANGE_OUT = 64 << 10 }; /* bytes of a request that may wait */
/* What has come may be known late, by the size of a receive buffer. */
enum { RATIO_FROM = 1 << 20, RATIO_SLACK = 16 << 10 };

/* ---- chunks -------------------------------------------------------------- */

static void
queue_init(struct bly_http_queue *q)
{
    q->first = NULL;
    q->last = &q->first;
    q->bytes = 0;
}

static void
queue_push(struct bly_http_queue *q, struct bly_http_chunk *c)
{
    c->next = NULL;
    *q->last = c;
    q->last = &c->next;
    q->bytes += c->len;
}

static struct bly_http_chunk *
queue_pop(struct bly_http_queue *q)
{
    struct bly_http_chunk *c = q->first;

    if (c == NULL)
        return NULL;
    q->first = c->next;
    if (q->first == NULL)
        q->last = &q->first;
    q->bytes -= c->len;
    return c;
}

static void
queue_drop(struct bly_http_queue *q)
{
    struct bly_http_chunk *c;

    while ((c = queue_pop(q)) != NULL)
        bly_free(c);
}

/* ---- payloads ------------------------------------------------------------ */

struct bly_http_payload *
bly_http_payload_new(const void *data, size_t len)
{
    struct bly_http_payload *p = bly_alloc(sizeof *p + len);

    if (p == NULL)
        return NULL;
    p->refs = 1;
    p->len = len;
    if (len > 0)
        memcpy(p->data, data, len);
    return p;
}

struct bly_http_payload *
bly_http_payload_ref(struct bly_http_payload *p)
{
    if (p != NULL)
        bly_fetch_add(&p->refs, 1u); /* pairs with bly_http_payload_unref */
    return p;
}

void
bly_http_payload_unref(struct bly_http_payload *p)
{
    /* pairs with itself: the last one sees what the others did */
    if (p != NULL && bly_fetch_add(&p->refs, -1u) == 1)
        bly_free(p);
}

/* ---- life ---------------------------------------------------------------- */

void
bly_http_port_init(struct bly_http_port *p)
{
    memset(p, 0, sizeof *p);
    bly_list_init(&p->inbox);
}

struct bly_http_exchange *
bly_http_exchange_new(belay_http *h)
{
    struct bly_http_exchange *x = bly_zalloc(sizeof *x);

    if (x == NULL)
        return NULL;
    x->refs = 1;
    x->h = bly_http_session_ref(h);
    queue_init(&x->in);
    queue_init(&x->out);
    return x;
}

static void
exchange_free(struct bly_http_exchange *x)
{
    char **line;

    bly_http_admit_release(x);
    queue_drop(&x->in);
    queue_drop(&x->out);
    bly_http_payload_unref(x->payload);
    for (line = x->headers; line != NULL && *line != NULL; line++)
        bly_free(*line);
    bly_free(x->headers);
    bly_free(x->head.text);
    bly_free(x->url);
    bly_free(x->host);
    bly_free(x->addresses);
    bly_http_session_unref(x->h);
    bly_free(x);
}

void
bly_http_unref(struct bly_http_exchange *x)
{
    /* pairs with itself: the last one sees what the other did */
    if (bly_fetch_add(&x->refs, -1u) == 1)
        exchange_free(x);
}

/* ---- the task's side ----------------------------------------------------- */

/* Never waits.  False: nobody is there to hear it. */
static bool
exchange_ask(struct bly_http_port *p, struct bly_http_exchange *x,
    enum bly_http_ask what)
{
    bool heard;

    bly_lock(&p->lock);
    if (what == BLY_HTTP_ASK_START)
        x->taken = !p->over;
    heard = x->taken;
    if (heard) {
        if (x->asked == 0)
            bly_list_push(&p->inbox, &x->link);
        x->asked |= what;
    }
    bly_unlock(&p->lock);
    if (heard)
        belay_event_set(&p->work);
    return heard;
}

int
bly_http_submit(struct bly_http_port *p, struct bly_http_exchange *x)
{
    bly_fetch_add(&x->refs, 1u); /* pairs with bly_http_unref */
    if (exchange_ask(p, x, BLY_HTTP_ASK_START))
        return 0;
    bly_http_unref(x);
    return BELAY_ECLOSED;
}

void
bly_http_give_up(struct bly_http_port *p, struct bly_http_exchange *x)
{
    bly_lock(&x->lock);
    x->given_up = true;
    bly_unlock(&x->lock);
    (void)exchange_ask(p, x, BLY_HTTP_ASK_CANCEL);
    bly_http_unref(x);
}

/* Under the lock: an error has come, so that the rest of the request is not
 * wanted.  Other answers may begin before the request has ended. */
static bool
exchange_refused(const struct bly_http_exchange *x)
{
    return x->have_head && x->head.status >= 400;
}

/* Under the lock. */
static bool
exchange_reached(const struct bly_http_exchange *x, enum bly_http_until until)
{
    switch (until) {
    case BLY_HTTP_HAS_HEAD:
        return x->have_head || x->done;
    case BLY_HTTP_HAS_BYTES:
        return x->in.first != NULL || x->done;
    case BLY_HTTP_HAS_ROOM:
        return x->out.bytes < EXCHANGE_OUT || exchange_refused(x) || x->done;
    case BLY_HTTP_IS_DONE:
        return x->done;
    }
    return true;
}

/* Under the lock: when the wait has lasted too long, 0: never. */
static belay_time
exchange_due(const struct bly_http_exchange *x, const belay_http_limits *l,
    belay_time total_at, belay_http_phase *phase)
{
    belay_dur limit = bly_http_limit_of(l, x->phase);
    belay_time from = x->entered[x->phase], at;

    *phase = BELAY_HTTP_IN_TOTAL;
    /* Not begun yet: the driver will look into its port soon. */
    if (limit < 0 || from == 0)
        return total_at;
    if ((x->phase == BELAY_HTTP_IN_SEND || x->phase == BELAY_HTTP_IN_BODY) &&
        x->moved > from)
        from = x->moved;
    at = from > INT64_MAX - limit ? INT64_MAX : from + limit;
    if (total_at != 0 && total_at <= at)
        return total_at;
    *phase = x->phase;
    return at;
}

int
bly_http_wait(struct bly_http_exchange *x, enum bly_http_until until,
    const belay_http_limits *limits, belay_time total_at,
    belay_http_phase *phase, const belay_site *site)
{
    int r = belay_checkpoint();

    while (r == 0) {
        belay_case cases[2];
        belay_case_room room[2];
        belay_time due, now = belay_now();
        bool reached;
        int saw;

        /* First the reset, then the look: what changes in between is seen or
         * sets it again. */
        belay_event_reset(&x->changed);
        bly_lock(&x->lock);
        reached = exchange_reached(x, until);
        due = exchange_due(x, limits, total_at, phase);
        saw = (x->have_head ? BLY_HTTP_SAW_HEAD : 0) |
            (exchange_refused(x) ? BLY_HTTP_SAW_REFUSAL : 0) |
            (x->done ? BLY_HTTP_SAW_END : 0);
        bly_unlock(&x->lock);
        if (reached)
            return saw;
        if (due != 0 && now >= due)
            return -ETIMEDOUT;
        cases[0] = belay_case_event(&x->changed);
        cases[1] = belay_case_after(due - now);
        r = belay_select_at(NULL, cases, room, due != 0 ? 2 : 1, site);
        r = r < 0 ? r : 0;
    }
    bly_lock(&x->lock);
    *phase = x->phase;
    bly_unlock(&x->lock);
    return r;
}

struct bly_http_chunk *
bly_http_take(struct bly_http_port *p, struct bly_http_exchange *x, bool *last)
{
    struct bly_http_chunk *c;
    bool resume;

    bly_lock(&x->lock);
    c = queue_pop(&x->in);
    *last = c == NULL && x->done;
    resume = x->in_paused && x->in.bytes <= x->buffer / 2;
    if (resume) {
        x->in_paused = false;
        x->moved = belay_now();
    }
    bly_unlock(&x->lock);
    if (resume)
        (void)exchange_ask(p, x, BLY_HTTP_ASK_RECV);
    return c;
}

void
bly_http_give(struct bly_http_port *p, struct bly_http_exchange *x,
    struct bly_http_chunk *c)
{
    belay_time now = belay_now();
    bool resume;

    bly_lock(&x->lock);
    x->moved = now;
    if (c != NULL)
        queue_push(&x->out, c);
    else
        x->out_ended = true;
    resume = x->out_paused;
    x->out_paused = false;
    bly_unlock(&x->lock);
    if (resume)
        (void)exchange_ask(p, x, BLY_HTTP_ASK_SEND);
}

/* ---- the driver's side --------------------------------------------------- */

struct bly_http_exchange *
bly_http_next_asked(struct bly_http_port *p, unsigned *asked)
{
    struct bly_http_exchange *x = NULL;
    struct bly_link *l;

    bly_lock(&p->lock);
    l = bly_list_pop(&p->inbox);
    if (l != NULL) {
        x = BLY_CONTAINER(l, struct bly_http_exchange, link);
        *asked = x->asked;
        x->asked = 0;
    }
    bly_unlock(&p->lock);
    return x;
}

void
bly_http_port_over(struct bly_http_port *p)
{
    struct bly_http_exchange *x;
    unsigned asked;

    bly_lock(&p->lock);
    p->over = true;
    bly_unlock(&p->lock);
    while ((x = bly_http_next_asked(p, &asked)) != NULL) {
        if ((asked & BLY_HTTP_ASK_START) == 0)
            continue;
        (void)bly_http_fail(x, BELAY_HTTP_CLOSED, BELAY_ECLOSED,
            "the session has ended");
        bly_http_end(x);
    }
}

void
bly_http_enter_phase(struct bly_http_exchange *x, belay_http_phase phase)
{
    belay_time now = belay_now();

    bly_lock(&x->lock);
    /* An answer may begin before the request has been sent. */
    if (x->phase != BELAY_HTTP_IN_BODY) {
        x->phase = phase;
        x->entered[phase] = x->moved = now;
    }
    bly_unlock(&x->lock);
    belay_event_set(&x->changed);
}

int
bly_http_fail(struct bly_http_exchange *x, belay_http_kind kind, int code,
    const char *fmt, ...)
{
    char why[sizeof x->why];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    bly_lock(&x->lock);
    if (x->failed == BELAY_HTTP_OK) {
        x->failed = kind;
        x->code = code;
        memcpy(x->why, why, sizeof why);
    }
    bly_unlock(&x->lock);
    return code;
}

int
bly_http_head_line(struct bly_http_exchange *x, const char *line, size_t len)
{
    struct bly_http_head *head = &x->head;
    belay_time now = belay_now();
    int r = 0;

    if (x->have_head)
        return 0; /* trailers */
    bly_lock(&x->lock);
    x->moved = now;
    if (x->phase < BELAY_HTTP_IN_BODY) {
        x->phase = BELAY_HTTP_IN_BODY;
        x->entered[BELAY_HTTP_IN_BODY] = now;
    }
    bly_unlock(&x->lock);
    head->received += len + 2;
    if (head->received > x->max_headers)
        return bly_http_fail(x, BELAY_HTTP_TOO_LARGE, -EFBIG,
            "more than %zu bytes of headers", x->max_headers);
    r = bly_http_head_add(head, line, len);
    if (r == -ENOMEM)
        return bly_http_fail(x, BELAY_HTTP_INTERNAL, r, "no memory");
    if (r < 0)
        return bly_http_fail(x, BELAY_HTTP_PROTOCOL, r, "a broken header");
    if (r == 0)
        return 0;
    bly_lock(&x->lock);
    x->have_head = true;
    bly_unlock(&x->lock);
    belay_event_set(&x->changed);
    return 0;
}

/* Whether the body may grow by n. */
static int
body_check(struct bly_http_exchange *x, size_t n, uint64_t raw)
{
    uint64_t decoded = x->decoded + n;

    if (decoded > x->max_body || raw > x->max_body)
        return bly_http_fail(x, BELAY_HTTP_TOO_LARGE, -EFBIG,
            "a body of more than %llu bytes", (unsigned long long)x->max_body);
    if (decoded > RATIO_FROM &&
        decoded / x->max_ratio > raw + RATIO_SLACK)
        return bly_http_fail(x, BELAY_HTTP_TOO_LARGE, -EFBIG,
            "a body that grows more than %u-fold when it is decoded",
            x->max_ratio);
    return 0;
}

int
bly_http_body(struct bly_http_exchange *x, const char *data, size_t n,
    uint64_t raw)
{
    struct bly_http_chunk *c;
    bool full, unwanted;
    int r = body_check(x, n, raw);

    if (r < 0 || n == 0)
        return r;
    bly_lock(&x->lock);
    unwanted = x->given_up;
    full = x->stream && !unwanted && x->in.bytes >= x->buffer;
    x->in_paused = full;
    bly_unlock(&x->lock);
    if (full)
        return BLY_HTTP_FULL;
    if (unwanted)
        return 0;
    c = bly_alloc(sizeof *c + n + 1);
    if (c == NULL)
        return bly_http_fail(x, BELAY_HTTP_INTERNAL, -ENOMEM, "no memory");
    c->len = n;
    memcpy(c->data, data, n);
    c->data[n] = '\0';
    bly_lock(&x->lock);
    x->moved = belay_now();
    x->raw = raw;
    x->decoded += n;
    queue_push(&x->in, c);
    bly_unlock(&x->lock);
    if (x->stream)
        belay_event_set(&x->changed);
    return 0;
}

static ssize_t
send_payload(struct bly_http_exchange *x, char *buf, size_t n)
{
    size_t left = x->payload == NULL ? 0 : x->payload->len - x->sent;

    if (n > left)
        n = left;
    if (n > 0)
        memcpy(buf, x->payload->data + x->sent, n);
    x->sent += n;
    bly_lock(&x->lock);
    x->moved = belay_now();
    bly_unlock(&x->lock);
    return (ssize_t)n;
}

ssize_t
bly_http_to_send(struct bly_http_exchange *x, char *buf, size_t n)
{
    struct bly_http_chunk *c;
    bool ended = false;
    size_t take;

    if (!x->sends)
        return send_payload(x, buf, n);
    bly_lock(&x->lock);
    c = x->out.first;
    if (c == NULL) {
        ended = x->out_ended;
        x->out_paused = !ended;
    }
    x->moved = belay_now();
    bly_unlock(&x->lock);
    if (c == NULL)
        return ended ? 0 : -EAGAIN;
    /* The first chunk is ours until it is popped: the task only appends. */
    take = c->len - x->sent < n ? c->len - x->sent : n;
    memcpy(buf, c->data + x->sent, take);
    x->sent += take;
    if (x->sent == c->len) {
        x->sent = 0;
        bly_lock(&x->lock);
        c = queue_pop(&x->out);
        bly_unlock(&x->lock);
        bly_free(c);
        belay_event_set(&x->changed);
    }
    return (ssize_t)take;
}

void
bly_http_end(struct bly_http_exchange *x)
{
    struct bly_http_port *p = bly_http_session_port(x->h);

    /* What it is still asked for does not matter any more. */
    bly_lock(&p->lock);
    if (x->asked != 0)
        bly_list_remove(&x->link);
    x->asked = 0;
    x->taken = false;
    bly_unlock(&p->lock);
    bly_http_admit_release(x);
    bly_lock(&x->lock);
    bly_assert(!x->done);
    x->done = true;
    x->moved = belay_now();
    bly_unlock(&x->lock);
    belay_event_set(&x->changed);
    bly_http_unref(x);
}
