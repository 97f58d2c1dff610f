/* SPDX-License-Identifier: MIT */
/* Channels between real threads: workers, foreign threads, signal handlers. */
#include <belay.h>

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct item {
    long value;
    const char *text;
    char more[24];
};

typedef BELAY_CHAN(struct item) item_chan;
typedef BELAY_CHAN(long) long_chan;

/* ---- many to many ------------------------------------------------------- */

enum { TASKS = 6, EACH = 20000 };

BELAY_TASK(produce, (item_chan *, ch), (long, first))
{
    for (long i = first; i < first + EACH; i++)
        BELAY_TRY(belay_send(ch, (struct item){.value = i, .text = "item"}));
    return 0;
}

BELAY_TASK(consume, (item_chan *, ch), (long *, sum), (char *, seen))
{
    struct item it;
    int r;

    while ((r = belay_recv(ch, &it)) > 0) {
        if (strcmp(it.text, "item") != 0 || seen[it.value]++)
            return BELAY_FAIL(-EPROTO, "item %ld came wrong", it.value);
        *sum += it.value;
    }
    return r;
}

BELAY_TASK(many_to_many, (size_t, cap))
{
    static char seen[TASKS * EACH];
    long sums[TASKS] = {0}, sum = 0;
    BELAY_AUTO_CHAN(item_chan, ch);

    memset(seen, 0, sizeof seen);
    BELAY_TRY(belay_chan_open(&ch, cap, .name = "items"));
    BELAY_SCOPE(s) {
        for (int i = 0; i < TASKS; i++) {
            belay_spawn_producer(s, &ch, produce, &ch, (long)i * EACH);
            belay_spawn(s, consume, &ch, &sums[i], seen);
        }
    }
    for (int i = 0; i < TASKS; i++)
        sum += sums[i];
    if (sum != (long)TASKS * EACH * ((long)TASKS * EACH - 1) / 2)
        return BELAY_FAIL(-EPROTO, "the sum is %ld", sum);
    return 0;
}

START_TEST(every_value_arrives_once)
{
    static const size_t caps[] = {0, 1, 7, 100};

    ck_assert_int_eq(
        belay_run_with((.workers = 1), many_to_many, caps[_i]), 0);
    ck_assert_int_eq(
        belay_run_with((.workers = 3), many_to_many, caps[_i]), 0);
}
END_TEST

/* ---- from outside ------------------------------------------------------- */

enum { PUSHES = 20000 };

static void *
push_from_thread(void *arg)
{
    long_chan *ch = arg;

    for (long i = 1; i <= PUSHES; i++)
        while (belay_try_send_external(ch, i) == -EAGAIN)
            (void)sched_yield();
    return NULL;
}

static int
take_pushes(long_chan *ch, int threads)
{
    long sum = 0, v;

    for (long n = 0; n < (long)threads * PUSHES; n++) {
        int r = belay_recv(ch, &v);

        if (r != 1)
            return BELAY_FAIL(-EPROTO, "push %ld: %d", n, r);
        sum += v;
    }
    return sum == threads * (long)PUSHES * (PUSHES + 1) / 2 ? 0 : -EPROTO;
}

BELAY_TASK(from_threads, (int, threads))
{
    pthread_t id[3];
    long_chan ch;
    int r;

    BELAY_TRY(belay_chan_open(&ch, 0, .external = 16));
    for (int i = 0; i < threads; i++)
        if (pthread_create(&id[i], NULL, push_from_thread, &ch) != 0)
            return -EAGAIN;
    r = take_pushes(&ch, threads);
    for (int i = 0; i < threads; i++)
        (void)pthread_join(id[i], NULL);
    belay_chan_free(&ch);
    return r;
}

START_TEST(foreign_threads_wake_a_receiver)
{
    ck_assert_int_eq(belay_run(from_threads, 1), 0);
    ck_assert_int_eq(belay_run(from_threads, 3), 0);
    ck_assert_int_eq(belay_run_with((.workers = 2), from_threads, 3), 0);
}
END_TEST

static long_chan signalled;
static int signals; /* atomic */

static void
on_signal(int number)
{
    (void)number;
    if (belay_try_send_external(&signalled, (long)signals + 1) == 0)
        __atomic_fetch_add(&signals, 1, __ATOMIC_RELAXED);
}

