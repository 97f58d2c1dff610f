/* SPDX-License-Identifier: MIT */
/* The report of a stack overflow, as another process sees it. */
#include "core/overflow.h"

#include "arch/ctx.h"
#include "base/check.h"
#include "core/stack.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct fake_task {
    const char *name, *file;
    int line;
    struct fake_task *below;
};

static void
describe(void *task, struct bly_overflow_info *out)
{
    struct fake_task *t = task;

    out->name = t->name;
    out->file = t->file;
    out->line = t->line;
    out->next = t->below;
}

static struct bly_stack_pool pool;
static struct bly_stacks cache;
static struct bly_ctx home, fiber;

static BLY_NOINLINE int
dig(volatile char *above, int depth)
{
    volatile char here[1000];

    here[0] = above[0];
    if (depth > 0)
        here[1] = (char)dig(here, depth - 1);
    return here[0] + here[1] + here[999];
}

static void
dig_for_ever(void *arg)
{
    volatile char first = 0;

    (void)arg;
    exit(dig(&first, 1 << 30) == 12345);
}

static void
begin(void)
{
    struct rlimit none = {0};

    signal(SIGSEGV, SIG_DFL); /* a sanitizer's is not what we test */
    signal(SIGBUS, SIG_DFL);
    setrlimit(RLIMIT_CORE, &none);
    alarm(30);
    bly_overflow_describe = describe;
    bly_stack_pool_init(&pool);
    bly_stacks_init(&cache, &pool);
}

static BLY_NORETURN void
overflow(size_t want, struct fake_task *owner, enum bly_stack_mode mode)
{
    pool.mode = mode;
    struct bly_stack *s = bly_stack_get(&cache, want);

    s->owner = owner;
    bly_ctx_adopt(&home);
    bly_ctx_make(&fiber, s->low, s->size, dig_for_ever, NULL);
    bly_ctx_switch(&home, &fiber);
    abort();
}

static void
install(void)
{
    if (bly_overflow_install() != 0 || bly_overflow_thread(true) != 0)
        _exit(99);
}

/* Runs child in a process of its own; out is what it wrote to stderr. */
static int
run(void (*child)(void), char out[4096])
{
    int fds[2];
    size_t used = 0;
    ssize_t n;
    int status;

    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
        begin();
        child();
        _exit(98);
    }
    close(fds[1]);
    while ((n = read(fds[0], out + used, 4095 - used)) > 0)
        used += (size_t)n;
    out[used] = '\0';
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static struct fake_task root = {"main", "app.c", 3, NULL};
static struct fake_task parent = {"walk", "tree.c", 70, &root};
static struct fake_task child = {"visit", "tree.c", 44, &parent};

static void
expect(const char *got, const char *before, const char *after)
{
    size_t n = strlen(before);
    size_t kib;
    int end = 0;

    ck_assert_msg(strncmp(got, before, n) == 0, "%s", got);
    ck_assert_int_eq(sscanf(got + n, "%zu KiB%n", &kib, &end), 1);
    ck_assert_uint_ge(kib, 64);
    ck_assert_str_eq(got + n + end, after);
}

static void
alone(void)
{
    install();
    overflow(0, &root, BLY_STACK_GUARD);
}

START_TEST(names_the_task)
{
    char out[4096];
    int status = run(alone, out);

    expect(out, "belay: task 'main' overflowed its stack of ",
        " (spawned at app.c:3); raise .stack\n");
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
}
END_TEST

static void
borrowed(void)
{
    install();
    overflow(0, &child, BLY_STACK_MPROTECT);
}

START_TEST(names_the_tasks_below)
{
    char out[4096];
    int status = run(borrowed, out);

    expect(out, "belay: task 'visit' overflowed its stack of ",
        " (spawned at tree.c:44), begun on the stack of 'walk' "
        "(spawned at tree.c:70), 'main' (spawned at app.c:3); "
        "raise .stack\n");
    ck_assert(WIFSIGNALED(status));
}
END_TEST

static void
nobodys(void)
{
    install();
    overflow(3 << 20, NULL, BLY_STACK_GUARD);
}

START_TEST(stack_without_a_task)
{
    char out[4096];

    run(nobodys, out);
    ck_assert_str_eq(out,
        "belay: task '?' overflowed its stack of 3072 KiB; raise .stack\n");
}
END_TEST

