/* SPDX-License-Identifier: MIT */
/*
 * A debugger sees through contexts: the backtrace of a running one and of a
 * parked one have all its frames and end at its first.  The program runs
 * itself under gdb, and is skipped where there is none or it may not trace.
 */
#include "arch/ctx.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#if !BLY_CTX_UCONTEXT && !BLY_SANITIZE

static char output[65536];

/* ---- The program that is looked at -------------------------------------- */

static struct bly_ctx home, fiber;
static char stack[64 * 1024] __attribute__((aligned(64)));
static volatile int depth;

BLY_NOINLINE void unwind_parked(void);
BLY_NOINLINE void unwind_running(void);

BLY_NOINLINE void
unwind_parked(void)
{
    depth++;
}

BLY_NOINLINE void
unwind_running(void)
{
    depth++;
}

static BLY_NOINLINE void
fiber_inner(int n)
{
    bly_ctx_switch(&fiber, &home);
    depth += n;
    unwind_running();
    depth += n;
}

static BLY_NOINLINE void
fiber_middle(int n)
{
    volatile char room[500];

    room[0] = (char)n;
    fiber_inner(n + room[0]);
    depth += room[0];
}

static void
fiber_entry(void *arg)
{
    (void)arg;
    fiber_middle(7);
    bly_ctx_exit_to(&fiber, &home);
}

static int
inferior(void)
{
    bly_ctx_make(&fiber, stack, sizeof(stack), fiber_entry, NULL);
    bly_ctx_switch(&home, &fiber);
    unwind_parked();
    bly_ctx_switch(&home, &fiber);
    return 0;
}

/* ---- The test ----------------------------------------------------------- */

static const char script[] =
    " -ex 'set debuginfod enabled off' -ex 'set width 0'"
    " -ex 'break unwind_parked' -ex 'break unwind_running' -ex run"
    " -ex 'set $was_sp = $sp' -ex 'set $was_pc = $pc'"
    " -ex 'set $sp = fiber.sp' -ex 'set $pc = &bly_ctx_parked'"
    " -ex 'echo PARKED\\n' -ex bt -ex 'up' -ex 'echo INSIDE\\n' -ex 'p n'"
    " -ex 'frame 0' -ex 'set $sp = $was_sp' -ex 'set $pc = $was_pc'"
    " -ex continue -ex 'echo RUNNING\\n' -ex bt -ex 'echo END\\n'"
    " -ex 'kill'";

/* False: what gdb said is of no use, for the reason that it printed. */
static bool
ask_gdb(const char *self)
{
    char command[4096];
    size_t n;

    snprintf(command, sizeof(command),
        "gdb --batch -nx %s --args '%s' inferior 2>&1 </dev/null", script,
        self);
    FILE *f = popen(command, "r");
    if (f == NULL)
        return false;
    n = fread(output, 1, sizeof(output) - 1, f);
    output[n] = '\0';
    pclose(f);
    return strstr(output, "PARKED\n#0") != NULL;
}

/* The frames come in this order, and after the last there is none. */
static void
expect_frames(const char *from, const char *to, const char *const names[])
{
    const char *at = strstr(output, from);
    const char *end;
    char number[16];
    int n = 0;

    ck_assert_msg(at != NULL, "%s", output);
    end = strstr(at, to);
    ck_assert_msg(end != NULL, "%s", output);
    for (; names[n] != NULL; n++) {
        snprintf(number, sizeof(number), "\n#%d ", n);
        at = strstr(at, number);
        ck_assert_msg(at != NULL && at < end, "%s", output);
        const char *name = strstr(at + 1, names[n]);
        ck_assert_msg(name != NULL && name < end, "%s", output);
        ck_assert_msg(memchr(at + 1, '\n', (size_t)(name - at - 1)) == NULL,
            "%s", output);
    }
    snprintf(number, sizeof(number), "\n#%d ", n);
    at = strstr(at, number);
    ck_assert_msg(at == NULL || at > end, "%s", output);
    at = strstr(output, "stopped");
    ck_assert_msg(at == NULL, "%s", output);
}

START_TEST(parked_context)
{
    static const char *const names[] = {"bly_ctx_switch", "fiber_inner",
        "fiber_middle", "fiber_entry", "bly_ctx_start", NULL};

    expect_frames("PARKED", "INSIDE", names);
}
END_TEST

/* What was in a callee-saved register comes back too. */
START_TEST(parked_variable)
{
    ck_assert_msg(strstr(output, "INSIDE\n$1 = 14\n") != NULL, "%s", output);
}
END_TEST

START_TEST(running_context)
{
    static const char *const names[] = {"unwind_running", "fiber_inner",
        "fiber_middle", "fiber_entry", "bly_ctx_start", NULL};

    expect_frames("RUNNING", "END", names);
}
END_TEST

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "inferior") == 0)
        return inferior();
    if (!ask_gdb(argv[0])) {
        printf("1..0 # SKIP gdb cannot run this program here\n");
        fprintf(stderr, "%s\n", output);
        return 0;
    }
    Suite *s = suite_create("ctx_unwind");
    TCase *t = tcase_create("ctx_unwind");
    SRunner *r = srunner_create(s);

    tcase_add_test(t, parked_context);
    tcase_add_test(t, parked_variable);
    tcase_add_test(t, running_context);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

#else

int
main(void)
{
    printf("1..0 # SKIP contexts without frames of their own\n");
    return 0;
}

#endif
