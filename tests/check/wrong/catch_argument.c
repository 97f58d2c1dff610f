/* expect-gcc: passing argument 2 of 'fetch' makes pointer from integer */
/* expect-clang: incompatible integer to pointer conversion passing 'int' */
/* SPDX-License-Identifier: MIT */
/* The captured form is checked like the plain one. */
#include <belay.h>

BELAY_TASK(fetch, (const char *, url), (int *, size))
{
    *size = url[0];
    return 0;
}

BELAY_TASK(program)
{
    belay_outcome out;
    int size = 0;

    BELAY_SCOPE(s)
    {
        belay_spawn_catch(s, &out, fetch, "a", size);
    }
    return 0;
}
