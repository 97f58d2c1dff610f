/* SPDX-License-Identifier: MIT */
/* How fast a run goes.  See pulse.h. */
#include "cli/pulse.h"

/* An ETA of more is none. */
#define PULSE_LONG 1e6

void
pulse_look(struct pulse *p, belay_time now, uint64_t done)
{
    unsigned i = p->looks++ % PULSE_LOOKS;

    p->at[i] = now;
    p->done[i] = done;
}

double
pulse_rate(const struct pulse *p)
{
    unsigned last = (p->looks - 1) % PULSE_LOOKS;
    unsigned first = p->looks <= PULSE_LOOKS ? 0 : p->looks % PULSE_LOOKS;
    belay_dur d = p->looks > 0 ? p->at[last] - p->at[first] : 0;

    return d > 0 ? (double)(p->done[last] - p->done[first]) * 1e9 / (double)d
                 : 0;
}

belay_dur
pulse_eta(const struct pulse *p, double all)
{
    double rate = pulse_rate(p), left;

    if (all < 0 || rate <= 0)
        return -1;
    left = all - (double)p->done[(p->looks - 1) % PULSE_LOOKS];
    return left / rate > PULSE_LONG ? -1 : BELAY_S(left / rate);
}

double
pulse_all(uint64_t n, uint64_t read, uint64_t size)
{
    return size == 0 || read == 0 ? -1
                                  : (double)n * (double)size / (double)read;
}
