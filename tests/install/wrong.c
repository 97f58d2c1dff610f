/* SPDX-License-Identifier: MIT */
/* A wrong argument: an installed header must not make the compiler silent. */
#include <belay.h>

BELAY_TASK(takes_text, (const char *, text))
{
    return text == NULL;
}

BELAY_TASK(program)
{
    BELAY_SCOPE(s)
    {
        belay_spawn(s, takes_text, 42);
    }
    return 0;
}

int
main(void)
{
    return belay_main(program);
}
