/* SPDX-License-Identifier: MIT */
/*
 * Data that is built once and then only read: after belay_frozen_seal nobody
 * can write to its pages, so it needs no lock.  And data that is replaced as
 * a whole: readers keep the version that they began with.
 */
#include <belay.h>
#include <belay/frozen.h>

#include <stdio.h>
#include <stdlib.h>

enum { READERS = 4 };

struct route {
    const char *host;
    int port;
    const struct route *next;
};

struct limits {
    int requests;
};

static BELAY_SNAPSHOT(struct limits) limits;

static int
build(belay_frozen *f, const struct route **routes)
{
    static const char *const hosts[] = {"one", "two", "three"};
    struct route *list = NULL;

    for (int i = 0; i < 3; i++) {
        struct route *r = belay_frozen_alloc(f, sizeof *r);

        if (r == NULL || (r->host = belay_frozen_strdup(f, hosts[i])) == NULL)
            return -ENOMEM;
        r->port = 8000 + i;
        r->next = list;
        list = r;
    }
    *routes = list;
    return belay_frozen_seal(f);
}

BELAY_TASK(reader, (const struct route *, routes), (int *, ports))
{
    for (; routes != NULL; routes = routes->next) {
        *ports += routes->port;
        BELAY_TRY(belay_yield());
    }
    return 0;
}

static int
set_limits(int requests)
{
    struct limits *fresh = malloc(sizeof *fresh);

    if (fresh == NULL)
        return -ENOMEM;
    fresh->requests = requests;
    return belay_publish(&limits, fresh, free, fresh);
}

BELAY_TASK(app)
{
    BELAY_AUTO(belay_frozen, f);
    const struct route *routes;
    int ports[READERS] = {0};

    BELAY_TRY(belay_frozen_open(&f, "routes"));
    BELAY_TRY(build(f, &routes));
    BELAY_SCOPE(s) {
        for (int i = 0; i < READERS; i++)
            belay_spawn(s, reader, routes, &ports[i]);
    }
    for (int i = 0; i < READERS; i++)
        printf("reader %d: %d\n", i, ports[i]);

    BELAY_TRY(set_limits(10));
    {
        BELAY_VIEW(&limits, before);
        BELAY_TRY(set_limits(20));
        BELAY_VIEW(&limits, now);
        printf("began with %d, now %d\n", before->requests, now->requests);
    }
    belay_snapshot_clear(&limits.belay_base_);
    return 0;
}

int
main(void)
{
    return belay_main(app);
}
