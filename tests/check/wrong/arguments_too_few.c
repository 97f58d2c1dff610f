/* expect-gcc: too few arguments to function 'fetch' */
/* expect-clang: too few arguments to function call, expected 2, have 1 */
/* SPDX-License-Identifier: MIT */
/* An argument is missing. */
#include <belay.h>

BELAY_TASK(fetch, (const char *, url), (int *, size))
{
    *size = url[0];
    return 0;
}

BELAY_TASK(program)
{
    BELAY_SCOPE(s)
    {
        belay_spawn(s, fetch, "a");
    }
    return 0;
}
