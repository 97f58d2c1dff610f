/* SPDX-License-Identifier: MIT */
/* os/os.h as Linux keeps it. */
#include "base/atomic.h"
#include "base/time.h"
#include "os/os.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define MS INT64_C(1000000)

static int64_t
clock_of(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

START_TEST(clocks)
{
    int64_t a = clock_of(CLOCK_MONOTONIC), b = bly_os_now();
    int64_t c = clock_of(CLOCK_MONOTONIC);

    ck_assert(a <= b && b <= c);
    a = clock_of(CLOCK_BOOTTIME);
    b = bly_os_now_boot();
    c = clock_of(CLOCK_BOOTTIME);
    ck_assert(a <= b && b <= c);
}
END_TEST

START_TEST(entropy)
{
    uint64_t a = bly_os_entropy(), b = bly_os_entropy();

    ck_assert_uint_ne(a, b);
    ck_assert_uint_ne(a >> 32, b >> 32);
    ck_assert_uint_ne((uint32_t)a, (uint32_t)b);
}
END_TEST

static uint32_t word;

START_TEST(futex_returns_at_once)
{
    word = 5;
    bly_os_futex_wait(&word, 4, BLY_NEVER); /* another value */
    bly_os_futex_wait(&word, 5, bly_os_now() - 1);
    bly_os_futex_wait(&word, 5, 0);
    bly_os_futex_wait(&word, 5, INT64_MIN);
}
END_TEST

START_TEST(futex_keeps_its_deadline)
{
    int64_t deadline = bly_os_now() + 30 * MS;
    int rounds = 0;

    word = 5;
    errno = ENOTTY;
    while (bly_os_now() < deadline) {
        bly_os_futex_wait(&word, 5, deadline);
        rounds++;
    }
    ck_assert_int_eq(errno, ENOTTY);
    /* It slept, though it may have been woken for nothing once or twice. */
    ck_assert_int_le(rounds, 3);
}
END_TEST

static uint32_t asleep, awake;

static void
sleeper(void *arg)
{
    (void)arg;
    bly_fetch_add(&asleep, 1u); /* pairs with futex_wakes */
    while (bly_load_acquire(&word) == 0) /* pairs with futex_wakes */
        bly_os_futex_wait(&word, 0, BLY_NEVER);
    bly_fetch_add(&awake, 1u);
}

START_TEST(futex_wakes)
{
    struct bly_thread t[3];

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(bly_os_thread_start(&t[i], sleeper, NULL, "s"), 0);
    while (bly_load_acquire(&asleep) < 3) /* pairs with sleeper */
        (void)sched_yield();
    ck_assert_uint_eq(bly_load_relaxed(&awake), 0);
    bly_store_release(&word, 1u); /* pairs with sleeper */
    errno = ENOTTY;
    bly_os_futex_wake(&word, 3);
    ck_assert_int_eq(errno, ENOTTY);
    for (int i = 0; i < 3; i++)
        bly_os_thread_join(&t[i]);
    ck_assert_uint_eq(awake, 3);
}
END_TEST

struct seen {
    char name[32];
    sigset_t mask;
    long slack;
    uint64_t self;
};

static void
look(void *arg)
{
    struct seen *s = arg;

    pthread_getname_np(pthread_self(), s->name, sizeof(s->name));
    pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
    s->slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    s->self = bly_os_thread_self();
}

static struct seen
look_inside(const char *name)
{
    struct seen s = {.slack = -1};
    struct bly_thread t;

    ck_assert_int_eq(bly_os_thread_start(&t, look, &s, name), 0);
    bly_os_thread_join(&t);
    return s;
}

START_TEST(thread_is_named)
{
    ck_assert_str_eq(look_inside("belay/1").name, "belay/1");
    /* The kernel keeps 15 bytes. */
    ck_assert_str_eq(look_inside("a-name-too-long-for-it").name,
        "a-name-too-long");
}
END_TEST

START_TEST(thread_takes_no_signals)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
        SIGABRT};
    static const int sent[] = {SIGINT, SIGTERM, SIGCHLD, SIGALRM, SIGUSR1,
        SIGHUP, SIGPIPE, SIGWINCH};
    struct seen s = look_inside("quiet");
    sigset_t mask;

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        ck_assert_int_eq(sigismember(&s.mask, own[i]), 0);
    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++)
        ck_assert_int_eq(sigismember(&s.mask, sent[i]), 1);
    /* The starter's own mask is as it was. */
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++)
        ck_assert_int_eq(sigismember(&mask, sent[i]), 0);
}
END_TEST

