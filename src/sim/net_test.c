/* SPDX-License-Identifier: MIT */
/* The calls of belay/net_test.h. */
#include <belay/net_test.h>

#include "base/check.h"
#include "sim/machine.h"
#include "sim/sim.h"
#include "sim/vnet.h"

#include <string.h>

static struct bly_vnet_addr
test_net_where(const char *what, const char *text)
{
    struct bly_vnet_addr a;

    if (!bly_sim_now.on)
        bly_misuse(NULL, "%s outside a run", what);
    if (!bly_vnet_addr_parse(&a, text))
        bly_misuse(NULL, "%s: '%s' is no address", what, text);
    return a;
}

void
belay_test_net_path_at(const char *where, const belay_test_path *path)
{
    static const char what[] = "belay_test_net_path";
    struct bly_vnet_addr a = test_net_where(what, where);
    struct bly_vnet_path *p = bly_vnet_path_new(&a);
    belay_test_path o = {.size = 0};

    if (p == NULL)
        bly_misuse(NULL, "%s: more than %d paths", what, BLY_VNET_PATHS);
    memcpy(&o, path, path->size < sizeof(o) ? path->size : sizeof(o));
    if (p->stall && !o.stall)
        p->since = bly_machine.now;
    p->latency = o.latency > 0 ? o.latency : 0;
    p->refuse = o.refuse < 0 ? o.refuse : 0;
    p->stall = o.stall;
    p->lossy = o.lossy;
    bly_vnet_land();
    bly_vnet_changed();
}

void
belay_test_net_reset(const char *where)
{
    struct bly_vnet_addr a = test_net_where("belay_test_net_reset", where);

    bly_vnet_path_reset(&a);
    bly_vnet_changed();
}
