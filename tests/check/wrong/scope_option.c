/* expect-gcc: has no member named 'limits' */
/* expect-clang: field designator 'limits' does not refer to any field */
/* SPDX-License-Identifier: MIT */
/* An option that does not exist. */
#include <belay.h>

BELAY_TASK(fetch, (const char *, url), (int *, size))
{
    *size = url[0];
    return 0;
}

BELAY_TASK(program)
{
    int size = 0;

    BELAY_SCOPE(s, .limits = 8)
    {
        belay_spawn(s, fetch, "a", &size);
    }
    return 0;
}
