/* SPDX-License-Identifier: MIT */
/*
 * Foreign threads against the end of a scope and of the runtime, at each
 * atomic access: rule 17 of the design, and callbacks that end a wait.
 */
#include <belay/inlet.h>
#include <belay/loop.h>
#include <belay/run.h>
#include <belay/sync.h>
#include <belay/test.h>

#include "base/atomic.h"
#include "os/os.h"

#include <errno.h>

enum { NOTHING_YET = -9999, VALUE = 7 };

struct hall {
    belay_inlet *inlet;
    struct bly_thread threads[2];
    uint32_t ran, closed; /* atomic */
    int answers[2];
    bool cancels;
};

BELAY_TASK(visitor, (struct hall *, h))
{
    BELAY_CHECK(bly_load_relaxed(&h->closed) == 0);
    (void)bly_fetch_add(&h->ran, 1u);
    return VALUE;
}

static void
posts(void *arg)
{
    struct hall *h = arg;

    h->answers[0] = belay_post(h->inlet, visitor, h);
    belay_inlet_unref(h->inlet);
}

static void
enters(void *arg)
{
    struct hall *h = arg;

    h->answers[1] = belay_enter(h->inlet, visitor, h);
    belay_inlet_unref(h->inlet);
}

/* One allocation of a run fails, perhaps the thread's. */
static void
thread_start(struct bly_thread *t, void (*main)(void *), struct hall *h,
    const char *name)
{
    while (bly_os_thread_start(t, main, h, name) < 0)
        BELAY_CHECK(belay_test_disturbed());
}

/* Lets them in, and goes without waiting for them. */
static int
receive(struct hall *h, bool post, bool enter)
{
    BELAY_SCOPE(s) {
        BELAY_TRY(belay_inlet_open(&h->inlet, s));
        if (post) {
            (void)belay_inlet_ref(h->inlet);
            thread_start(&h->threads[0], posts, h, "posts");
        }
        if (enter) {
            (void)belay_inlet_ref(h->inlet);
            thread_start(&h->threads[1], enters, h, "enters");
        }
        if (h->cancels) {
            belay_cancel(s, "a test");
            BELAY_CHECK_EQ(belay_post(h->inlet, visitor, h), -ESHUTDOWN);
        }
        belay_inlet_unref(h->inlet);
    }
    return 0;
}

static void
expect(struct hall *h, bool post, bool enter)
{
    uint32_t joined = 0;

    if (post) {
        BELAY_CHECK(h->answers[0] == 0 || h->answers[0] == -ESHUTDOWN ||
            (h->answers[0] == -ENOMEM && belay_test_disturbed()));
        joined += h->answers[0] == 0;
    }
    if (enter) {
        BELAY_CHECK(h->answers[1] == VALUE || h->answers[1] == -ESHUTDOWN ||
            (h->answers[1] == -ENOMEM && belay_test_disturbed()));
        joined += h->answers[1] == VALUE;
    }
    BELAY_CHECK_EQ(h->ran, joined);
}

static void
visits(bool post, bool enter, bool cancels)
{
    struct hall h = {.answers = {NOTHING_YET, NOTHING_YET},
        .cancels = cancels};
    int r = receive(&h, post, enter);

    (void)bly_xchg(&h.closed, 1u);
    if (r == -ENOMEM && h.inlet == NULL)
        return;
    BELAY_CHECK(r == 0 || r == -ECANCELED);
    if (post)
        bly_os_thread_join(&h.threads[0]);
    if (enter)
        bly_os_thread_join(&h.threads[1]);
    expect(&h, post, enter);
}

BELAY_TEST(rule_17_a_post_is_joined_or_refused, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 3, .atomic = true)
{
    visits(true, false, false);
}

BELAY_TEST(rule_17_an_entry_has_an_outcome, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 3, .atomic = true)
{
    visits(false, true, false);
}

BELAY_TEST(two_threads_against_the_close, .atomic = true, .schedules = 3000)
{
    visits(true, true, false);
}

BELAY_TEST(two_workers_against_two_threads, .atomic = true, .workers = 2,
    .schedules = 3000)
{
    visits(true, true, false);
}

BELAY_TEST(a_cancel_refuses_posts, .atomic = true, .schedules = 2000)
{
    visits(true, true, true);
}

BELAY_TEST(posts_without_memory, .atomic = true, .schedules = 300,
    .fail_allocs = true)
{
    visits(true, true, false);
}

/* ---- the thread outlives the runtime ------------------------------------ */

BELAY_TASK(receives, (struct hall *, h))
{
    return receive(h, true, true);
}

/* A runtime of its own ends under them. */
static void
runtime_ends(void)
{
    struct hall h = {.answers = {NOTHING_YET, NOTHING_YET}};

    BELAY_CHECK_EQ(belay_run(receives, &h), 0);
    bly_os_thread_join(&h.threads[0]);
    bly_os_thread_join(&h.threads[1]);
    expect(&h, true, true);
}

BELAY_TEST(a_runtime_waits_for_visitors, .atomic = true, .threads = true,
    .schedules = 3000)
{
    runtime_ends();
}

/* ---- sources ------------------------------------------------------------ */

static void
gives_back(void *arg)
{
    struct hall *h = arg;

    belay_inlet_unref(h->inlet);
}

/* All is asleep but a thread with a handle; when it has given that back, it is
 * a deadlock, and not before. */
