/* expect-gcc: 'fetsh_must_be_declared_with_BELAY_TASK' undeclared */
/* expect-clang: use of undeclared identifier 'fetsh_must_be_declared_with_BELAY_TASK' */
/* SPDX-License-Identifier: MIT */
/* A name that nobody declared. */
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
        belay_spawn(s, fetsh, "a", &size);
    }
    return 0;
}
