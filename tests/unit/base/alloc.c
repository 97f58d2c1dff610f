/* SPDX-License-Identifier: MIT */
/* base/alloc.h; what a simulation adds is seen in the explore suite. */
#include "base/alloc.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 5000 };

START_TEST(blocks_are_apart)
{
    char *a = bly_alloc(SIZE), *b = bly_alloc(SIZE);

    ck_assert(a != NULL && b != NULL);
    memset(a, 1, SIZE);
    memset(b, 2, SIZE);
    for (int i = 0; i < SIZE; i++)
        ck_assert(a[i] == 1 && b[i] == 2);
    ck_assert_uint_eq((uintptr_t)a % _Alignof(max_align_t), 0);
    bly_free(a);
    bly_free(b);
}
END_TEST

START_TEST(zalloc_clears)
{
    for (int round = 0; round < 4; round++) {
        char *p = bly_zalloc(SIZE);

        ck_assert_ptr_nonnull(p);
        for (int i = 0; i < SIZE; i++)
            ck_assert_int_eq(p[i], 0);
        memset(p, 0xff, SIZE); /* what the next one may get */
        bly_free(p);
    }
}
END_TEST

START_TEST(realloc_keeps)
{
    char *p = bly_realloc(NULL, 10), *q;

    ck_assert_ptr_nonnull(p);
    memcpy(p, "nine char", 10);
    q = bly_realloc(p, SIZE);
    ck_assert_ptr_nonnull(q);
    ck_assert_str_eq(q, "nine char");
    bly_free(q);
}
END_TEST

/* More than any address space has: so that the compiler cannot see it. */
static volatile size_t absurd = SIZE_MAX / 2;

START_TEST(failure_is_null)
{
    char *p = bly_alloc(8);

    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_null(bly_alloc(absurd));
    ck_assert_ptr_null(bly_zalloc(absurd));
    ck_assert_ptr_null(bly_alloc_quiet(absurd));
    p[0] = 'k';
    ck_assert_ptr_null(bly_realloc(p, absurd));
    ck_assert_int_eq(p[0], 'k'); /* still ours */
    bly_free(p);
}
END_TEST

START_TEST(null_may_be_freed)
{
    void *p = bly_alloc_quiet(1);

    bly_free(NULL);
    bly_free_quiet(NULL);
    ck_assert_ptr_nonnull(p);
    bly_free_quiet(p);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("alloc");
    TCase *t = tcase_create("alloc");
    SRunner *r = srunner_create(s);

    tcase_add_test(t, blocks_are_apart);
    tcase_add_test(t, zalloc_clears);
    tcase_add_test(t, realloc_keeps);
    /* AddressSanitizer takes a request that cannot be met for a mistake. */
    if (!BLY_ASAN && !BLY_TSAN)
        tcase_add_test(t, failure_is_null);
    tcase_add_test(t, null_may_be_freed);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
