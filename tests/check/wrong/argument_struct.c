/* expect-gcc: incompatible type for argument 1 of 'move' */
/* expect-clang: passing 'int' to parameter of incompatible type 'struct point' */
/* SPDX-License-Identifier: MIT */
/* A number where a struct is wanted. */
#include <belay.h>

struct point {
    int x, y;
};

BELAY_TASK(move, (struct point, p))
{
    return p.x;
}

BELAY_TASK(program)
{
    BELAY_SCOPE(s)
    {
        belay_spawn(s, move, 1);
    }
    return 0;
}
