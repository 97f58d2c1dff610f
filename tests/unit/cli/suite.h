/* SPDX-License-Identifier: MIT */
/* One test case as a program. */
#ifndef UNIT_CLI_SUITE_H
#define UNIT_CLI_SUITE_H

#include <check.h>
#include <stddef.h>

static int
suite_run(const char *name, const TTest *const *tests, size_t n)
{
    Suite *s = suite_create(name);
    TCase *t = tcase_create(name);
    SRunner *r;
    int failed;

    for (size_t i = 0; i < n; i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

/* The whole main(): SUITE("number", counts, sizes) */
#define SUITE(name, ...)                                                       \
    int main(void)                                                             \
    {                                                                          \
        const TTest *const tests[] = {__VA_ARGS__};                            \
                                                                               \
        return suite_run(name, tests, sizeof tests / sizeof *tests);           \
    }

#endif
