/* SPDX-License-Identifier: MIT */
/*
 * A counter that many tasks raise.  It can be reached only under its lock: a
 * statement that forgets the lock does not compile.  BELAY_LOCK holds to the
 * end of the block, whichever way control leaves it.
 */
#include <belay.h>

#include <stdio.h>

enum { TASKS = 8, TIMES = 1000 };

struct tally {
    long total;
    int largest;
};

static BELAY_GUARDED(struct tally) tally;

static int
add(int n)
{
    BELAY_LOCK(&tally, t);

    t->total += n;
    if (n <= t->largest)
        return 0;
    t->largest = n;
    return 0;
}

BELAY_TASK(adder, (int, first))
{
    for (int i = 0; i < TIMES; i++)
        BELAY_TRY(add(first + i));
    return 0;
}

BELAY_TASK(app)
{
    BELAY_SCOPE(s) {
        for (int i = 0; i < TASKS; i++)
            belay_spawn(s, adder, i);
    }
    BELAY_LOCK(&tally, t);
    printf("total %ld, largest %d\n", t->total, t->largest);
    return 0;
}

int
main(void)
{
    return belay_main(app);
}
