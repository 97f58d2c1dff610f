/* expect-gcc: has no member named 'base'|request for member 'base' in something not a structure */
/* expect-clang: member reference base type 'int' is not a structure */
/* SPDX-License-Identifier: MIT */
/* Something that is not a channel as what a task produces for. */
#include <belay.h>

BELAY_TASK(produce, (int, n))
{
    return n;
}

BELAY_TASK(program)
{
    int ch = 0;

    BELAY_SCOPE(s)
    {
        belay_spawn_producer(s, &ch, produce, 1);
    }
    return 0;
}
