/* SPDX-License-Identifier: MIT */
/* Calls that block, as a program and who looks at it see them. */
#include <belay/blocking.h>
#include <belay/diag.h>
#include <belay/run.h>

#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

/* A process that ends in a task leaves what is on the other stacks.  Asked by
 * LeakSanitizer. */
int __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
    return 1;
}

/* ---- calls that block --------------------------------------------------- */

struct pipe_pair {
    int out, in;
};

static struct pipe_pair
pipe_open(void)
{
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    return (struct pipe_pair){fds[0], fds[1]};
}

static void
pipe_close(struct pipe_pair p)
{
    (void)close(p.out);
    (void)close(p.in);
}

/* As any library would. */
BELAY_TASK(reads_a_byte, (int, fd))
{
    char c;
    ssize_t n = read(fd, &c, 1);

    return n == 1 ? c : BELAY_FAIL(-EIO, "no byte in %d", fd);
}

BELAY_TASK(waits_for_a_byte, (int, fd), (int *, got))
{
    *got = belay_blocking(reads_a_byte, fd);
    return *got;
}

/* One worker: it would never come to write. */
BELAY_TASK(gets_and_writes)
{
    struct pipe_pair p = pipe_open();
    int got = 0;

    BELAY_SCOPE(s) {
        belay_spawn(s, waits_for_a_byte, p.out, &got);
        BELAY_TRY(belay_yield());
        ck_assert_int_eq(write(p.in, "x", 1), 1);
    }
    ck_assert_int_eq(got, 'x');
    pipe_close(p);
    return 0;
}

START_TEST(worker_goes_on)
{
    ck_assert_int_eq(belay_run(gets_and_writes), 0);
}
END_TEST

/* errno and what else a thread has are not the task's. */
BELAY_TASK(spoils_errno)
{
    errno = EXDEV;
    return 0;
}

BELAY_TASK(keeps_errno)
{
    errno = ENOTTY;
    BELAY_TRY(belay_blocking(spoils_errno));
    ck_assert_int_eq(errno, ENOTTY);
    return 0;
}

START_TEST(errno_stays)
{
    ck_assert_int_eq(belay_run(keeps_errno), 0);
}
END_TEST

/* ---- seen from outside -------------------------------------------------- */

static char told[8192];
static bool is_told; /* atomic */

/* The first report. */
static void
note(void *arg, const char *text)
{
    (void)arg;
    if (__atomic_load_n(&is_told, __ATOMIC_ACQUIRE))
        return;
    (void)snprintf(told, sizeof told, "%s", text);
    __atomic_store_n(&is_told, true, __ATOMIC_RELEASE);
}

/* A byte in `begun' when it has begun; ends with a byte in `end'. */
BELAY_TASK(grinds, (int, begun), (int, end))
{
    char c;

    if (write(begun, "b", 1) != 1)
        return -EIO;
    return read(end, &c, 1) == 1 ? 0 : -EIO;
}

BELAY_TASK(has_it_ground, (int, begun), (int, end))
{
    return belay_blocking(grinds, begun, end);
}

static void
dump(char *buf, size_t size)
{
    FILE *f = tmpfile();
    size_t n;

    ck_assert_ptr_nonnull(f);
    belay_dump(fileno(f));
    rewind(f);
    n = fread(buf, 1, size - 1, f);
    buf[n] = '\0';
    (void)fclose(f);
}

static int
has_byte(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

BELAY_TASK(is_dumped)
{
    struct pipe_pair begun = pipe_open(), end = pipe_open();
    char text[8192];

    BELAY_SCOPE(s) {
        belay_spawn(s, has_it_ground, begun.in, end.out);
        while (!has_byte(begun.out))
            BELAY_TRY(belay_yield());
        dump(text, sizeof text);
        ck_assert_int_eq(write(end.in, "e", 1), 1);
    }
    ck_assert_msg(strstr(text, "task 'has_it_ground' #") != NULL, "%s", text);
    ck_assert_msg(
        strstr(text, "waits in a call ('grinds' on lane 'blocking') at ") !=
            NULL,
        "%s", text);
    pipe_close(begun);
    pipe_close(end);
    return 0;
}

START_TEST(dump_names_the_call)
{
    ck_assert_int_eq(belay_run(is_dumped), 0);
}
END_TEST

/* Cut, and does not look: it is named, and waited for. */
BELAY_TASK(is_a_laggard)
{
    struct pipe_pair begun = pipe_open(), end = pipe_open();
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, has_it_ground, begun.in, end.out);
        while (!has_byte(begun.out))
            BELAY_TRY(belay_yield());
        belay_cancel(s, "a test");
        {
            BELAY_SHIELD(BELAY_S(50));

            while (!__atomic_load_n(&is_told, __ATOMIC_ACQUIRE))
                BELAY_TRY(belay_yield());
        }
        ck_assert_int_eq(write(end.in, "e", 1), 1);
    }
    ck_assert_int_eq(err, -ECANCELED);
    pipe_close(begun);
    pipe_close(end);
    return 0;
}