static void
own_handler(int sig)
{
    static const char text[] = "mine\n";

    (void)!write(2, text, sizeof(text) - 1);
    _exit(sig == SIGSEGV ? 7 : 8);
}

static void
with_handler(void)
{
    signal(SIGSEGV, own_handler);
    install();
    overflow(0, &root, BLY_STACK_GUARD);
}

START_TEST(programs_handler_is_next)
{
    char out[4096];
    int status = run(with_handler, out);

    expect(out, "belay: task 'main' overflowed its stack of ",
        " (spawned at app.c:3); raise .stack\nmine\n");
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 7);
}
END_TEST

static volatile uintptr_t nowhere = 16;

static void
null_with_handler(void)
{
    signal(SIGSEGV, own_handler);
    install();
    *(volatile char *)nowhere = 1;
}

static void
null_without(void)
{
    install();
    *(volatile char *)nowhere = 1;
}

static void
sent_by_somebody(void)
{
    install();
    kill(getpid(), SIGBUS);
}

START_TEST(other_faults_pass)
{
    char out[4096];
    int status = run(null_with_handler, out);

    ck_assert_str_eq(out, "mine\n");
    ck_assert(WIFEXITED(status));
    status = run(null_without, out);
    ck_assert_str_eq(out, "");
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
    status = run(sent_by_somebody, out);
    ck_assert_str_eq(out, "");
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGBUS);
}
END_TEST

static void
not_installed(void)
{
    (void)!bly_overflow_thread(true);
    overflow(0, &root, BLY_STACK_GUARD);
}

START_TEST(silent_unless_installed)
{
    char out[4096];
    int status = run(not_installed, out);

    ck_assert_str_eq(out, "");
    ck_assert(WIFSIGNALED(status));
}
END_TEST

static void
found_by_check(void)
{
    struct bly_stack *s = bly_stack_get(&cache, 0);

    s->owner = &child;
    bly_overflow_fatal(s);
}

START_TEST(fatal_says_the_same)
{
    char out[4096];
    int status = run(found_by_check, out);

    expect(out, "belay: task 'visit' overflowed its stack of ",
        " (spawned at tree.c:44), begun on the stack of 'walk' "
        "(spawned at tree.c:70), 'main' (spawned at app.c:3); "
        "raise .stack\n");
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGABRT);
}
END_TEST

START_TEST(thread_keeps_what_it_had)
{
    static char own[64 * 1024];
    stack_t old, st = {.ss_sp = own, .ss_size = sizeof(own)};
    stack_t off = {.ss_flags = SS_DISABLE};

    ck_assert_int_eq(sigaltstack(&off, &old), 0);
    ck_assert_int_eq(bly_overflow_thread(true), 0);
    ck_assert_int_eq(bly_overflow_thread(true), 0);
    ck_assert_int_eq(sigaltstack(NULL, &st), 0);
    ck_assert(!(st.ss_flags & SS_DISABLE));
    ck_assert_uint_ge(st.ss_size, sizeof(own));
    ck_assert_int_eq(bly_overflow_thread(false), 0);
    ck_assert_int_eq(sigaltstack(NULL, &st), 0);
    ck_assert(st.ss_flags & SS_DISABLE);

    st = (stack_t){.ss_sp = own, .ss_size = sizeof(own)};
    ck_assert_int_eq(sigaltstack(&st, NULL), 0);
    ck_assert_int_eq(bly_overflow_thread(true), 0);
    ck_assert_int_eq(bly_overflow_thread(false), 0);
    ck_assert_int_eq(sigaltstack(NULL, &st), 0);
    ck_assert_ptr_eq(st.ss_sp, own);
    ck_assert_int_eq(sigaltstack(&old, NULL), 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("overflow");
    TCase *t = tcase_create("overflow");
    SRunner *r = srunner_create(s);

    tcase_set_timeout(t, 60);
    tcase_add_test(t, names_the_task);
    tcase_add_test(t, names_the_tasks_below);
    tcase_add_test(t, stack_without_a_task);
    tcase_add_test(t, programs_handler_is_next);
    tcase_add_test(t, other_faults_pass);
    tcase_add_test(t, silent_unless_installed);
    tcase_add_test(t, fatal_says_the_same);
    tcase_add_test(t, thread_keeps_what_it_had);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
