/* expect-gcc: too many arguments to function 'tick' */
/* expect-clang: too many arguments to function call, expected 0, have 1 */
/* SPDX-License-Identifier: MIT */
/* An argument to a task that has none. */
#include <belay.h>

BELAY_TASK(tick)
{
    return 0;
}

BELAY_TASK(program)
{
    BELAY_SCOPE(s)
    {
        belay_spawn(s, tick, 1);
    }
    return 0;
}
