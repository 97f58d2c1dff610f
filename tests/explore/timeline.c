/* SPDX-License-Identifier: MIT */
/*
 * The timeline under simulation: a run takes the same course whether it is
 * recorded or not, and times are virtual.
 */
#include <belay.h>
#include <belay/test.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the same course ---------------------------------------------------- */

struct state {
    belay_rwlock lock; /* its description takes a lock that others take */
    belay_sem sem;
    int shared;
};

BELAY_TASK(writer, (struct state *, st))
{
    BELAY_TRY(belay_rwlock_write(&st->lock));
    st->shared++;
    belay_rwlock_unlock(&st->lock);
    belay_sem_release(&st->sem, 1);
    return 0;
}

BELAY_TASK(reader, (struct state *, st))
{
    BELAY_TRY(belay_sem_acquire(&st->sem, 1));
    BELAY_TRY(belay_rwlock_read(&st->lock));
    belay_timeline_mark("sees %d", st->shared);
    belay_rwlock_unlock(&st->lock);
    return 0;
}

static int
doubles(void *arg)
{
    *(int *)arg *= 2;
    return 0;
}

/* So does that of a call, which its thread takes from the queue. */
BELAY_TASK(caller, (struct state *, st))
{
    int n = st->shared;

    return belay_blocking_call(doubles, &n, NULL);
}

static int
meet(void *arg)
{
    struct state st = {.lock = BELAY_RWLOCK_INIT, .sem = BELAY_SEM_INIT(0)};
    const bool *recorded = arg;
    int err;

    if (*recorded)
        BELAY_TRY(belay_timeline_start(NULL));
    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_MS(1)) {
        belay_spawn_with(s, (.worker = 1), writer, &st);
        belay_spawn_with(s, (.worker = 2), writer, &st);
        belay_spawn_with(s, (.worker = 2), reader, &st);
    }
    return err == -ETIME ? 0 : err;
}

static int
call(void *arg)
{
    struct state st = {.shared = 1};
    const bool *recorded = arg;
    int err;

    if (*recorded)
        BELAY_TRY(belay_timeline_start(NULL));
    BELAY_SCOPE_CATCH(s, &err, .timeout = BELAY_MS(1)) {
        belay_spawn_with(s, (.worker = 1), caller, &st);
        belay_spawn_with(s, (.worker = 2), caller, &st);
    }
    return err == -ETIME ? 0 : err;
}

static int number, failures;

static void
ok(bool good, const char *what)
{
    printf("%s %d - %s\n", good ? "ok" : "not ok", ++number, what);
    failures += !good;
}

static void
same_course(const char *name, int (*subject)(void *), belay_test_opts opts)
{
    belay_test_result with, without;
    bool yes = true, no = false;
    char line[128];
    int r;

    opts.size = sizeof opts;
    opts.name = "course";
    r = belay_test_run(subject, &no, &opts, &without);
    r |= belay_test_run(subject, &yes, &opts, &with);
    printf("# %s: %lu runs, %lu distinct; recorded %lu, %lu\n", name,
        without.runs, without.distinct, with.runs, with.distinct);
    if (r != 0)
        printf("# %s\n", with.message);
    (void)snprintf(line, sizeof line, "%s: recorded or not", name);
    ok(r == 0 && with.runs == without.runs &&
            with.distinct == without.distinct && with.runs > 1 &&
            with.complete == without.complete &&
            with.cancels == without.cancels && with.allocs == without.allocs,
        line);
}

/* A failure that is found in a recorded run has the token of one that is not
 * recorded. */
static int
fails_late(void *arg)
{
    struct state st = {.lock = BELAY_RWLOCK_INIT, .sem = BELAY_SEM_INIT(0)};
    const bool *recorded = arg;

    if (*recorded)
        BELAY_TRY(belay_timeline_start(NULL));
    BELAY_SCOPE(s) {
        belay_spawn(s, writer, &st);
        belay_spawn(s, writer, &st);
        BELAY_TRY(belay_yield());
        BELAY_CHECK(st.shared != 1);
    }
    return 0;
}

static void
same_token(void)
{
    belay_test_opts opts = {.size = sizeof opts, .name = "late",
        .strategy = BELAY_EXHAUSTIVE, .expect = BELAY_FINDS_CHECK};
    belay_test_result with, without;
    bool yes = true, no = false;
    int r = belay_test_run(fails_late, &no, &opts, &without);

    r |= belay_test_run(fails_late, &yes, &opts, &with);
    printf("# %s\n# %s\n", without.token, with.token);
    ok(r == 0 && with.token[0] != '\0' &&
            strcmp(with.token, without.token) == 0,
        "a token is good for both");
}

/* ---- virtual time ------------------------------------------------------- */

static char data[1 << 16];
static char path[64];

BELAY_TASK(naps)
{
    return belay_sleep(BELAY_S(3600));
}

static int
a_long_nap(void *arg)
{
    belay_time start = belay_now();

    (void)arg;
    BELAY_TRY(belay_timeline_start(NULL));
    BELAY_SCOPE(s)
        belay_spawn(s, naps);
    BELAY_CHECK_EQ(belay_now() - start, BELAY_S(3600));
    return belay_timeline_write(path);
}

/* The stamp of an event, as field 8 of its packet has it. */
static bool
has_stamp(size_t size, uint64_t t)
{
    unsigned char bytes[12] = {8 << 3};
    size_t n = 1;

    for (; t >= 0x80; t >>= 7)
        bytes[n++] = (unsigned char)(t | 0x80);
    bytes[n++] = (unsigned char)t;
    return memmem(data, size, bytes, n) != NULL;
}

static void
virtual_time(void)
{
    belay_test_opts opts = {
        .size = sizeof opts, .name = "nap", .strategy = BELAY_FIFO};
    const uint64_t start = 1000000000; /* of every run */
    size_t n = 0;
    FILE *f;
    int fd, r;

    (void)snprintf(path, sizeof path, "/tmp/belay-explore-XXXXXX");
    fd = mkstemp(path);
    if (fd >= 0)
        (void)close(fd);
    r = belay_test_run(a_long_nap, NULL, &opts, NULL);
    f = fopen(path, "r");
    if (f != NULL) {
        n = fread(data, 1, sizeof data, f);
        (void)fclose(f);
    }
    (void)unlink(path);
    ok(r == 0 && n > 0 && n < sizeof data && has_stamp(n, start) &&
            has_stamp(n, start + (uint64_t)BELAY_S(3600)) &&
            !has_stamp(n, start + 1),
        "an hour of virtual time");
}

int
main(void)
{
    printf("TAP version 13\n1..6\n");
    same_course("each course", meet,
        (belay_test_opts){.strategy = BELAY_EXHAUSTIVE, .workers = 2,
            .preemptions = 1, .max_runs = 5000});
    same_course("at each access", meet,
        (belay_test_opts){.workers = 2, .atomic = true, .schedules = 600});
    same_course("calls", call,
        (belay_test_opts){.workers = 2, .atomic = true, .schedules = 600});
    same_course("disturbed", meet,
        (belay_test_opts){.workers = 2, .schedules = 100,
            .cancel_everywhere = true, .fail_allocs = true});
    same_token();
    virtual_time();
    return failures != 0;
}
