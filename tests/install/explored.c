/* SPDX-License-Identifier: MIT */
/* A stranger's first test: every order of two tasks. */
#include <belay.h>
#include <belay/test.h>

BELAY_TASK(increment, (int *, count))
{
    (*count)++;
    return 0;
}

BELAY_TEST(both_tasks_run, .strategy = BELAY_EXHAUSTIVE)
{
    int count = 0, err;

    BELAY_SCOPE_CATCH(s, &err)
    {
        belay_spawn(s, increment, &count);
        belay_spawn(s, increment, &count);
    }
    BELAY_CHECK(err == 0);
    BELAY_CHECK_EQ(count, 2);
}