START_TEST(laggard_is_named)
{
    belay_set_log(note, NULL);
    ck_assert_int_eq(belay_run_with((.workers = 2), is_a_laggard), 0);
    ck_assert_msg(strstr(told, "cancelled a second ago") != NULL, "%s", told);
    ck_assert_msg(strstr(told, "task 'has_it_ground' #") != NULL &&
            strstr(told, "waits in a call ('grinds' on lane 'blocking')") !=
                NULL,
        "%s", told);
}
END_TEST

/* ---- misuse ------------------------------------------------------------- */

BELAY_TASK(sleeps)
{
    return belay_sleep(BELAY_MS(1));
}

BELAY_TASK(nothing)
{
    return 0;
}

BELAY_TASK(spawns, (belay_scope *, s))
{
    belay_spawn(s, nothing);
    return 0;
}

BELAY_TASK(opens_a_scope)
{
    BELAY_SCOPE(s)
        belay_spawn(s, nothing);
    return 0;
}

BELAY_TASK(shields)
{
    BELAY_SHIELD(BELAY_MS(1));

    return 0;
}

enum { SLEEPS, SPAWNS, OPENS, SHIELDS };

BELAY_TASK(misuses, (int, how))
{
    BELAY_SCOPE(s) {
        if (how == SLEEPS)
            BELAY_TRY(belay_blocking(sleeps));
        if (how == SPAWNS)
            BELAY_TRY(belay_blocking(spawns, s));
        if (how == OPENS)
            BELAY_TRY(belay_blocking(opens_a_scope));
        if (how == SHIELDS)
            BELAY_TRY(belay_blocking(shields));
    }
    return 0;
}

static int chosen;

static int
misuse_main(void)
{
    return belay_run(misuses, chosen) != 0;
}

START_TEST(tasks_only)
{
    static const char *const lines[] = {
        [SLEEPS] = "belay_sleep on a thread of a lane",
        [SPAWNS] = "spawn on a thread of a lane at ",
        [OPENS] = "a scope on a thread of a lane at ",
        [SHIELDS] = "a shield on a thread of a lane at ",
    };

    chosen = _i;
    child_misuses(misuse_main, lines[_i]);
    child_wrote(", in a call of ");
    child_wrote(" in task 'misuses' (spawned at ");
}
END_TEST

static int
outside_main(void)
{
    return belay_blocking(nothing);
}

START_TEST(outside_a_task)
{
    child_misuses(outside_main, "belay_blocking outside a task at ");
}
END_TEST

/* ---- a runtime on such a thread ----------------------------------------- */

BELAY_TASK(is_itself)
{
    ck_assert_str_eq(belay_task_name(), "is_itself");
    ck_assert_int_eq(belay_cancelled(), 0);
    return belay_sleep(BELAY_MS(1));
}

BELAY_TASK(runs_another)
{
    return belay_run(is_itself);
}

BELAY_TASK(has_another_run)
{
    return belay_blocking(runs_another);
}

START_TEST(runtime_inside)
{
    ck_assert_int_eq(belay_run(has_another_run), 0);
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("blocking");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, worker_goes_on);
    tcase_add_test(t, errno_stays);
    tcase_add_test(t, dump_names_the_call);
    tcase_add_test(t, laggard_is_named);
    tcase_add_loop_test(t, tasks_only, 0, SHIELDS + 1);
    tcase_add_test(t, outside_a_task);
    tcase_add_test(t, runtime_inside);
    return child_suite("blocking", t);
}
