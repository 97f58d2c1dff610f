/* SPDX-License-Identifier: MIT */
/* What the wrong programs would be if they were right. */
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
        belay_spawn(s, fetch, "a", &size);
    }
    return 0;
}
