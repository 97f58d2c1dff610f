/* SPDX-License-Identifier: MIT */
/*
 * Calls that block: what their thread sees of the task that waits for it, and
 * what the task gets back.  The threads themselves are tested in lane.c.
 */
#include <belay/blocking.h>
#include <belay/sync.h>
#include <belay/test.h>

#include "base/atomic.h"
#include "os/os.h"

#include <string.h>

enum { FINE = 7, NOT_YET = 12345, THERE = 2 };

/* ---- results ------------------------------------------------------------ */

BELAY_TASK(answers, (int, number), (uint64_t *, thread))
{
    *thread = bly_os_thread_self();
    return number;
}

BELAY_TEST(a_result_comes_back, .strategy = BELAY_EXHAUSTIVE, .atomic = true,
    .cancel_everywhere = true, .fail_allocs = true)
{
    uint64_t thread = 0;
    int r = belay_blocking(answers, FINE, &thread);

    if (r != FINE) {
        BELAY_CHECK(belay_test_disturbed());
        BELAY_CHECK(r == -ECANCELED || r == -ENOMEM || r == -EAGAIN);
        BELAY_CHECK_EQ(thread, 0);
    } else {
        BELAY_CHECK(thread != 0 && thread != bly_os_thread_self());
    }
}

static int
doubles(void *arg)
{
    *(int *)arg *= 2;
    return 0;
}

BELAY_TEST(a_plain_function_is_called, .strategy = BELAY_EXHAUSTIVE)
{
    int n = 21;

    BELAY_CHECK_EQ(belay_blocking_call(doubles, &n, NULL), 0);
    BELAY_CHECK_EQ(n, 42);
}

/* ---- failures ----------------------------------------------------------- */

static int
opens(int number)
{
    return BELAY_FAIL(-EIO, "disk %d is gone", number);
}

BELAY_TASK(fails, (bool, asks))
{
    int r = opens(3);

    const char *why = asks ? belay_why() : NULL;

    if (asks && !belay_test_disturbed())
        BELAY_CHECK(strncmp(why, "disk 3 is gone (EIO) at opens", 29) == 0);
    return belay_trace(r, BELAY_SITE_("reading"));
}

static int
goes_on(bool asks)
{
    BELAY_TRY(belay_blocking(fails, asks));
    return 0;
}

static void
failure_is_told(bool asks)
{
    int r = goes_on(asks);
    const char *why = belay_why(), *at;

    if (belay_test_disturbed())
        return;
    BELAY_CHECK_EQ(r, -EIO);
    BELAY_CHECK(strncmp(why, "disk 3 is gone (EIO) at opens", 29) == 0);
    at = strstr(why, "via reading at ");
    BELAY_CHECK(at != NULL);
    BELAY_CHECK(strstr(at, "via belay_blocking(fails, asks) at ") != NULL);
    BELAY_CHECK(strstr(why, "in task") == NULL);
}

BELAY_TEST(a_failure_keeps_its_text_and_trace, .strategy = BELAY_EXHAUSTIVE,
    .cancel_everywhere = true, .fail_allocs = true)
{
    failure_is_told(false);
    failure_is_told(true);
}

BELAY_TASK(fails_and_recovers)
{
    belay_ignore(opens(4), "a test");
    return 0;
}

BELAY_TEST(an_ignored_failure_is_none, .strategy = BELAY_EXHAUSTIVE)
{
    BELAY_CHECK_EQ(belay_blocking(fails_and_recovers), 0);
    BELAY_CHECK(strcmp(belay_why(), "no failure") == 0);
}

/* The task's own failure is there unless the call had a newer one. */
BELAY_TEST(an_earlier_failure_stays, .strategy = BELAY_EXHAUSTIVE)
{
    uint64_t thread;

    BELAY_CHECK_EQ(opens(1), -EIO);
    BELAY_CHECK_EQ(belay_blocking(answers, 0, &thread), 0);
    BELAY_CHECK(strstr(belay_why(), "disk 1") != NULL);
    BELAY_CHECK_EQ(belay_blocking(fails, false), -EIO);
    BELAY_CHECK(strstr(belay_why(), "disk 3") != NULL);
}

/* The scope tells the failure of a child that passed it on. */
BELAY_TASK(passes_on)
{
    return goes_on(false);
}

BELAY_TEST(a_scope_hears_of_it, .strategy = BELAY_EXHAUSTIVE)
{
    belay_outcome out;
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_catch(s, &out, passes_on);
    }
    BELAY_CHECK_EQ(out.err, -EIO);
    BELAY_CHECK(strstr(out.why, "disk 3 is gone (EIO) at opens") != NULL);
    BELAY_CHECK(strstr(out.why, "in task 'passes_on'") != NULL);
}

/* ---- what the thread sees ----------------------------------------------- */

struct watched {
    uint32_t begun; /* atomic */
    int saw, got;
    const char *cause;
};

/* Until it is cut. */
BELAY_TASK(looks_round, (struct watched *, w))
{
    BELAY_CHECK_EQ(belay_checkpoint(), 0);
    bly_store_release(&w->begun, 1u); /* pairs with a_cut_is_seen */
    while ((w->saw = belay_cancelled()) == 0)
        bly_spin();
    w->cause = belay_cancel_cause();
    BELAY_CHECK_EQ(belay_checkpoint(), w->saw);
    BELAY_CHECK(belay_stopping());
    return FINE;
}

