/* SPDX-License-Identifier: MIT */
/* core/runq.h: who gets which entry, and that each is got once. */
#include "core/runq.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

enum { TASKS = 2 * 1000 * 1000, THIEVES = 2 };

static struct bly_runq queue;

/* The queue never looks inside a task, so numbers will do. */
static struct bly_task *
task(intptr_t n)
{
    return (struct bly_task *)n;
}

static void
open_queue(int64_t size, bool solo)
{
    ck_assert_int_eq(bly_runq_init(&queue, size, solo), 0);
}

static void
push(intptr_t n)
{
    ck_assert_int_eq(bly_runq_push(&queue, task(n)), 0);
}

static void
expect_empty(void)
{
    ck_assert_ptr_null(bly_runq_pop(&queue));
    ck_assert_ptr_null(bly_runq_steal(&queue));
    ck_assert_int_eq(bly_runq_count(&queue), 0);
}

/* Each of these runs with and without thieves. */
START_TEST(owner_takes_the_newest)
{
    open_queue(8, _i);
    expect_empty();
    push(1);
    push(2);
    push(3);
    ck_assert_int_eq(bly_runq_count(&queue), 3);
    ck_assert_ptr_eq(bly_runq_pop(&queue), task(3));
    ck_assert_ptr_eq(bly_runq_pop(&queue), task(2));
    push(4);
    ck_assert_ptr_eq(bly_runq_pop(&queue), task(4));
    ck_assert_ptr_eq(bly_runq_pop(&queue), task(1));
    expect_empty();
    bly_runq_fini(&queue);
}
END_TEST

START_TEST(thief_takes_the_oldest)
{
    open_queue(8, _i);
    for (intptr_t n = 1; n <= 4; n++)
        push(n);
    ck_assert_ptr_eq(bly_runq_steal(&queue), task(1));
    ck_assert_ptr_eq(bly_runq_pop(&queue), task(4));
    ck_assert_ptr_eq(bly_runq_steal(&queue), task(2));
    ck_assert_int_eq(bly_runq_count(&queue), 1);
    ck_assert_ptr_eq(bly_runq_steal(&queue), task(3));
    expect_empty();
    push(5);
    ck_assert_ptr_eq(bly_runq_steal(&queue), task(5));
    expect_empty();
    bly_runq_fini(&queue);
}
END_TEST

START_TEST(wraps_without_growing)
{
    struct bly_runq_ring *ring;

    open_queue(4, _i);
    ring = queue.ring;
    for (intptr_t n = 1; n <= 3; n++)
        push(n);
    for (intptr_t n = 4; n < 100; n++) {
        push(n); /* four inside: full to the last slot */
        ck_assert_ptr_eq(bly_runq_steal(&queue), task(n - 3));
    }
    ck_assert_ptr_eq(queue.ring, ring);
    bly_runq_fini(&queue);
}
END_TEST

START_TEST(grows)
{
    enum { N = 3000, STOLEN = 5 };

    open_queue(1, _i);
    for (intptr_t n = 1; n <= N; n++) {
        push(n);
        if (n <= STOLEN * 2 && n % 2 == 0) /* so that top is not 0 */
            ck_assert_ptr_eq(bly_runq_steal(&queue), task(n / 2));
    }
    ck_assert_int_eq(bly_runq_count(&queue), N - STOLEN);
    for (intptr_t n = N; n > STOLEN; n--)
        ck_assert_ptr_eq(bly_runq_pop(&queue), task(n));
    expect_empty();
    bly_runq_fini(&queue);
    ck_assert_ptr_null(queue.ring);
}
END_TEST

/* ---- real threads ------------------------------------------------------- */

/* Who got what, written by each for himself: a shared count would keep them
 * in step, and it is the narrow gaps that we are after. */
static uint8_t got[1 + THIEVES][TASKS + 1];
static uint32_t over;

static void *
thief(void *arg)
{
    uint8_t *mine = arg;

    while (!bly_load_acquire(&over)) { /* pairs with owner */
        struct bly_task *t = bly_runq_steal(&queue);

        if (t != NULL)
            mine[(intptr_t)t]++;
    }
    return NULL;
}

/* The owner keeps the queue short, so that most takes are of the last entry,
 * and now and then lets it grow. */
static void
owner(uint8_t *mine)
{
    intptr_t next = 1;

    while (next <= TASKS) {
        int burst = next % 1024 == 0 ? 100 : 2;
        struct bly_task *t;

        for (; burst > 0 && next <= TASKS; burst--)
            push(next++);
        while ((t = bly_runq_pop(&queue)) != NULL)
            mine[(intptr_t)t]++;
    }
    bly_store_release(&over, 1u); /* pairs with thief */
}

START_TEST(each_entry_is_got_once)
{
    pthread_t id[THIEVES];

    open_queue(2, false);
    for (int i = 0; i < THIEVES; i++)
        ck_assert_int_eq(pthread_create(&id[i], NULL, thief, got[i + 1]), 0);
    owner(got[0]);
    for (int i = 0; i < THIEVES; i++)
        ck_assert_int_eq(pthread_join(id[i], NULL), 0);
    for (int n = 1; n <= TASKS; n++)
        if (got[0][n] + got[1][n] + got[2][n] != 1)
            ck_abort_msg("entry %d was got %d times", n,
                got[0][n] + got[1][n] + got[2][n]);
    expect_empty();
    bly_runq_fini(&queue);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("runq");
    TCase *t = tcase_create("runq");
    SRunner *r = srunner_create(s);

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, owner_takes_the_newest, 0, 2);
    tcase_add_loop_test(t, thief_takes_the_oldest, 0, 2);
    tcase_add_loop_test(t, wraps_without_growing, 0, 2);
    tcase_add_loop_test(t, grows, 0, 2);
    tcase_add_test(t, each_entry_is_got_once);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
