/* SPDX-License-Identifier: MIT */
/* Slots per origin and in all; see admit.h. */
#include "http/admit.h"

#include "base/alloc.h"
#include "http/session.h"

#include <string.h>

struct bly_http_origin {
    struct bly_link link;
    unsigned refs; /* under the admission's lock */
    belay_sem slots;
    char key[];
};

void
bly_http_admission_init(struct bly_http_admission *a, unsigned total,
    unsigned per_host)
{
    size_t i;

    memset(a, 0, sizeof *a);
    a->total_limit = total;
    a->host_limit = per_host;
    a->total = (belay_sem)BELAY_SEM_INIT(total);
    for (i = 0; i < BLY_HTTP_BUCKETS; i++)
        bly_list_init(&a->origins[i]);
}

static struct bly_list *
origin_bucket(struct bly_http_admission *a, const char *key)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (; *key != '\0'; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619u;
    return &a->origins[hash % BLY_HTTP_BUCKETS];
}

/* Under the lock; with a reference more. */
static struct bly_http_origin *
origin_find(struct bly_list *bucket, const char *key)
{
    struct bly_link *l;

    for (l = bly_list_first(bucket); l != NULL; l = bly_list_next(bucket, l)) {
        struct bly_http_origin *o =
            BLY_CONTAINER(l, struct bly_http_origin, link);

        if (strcmp(o->key, key) == 0) {
            o->refs++;
            return o;
        }
    }
    return NULL;
}

static struct bly_http_origin *
origin_get(struct bly_http_admission *a, const char *key)
{
    struct bly_list *bucket = origin_bucket(a, key);
    struct bly_http_origin *o, *fresh;
    size_t n = strlen(key) + 1;

    bly_lock(&a->lock);
    o = origin_find(bucket, key);
    bly_unlock(&a->lock);
    if (o != NULL)
        return o;
    fresh = bly_zalloc(sizeof *fresh + n);
    if (fresh == NULL)
        return NULL;
    fresh->refs = 1;
    fresh->slots = (belay_sem)BELAY_SEM_INIT(a->host_limit);
    memcpy(fresh->key, key, n);
    bly_lock(&a->lock);
    o = origin_find(bucket, key);
    if (o == NULL)
        bly_list_push(bucket, &fresh->link);
    bly_unlock(&a->lock);
    if (o == NULL)
        return fresh;
    bly_free(fresh);
    return o;
}

static void
origin_put(struct bly_http_admission *a, struct bly_http_origin *o)
{
    bool last;

    bly_lock(&a->lock);
    last = --o->refs == 0;
    if (last)
        bly_list_remove(&o->link);
    bly_unlock(&a->lock);
    if (last)
        bly_free(o);
}

void
bly_http_admit_release(struct bly_http_exchange *x)
{
    struct bly_http_admission *a = &x->h->admission;
    struct bly_http_origin *o = x->origin;

    if (x->has_total)
        belay_sem_release(&a->total, 1);
    if (x->has_host)
        belay_sem_release(&o->slots, 1);
    x->has_total = x->has_host = false;
    x->origin = NULL;
    if (o != NULL)
        origin_put(a, o);
}

static void
admit_count(struct bly_http_admission *a, bool more)
{
    bly_lock(&a->lock);
    a->waiting += more ? 1u : -1u;
    bly_unlock(&a->lock);
}

static int
admit_acquire(struct bly_http_admission *a, struct bly_http_exchange *x,
    const belay_site *site)
{
    int r = belay_sem_acquire_at(&x->origin->slots, 1, site);

    if (r < 0)
        return r;
    x->has_host = true;
    r = belay_sem_acquire_at(&a->total, 1, site);
    x->has_total = r == 0;
    return r;
}

int
bly_http_admit(struct bly_http_exchange *x, const char *key, belay_dur limit,
    const belay_site *site)
{
    struct bly_http_admission *a = &x->h->admission;
    belay_block block;
    int r;

    x->origin = origin_get(a, key);
    if (x->origin == NULL)
        return -ENOMEM;
    admit_count(a, true);
    if (limit >= 0) {
        belay_deadline_open(&block, limit, site);
        r = admit_acquire(a, x, site);
        if (r == -ETIME && belay_deadline_passed(&block))
            r = -ETIMEDOUT;
        belay_block_close(&block);
    } else {
        r = admit_acquire(a, x, site);
    }
    admit_count(a, false);
    if (r < 0)
        bly_http_admit_release(x);
    return r;
}
