/* SPDX-License-Identifier: MIT */
/*
 * Gather: many calls at once, each with a result or an error of its own, as
 * asyncio.gather(return_exceptions=True) has it.  A failure is caught into
 * its outcome, so it disturbs nobody.
 */
#include <belay.h>

#include <stdio.h>

enum { PAGES = 5 };

/* Stands for a request: the third page is missing, the fourth is too slow. */
BELAY_TASK(load, (int, page), (int *, size))
{
    BELAY_TRY(belay_sleep(page == 3 ? BELAY_S(600) : BELAY_MS(2)));
    if (page == 2)
        return BELAY_FAIL(-ENOENT, "page %d does not exist", page);
    *size = 1000 + page;
    return 0;
}

BELAY_TASK(load_in_time, (int, page), (int *, size))
{
    return BELAY_WITHIN(BELAY_S(0.3), load(page, size));
}

BELAY_TASK(app)
{
    belay_outcome out[PAGES];
    int size[PAGES], i, failed = 0;

    BELAY_SCOPE(s) {
        for (i = 0; i < PAGES; i++)
            belay_spawn_catch(s, &out[i], load_in_time, i, &size[i]);
    }
    for (i = 0; i < PAGES; i++) {
        if (out[i].err == 0)
            printf("page %d: %d bytes\n", i, size[i]);
        else
            printf("page %d: %s\n", i, belay_strerror(out[i].err));
        failed += out[i].err < 0;
    }
    printf("%d of %d failed; the story of page 2:\n%s\n", failed, PAGES,
        out[2].why);
    return 0;
}

int
main(void)
{
    return belay_main(app);
}