static void *
send_signals(void *arg)
{
    pthread_t *to = arg;

    while (__atomic_load_n(&signals, __ATOMIC_RELAXED) < 2000) {
        (void)pthread_kill(*to, SIGUSR1);
        (void)sched_yield();
    }
    return NULL;
}

/* The handler interrupts this very thread, anywhere. */
BELAY_TASK(from_handler)
{
    pthread_t self = pthread_self(), other;
    long v;

    BELAY_TRY(belay_chan_open(&signalled, 0, .external = 4));
    signal(SIGUSR1, on_signal);
    if (pthread_create(&other, NULL, send_signals, &self) != 0)
        return -EAGAIN;
    for (long i = 1; i <= 2000; i++)
        if (belay_recv(&signalled, &v) != 1 || v != i)
            return BELAY_FAIL(-EPROTO, "signal %ld came as %ld", i, v);
    (void)pthread_join(other, NULL);
    signal(SIGUSR1, SIG_IGN);
    belay_chan_free(&signalled);
    return 0;
}

START_TEST(a_signal_handler_wakes_a_receiver)
{
    ck_assert_int_eq(belay_run(from_handler), 0);
}
END_TEST

/* ---- misuse ------------------------------------------------------------- */

static char said[1000];

/* The signal that ends a process which calls fn; what it said is in said. */
static int
dies(void (*fn)(void))
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
        fn();
        _exit(0);
    }
    close(fds[1]);
    while ((n = read(fds[0], said + used, sizeof said - 1 - used)) > 0)
        used += (size_t)n;
    said[used] = '\0';
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

BELAY_TASK(waiter, (long_chan *, ch), (long_chan *, started))
{
    long v;

    BELAY_TRY(belay_send(started, 1));
    return belay_recv(ch, &v);
}

enum { WAITS_AT = __LINE__ - 3 };

enum { OPENED_AT = __LINE__ + 7, FREED_AT = __LINE__ + 12 };

BELAY_TASK(free_too_early)
{
    long_chan ch, started;
    long v;

    BELAY_TRY(belay_chan_open(&ch, 1, .name = "jobs"));
    BELAY_TRY(belay_chan_open(&started, 0));
    BELAY_SCOPE(s) {
        belay_spawn(s, waiter, &ch, &started);
        BELAY_TRY(belay_recv(&started, &v));
        belay_chan_free(&ch);
    }
    return 0;
}

static void
run_free_too_early(void)
{
    belay_ignore(belay_run(free_too_early), "it dies");
}

START_TEST(a_free_under_a_waiting_task_names_both_places)
{
    char wanted[100];

    ck_assert_int_eq(dies(run_free_too_early), SIGABRT);
    ck_assert_msg(strstr(said, "channel 'jobs'") != NULL, "%s", said);
    ck_assert_ptr_nonnull(strstr(said, "task 'waiter'"));
    (void)snprintf(wanted, sizeof wanted, "chan.c:%d freed", OPENED_AT);
    ck_assert_msg(strstr(said, wanted) != NULL, "%s", said);
    (void)snprintf(wanted, sizeof wanted, "chan.c:%d at ", WAITS_AT);
    ck_assert_msg(strstr(said, wanted) != NULL, "%s", said);
    (void)snprintf(wanted, sizeof wanted, "chan.c:%d,", FREED_AT);
    ck_assert_msg(strstr(said, wanted) != NULL, "%s", said);
}
END_TEST

static void
send_outside(void)
{
    long_chan ch;

    if (belay_chan_open(&ch, 1) == 0)
        belay_ignore(belay_send(&ch, 1), "it dies");
}

START_TEST(a_wait_outside_a_task)
{
    ck_assert_int_eq(dies(send_outside), SIGABRT);
    ck_assert_ptr_nonnull(strstr(said, "belay_send outside a task"));
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("chan");
    TCase *t = tcase_create("chan");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_loop_test(t, every_value_arrives_once, 0, 4);
    tcase_add_test(t, foreign_threads_wake_a_receiver);
    tcase_add_test(t, a_signal_handler_wakes_a_receiver);
    tcase_add_test(t, a_free_under_a_waiting_task_names_both_places);
    tcase_add_test(t, a_wait_outside_a_task);
    tcase_set_timeout(t, 50);
    suite_add_tcase(s, t);
    srunner_set_tap(r, "-");
    srunner_run_all(r, CK_SILENT);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
