/* SPDX-License-Identifier: MIT */
/* What came of one URL, and how it is told. */
#include "cli/fetch_result.h"

#include "cli/jot.h"
#include "cli/own.h"
#include "cli/term.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fetch_result *
result_new(uint64_t n, const char *url, size_t len)
{
    struct fetch_result *r = own_alloc(sizeof *r);

    r->n = n;
    r->url = own_bytes(url, len);
    r->len = len;
    return r;
}

void
result_free(struct fetch_result *r)
{
    if (r == NULL)
        return;
    free(r->url);
    free(r->message);
    free(r->final_url);
    free(r->path);
    text_free(&r->body);
    free(r);
}

void
result_fail(struct fetch_result *r, enum fetch_end end, const char *kind,
    const char *phase, const char *fmt, ...)
{
    struct text message = {NULL, 0, 0};
    char line[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    text_add(&message, line);
    free(r->message);
    r->message = message.p;
    r->end = end;
    r->kind = kind;
    r->phase = phase;
}

void
result_again(struct fetch_result *r)
{
    free(r->message);
    free(r->final_url);
    r->message = r->final_url = NULL;
    r->end = FETCH_OK;
    r->kind = r->phase = NULL;
    r->status = 0;
    r->redirects = 0;
    r->version = 0;
    r->reused = false;
    r->remote[0] = r->sha256[0] = '\0';
    r->bytes = r->raw = 0;
    r->timed = false;
    text_clear(&r->body);
}

/* ---- JSON ---------------------------------------------------------------- */

static void
result_json_timings(const struct fetch_result *r, struct jot *j)
{
    jot_open(j, "timings", '{');
    jot_ms(j, "queue", r->timed ? r->queue : -1);
    jot_ms(j, "dns", r->timed ? r->dns : -1);
    jot_ms(j, "connect", r->timed ? r->connect : -1);
    jot_ms(j, "tls", r->timed ? r->tls : -1);
    jot_ms(j, "first_byte", r->timed ? r->first_byte : -1);
    jot_ms(j, "total", r->total);
    jot_close(j, '}');
}

static void
result_json_error(const struct fetch_result *r, struct jot *j)
{
    if (r->kind == NULL) {
        jot_null(j, "error");
        return;
    }
    jot_open(j, "error", '{');
    jot_text(j, "kind", r->kind);
    jot_text(j, "phase", r->phase);
    jot_text(j, "message", r->message);
    jot_close(j, '}');
}

void
result_json(const struct fetch_result *r, struct text *out)
{
    static const char *const ends[] = {"ok", "failed", "skipped", "cut"};
    struct jot j = {out, false};

    jot_open(&j, NULL, '{');
    jot_number(&j, "v", 1);
    jot_number(&j, "n", (int64_t)r->n);
    jot_bytes(&j, "url", r->url, r->len);
    jot_text(&j, "final_url", r->final_url);
    jot_text(&j, "result", ends[r->end]);
    if (r->status != 0)
        jot_number(&j, "status", r->status);
    else
        jot_null(&j, "status");
    result_json_error(r, &j);
    jot_number(&j, "attempts", r->attempts);
    jot_number(&j, "redirects", r->redirects);
    if (r->version != 0)
        jot_number(&j, "http_version", r->version);
    else
        jot_null(&j, "http_version");
    jot_bool(&j, "reused", r->reused);
    jot_text(&j, "remote", r->remote[0] != '\0' ? r->remote : NULL);
    result_json_timings(r, &j);
    jot_number(&j, "bytes", (int64_t)r->bytes);
    jot_number(&j, "raw_bytes", (int64_t)r->raw);
    jot_text(&j, "sha256", r->sha256[0] != '\0' ? r->sha256 : NULL);
    jot_text(&j, "path", r->path);
    if (r->has_body && jot_utf8(r->body.p, r->body.n))
        jot_bytes(&j, "body", r->body.p, r->body.n);
    else if (r->has_body)
        jot_base64(&j, "body_base64", r->body.p, r->body.n);
    jot_close(&j, '}');
    text_char(out, '\n');
}

/* ---- for people ---------------------------------------------------------- */

static enum term_ink
result_ink(const struct fetch_result *r)
{
    switch (r->end) {
    case FETCH_OK:
        return TERM_GREEN;
    case FETCH_FAILED:
        return TERM_RED;
    default:
        return TERM_YELLOW;
    }
}

void
result_line(const struct fetch_result *r, bool colour, struct text *out)
{
    char status[16];
    const char *word = r->kind;

    snprintf(status, sizeof status, "%d", r->status);
    if (r->status != 0 && (word == NULL || strcmp(word, "status") == 0))
        word = status;
    term_paint(out, colour, result_ink(r), word);
    text_printf(out, " %llu %lld.%lld ", (unsigned long long)r->bytes,
        (long long)(r->total / 1000000),
        (long long)(r->total / 100000 % 10));
    term_safe(out, r->url, r->len);
    text_char(out, '\n');
}

void
result_message(const struct fetch_result *r, bool colour, struct text *out)
{
    text_add(out, "belay fetch: ");
    term_safe(out, r->url, r->len);
    text_add(out, ": ");
    term_paint(out, colour, result_ink(r), r->kind);
    text_printf(out, " (%s): ", r->phase);
    term_safe(out, r->message, strlen(r->message));
    if (r->attempts > 1)
        text_printf(out, " (%u requests)", r->attempts);
    text_char(out, '\n');
}
