/* SPDX-License-Identifier: MIT */
/*
 * Values below 64 have classes of their own; above, each power of two is cut
 * into 64 classes of equal width.
 */
#include "cli/sketch.h"

#include <math.h>

static unsigned
sketch_class(uint64_t v)
{
    unsigned top;

    if (v < SKETCH_PART)
        return (unsigned)v;
    top = 63 - (unsigned)__builtin_clzll(v); /* >= 6 */
    return (top - 5) * SKETCH_PART +
        (unsigned)(v >> (top - 6) & (SKETCH_PART - 1));
}

/* The middle of a class. */
static belay_dur
sketch_value(unsigned class)
{
    unsigned shift;
    uint64_t low;

    if (class < 2 * SKETCH_PART)
        return class; /* as wide as one value */
    shift = class / SKETCH_PART - 1;
    low = (uint64_t)(SKETCH_PART + class % SKETCH_PART) << shift;
    return (belay_dur)(low + (UINT64_C(1) << shift) / 2);
}

void
sketch_add(struct sketch *s, belay_dur d)
{
    s->count[sketch_class(d < 0 ? 0 : (uint64_t)d)]++;
    s->n++;
}

belay_dur
sketch_at(const struct sketch *s, double q)
{
    uint64_t want = (uint64_t)ceil(q * (double)s->n), sum = 0;

    if (s->n == 0)
        return -1;
    if (want == 0)
        want = 1;
    for (unsigned i = 0; i < SKETCH_CLASSES; i++) {
        sum += s->count[i];
        if (sum >= want)
            return sketch_value(i);
    }
    return sketch_value(SKETCH_CLASSES - 1);
}
