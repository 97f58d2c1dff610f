/* SPDX-License-Identifier: MIT */
/* Pointers to frames that go before the task that has them. */
#include <belay/test.h>

BELAY_TASK(takes, (const int *, p))
{
    (void)p;
    return 0;
}

__attribute__((noinline)) static int
spawn_with_own(belay_scope *s)
{
    int mine = 1;

    BELAY_TRY(belay_spawn(s, takes, &mine));
    return mine - 1;
}

__attribute__((noinline)) static int
spawn_with_given(belay_scope *s, const int *given)
{
    int mine = 1;

    BELAY_TRY(belay_spawn(s, takes, given));
    return mine - 1;
}

BELAY_TEST(pointer_into_a_helper, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_ignore(spawn_with_own(s), "it does not come back");
    }
}

BELAY_TEST(pointer_past_a_helper, .strategy = BELAY_FIFO)
{
    int above = 0, err;

    BELAY_SCOPE_CATCH(s, &err) {
        int inside = 0;

        BELAY_CHECK(spawn_with_given(s, &above) == 0);
        BELAY_CHECK(spawn_with_given(s, &inside) == 0);
        belay_spawn(s, takes, &inside);
    }
    BELAY_CHECK_EQ(err, 0);
}
