/* SPDX-License-Identifier: MIT */
/*
 * Snapshots at atomic depth, on simulated threads: no version goes while it
 * is viewed, each goes once, and none is lost.  Here a version's count moves
 * out of the word as soon as it is 2.
 */
#include <belay/frozen.h>
#include <belay/test.h>

#include "base/atomic.h"
#include "os/os.h"

#include <string.h>

enum { ITEMS = 4, OTHERS = 2 };

struct item {
    int number;
    int alive;
    int drops;
};

static belay_snapshot snapshot;
static struct item items[ITEMS];

static void
drop(void *arg)
{
    struct item *it = arg;

    BELAY_CHECK_EQ(it->drops, 0);
    bly_store_relaxed(&it->alive, 0);
    it->drops++;
}

static void
publish(int i)
{
    int r;

    items[i].alive = 1;
    r = belay_snapshot_publish(&snapshot, &items[i], drop, &items[i]);
    BELAY_CHECK_EQ(r, belay_test_disturbed() ? r : 0);
    if (r < 0)
        items[i].alive = 0;
}

/* What is seen is alive from the first look to the last. */
static void
view(void *arg)
{
    belay_view v;
    const struct item *it = belay_view_open(&v, &snapshot);

    (void)arg;
    if (it != NULL) {
        BELAY_CHECK_EQ(bly_load_relaxed(&it->alive), 1);
        BELAY_CHECK_EQ(bly_load_relaxed(&it->alive), 1);
    }
    belay_view_close(&v);
}

static void
view_twice(void *arg)
{
    belay_view v;
    const struct item *it = belay_view_open(&v, &snapshot);

    view(arg);
    if (it != NULL)
        BELAY_CHECK_EQ(bly_load_relaxed(&it->alive), 1);
    belay_view_close(&v);
}

static void
publish_1(void *arg)
{
    (void)arg;
    publish(1);
}

static void
publish_2(void *arg)
{
    (void)arg;
    publish(2);
}

static void
clear(void *arg)
{
    (void)arg;
    belay_snapshot_clear(&snapshot);
}

/* main beside others, with item 0 published; afterwards nothing is alive. */
static void
together(void (*first)(void *), void (*second)(void *), void (*third)(void *))
{
    struct bly_thread t[OTHERS];

    memset(items, 0, sizeof(items));
    memset(&snapshot, 0, sizeof(snapshot));
    publish(0);
    BELAY_CHECK_EQ(bly_os_thread_start(&t[0], second, NULL, "second"), 0);
    if (third != NULL)
        BELAY_CHECK_EQ(bly_os_thread_start(&t[1], third, NULL, "third"), 0);
    first(NULL);
    bly_os_thread_join(&t[0]);
    if (third != NULL)
        bly_os_thread_join(&t[1]);
    belay_snapshot_clear(&snapshot);
    for (int i = 0; i < ITEMS; i++)
        BELAY_CHECK_EQ(items[i].alive, 0);
}

#define ALL .strategy = BELAY_EXHAUSTIVE, .threads = true, .atomic = true

BELAY_TEST(a_view_beside_a_publish, ALL, .preemptions = 6)
{
    together(view, publish_1, NULL);
    BELAY_CHECK_EQ(items[0].drops, 1);
    BELAY_CHECK_EQ(items[1].drops, 1);
}

/* The count is moved while the version is replaced. */
BELAY_TEST(two_views_beside_a_publish, ALL, .preemptions = 6)
{
    together(view_twice, publish_1, NULL);
    BELAY_CHECK_EQ(items[0].drops, 1);
    BELAY_CHECK_EQ(items[1].drops, 1);
}

BELAY_TEST(two_readers_beside_a_publish, ALL, .preemptions = 4)
{
    together(view, view, publish_1);
    BELAY_CHECK_EQ(items[0].drops, 1);
    BELAY_CHECK_EQ(items[1].drops, 1);
}

/* Both move the count of the same version. */
BELAY_TEST(two_readers_of_much, ALL, .preemptions = 4)
{
    together(view_twice, view_twice, publish_1);
    BELAY_CHECK_EQ(items[0].drops, 1);
    BELAY_CHECK_EQ(items[1].drops, 1);
}

BELAY_TEST(two_publishers, ALL, .preemptions = 4)
{
    together(view, publish_1, publish_2);
    for (int i = 0; i < 3; i++)
        BELAY_CHECK_EQ(items[i].drops, 1);
}

BELAY_TEST(a_view_beside_a_clear, ALL, .preemptions = 4)
{
    together(view_twice, clear, publish_1);
    BELAY_CHECK_EQ(items[0].drops, 1);
    BELAY_CHECK_EQ(items[1].drops, 1);
}

/* ---- replace ------------------------------------------------------------ */

/* The newest number and one more, in an item of the caller's. */
static void
count_up(struct item *mine)
{
    int r;

    do {
        belay_view v;
        const struct item *it = belay_view_open(&v, &snapshot);

        mine->number = it->number + 1;
        mine->alive = 1;
        r = belay_snapshot_replace(&snapshot, &v, mine, drop, mine);
        belay_view_close(&v);
    } while (r == -EAGAIN);
    BELAY_CHECK_EQ(r, 0);
}

static void
count_first(void *arg)
{
    (void)arg;
    count_up(&items[1]);
}

static void
count_second(void *arg)
{
    (void)arg;
    count_up(&items[2]);
}

/* No update is lost: one of the two saw the other's. */
BELAY_TEST(two_replace, ALL, .preemptions = 4)
{
    together(count_first, count_second, NULL);
    BELAY_CHECK_EQ(items[1].number + items[2].number, 1 + 2);
    for (int i = 0; i < 3; i++)
        BELAY_CHECK_EQ(items[i].drops, 1);
}

/* ---- no memory ---------------------------------------------------------- */

BELAY_TEST(no_memory_takes_nothing, .strategy = BELAY_FIFO, .threads = true,
    .fail_allocs = true)
{
    memset(items, 0, sizeof(items));
    memset(&snapshot, 0, sizeof(snapshot));
    publish(0);
    publish(1);
    view(NULL);
    belay_snapshot_clear(&snapshot);
    for (int i = 0; i < 2; i++)
        BELAY_CHECK_EQ(items[i].alive, 0);
    BELAY_CHECK_EQ(items[0].drops + items[1].drops,
        belay_test_disturbed() ? 1 : 2);
}
