/* SPDX-License-Identifier: MIT */
/*
 * The queue of unstarted tasks at atomic depth: an owner and thieves on
 * simulated threads, rings of 2 and 4.  Whatever they do, each entry is taken
 * exactly once, thieves get the oldest and the owner the newest.
 */
#include <belay/test.h>

#include "core/runq.h"
#include "os/os.h"

enum { TASKS = 8, THIEVES = 2 };

/* One run; made anew at the start of each. */
struct yard {
    struct bly_runq q;
    char *task; /* their addresses are the tasks */
    int pushed; /* by the owner */
    int taken[TASKS];
    int tries; /* of each thief */
    struct bly_thread thieves[THIEVES];
    int count;
};

static struct yard yard;

/* Each run has others than the one before, whose memory it may get. */
static char tasks[2][TASKS];
static int turn;

static void
new_yard(void)
{
    turn = !turn;
    yard = (struct yard){.task = tasks[turn]};
}

static struct bly_task *
task_of(int i)
{
    return (struct bly_task *)(void *)&yard.task[i];
}

static int
index_of(struct bly_task *t)
{
    long i = (char *)(void *)t - yard.task;

    BELAY_CHECK(i >= 0 && i < yard.pushed);
    return (int)i;
}

static int
take(struct bly_task *t)
{
    int i = index_of(t);

    BELAY_CHECK_EQ(yard.taken[i], 0);
    yard.taken[i] = 1;
    return i;
}

/* What one thief gets grows older and older. */
static void
thief(void *arg)
{
    int i, last = -1;

    (void)arg;
    for (i = 0; i < yard.tries; i++) {
        struct bly_task *t = bly_runq_steal(&yard.q);
        int got;

        if (t == NULL)
            continue;
        got = take(t);
        BELAY_CHECK(got > last);
        last = got;
    }
}

static void
open_yard(int64_t size, int thieves, int tries)
{
    int i;

    new_yard();
    yard.tries = tries;
    yard.count = thieves;
    BELAY_CHECK_EQ(bly_runq_init(&yard.q, size, false), 0);
    for (i = 0; i < thieves; i++)
        BELAY_CHECK_EQ(bly_os_thread_start(&yard.thieves[i], thief, NULL,
            "thief"), 0);
}

static void
push(void)
{
    yard.pushed++;
    BELAY_CHECK_EQ(bly_runq_push(&yard.q, task_of(yard.pushed - 1)), 0);
}

/* What the owner pops is newer than all that are left. */
static bool
pop(void)
{
    struct bly_task *t = bly_runq_pop(&yard.q);
    int i;

    if (t == NULL)
        return false;
    for (i = take(t) + 1; i < yard.pushed; i++)
        BELAY_CHECK_EQ(yard.taken[i], 1);
    return true;
}

/* Nobody else is about: what is left comes out, and nothing is missing. */
static void
close_yard(void)
{
    int i, left = 0;

    for (i = 0; i < yard.count; i++)
        bly_os_thread_join(&yard.thieves[i]);
    for (i = 0; i < yard.pushed; i++)
        left += !yard.taken[i];
    BELAY_CHECK_EQ(bly_runq_count(&yard.q), left);
    while (left-- > 0)
        BELAY_CHECK(pop());
    BELAY_CHECK(!pop());
    BELAY_CHECK(bly_runq_steal(&yard.q) == NULL);
    for (i = 0; i < yard.pushed; i++)
        BELAY_CHECK_EQ(yard.taken[i], 1);
    bly_runq_fini(&yard.q);
}

/* ---- the last entry ----------------------------------------------------- */

BELAY_TEST(the_last_entry_is_taken_once, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 5, .threads = true, .atomic = true)
{
    open_yard(2, 1, 1);
    push();
    (void)pop();
    close_yard();
}

BELAY_TEST(two_thieves_and_the_last_entry, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 3, .threads = true, .atomic = true)
{
    open_yard(2, 2, 1);
    push();
    (void)pop();
    close_yard();
}

/* Where it lay, the next one lies. */
BELAY_TEST(an_entry_after_the_last_one, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 4, .threads = true, .atomic = true)
{
    open_yard(2, 1, 2);
    push();
    (void)pop();
    push();
    close_yard();
}

/* ---- around the ring, and beyond ---------------------------------------- */

/* A slot is used again while a thief may still look at it. */
BELAY_TEST(a_slot_is_used_again, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 3, .threads = true, .atomic = true)
{
    open_yard(2, 2, 1);
    push();
    push();
    (void)pop();
    push();
    push();
    close_yard();
}

BELAY_TEST(the_ring_grows_under_a_thief, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 3, .threads = true, .atomic = true)
{
    open_yard(2, 1, 3);
    push();
    push();
    push();
    (void)pop();
    close_yard();
}

BELAY_TEST(the_ring_grows_under_two_thieves, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 2, .threads = true, .atomic = true)
{
    open_yard(2, 2, 2);
    push();
    push();
    push();
    push();
    push();
    (void)pop();
    close_yard();
}

/* Not only from its first slot on. */
BELAY_TEST(a_ring_that_has_turned_grows, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 2, .threads = true, .atomic = true)
{
    open_yard(4, 1, 2);
    push();
    push();
    push();
    (void)pop();
    push();
    push();
    push();
    (void)pop();
    push();
    close_yard();
}

/* ---- anything ----------------------------------------------------------- */

static void
anything(int thieves, int steps)
{
    open_yard(belay_test_choose(2) == 0 ? 2 : 4, thieves, 2);
    while (steps-- > 0) {
        if (belay_test_choose(2) == 0)
            push();
        else
            (void)pop();
    }
    close_yard();
}

BELAY_TEST(any_six_steps, .strategy = BELAY_EXHAUSTIVE, .preemptions = 2,
    .threads = true, .atomic = true)
{
    anything(1, 6);
}

BELAY_TEST(any_eight_steps_against_two_thieves, .schedules = 10000,
    .threads = true, .atomic = true)
{
    anything(2, 8);
}

/* ---- without thieves ---------------------------------------------------- */

/* The owner of a lone queue takes from both ends, without exchanges. */
BELAY_TEST(a_lone_owner_takes_from_both_ends, .strategy = BELAY_EXHAUSTIVE,
    .threads = true)
{
    int low = 0, steps;

    new_yard();
    BELAY_CHECK_EQ(bly_runq_init(&yard.q, 2, true), 0);
    for (steps = 0; steps < TASKS; steps++) {
        switch (belay_test_choose(3)) {
        case 0:
            push();
            break;
        case 1:
            (void)pop();
            break;
        default: {
            struct bly_task *t = bly_runq_steal(&yard.q);

            while (low < yard.pushed && yard.taken[low])
                low++;
            BELAY_CHECK_EQ(t != NULL, low < yard.pushed);
            if (t != NULL)
                BELAY_CHECK_EQ(take(t), low);
        }
        }
    }
    close_yard();
}

BELAY_TEST(no_memory_for_a_larger_ring, .strategy = BELAY_FIFO,
    .threads = true, .fail_allocs = true)
{
    int i, r = 0;

    new_yard();
    if (bly_runq_init(&yard.q, 2, false) < 0) {
        BELAY_CHECK(belay_test_disturbed());
        return;
    }
    for (i = 0; i < TASKS && r == 0; i++) {
        r = bly_runq_push(&yard.q, task_of(i));
        yard.pushed += r == 0;
    }
    BELAY_CHECK(r == 0 || (r == -ENOMEM && belay_test_disturbed()));
    close_yard();
}
