/* expect-gcc: 'plain_must_be_declared_with_BELAY_TASK' undeclared */
/* expect-clang: use of undeclared identifier 'plain_must_be_declared_with_BELAY_TASK' */
/* SPDX-License-Identifier: MIT */
/* A function that is not a task. */
#include <belay.h>

int plain(int x);

BELAY_TASK(program)
{
    BELAY_SCOPE(s)
    {
        belay_spawn(s, plain, 1);
    }
    return 0;
}
