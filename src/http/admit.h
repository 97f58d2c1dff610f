/* SPDX-License-Identifier: MIT */
/*
 * Who may have a connection: so many requests to one origin, so many in all.
 *
 * libcurl's own limits count the time that a request waits for a connection
 * against its timeout; so belay never hands it more than may run.  A task
 * waits for its origin first and for the total afterwards: no total slot is
 * held by one who cannot go on.
 */
#ifndef BLY_HTTP_ADMIT_H
#define BLY_HTTP_ADMIT_H

#include "http/exchange.h"

enum { BLY_HTTP_BUCKETS = 64 };

struct bly_http_admission {
    belay_sem total;
    unsigned total_limit, host_limit;
    struct bly_lock lock;
    unsigned waiting; /* tasks; under lock, as is the rest */
    struct bly_list origins[BLY_HTTP_BUCKETS];
};

void bly_http_admission_init(struct bly_http_admission *a, unsigned total,
    unsigned per_host);

/* Takes the slots for x, a request to this origin, for at most limit (negative:
 * for ever).  Returns 0, -ETIMEDOUT, -ENOMEM, or the code of a cut: x then has
 * none. */
int bly_http_admit(struct bly_http_exchange *x, const char *key,
    belay_dur limit, const belay_site *site) BLY_MUST_CHECK;
/* Gives back what x has.  Any thread, never waits. */
void bly_http_admit_release(struct bly_http_exchange *x);

#endif
