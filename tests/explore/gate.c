/* SPDX-License-Identifier: MIT */
/*
 * Gates that lean to a worker, at atomic depth: the worker, which uses plain
 * stores, and foreign threads, which lock, are never inside together, and
 * everybody gets in.
 */
#include <belay/test.h>

#include "core/gate.h"

enum { TURNS = 2, MOST = 2 };

/* One run; made anew at the start of each. */
struct world {
    struct bly_rt rt;
    struct bly_worker worker;
    struct bly_leaning gate;
    int inside; /* looked at between two points */
    int turns;
};

static struct world world;

static void
take_turns(void)
{
    int i;

    for (i = 0; i < TURNS; i++) {
        bly_gate_lock(&world.gate.gate);
        BELAY_CHECK_EQ(world.inside, 0);
        world.inside = 1;
        bly_point(&world.inside); /* anybody else may run here */
        world.inside = 0;
        world.turns++;
        bly_gate_unlock(&world.gate.gate);
    }
}

static void
foreign(void *arg)
{
    (void)arg;
    take_turns();
}

static void
run_against(int others)
{
    struct bly_thread threads[MOST];
    int i, r;

    world.rt.count = 1;
    world.worker.rt = &world.rt;
    world.gate.gate.lock.held = 0;
    world.gate.gate.id = 1;
    world.inside = world.turns = 0;
    bly_worker_here = &world.worker;
    bly_gate_lean(&world.gate);
    BELAY_CHECK((world.gate.gate.id & BLY_GATE_LEANS) != 0);
    for (i = 0; i < others; i++) {
        r = bly_os_thread_start(&threads[i], foreign, NULL, "foreign");
        BELAY_CHECK_EQ(r, 0);
    }
    take_turns();
    bly_worker_here = NULL;
    for (i = 0; i < others; i++)
        bly_os_thread_join(&threads[i]);
    BELAY_CHECK_EQ(world.turns, (others + 1) * TURNS);
    BELAY_CHECK_EQ(world.gate.inside, 0);
    BELAY_CHECK_EQ(world.gate.gate.lock.held, 0);
}

BELAY_TEST(the_worker_and_a_thread, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 4, .threads = true, .atomic = true)
{
    run_against(1);
}

BELAY_TEST(the_worker_and_two_threads, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 2, .threads = true, .atomic = true)
{
    run_against(2);
}

BELAY_TEST(by_chance, .schedules = 3000, .threads = true, .atomic = true)
{
    run_against(2);
}
