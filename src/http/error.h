/* SPDX-License-Identifier: MIT */
/* Why a request failed, for programs and for people. */
#ifndef BLY_HTTP_ERROR_H
#define BLY_HTTP_ERROR_H

#include "http/session.h"

/* Fills e, its text being "what: in phase: why", and returns code. */
int bly_http_error_set(belay_http_error *e, belay_http_kind kind, int code,
    belay_http_phase phase, const char *what, const char *why);

/* Says how long a phase may have lasted that lasted longer. */
void bly_http_error_limit(char *buf, size_t size, const belay_http_limits *l,
    belay_http_phase phase);

#endif
