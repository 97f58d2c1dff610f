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

int
bly_http_error_set(belay_http_error *e, belay_http_kind kind, int code,
    belay_http_phase phase, const char *what, const char *why)
{
    const char *name = belay_http_kind_name(kind);

    e->code = code;
    e->kind = kind;
    e->phase = phase;
    if (kind == BELAY_HTTP_TIMEOUT)
        (void)snprintf(e->text, sizeof e->text, "%.120s: timeout (%s)%s%s",
            what, belay_http_phase_name(phase), why[0] != '\0' ? ": " : "",
            why);
    else
        (void)snprintf(e->text, sizeof e->text, "%.120s: %s%s%s", what, name,
            why[0] != '\0' ? ": " : "", why);
    return code;
}