START_TEST(thread_has_exact_timers)
{
    ck_assert_int_eq(look_inside("exact").slack, 1);
}
END_TEST

START_TEST(thread_numbers_differ)
{
    ck_assert_uint_ne(look_inside("other").self, bly_os_thread_self());
    ck_assert_uint_eq(bly_os_thread_self(), bly_os_thread_self());
}
END_TEST

START_TEST(cpus_follow_the_affinity)
{
    unsigned all = bly_os_cpus();
    cpu_set_t allowed, one;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    ck_assert_uint_ge(all, 1);
    ck_assert_uint_le(all, (unsigned)CPU_COUNT(&allowed));
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &allowed))
            CPU_SET(i, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    errno = ENOTTY;
    ck_assert_uint_eq(bly_os_cpus(), 1);
    ck_assert_int_eq(errno, ENOTTY);
}
END_TEST

START_TEST(page_size)
{
    ck_assert_uint_eq(bly_os_page_size(), (size_t)getpagesize());
}
END_TEST

enum { TEXT = 1 << 20 }; /* more than any pipe holds */

static char text[TEXT], received[TEXT];

static void
receive(void *arg)
{
    int fd = *(int *)arg;
    size_t used = 0;
    ssize_t n;

    while (used < TEXT && (n = read(fd, received + used, TEXT - used)) > 0)
        used += (size_t)n;
}

START_TEST(write_is_whole)
{
    struct bly_thread t;
    int fds[2];

    for (size_t i = 0; i < TEXT; i++)
        text[i] = (char)('a' + i % 23);
    ck_assert_int_eq(pipe2(fds, _i ? O_NONBLOCK : 0), 0);
    ck_assert_int_eq(fcntl(fds[0], F_SETFL, 0), 0);
    ck_assert_int_eq(bly_os_thread_start(&t, receive, &fds[0], "r"), 0);
    errno = ENOTTY;
    bly_os_write(fds[1], text, TEXT);
    ck_assert_int_eq(errno, ENOTTY);
    bly_os_thread_join(&t);
    ck_assert_int_eq(memcmp(text, received, TEXT), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(write_gives_up)
{
    int fds[2];

    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(pipe(fds), 0);
    close(fds[0]);
    bly_os_write(fds[1], text, TEXT);
    close(fds[1]);
    bly_os_write(fds[1], text, TEXT);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("os_linux");
    TCase *t = tcase_create("os_linux");
    SRunner *r = srunner_create(s);

    tcase_set_timeout(t, 30);
    tcase_add_test(t, clocks);
    tcase_add_test(t, entropy);
    tcase_add_test(t, futex_returns_at_once);
    tcase_add_test(t, futex_keeps_its_deadline);
    tcase_add_test(t, futex_wakes);
    tcase_add_test(t, thread_is_named);
    tcase_add_test(t, thread_takes_no_signals);
    tcase_add_test(t, thread_has_exact_timers);
    tcase_add_test(t, thread_numbers_differ);
    tcase_add_test(t, cpus_follow_the_affinity);
    tcase_add_test(t, page_size);
    tcase_add_loop_test(t, write_is_whole, 0, 2);
    tcase_add_test(t, write_gives_up);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
