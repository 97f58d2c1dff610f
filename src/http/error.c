/* SPDX-License-Identifier: MIT */
/* Names and texts of failures. */
#include "http/error.h"

#include <stdio.h>

const char *
belay_http_kind_name(belay_http_kind kind)
{
    static const char *const names[] = {
        [BELAY_HTTP_OK] = "ok",
        [BELAY_HTTP_BAD_URL] = "bad URL",
        [BELAY_HTTP_SCHEME] = "unknown scheme",
        [BELAY_HTTP_DNS] = "dns",
        [BELAY_HTTP_CONNECT] = "no connection",
        [BELAY_HTTP_REFUSED] = "refused",
        [BELAY_HTTP_RESET] = "connection lost",
        [BELAY_HTTP_TLS] = "tls",
        [BELAY_HTTP_CERTIFICATE] = "certificate",
        [BELAY_HTTP_TIMEOUT] = "timeout",
        [BELAY_HTTP_PROTOCOL] = "protocol",
        [BELAY_HTTP_TOO_LARGE] = "too large",
        [BELAY_HTTP_REDIRECT] = "redirect",
        [BELAY_HTTP_PROXY] = "proxy",
        [BELAY_HTTP_CANCELLED] = "cancelled",
        [BELAY_HTTP_CLOSED] = "session closed",
        [BELAY_HTTP_INTERNAL] = "internal",
    };

    return (size_t)kind < sizeof names / sizeof *names ? names[kind]
                                                       : "unknown";
}

const char *
belay_http_phase_name(belay_http_phase phase)
{
    static const char *const names[] = {
        [BELAY_HTTP_IN_QUEUE] = "queue",
        [BELAY_HTTP_IN_DNS] = "dns",
        [BELAY_HTTP_IN_CONNECT] = "connect",
        [BELAY_HTTP_IN_TLS] = "tls",
        [BELAY_HTTP_IN_SEND] = "send",
        [BELAY_HTTP_IN_FIRST_BYTE] = "first byte",
        [BELAY_HTTP_IN_BODY] = "body",
        [BELAY_HTTP_IN_RETRY] = "retry",
        [BELAY_HTTP_IN_TOTAL] = "total",
    };

    return (size_t)phase < sizeof names / sizeof *names ? names[phase]
                                                        : "unknown";
}

/* Whether it says more when one knows where it happened. */
static bool
error_has_phase(belay_http_kind kind)
{
    return kind == BELAY_HTTP_TIMEOUT || kind == BELAY_HTTP_RESET ||
        kind == BELAY_HTTP_CANCELLED || kind == BELAY_HTTP_CLOSED;
}

int
bly_http_error_set(belay_http_error *e, belay_http_kind kind, int code,
    belay_http_phase phase, const char *what, const char *why)
{
    char where[32] = "";

    e->code = code;
    e->kind = kind;
    e->phase = phase;
    if (error_has_phase(kind))
        (void)snprintf(where, sizeof where, " (%s)",
            belay_http_phase_name(phase));
    (void)snprintf(e->text, sizeof e->text, "%.120s: %s%s%s%s", what,
        belay_http_kind_name(kind), where, why[0] != '\0' ? ": " : "", why);
    return code;
}

void
bly_http_error_limit(char *buf, size_t size, const belay_http_limits *l,
    belay_http_phase phase)
{
    (void)snprintf(buf, size, "limit %g s",
        (double)bly_http_limit_of(l, phase) / 1e9);
}
