/* SPDX-License-Identifier: MIT */
/* The contract of os/signal.h in a simulation: a signal is a call of
 * belay_test_raise. */
#include <belay/test.h>

#include "base/atomic.h"
#include "os/signal.h"
#include "sim/signal.h"

#include <signal.h>
#include <string.h>

static struct {
    struct bly_signal_sink *sinks[BLY_SIGNAL_SINKS];
    uint32_t users; /* atomic: calls that look at them */
} vsignal;

bool
bly_signal_can(int number)
{
    return number > 0 && number <= BLY_SIGNAL_MAX && number != SIGKILL &&
        number != SIGSTOP && number != SIGSEGV && number != SIGPIPE;
}

int
bly_signal_add(struct bly_signal_sink *s)
{
    int i;

    bly_point(&vsignal);
    for (i = 0; i < BLY_SIGNAL_SINKS && vsignal.sinks[i] != NULL; i++)
        continue;
    if (i == BLY_SIGNAL_SINKS)
        return -ENOBUFS;
    vsignal.sinks[i] = s;
    return 0;
}

void
bly_signal_drop(struct bly_signal_sink *s)
{
    int i;

    bly_point(&vsignal);
    for (i = 0; i < BLY_SIGNAL_SINKS; i++)
        if (vsignal.sinks[i] == s)
            vsignal.sinks[i] = NULL;
    while (bly_load(&vsignal.users) != 0) /* pairs with belay_test_raise */
        bly_spin();
}

int
belay_test_raise(int number)
{
    int i, n = 0;

    (void)bly_fetch_add(&vsignal.users, 1u); /* pairs with bly_signal_drop */
    for (i = 0; i < BLY_SIGNAL_SINKS; i++) {
        struct bly_signal_sink *s = vsignal.sinks[i];

        if (s == NULL || (s->numbers >> (number - 1) & 1) == 0)
            continue;
        s->fn(s, number);
        n++;
    }
    /* pairs with bly_signal_drop */
    (void)bly_fetch_add(&vsignal.users, UINT32_MAX);
    return n;
}

void
bly_vsignal_reset(void)
{
    memset(&vsignal, 0, sizeof vsignal);
}
