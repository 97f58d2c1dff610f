/* SPDX-License-Identifier: MIT */
/*
 * Two copies of belay in one process, each inside a plug-in that shows none of
 * it: they run at once, and one in a task of the other.
 *
 *     host PLUGIN PLUGIN
 */
#include "../child.h"
#include "copies.h"

#include <dlfcn.h>
#include <pthread.h>

enum { ROUNDS = 20, SUM = 200 * 201 / 2 };

static const char *paths[2];
static void *copies[2];

static void
load(void)
{
    for (int i = 0; i < 2; i++) {
        void *lib = dlopen(paths[i], RTLD_NOW | RTLD_LOCAL);

        ck_assert_msg(lib != NULL, "%s", dlerror());
        ck_assert_ptr_null(dlsym(lib, "belay_run_at")); /* its own affair */
        copies[i] = dlsym(lib, "copy_run");
        ck_assert_ptr_nonnull(copies[i]);
    }
    ck_assert_ptr_ne(copies[0], copies[1]);
}

static int
call(int which, int depth)
{
    copy_fn *f;

    memcpy(&f, &copies[which], sizeof f);
    return f(copies[1 - which], depth);
}

static void *
call_thread(void *arg)
{
    int which = *(int *)arg;

    for (int i = 0; i < ROUNDS; i++)
        if (call(which, 0) != SUM)
            return NULL;
    return arg;
}

START_TEST(copies_run_at_once)
{
    pthread_t threads[2];
    int which[2] = {0, 1};
    void *good;

    load();
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, call_thread, &which[i]), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], &good), 0);
        ck_assert_ptr_nonnull(good);
    }
}
END_TEST

START_TEST(one_runs_in_a_task_of_the_other)
{
    load();
    ck_assert_int_eq(call(0, 1), SUM);
    ck_assert_int_eq(call(1, 1), SUM);
}
END_TEST

int
main(int argc, char **argv)
{
    TCase *t = tcase_create("copies");

    if (argc != 3)
        return 2;
    paths[0] = argv[1];
    paths[1] = argv[2];
    tcase_set_timeout(t, 50);
    tcase_add_test(t, copies_run_at_once);
    tcase_add_test(t, one_runs_in_a_task_of_the_other);
    return child_suite("copies", t);
}
