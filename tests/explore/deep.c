/* SPDX-License-Identifier: MIT */
/*
 * Deep calls: what they need is not the caller's, calls of two workers do not
 * meet, and what would wait in one is told.
 */
#include <belay/deep.h>
#include <belay/test.h>

#include "base/atomic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DEEP_USE = BELAY_DEEP_STACK - (16 << 10), ANSWER = 42 };

/* Leaves a mark at both ends of so much stack, and lets others run between. */
static int
take_much(void *arg)
{
    volatile char room[DEEP_USE];
    uint32_t *touched = arg;
    char mark = (char)('a' + belay_task_id() % 26);

    room[0] = room[DEEP_USE - 1] = mark;
    (void)bly_fetch_add(touched, 1u); /* pairs with itself */
    (void)bly_fetch_add(touched, 1u); /* pairs with itself */
    BELAY_CHECK_EQ(room[0], mark);
    BELAY_CHECK_EQ(room[DEEP_USE - 1], mark);
    return ANSWER;
}

BELAY_TASK(call, (uint32_t *, touched))
{
    BELAY_CHECK_EQ(belay_deep_call(take_much, touched), ANSWER);
    BELAY_TRY(belay_yield());
    BELAY_CHECK_EQ(belay_deep_call(take_much, touched), ANSWER);
    return 0;
}

BELAY_TEST(calls_of_two_workers_do_not_meet, .workers = 2, .atomic = true,
    .schedules = 1000)
{
    uint32_t touched = 0;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 1), call, &touched);
        belay_spawn_with(s, (.worker = 1), call, &touched);
        belay_spawn_with(s, (.worker = 2), call, &touched);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(touched, 12);
}

/* A call in a call stands on the same stack. */
static int
call_again(void *arg)
{
    volatile char here = 0;
    char *const *above = arg;

    if (above != NULL) {
        BELAY_CHECK(*above - (char *)&here > 0);
        BELAY_CHECK(*above - (char *)&here < 4096);
        return ANSWER;
    }
    above = (char *const[]){(char *)&here};
    return belay_deep_call(call_again, (void *)above) + 1;
}

static int
fail_deeply(void *arg)
{
    static const belay_key key = {"key", NULL};
    belay_block with;

    belay_with_open(&with, &key, arg, BELAY_SITE_("with"));
    BELAY_CHECK(belay_local_get(&key) == arg);
    belay_block_close(&with);
    return BELAY_FAIL(-EBADMSG, "failed in task %d", (int)belay_task_id());
}

static int
is_cut(void *arg)
{
    (void)arg;
    return belay_cancelled();
}

BELAY_TEST(it_is_the_task_that_calls, .strategy = BELAY_FIFO)
{
    char text[64];
    int err;

    BELAY_CHECK_EQ(belay_deep_call(call_again, NULL), ANSWER + 1);
    BELAY_CHECK_EQ(belay_deep_call(fail_deeply, &err), -EBADMSG);
    (void)snprintf(text, sizeof text, "failed in task %d",
        (int)belay_task_id());
    BELAY_CHECK(strstr(belay_why(), text) != NULL);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_cancel(s, "test");
        BELAY_CHECK_EQ(belay_deep_call(is_cut, NULL), -ECANCELED);
    }
}

static int
wait_deeply(void *arg)
{
    (void)arg;
    return belay_sleep(1);
}

BELAY_TEST(a_wait_in_it_is_a_misuse, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    belay_ignore(belay_deep_call(wait_deeply, NULL), "stops");
}
