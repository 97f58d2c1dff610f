/* expect-gcc: too many arguments to function 'fetch' */
/* expect-clang: too many arguments to function call, expected 2, have 3 */
/* SPDX-License-Identifier: MIT */
/* One argument too many. */
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
        belay_spawn(s, fetch, "a", &size, 1);
    }
    return 0;
}