BELAY_TASK(has_somebody_look, (struct watched *, w))
{
    return w->got = belay_blocking(looks_round, w);
}

BELAY_TEST(a_cut_is_seen, .schedules = 3000, .workers = 2, .atomic = true)
{
    struct watched w = {.got = NOT_YET};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = THERE), has_somebody_look, &w);
        while (bly_load_acquire(&w.begun) == 0) /* pairs with looks_round */
            BELAY_CHECK_EQ(belay_sleep(1), 0);
        belay_cancel(s, "enough");
    }
    BELAY_CHECK_EQ(w.saw, -ECANCELED);
    BELAY_CHECK_EQ(w.got, FINE);
    BELAY_CHECK(strncmp(w.cause, "enough (at ", 11) == 0);
    BELAY_CHECK(strstr(w.cause, "'has_somebody_look'") != NULL);
}

static void
wait_until(belay_time t)
{
    uint32_t nobody = 0;

    while (belay_now() < t)
        bly_os_futex_wait(&nobody, 0, t);
}

BELAY_TASK(outlasts, (belay_time, until), (int *, saw))
{
    BELAY_CHECK_EQ(belay_deadline_now(), until);
    if (belay_now() < until)
        BELAY_CHECK_EQ(belay_cancelled(), 0);
    wait_until(until);
    *saw = belay_checkpoint();
    return FINE;
}

/* It has passed when the clock says so, even if the worker comes later. */
BELAY_TEST(a_deadline_is_seen, .strategy = BELAY_EXHAUSTIVE)
{
    belay_time until = belay_now() + BELAY_MS(1);
    int saw = NOT_YET, r;

    {
        BELAY_DEADLINE(BELAY_MS(1));

        r = belay_blocking(outlasts, until, &saw);
        BELAY_CHECK_EQ(belay_cancelled(), -ETIME);
    }
    BELAY_CHECK_EQ(r, FINE);
    BELAY_CHECK_EQ(saw, -ETIME);
}

BELAY_TASK(looks_once, (int *, saw))
{
    *saw = belay_cancelled();
    return FINE;
}

static int
under_a_shield(int *saw)
{
    BELAY_SHIELD(BELAY_S(1));

    return belay_blocking(looks_once, saw);
}

BELAY_TEST(a_shield_hides_a_cut, .strategy = BELAY_EXHAUSTIVE)
{
    int saw = NOT_YET, err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_cancel(s, "a test");
        BELAY_CHECK_EQ(belay_blocking(looks_once, &saw), -ECANCELED);
        BELAY_CHECK_EQ(saw, NOT_YET);
        BELAY_CHECK_EQ(under_a_shield(&saw), FINE);
        BELAY_CHECK_EQ(saw, 0);
    }
}

BELAY_TASK(looks_for_a_stop, (uint32_t *, begun), (bool *, saw))
{
    BELAY_CHECK(!belay_stopping());
    bly_store_release(begun, 1u); /* pairs with a_stop_is_seen */
    while (!belay_stopping())
        bly_spin();
    *saw = belay_cancelled() == 0;
    return 0;
}

BELAY_TASK(has_it_looked_for, (uint32_t *, begun), (bool *, saw))
{
    return belay_blocking(looks_for_a_stop, begun, saw);
}

BELAY_TEST(a_stop_is_seen, .schedules = 1000, .workers = 2)
{
    uint32_t begun = 0;
    bool saw = false;
    int err;

    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_S(1)) {
        belay_spawn_with(s, (.worker = THERE), has_it_looked_for, &begun,
            &saw);
        while (bly_load_acquire(&begun) == 0) /* pairs with looks_for_a_stop */
            BELAY_CHECK_EQ(belay_sleep(1), 0);
        belay_stop(s, "a test");
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK(saw);
}

BELAY_LOCAL(number, int, 1);

BELAY_TASK(looks_at_itself, (uint64_t, id), (int, value))
{
    BELAY_CHECK(belay_task_id() == id);
    BELAY_CHECK(strcmp(belay_task_name(), "names_itself") == 0);
    BELAY_CHECK_EQ(belay_local(number), value);
    BELAY_CHECK_EQ(belay_deadline_now(), 0);
    return 0;
}

BELAY_TASK(names_itself)
{
    BELAY_TRY(belay_blocking(looks_at_itself, belay_task_id(), 1));
    BELAY_WITH(number, 2);
    return belay_blocking(looks_at_itself, belay_task_id(), 2);
}

BELAY_TEST(values_hold, .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, names_itself);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* ---- what the thread may do --------------------------------------------- */

BELAY_TASK(sets, (belay_sem *, sem))
{
    belay_sem_release(sem, 1);
    return 0;
}

BELAY_TASK(has_it_set, (belay_sem *, sem))
{
    return belay_blocking(sets, sem);
}

BELAY_TEST(it_wakes_a_task, .schedules = 2000, .atomic = true)
{
    belay_sem sem = BELAY_SEM_INIT(0);
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, has_it_set, &sem);
        BELAY_CHECK_EQ(belay_sem_acquire(&sem, 1), 0);
    }
    BELAY_CHECK_EQ(err, 0);
}

BELAY_TASK(sleeps)
{
    return belay_sleep(1);
}

BELAY_TEST(it_may_not_sleep, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    BELAY_CHECK_EQ(belay_blocking(sleeps), 0);
}

BELAY_TEST(it_may_not_block_again, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    BELAY_CHECK_EQ(belay_blocking(has_it_set, NULL), 0);
}
