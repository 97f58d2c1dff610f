/* expect-gcc: incompatible pointer type */
/* expect-clang: incompatible pointer types */
/* SPDX-License-Identifier: MIT */
/* Something else where the scope is wanted. */
#include <belay.h>

BELAY_TASK(fetch, (const char *, url), (int *, size))
{
    *size = url[0];
    return 0;
}

BELAY_TASK(program)
{
    int size = 0;

    return belay_spawn(&size, fetch, "a", &size);
}
