/* expect-gcc: passing argument 2 of 'fetch' from incompatible pointer type */
/* expect-clang: incompatible pointer types passing 'long \*' */
/* SPDX-License-Identifier: MIT */
/* An address of the wrong type. */
#include <belay.h>

BELAY_TASK(fetch, (const char *, url), (int *, size))
{
    *size = url[0];
    return 0;
}

BELAY_TASK(program)
{
    long size = 0;

    BELAY_SCOPE(s)
    {
        belay_spawn(s, fetch, "a", &size);
    }
    return 0;
}