BELAY_TASK(sleeps_for_ever, (struct hall *, h))
{
    belay_event never = BELAY_EVENT_INIT;
    int r = 0;

    BELAY_SCOPE(s) {
        BELAY_TRY(belay_inlet_open(&h->inlet, s));
        BELAY_CHECK_EQ(bly_os_thread_start(&h->threads[0], gives_back, h,
            "gives back"), 0);
        r = belay_event_wait(&never);
    }
    belay_event_fini(&never);
    return r;
}

BELAY_TEST(the_last_handle_is_a_deadlock, .strategy = BELAY_EXHAUSTIVE,
    .atomic = true, .threads = true, .preemptions = 1)
{
    struct hall h = {.inlet = NULL};

    BELAY_CHECK_EQ(belay_run(sleeps_for_ever, &h), -EDEADLK);
    bly_os_thread_join(&h.threads[0]);
}

/* ---- callbacks ---------------------------------------------------------- */

struct bridge {
    struct bly_thread thread;
    belay_await *await;
    uint32_t started, taken; /* atomic; taken: by the callback or by cancel */
    int asked;
    bool lets_go; /* cancel may keep the callback from coming */
};

static void
calls_back(void *arg)
{
    struct bridge *b = arg;
    uint32_t none = 0;

    if (bly_cas(&b->taken, &none, 1u))
        belay_await_done(b->await, VALUE);
}

static int
begin(void *arg, belay_await *await)
{
    struct bridge *b = arg;

    b->await = await;
    BELAY_CHECK_EQ(
        bly_os_thread_start(&b->thread, calls_back, b, "calls back"), 0);
    b->started = 1;
    return 0;
}

static int
give_up(void *arg)
{
    struct bridge *b = arg;
    uint32_t none = 0;

    b->asked++;
    return b->lets_go && bly_cas(&b->taken, &none, 2u) ? 0 : -EALREADY;
}

BELAY_TASK(awaits, (struct bridge *, b))
{
    int r = belay_await_callback(begin, give_up, b);

    if (!b->started)
        BELAY_CHECK_EQ(r, -ECANCELED);
    else
        BELAY_CHECK_EQ(r, b->taken == 2 ? -ECANCELED : VALUE);
    BELAY_CHECK(b->asked <= 1);
    return 0;
}

static int
callback_and_cut(struct bridge *b)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, awaits, b);
        belay_ignore(belay_yield(), "so that it may have begun");
        belay_cancel(s, "a test");
    }
    if (b->started)
        bly_os_thread_join(&b->thread);
    return 0;
}

BELAY_TEST(a_callback_against_a_cut, .strategy = BELAY_EXHAUSTIVE,
    .atomic = true)
{
    struct bridge b = {.lets_go = false};

    callback_and_cut(&b);
}

BELAY_TEST(a_callback_against_a_cancel_that_works,
    .strategy = BELAY_EXHAUSTIVE, .atomic = true)
{
    struct bridge b = {.lets_go = true};

    callback_and_cut(&b);
}

BELAY_TEST(a_callback_on_two_workers, .atomic = true, .workers = 2,
    .schedules = 3000)
{
    struct bridge b = {.lets_go = belay_test_choose(2) != 0};

    callback_and_cut(&b);
}

BELAY_TASK(only_awaits, (struct bridge *, b))
{
    return belay_await_callback(begin, NULL, b);
}

/* Who has called back may look at its worker for the last time later than the
 * runtime would like to be gone. */
BELAY_TEST(a_runtime_waits_for_callers, .strategy = BELAY_EXHAUSTIVE,
    .atomic = true, .threads = true)
{
    struct bridge b = {.lets_go = false};

    BELAY_CHECK_EQ(belay_run(only_awaits, &b), VALUE);
    bly_os_thread_join(&b.thread);
}

/* A posted child is woken from elsewhere: it must not arrive once more. */
BELAY_TEST(a_posted_child_awaits, .atomic = true, .workers = 2,
    .schedules = 2000)
{
    struct bridge b = {.lets_go = false};
    belay_inlet *in;
    int err;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_OK) {
        BELAY_CHECK_EQ(belay_inlet_open(&in, s), 0);
        BELAY_CHECK_EQ(belay_post(in, only_awaits, &b), 0);
        belay_inlet_unref(in);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(b.started, 1);
    bly_os_thread_join(&b.thread);
}

static int
calls_at_once(void *arg, belay_await *await)
{
    (void)arg;
    belay_await_done(await, VALUE);
    return 0;
}

static int
begins_nothing(void *arg, belay_await *await)
{
    (void)arg;
    (void)await;
    return -ENODEV;
}

BELAY_TEST(a_callback_within_start, .strategy = BELAY_EXHAUSTIVE)
{
    BELAY_CHECK_EQ(belay_await_callback(calls_at_once, NULL, NULL), VALUE);
    BELAY_CHECK_EQ(belay_await_callback(begins_nothing, NULL, NULL), -ENODEV);
}

static int
calls_twice(void *arg, belay_await *await)
{
    (void)arg;
    belay_await_done(await, VALUE);
    belay_await_done(await, VALUE);
    return 0;
}

BELAY_TEST(a_second_callback_is_a_misuse, .expect = BELAY_FINDS_MISUSE)
{
    belay_ignore(belay_await_callback(calls_twice, NULL, NULL),
        "it does not come back");
}
