/* expect-gcc: 'return' with a value, in function returning void|void value */
/* expect-clang: void function '.*' should not return a value */
/* SPDX-License-Identifier: MIT */
/* A scope fails by returning the code: a void function cannot. */
#include <belay.h>

BELAY_TASK(fetch, (const char *, url), (int *, size))
{
    *size = url[0];
    return 0;
}

void fetch_all(int *size);

void
fetch_all(int *size)
{
    BELAY_SCOPE(s)
    {
        belay_spawn(s, fetch, "a", size);
    }
}
