/* SPDX-License-Identifier: MIT */
/* A stranger's first program: built in every way that the library offers. */
#include <belay.h>

#include <stdio.h>

BELAY_TASK(multiply, (int, a), (int, b), (int *, product))
{
    *product = a * b;
    return 0;
}

BELAY_TASK(program)
{
    int product = 0;

    BELAY_SCOPE(s)
    {
        belay_spawn(s, multiply, 6, 7, &product);
    }
    printf("belay: %d\n", product);
    return 0;
}

int
main(void)
{
    return belay_main(program);
}
