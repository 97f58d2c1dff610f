/* SPDX-License-Identifier: MIT */
/*
 * belay/sync.h with real threads: many tasks on two workers, foreign threads
 * that set and release, and mistakes that end the program with a line that
 * names both places.
 */
#include <belay/run.h>
#include <belay/sync.h>

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TASKS = 16, TIMES = 2000 };

/* Runs the task on two workers; it must return 0. */
#define RUN(task, ...)                                                         \
    ck_assert_int_eq(belay_run_with((.workers = 2), task, ##__VA_ARGS__), 0)

#define CHECK(e)                                                               \
    do {                                                                       \
        if (!(e))                                                              \
            return BELAY_FAIL(-EPROTO, "%s:%d: %s", __FILE__, __LINE__, #e);   \
    } while (0)

/* ---- many tasks --------------------------------------------------------- */

static struct {
    belay_mutex mutex;
    belay_rwlock rwlock;
    belay_sem sem;
    long sum;
    long pair[2];
} all = {.sem = BELAY_SEM_INIT(1)};

typedef int locked_fn(void);

static int
count_under_mutex(void)
{
    BELAY_TRY(belay_mutex_lock(&all.mutex));
    all.sum++;
    belay_mutex_unlock(&all.mutex);
    return 0;
}

static int
count_under_sem(void)
{
    BELAY_TRY(belay_sem_acquire(&all.sem, 1));
    all.sum++;
    belay_sem_release(&all.sem, 1);
    return 0;
}

static int
count_under_rwlock(void)
{
    BELAY_TRY(belay_rwlock_write(&all.rwlock));
    all.pair[0]++;
    all.sum++;
    all.pair[1]++;
    belay_rwlock_unlock(&all.rwlock);
    BELAY_TRY(belay_rwlock_read(&all.rwlock));
    CHECK(all.pair[0] == all.pair[1]);
    belay_rwlock_unlock(&all.rwlock);
    return 0;
}

BELAY_TASK(repeat, (locked_fn *, fn))
{
    int i;

    for (i = 0; i < TIMES; i++)
        BELAY_TRY(fn());
    return 0;
}

BELAY_TASK(many, (locked_fn *, fn), (unsigned, workers))
{
    unsigned i;

    all.sum = 0;
    BELAY_SCOPE(s) {
        for (i = 0; i < TASKS; i++)
            belay_spawn_with(s, (.worker = i % workers + 1), repeat, fn);
    }
    CHECK(all.sum == (long)TASKS * TIMES);
    return 0;
}

START_TEST(nothing_is_counted_twice)
{
    RUN(many, count_under_mutex, 2);
    RUN(many, count_under_sem, 2);
    RUN(many, count_under_rwlock, 2);
}
END_TEST

START_TEST(one_worker_needs_no_atomics)
{
    ck_assert_int_eq(
        belay_run_with((.workers = 1), many, count_under_mutex, 1), 0);
    /* The mutex is free and may be used by the next runtime. */
    RUN(many, count_under_mutex, 2);
}
END_TEST

/* ---- a queue of one: two conditions ------------------------------------- */

static struct {
    belay_mutex m;
    belay_cond filled, emptied;
    int full, value;
} slot;

BELAY_TASK(produce, (int, n))
{
    int i;

    for (i = 1; i <= n; i++) {
        BELAY_TRY(belay_mutex_lock(&slot.m));
        while (slot.full) {
            int r = belay_cond_wait(&slot.emptied, &slot.m);

            if (r < 0) {
                belay_mutex_unlock(&slot.m);
                return r;
            }
        }
        slot.value = i;
        slot.full = 1;
        belay_cond_signal(&slot.filled);
        belay_mutex_unlock(&slot.m);
    }
    return 0;
}

BELAY_TASK(consume, (int, n), (long *, sum))
{
    int i;

    for (i = 1; i <= n; i++) {
        BELAY_TRY(belay_mutex_lock(&slot.m));
        while (!slot.full) {
            int r = belay_cond_wait(&slot.filled, &slot.m);

            if (r < 0) {
                belay_mutex_unlock(&slot.m);
                return r;
            }
        }
        *sum += slot.value;
        slot.full = 0;
        belay_cond_signal(&slot.emptied);
        belay_mutex_unlock(&slot.m);
    }
    return 0;
}

BELAY_TASK(through_a_slot)
{
    long sum = 0;

    BELAY_SCOPE(s) {
        belay_spawn_with(s, (.worker = 1), produce, TIMES);
        belay_spawn_with(s, (.worker = 2), consume, TIMES, &sum);
    }
    CHECK(sum == (long)TIMES * (TIMES + 1) / 2);
    return 0;
}

START_TEST(conditions_hand_over)
{
    RUN(through_a_slot);
}
END_TEST

/* ---- once, barrier, latch, event ---------------------------------------- */

static struct {
    belay_once once;
    belay_barrier barrier;
    belay_latch latch;
    belay_event event;
    int starts, leaders, passed;
    belay_mutex m;
} meeting = {.barrier = BELAY_BARRIER_INIT(TASKS),
    .latch = BELAY_LATCH_INIT(TASKS)};

static int
start_meeting(void *arg)
{
    (void)arg;
    meeting.starts++;
    return belay_sleep(BELAY_MS(1));
}

BELAY_TASK(attend)
{
    int leads;

    BELAY_TRY(belay_event_wait(&meeting.event));
    BELAY_TRY(belay_once_run(&meeting.once, start_meeting, NULL));
    CHECK(meeting.starts == 1);
    leads = BELAY_TRY(belay_barrier_wait(&meeting.barrier));
    BELAY_TRY(belay_mutex_lock(&meeting.m));
    meeting.leaders += leads;
    meeting.passed++;
    belay_mutex_unlock(&meeting.m);
    belay_latch_count_down(&meeting.latch, 1);
    return 0;
}

static void *
set_from_a_thread(void *arg)
{
    belay_event_set(arg);
    return NULL;
}

BELAY_TASK(meet)
{
    pthread_t thread;
    unsigned i;

    BELAY_SCOPE(s) {
        for (i = 0; i < TASKS; i++)
            belay_spawn_with(s, (.worker = i % 2 + 1), attend);
        /* Keeps the run from being found deadlocked until the thread ran. */
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
        if (pthread_create(&thread, NULL, set_from_a_thread, &meeting.event))
            return -EAGAIN;
        pthread_join(thread, NULL);
        BELAY_TRY(belay_latch_wait(&meeting.latch));
        CHECK(meeting.passed == TASKS);
        CHECK(meeting.leaders == 1);
    }
    return 0;
}

START_TEST(all_meet)
{
    RUN(meet);
}
END_TEST

/* ---- guarded and confined data ------------------------------------------ */

static BELAY_GUARDED(long) guarded = BELAY_GUARDED_INIT(7);
static BELAY_CONFINED(long) confined;

BELAY_TASK(add_guarded, (long, times))
{
    while (times-- > 0) {
        BELAY_LOCK(&guarded, p);
        ++*p;
    }
    return 0;
}

BELAY_TASK(use_guarded)
{
    BELAY_SCOPE(s) {
        belay_spawn_with(s, (.worker = 1), add_guarded, TIMES);
        belay_spawn_with(s, (.worker = 2), add_guarded, TIMES);
    }
    BELAY_LOCK(&guarded, p);
    CHECK(*p == 7 + 2 * TIMES);
    return 0;
}

BELAY_TASK(use_confined)
{
    ++*BELAY_OWN(&confined);
    CHECK(*BELAY_OWN(&confined) == 1);
    belay_unconfine(&confined);
    return 0;
}

BELAY_TASK(add_confined)
{
    ++*BELAY_OWN(&confined);
    return 0;
}

BELAY_TASK(share_confined)
{
    belay_confine(&confined, BELAY_TO_WORKER);
    BELAY_SCOPE(s, .local = true) {
        belay_spawn(s, add_confined);
        belay_spawn(s, add_confined);
    }
    CHECK(*BELAY_OWN(&confined) == 3);
    belay_unconfine(&confined);
    return 0;
}

START_TEST(data_behind_their_lock)
{
    RUN(use_guarded);
    RUN(use_confined);
    RUN(share_confined);
}
END_TEST

/* ---- mistakes ----------------------------------------------------------- */

static struct {
    belay_mutex m;
    belay_rwlock l;
    BELAY_CONFINED(int) c;
} wrong;

BELAY_TASK(unlock_mutex)
{
    belay_mutex_unlock(&wrong.m);
    return 0;
}

BELAY_TASK(unlock_anothers_mutex)
{
    BELAY_TRY(belay_mutex_lock(&wrong.m));
    BELAY_SCOPE(s)
        belay_spawn(s, unlock_mutex);
    return 0;
}

BELAY_TASK(unlock_rwlock)
{
    belay_rwlock_unlock(&wrong.l);
    return 0;
}

BELAY_TASK(unlock_anothers_rwlock)
{
    BELAY_TRY(belay_rwlock_write(&wrong.l));
    BELAY_SCOPE(s)
        belay_spawn(s, unlock_rwlock);
    return 0;
}

BELAY_TASK(touch_confined)
{
    *BELAY_OWN(&wrong.c) = 1;
    return 0;
}

BELAY_TASK(share_what_is_confined)
{
    *BELAY_OWN(&wrong.c) = 1;
    BELAY_SCOPE(s)
        belay_spawn(s, touch_confined);
    return 0;
}

static const struct {
    belay_task_type *task;
    const char *said[3];
} mistakes[] = {
    {BELAY_TYPE_(unlock_anothers_mutex),
        {"unlock of a mutex that another task locked at",
            "in task 'unlock_mutex'", "sync.c"}},
    {BELAY_TYPE_(unlock_anothers_rwlock),
        {"unlock of an rwlock that this task does not have",
            "in task 'unlock_rwlock'", "sync.c"}},
    {BELAY_TYPE_(share_what_is_confined),
        {"use of data that belong to task 'share_what_is_confined' since",
            "in task 'touch_confined'", "sync.c"}},
};

/* Runs the task in a child process that has to abort; what it wrote. */
static void
run_to_abort(belay_task_type *task, char *text, size_t size)
{
    char arg = 0;
    size_t n = 0;
    ssize_t got;
    int ends[2], status;
    pid_t child;

    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct rlimit none = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &none);
        (void)dup2(ends[1], STDERR_FILENO);
        _exit(belay_run_at(task, &arg, NULL, BELAY_SITE_("test")) < 0);
    }
    close(ends[1]);
    while (n + 1 < size && (got = read(ends[0], text + n, size - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

START_TEST(a_mistake_ends_the_program)
{
    char text[1024];
    int i;

    run_to_abort(mistakes[_i].task, text, sizeof text);
    for (i = 0; i < 3; i++)
        ck_assert_msg(strstr(text, mistakes[_i].said[i]) != NULL,
            "'%s' is not in: %s", mistakes[_i].said[i], text);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("sync");
    TCase *t = tcase_create("sync");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 50);
    tcase_add_test(t, nothing_is_counted_twice);
    tcase_add_test(t, one_worker_needs_no_atomics);
    tcase_add_test(t, conditions_hand_over);
    tcase_add_test(t, all_meet);
    tcase_add_test(t, data_behind_their_lock);
    tcase_add_loop_test(t, a_mistake_ends_the_program, 0,
        (int)(sizeof mistakes / sizeof *mistakes));
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
