/* SPDX-License-Identifier: MIT */
/* belay_frozen: what is in an arena, and that nobody writes it any more. */
#include <belay/frozen.h>

#include "base/compiler.h"
#include "core/overflow.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static belay_frozen *f;

static void
prepare(void)
{
    ck_assert_int_eq(belay_frozen_open(&f, "the table"), 0);
}

static void
finish(void)
{
    belay_frozen_closep(&f);
    ck_assert_ptr_null(f);
    belay_frozen_closep(&f);
    belay_frozen_close(NULL);
}

/* The signal that ends a process which calls fn(arg); what it said on stderr
 * goes to said. */
static char said[1000];

static int
dies(void (*fn)(void *), void *arg)
{
    int fds[2], status;
    size_t used = 0;
    ssize_t n;
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct rlimit none = {0, 0};

        setrlimit(RLIMIT_CORE, &none);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        fn(arg);
        _exit(0);
    }
    close(fds[1]);
    while ((n = read(fds[0], said + used, sizeof(said) - 1 - used)) > 0)
        used += (size_t)n;
    said[used] = '\0';
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
write_it(void *p)
{
    *(volatile char *)p = 'x';
}

/* As above, but with our handler in place and no other. */
static void
write_it_watched(void *p)
{
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    if (bly_overflow_install() == 0)
        write_it(p);
}

START_TEST(objects_are_apart_and_cleared)
{
    enum { N = 3000, SIZE = 100 };
    static char *p[N];
    char like[SIZE];

    for (int i = 0; i < N; i++) {
        p[i] = belay_frozen_alloc(f, SIZE);
        ck_assert_ptr_nonnull(p[i]);
        ck_assert_uint_eq((uintptr_t)p[i] % _Alignof(max_align_t), 0);
        memset(like, 0, SIZE);
        ck_assert_mem_eq(p[i], like, SIZE);
        memset(p[i], 1 + i % 100, SIZE);
    }
    ck_assert_int_eq(belay_frozen_seal(f), 0);
    for (int i = 0; i < N; i++) {
        memset(like, 1 + i % 100, SIZE);
        ck_assert_mem_eq(p[i], like, SIZE);
    }
}
END_TEST

START_TEST(sizes)
{
    char *none = belay_frozen_alloc(f, 0);
    char *zero = belay_frozen_alloc(f, 0);
    char *big = belay_frozen_alloc(f, 10 * 1000 * 1000);

    ck_assert(none != NULL && zero != NULL && none != zero);
    ck_assert_ptr_nonnull(big);
    big[0] = big[10 * 1000 * 1000 - 1] = 'b';
    ck_assert_ptr_null(belay_frozen_alloc(f, SIZE_MAX));
    ck_assert_ptr_null(belay_frozen_alloc(f, SIZE_MAX / 2));
    ck_assert_ptr_nonnull(belay_frozen_alloc(f, 1)); /* goes on */
}
END_TEST

START_TEST(copies)
{
    int three[3] = {1, 2, 3}, *q;
    char *text, *empty;

    q = belay_frozen_copy(f, three, sizeof(three));
    text = belay_frozen_strdup(f, "some words");
    empty = belay_frozen_strdup(f, "");
    three[1] = 0;
    ck_assert_int_eq(belay_frozen_seal(f), 0);
    ck_assert(q[0] == 1 && q[1] == 2 && q[2] == 3);
    ck_assert_str_eq(text, "some words");
    ck_assert_str_eq(empty, "");
}
END_TEST

START_TEST(no_page_can_be_written)
{
    /* The first and the last byte of an object in each of two chunks. */
    char *a = belay_frozen_alloc(f, 1), *b = belay_frozen_alloc(f, 1 << 20);

    ck_assert_int_eq(dies(write_it, a), 0);
    ck_assert_int_eq(dies(write_it, b), 0);
    ck_assert_int_eq(belay_frozen_seal(f), 0);
    ck_assert_int_eq(belay_frozen_seal(f), 0); /* again: nothing */
    ck_assert_int_eq(dies(write_it_watched, a), SIGSEGV);
    ck_assert_int_eq(dies(write_it_watched, b), SIGSEGV);
    ck_assert_int_eq(dies(write_it_watched, b + (1 << 20) - 1), SIGSEGV);
}
END_TEST

START_TEST(the_handler_names_the_data)
{
    char *p = belay_frozen_alloc(f, 1), wanted[300];
    belay_frozen *other;
    int line;

    ck_assert_int_eq(belay_frozen_open(&other, "another"), 0);
    ck_assert_ptr_nonnull(belay_frozen_alloc(other, 1));
    line = __LINE__ + 1;
    ck_assert_int_eq(belay_frozen_seal(f), 0);
    ck_assert_int_eq(belay_frozen_seal(other), 0);
    ck_assert_int_eq(dies(write_it_watched, p), SIGSEGV);
    (void)snprintf(wanted, sizeof(wanted),
        "belay: write to sealed data 'the table' (sealed at %s:%d)\n",
        __FILE__, line);
    ck_assert_str_eq(said, wanted);
    belay_frozen_close(other);
}
END_TEST

/* A fault elsewhere is none of ours; nor is memory that once was sealed. */
START_TEST(the_handler_keeps_silent)
{
    char *p = belay_frozen_alloc(f, 1);
    belay_frozen *kept;
    char *strange = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
        -1, 0);

    ck_assert(strange != MAP_FAILED);
    ck_assert_int_eq(belay_frozen_open(&kept, "kept"), 0);
    ck_assert_ptr_nonnull(belay_frozen_alloc(kept, 1));
    ck_assert_int_eq(belay_frozen_seal(kept), 0);
    ck_assert_int_eq(belay_frozen_seal(f), 0);
    belay_frozen_closep(&f);
    ck_assert_int_eq(dies(write_it_watched, strange), SIGSEGV);
    ck_assert_str_eq(said, "");
    ck_assert_int_eq(dies(write_it_watched, p), SIGSEGV);
    ck_assert_str_eq(said, "");
    belay_frozen_close(kept);
    munmap(strange, 4096);
}
END_TEST

static void
alloc_late(void *arg)
{
    signal(SIGABRT, SIG_DFL);
    if (belay_frozen_alloc((belay_frozen *)arg, 8) == NULL)
        _exit(3);
}

START_TEST(filling_ends_with_the_seal)
{
    int line = __LINE__ + 3;
    char wanted[300];

    ck_assert_int_eq(belay_frozen_seal(f), 0); /* also an empty one */
    ck_assert_int_eq(dies(alloc_late, f), SIGABRT);
    (void)snprintf(wanted, sizeof(wanted),
        "belay: allocation in data 'the table' that were sealed at %s:%d at ",
        __FILE__, line);
    ck_assert_ptr_eq(strstr(said, wanted), said);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("frozen");
    TCase *t = tcase_create("frozen");
    SRunner *r = srunner_create(s);

    tcase_add_checked_fixture(t, prepare, finish);
    tcase_add_test(t, objects_are_apart_and_cleared);
    tcase_add_test(t, sizes);
    tcase_add_test(t, copies);
    tcase_add_test(t, no_page_can_be_written);
    tcase_add_test(t, the_handler_names_the_data);
    tcase_add_test(t, the_handler_keeps_silent);
    tcase_add_test(t, filling_ends_with_the_seal);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
