/* SPDX-License-Identifier: MIT */
/*
 * Sealed data and snapshots in a program: what a write to sealed data says,
 * tasks on several workers that read while others replace.
 */
#include <belay/frozen.h>
#include <belay/run.h>

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct table {
    belay_frozen *arena;
    int number;
    int n;
    int *squares;
};

static int line_of_seal;

/* A table of squares that start with number * number, sealed. */
static int
table_new(struct table **out, int number, int n)
{
    BELAY_AUTO(belay_frozen, f);
    struct table *t;

    BELAY_TRY(belay_frozen_open(&f, "squares"));
    t = belay_frozen_alloc(f, sizeof(*t));
    if (t == NULL)
        return BELAY_FAIL(-ENOMEM, "no memory for a table");
    t->squares = belay_frozen_alloc(f, (size_t)n * sizeof(int));
    if (t->squares == NULL)
        return BELAY_FAIL(-ENOMEM, "no memory for %d squares", n);
    t->arena = f;
    t->number = number;
    t->n = n;
    for (int i = 0; i < n; i++)
        t->squares[i] = (number + i) * (number + i);
    line_of_seal = __LINE__ + 1;
    BELAY_TRY(belay_frozen_seal(f));
    f = NULL;
    *out = t;
    return 0;
}

/* ---- a write to sealed data --------------------------------------------- */

BELAY_TASK(scribble, (struct table *, t))
{
    *(volatile int *)&t->squares[3] = 10;
    return 0;
}

BELAY_TASK(spoil)
{
    struct table *t;

    BELAY_TRY(table_new(&t, 0, 10));
    BELAY_SCOPE(s) {
        belay_spawn(s, scribble, t);
    }
    return 0;
}

static char said[2000];

START_TEST(a_write_names_the_data_and_the_task)
{
    char wanted[600], end[8] = "";
    size_t used = 0;
    int fds[2], status, line = 0;
    struct table *t;
    ssize_t n;
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct rlimit none = {0, 0};

        setrlimit(RLIMIT_CORE, &none);
        /* A sanitizer's handler would add a report of its own. */
        signal(SIGSEGV, SIG_DFL);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        _exit(belay_main(spoil));
    }
    close(fds[1]);
    while ((n = read(fds[0], said + used, sizeof(said) - 1 - used)) > 0)
        used += (size_t)n;
    said[used] = '\0';
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSEGV);

    /* The child noted the line in its own memory. */
    ck_assert_int_eq(table_new(&t, 0, 1), 0);
    belay_frozen_close(t->arena);
    (void)snprintf(wanted, sizeof(wanted),
        "belay: write to sealed data 'squares' (sealed at %s:%d),"
        " in task 'scribble' (spawned at %s:",
        __FILE__, line_of_seal, __FILE__);
    ck_assert_msg(strncmp(said, wanted, strlen(wanted)) == 0, "%s", said);
    ck_assert_int_eq(
        sscanf(said + strlen(wanted), "%d%7c", &line, end), 2);
    ck_assert_int_gt(line, 0);
    ck_assert_msg(strcmp(end, ")\n") == 0, "%s", said);
}
END_TEST

/* ---- versions ----------------------------------------------------------- */

enum { READERS = 4, VERSIONS = 200, SQUARES = 50 };

static BELAY_SNAPSHOT(struct table) current;
static int over; /* atomic */

BELAY_TASK(read_on, (int *, seen /* atomic */))
{
    int last = -1;

    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
        BELAY_VIEW(&current, t);

        BELAY_TRY(belay_checkpoint());
        for (int i = 0; i < t->n; i++)
            if (t->squares[i] != (t->number + i) * (t->number + i))
                return BELAY_FAIL(-EBADMSG, "square %d is wrong", i);
        if (t->number < last)
            return BELAY_FAIL(-EBADMSG, "an older version came later");
        last = t->number;
        __atomic_fetch_add(seen, 1, __ATOMIC_RELAXED);
        BELAY_TRY(belay_yield());
    }
    return 0;
}

BELAY_TASK(write_on, (int *, seen))
{
    struct table *t;

    for (int i = 1; i <= VERSIONS; i++) {
        BELAY_TRY(table_new(&t, i, SQUARES));
        BELAY_TRY(belay_publish(&current, t, belay_frozen_drop, t->arena));
        BELAY_TRY(belay_yield());
    }
    /* Until each reader has had a look. */
    for (int i = 0; i < READERS; i++)
        while (__atomic_load_n(&seen[i], __ATOMIC_RELAXED) == 0)
            BELAY_TRY(belay_yield());
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    return 0;
}

BELAY_TASK(replace_while_read)
{
    int seen[READERS] = {0};
    struct table *t;

    BELAY_TRY(table_new(&t, 0, SQUARES));
    BELAY_TRY(belay_publish(&current, t, belay_frozen_drop, t->arena));
    BELAY_SCOPE(s) {
        for (int i = 0; i < READERS; i++)
            belay_spawn(s, read_on, &seen[i]);
        belay_spawn(s, write_on, seen);
    }
    BELAY_VIEW(&current, last);
    ck_assert_int_eq(last->number, VERSIONS);
    return 0;
}

START_TEST(readers_see_whole_versions)
{
    ck_assert_int_eq(
        belay_run_with((.workers = (unsigned)_i), replace_while_read), 0);
    belay_snapshot_clear(&current.belay_base_);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("frozen");
    TCase *t = tcase_create("frozen");
    SRunner *r = srunner_create(s);

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_write_names_the_data_and_the_task);
    tcase_add_loop_test(t, readers_see_whole_versions, 1, 4);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
