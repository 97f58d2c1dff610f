/* expect-gcc: incompatible pointer type */
/* expect-clang: incompatible pointer types */
/* SPDX-License-Identifier: MIT */
/* The outcome of a child is not an int. */
#include <belay.h>

BELAY_TASK(fetch, (const char *, url), (int *, size))
{
    *size = url[0];
    return 0;
}

BELAY_TASK(program)
{
    int size = 0;

    BELAY_SCOPE(s)
    {
        belay_spawn_catch(s, &size, fetch, "a", &size);
    }
    return 0;
}
