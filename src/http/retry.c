/* SPDX-License-Identifier: MIT */
/*
 * Retries.  The pause is drawn from the whole interval up to a bound that
 * doubles ("full jitter"), so that clients that failed together do not come
 * back together.
 */
#include "http/retry.h"

#include "http/head.h"

#include <curl/curl.h>
#include <string.h>

enum { RETRY_DOUBLINGS = 8 };

static const belay_dur RETRY_SECOND = BELAY_S(1);

bool
bly_http_idempotent(const char *method)
{
    static const char *const known[] = {"GET", "HEAD", "OPTIONS", "TRACE",
        "PUT", "DELETE"};
    size_t i;

    for (i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(method, known[i]) == 0)
            return true;
    return false;
}

bool
bly_http_retry_status(int status)
{
    return status == 429 || (status >= 502 && status <= 504);
}

bool
bly_http_never_sent(const belay_http_error *e)
{
    return e->phase == BELAY_HTTP_IN_DNS || e->phase == BELAY_HTTP_IN_CONNECT ||
        e->phase == BELAY_HTTP_IN_TLS;
}

bool
bly_http_retry_error(const belay_http_error *e)
{
    switch (e->kind) {
    case BELAY_HTTP_CONNECT:
    case BELAY_HTTP_REFUSED:
    case BELAY_HTTP_RESET:
        return true;
    case BELAY_HTTP_DNS:
        return e->code == -EAGAIN;
    case BELAY_HTTP_TIMEOUT:
        return bly_http_never_sent(e);
    default:
        return false;
    }
}

/* Digits, or -1. */
static belay_dur
retry_seconds(const char *text)
{
    belay_dur n = 0;

    if (*text == '\0')
        return -1;
    for (; *text >= '0' && *text <= '9'; text++)
        if (n < 1000000)
            n = n * 10 + (*text - '0');
    return *text == '\0' ? n * RETRY_SECOND : -1;
}

belay_dur
bly_http_retry_after(const struct bly_http_head *head)
{
    const char *after = bly_http_head_find(head, "Retry-After");
    const char *date = bly_http_head_find(head, "Date");
    belay_dur d = after != NULL ? retry_seconds(after) : -1;
    time_t at, now;

    if (after == NULL || d >= 0)
        return d;
    /* A date counts from the server's own now: clocks differ. */
    at = curl_getdate(after, NULL);
    now = date != NULL ? curl_getdate(date, NULL) : -1;
    if (at < 0 || now < 0)
        return -1;
    return at > now ? (belay_dur)(at - now) * RETRY_SECOND : 0;
}

belay_dur
bly_http_backoff(belay_http *h, unsigned nth)
{
    unsigned doublings = nth - 1 < RETRY_DOUBLINGS ? nth - 1 : RETRY_DOUBLINGS;
    belay_dur bound = h->opts.retry_pause;

    if (bound < 0)
        return 0;
    if (bound > INT64_MAX >> (doublings + 1))
        bound = INT64_MAX >> (doublings + 1);
    return (belay_dur)((double)(bound << doublings) *
        ((double)bly_http_random(h) / UINT32_MAX));
}
