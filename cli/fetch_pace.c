/* SPDX-License-Identifier: MIT */
/* How fast requests may begin.  See fetch_pace.h. */
#include "cli/fetch_pace.h"

#include <belay/policy.h>

#include "cli/address.h"
#include "cli/own.h"
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>

/* A host in trouble is asked at most so many times less often. */
static const double pace_slowest = 64;
#define PACE_PAUSE BELAY_S(30) /* the longest Retry-After that is obeyed */

struct pace_host {
    struct pace_host *next; /* in the order of use, the last one first */
    char *key;              /* "host:port" */
    unsigned waiting;       /* tasks; it is not forgotten then */
    double slowness;        /* 1: as fast as was asked for */
    belay_rate rate;
};

struct pace {
    struct rate rate;
    struct pace_host *hosts;
    unsigned count;
};

static void
pace_set(const struct pace *p, struct pace_host *h)
{
    double each = (double)p->rate.per / p->rate.n * h->slowness;
    double burst = 1 + (double)BELAY_MS(10) / each;

    if (each >= (double)BELAY_MS(1))
        belay_rate_set(&h->rate, 1, (belay_dur)each, (unsigned)burst);
    else /* in parts of a nanosecond that count */
        belay_rate_set(&h->rate, 1000, (belay_dur)(each * 1000),
            (unsigned)burst);
}

static struct pace_host *
pace_add(struct pace *p, const char *key)
{
    struct pace_host *h = own_alloc(sizeof *h);

    h->key = own_text(key);
    h->slowness = 1;
    h->rate = (belay_rate)BELAY_RATE_INIT(1, BELAY_S(1), 1);
    pace_set(p, h);
    h->next = p->hosts;
    p->hosts = h;
    p->count++;
    return h;
}

/* Forgets the one that was used longest ago and is not in use. */
static void
pace_forget(struct pace *p)
{
    struct pace_host **oldest = NULL, *h;

    for (struct pace_host **at = &p->hosts; *at != NULL; at = &(*at)->next)
        if ((*at)->waiting == 0)
            oldest = at;
    if (oldest == NULL)
        return;
    h = *oldest;
    *oldest = h->next;
    free(h->key);
    free(h);
    p->count--;
}

/* Its host is the first of the list then. */
static struct pace_host *
pace_find(struct pace *p, const char *url)
{
    struct text key = {NULL, 0, 0};
    struct pace_host *h = NULL;
    struct address a;

    if (p->rate.host) {
        address_take(&a, url);
        text_printf(&key, "%s:%s", a.host != NULL ? a.host : "",
            a.port != NULL ? a.port : "");
        address_free(&a);
    } else {
        text_add(&key, "all");
    }
    for (struct pace_host **at = &p->hosts; *at != NULL; at = &(*at)->next)
        if (strcmp((*at)->key, key.p) == 0) {
            h = *at;
            *at = h->next;
            h->next = p->hosts;
            p->hosts = h;
            break;
        }
    if (h == NULL) {
        if (p->count >= PACE_HOSTS)
            pace_forget(p);
        h = pace_add(p, key.p);
    }
    text_free(&key);
    return h;
}

struct pace *
pace_new(const struct rate *rate)
{
    struct pace *p = own_alloc(sizeof *p);

    p->rate = *rate;
    return p;
}

void
pace_free(struct pace *p)
{
    if (p == NULL)
        return;
    while (p->hosts != NULL) {
        struct pace_host *h = p->hosts;

        p->hosts = h->next;
        free(h->key);
        free(h);
    }
    free(p);
}

int
pace_wait(struct pace *p, const char *url)
{
    struct pace_host *h = pace_find(p, url);
    int r;

    h->waiting++;
    r = belay_rate_wait(&h->rate, 1);
    h->waiting--;
    return r;
}

void
pace_answer(struct pace *p, const char *url, int status, belay_dur after)
{
    struct pace_host *h;

    if (!p->rate.host)
        return;
    h = pace_find(p, url);
    if (status == 429 || status == 503) {
        h->slowness = h->slowness * 2 > pace_slowest ? pace_slowest
                                                     : h->slowness * 2;
        pace_set(p, h);
        if (after > 0)
            belay_rate_pause(&h->rate,
                after < PACE_PAUSE ? after : PACE_PAUSE);
    } else if (h->slowness > 1) {
        h->slowness = h->slowness * 0.9 < 1 ? 1 : h->slowness * 0.9;
        pace_set(p, h);
    }
}
