/* SPDX-License-Identifier: MIT */
/*
 * Signals as values.  A listener is a channel that handlers push into, and a
 * deferred call of the scope that ends it.
 */
#include <belay/signals.h>

#include "base/alloc.h"
#include "os/signal.h"

enum { SIGNALS_WAITING = 64 };

struct signals_listener {
    struct bly_signal_sink sink;
    belay_chan *ch;
    const belay_site *site;
};

/* In a handler.  If there is no room, it is dropped. */
static void
signals_push(struct bly_signal_sink *sink, int number)
{
    struct signals_listener *l =
        BLY_CONTAINER(sink, struct signals_listener, sink);

    (void)!belay_try_send_external_at(l->ch, &number, l->site);
}

static int
signals_end(void *arg)
{
    struct signals_listener *l = arg;

    bly_signal_drop(&l->sink);
    belay_chan_free_at(&l->ch, l->site);
    bly_free(l);
    return 0;
}

static int
signals_check(struct bly_signal_sink *sink, const int *numbers, size_t n,
    const belay_site *site)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (!bly_signal_can(numbers[i]))
            return belay_fail_at(-EINVAL, site,
                "signal %d cannot be listened to", numbers[i]);
        sink->numbers |= UINT64_C(1) << (numbers[i] - 1);
    }
    return 0;
}

static int
signals_begin(struct signals_listener *l)
{
    const belay_chan_opts opts = {.size = sizeof opts, .name = "signals",
        .external = SIGNALS_WAITING};
    int r = belay_chan_open_at(&l->ch, sizeof(int), 1, &opts, l->site);

    if (r < 0)
        return r;
    r = bly_signal_add(&l->sink);
    if (r < 0)
        belay_chan_free_at(&l->ch, l->site);
    if (r == -ENOBUFS)
        return belay_fail_at(
            r, l->site, "%d others listen to signals", BLY_SIGNAL_SINKS);
    return r;
}

int
belay_signals_open_at(belay_scope *s, belay_chan **ch, const int *numbers,
    size_t n, const belay_site *site)
{
    struct bly_signal_sink sink = {.numbers = 0, .fn = signals_push};
    int r = signals_check(&sink, numbers, n, site);
    struct signals_listener *l;
    belay_chan *made;

    if (r < 0)
        return r;
    l = bly_zalloc(sizeof *l);
    if (l == NULL)
        return -ENOMEM;
    l->sink = sink;
    l->site = site;
    r = signals_begin(l);
    if (r < 0) {
        bly_free(l);
        return r;
    }
    made = l->ch;
    r = belay_defer(s, signals_end, l); /* on failure it has been called */
    if (r == 0)
        *ch = made;
    return r;
}
