/* SPDX-License-Identifier: MIT */
/* The check that the _fini calls share. */
#include "sync/batch.h"

void
bly_sync_check_idle(struct bly_gate *g, struct bly_list *l, const char *what,
    const belay_site *site)
{
    struct bly_waiter *w;
    const belay_site *there = NULL;

    bly_lock(&g->lock);
    w = bly_sync_first(l);
    if (w != NULL)
        there = w->site;
    bly_unlock(&g->lock);
    if (w != NULL)
        bly_misuse(site, "%s, for which a task waits at %s:%d", what,
            bly_site_file(there), bly_site_line(there));
}
