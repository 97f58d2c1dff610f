/* SPDX-License-Identifier: MIT */
/* base/list.h: order, removal from anywhere, knowing whether one is in. */
#include "base/list.h"

#include <check.h>
#include <stdlib.h>

struct item {
    int pad; /* so that the link is not at offset 0 */
    struct bly_link link;
    int value;
};

static struct bly_list list;
static struct item items[5];

static void
prepare(void)
{
    bly_list_init(&list);
    for (int i = 0; i < 5; i++)
        items[i] = (struct item){.value = i};
}

static struct item *
item_of(struct bly_link *l)
{
    return BLY_CONTAINER(l, struct item, link);
}

/* The list holds exactly these, in both directions. */
static void
expect(const int *values, int n)
{
    struct bly_link *l = bly_list_first(&list), *back = &list.head;
    int i = 0;

    for (; l != NULL; l = bly_list_next(&list, l)) {
        ck_assert_int_lt(i, n);
        ck_assert_int_eq(item_of(l)->value, values[i]);
        ck_assert_ptr_eq(l->prev, back);
        back = l;
        i++;
    }
    ck_assert_int_eq(i, n);
    ck_assert_ptr_eq(list.head.prev, back);
    ck_assert_int_eq(bly_list_empty(&list), n == 0);
}

START_TEST(empty)
{
    expect(NULL, 0);
    ck_assert_ptr_null(bly_list_first(&list));
    ck_assert_ptr_null(bly_list_pop(&list));
}
END_TEST

START_TEST(order)
{
    bly_list_push(&list, &items[1].link);
    bly_list_push(&list, &items[2].link);
    bly_list_push_front(&list, &items[0].link);
    bly_list_insert_before(&items[2].link, &items[4].link);
    expect((int[]){0, 1, 4, 2}, 4);
}
END_TEST

START_TEST(remove_anywhere)
{
    for (int i = 0; i < 5; i++)
        bly_list_push(&list, &items[i].link);
    bly_list_remove(&items[2].link); /* the middle */
    expect((int[]){0, 1, 3, 4}, 4);
    bly_list_remove(&items[0].link); /* the first */
    expect((int[]){1, 3, 4}, 3);
    bly_list_remove(&items[4].link); /* the last */
    expect((int[]){1, 3}, 2);
    bly_list_push(&list, &items[2].link); /* and back */
    expect((int[]){1, 3, 2}, 3);
}
END_TEST

START_TEST(linked)
{
    ck_assert(!bly_linked(&items[0].link));
    bly_list_push(&list, &items[0].link);
    ck_assert(bly_linked(&items[0].link));
    bly_list_push(&list, &items[1].link);
    bly_list_remove(&items[0].link);
    ck_assert(!bly_linked(&items[0].link));
    ck_assert_ptr_eq(bly_list_pop(&list), &items[1].link);
    ck_assert(!bly_linked(&items[1].link));
}
END_TEST

START_TEST(pop_takes_the_first)
{
    for (int i = 0; i < 3; i++)
        bly_list_push(&list, &items[i].link);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(item_of(bly_list_pop(&list))->value, i);
    expect(NULL, 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("list");
    TCase *t = tcase_create("list");
    SRunner *r = srunner_create(s);

    tcase_add_checked_fixture(t, prepare, NULL);
    tcase_add_test(t, empty);
    tcase_add_test(t, order);
    tcase_add_test(t, remove_anywhere);
    tcase_add_test(t, linked);
    tcase_add_test(t, pop_takes_the_first);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
