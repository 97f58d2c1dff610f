/* SPDX-License-Identifier: MIT */
/*
 * A wait group: the parts of one computation, each with its place in an array
 * of results.  The brace is the wait; there is no counter to get wrong.
 */
#include <belay.h>

#include <stdio.h>

enum { PARTS = 8, NUMBERS = 100000 };

BELAY_TASK(sum, (const int *, from), (int, count), (int64_t *, result))
{
    int64_t total = 0;

    for (int i = 0; i < count; i++)
        total += from[i];
    *result = total;
    return 0;
}

BELAY_TASK(app)
{
    static int numbers[NUMBERS];
    int64_t result[PARTS], total = 0;
    int part = NUMBERS / PARTS, i;

    for (i = 0; i < NUMBERS; i++)
        numbers[i] = i + 1;

    BELAY_SCOPE(s) {
        for (i = 0; i < PARTS; i++)
            belay_spawn(s, sum, &numbers[i * part], part, &result[i]);
    }
    for (i = 0; i < PARTS; i++) {
        printf("part %d: %lld\n", i, (long long)result[i]);
        total += result[i];
    }
    printf("total %lld\n", (long long)total);
    return 0;
}

int
main(void)
{
    return belay_main(app);
}
