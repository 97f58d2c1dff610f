/* expect-gcc: a belay task takes at most 8 arguments */
/* expect-clang: a belay task takes at most 8 arguments */
/* SPDX-License-Identifier: MIT */
/* More than eight arguments: pass a struct. */
#include <belay.h>

BELAY_TASK(nine, (int, a), (int, b), (int, c), (int, d), (int, e), (int, f),
    (int, g), (int, h), (int, i))
{
    return a + b + c + d + e + f + g + h + i;
}
