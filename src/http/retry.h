/* SPDX-License-Identifier: MIT */
/* What may be sent again, and after which pause. */
#ifndef BLY_HTTP_RETRY_H
#define BLY_HTTP_RETRY_H

#include "http/session.h"

/* A method that may be repeated without harm. */
bool bly_http_idempotent(const char *method);
/* A status that may be another one soon. */
bool bly_http_retry_status(int status);
/* The failure came before anything was sent. */
bool bly_http_never_sent(const belay_http_error *e);
/* It may go better next time. */
bool bly_http_retry_error(const belay_http_error *e);

/* What Retry-After asks for, from now on; -1: nothing. */
belay_dur bly_http_retry_after(const struct bly_http_head *head);
/* The pause before attempt number nth (from 1), by chance. */
belay_dur bly_http_backoff(belay_http *h, unsigned nth);

#endif
