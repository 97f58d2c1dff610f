/* SPDX-License-Identifier: MIT */
/*
 * Random trees of tasks on several real workers, with failures, cancels,
 * deadlines, shields and meetings at random places.  Whatever happens, each
 * task that was started must have ended when its scope's brace is passed, and
 * a result is one of those that can be.
 */
#include <belay.h>

#include <check.h>
#include <stdlib.h>

#if defined(__SANITIZE_THREAD__)
enum { ROUNDS = 30, DEPTH = 4 };
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
enum { ROUNDS = 30, DEPTH = 4 };
#else
enum { ROUNDS = 100, DEPTH = 5 };
#endif
#else
enum { ROUNDS = 100, DEPTH = 5 };
#endif

typedef BELAY_CHAN(int) int_chan;

/* One round; shared by all of its tasks, on all workers. */
struct world {
    int started, ended; /* atomic */
    int_chan meet;
    belay_mutex lock;
    long guarded; /* under lock */
    long entries; /* atomic: how often it was raised */
};

static uint32_t
next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static int
raise_guarded(struct world *w)
{
    BELAY_TRY(belay_mutex_lock(&w->lock));
    w->guarded++;
    __atomic_fetch_add(&w->entries, 1, __ATOMIC_RELAXED);
    belay_mutex_unlock(&w->lock);
    return 0;
}

static int
meet(struct world *w, uint32_t *seed)
{
    int v, r;

    if (next(seed) % 2)
        r = BELAY_WITHIN(BELAY_MS(2), belay_send(&w->meet, 1));
    else
        r = BELAY_WITHIN(BELAY_MS(2), belay_recv(&w->meet, &v));
    /* Having met nobody in time is no failure; being cut is. */
    return r == -ETIME ? belay_cancelled() : r < 0 ? r : 0;
}

static int
shielded(struct world *w)
{
    BELAY_SHIELD(BELAY_S(5));
    BELAY_TRY(raise_guarded(w));
    return belay_yield();
}

BELAY_TASK_AHEAD(node, (struct world *, w), (uint32_t, seed), (int, depth));

static int
branch(struct world *w, uint32_t *seed, int depth)
{
    belay_policy policy = next(seed) % 3 ? BELAY_FAIL_FAST : BELAY_COLLECT;
    uint32_t i, n = 1 + next(seed) % 5;

    BELAY_SCOPE(s, .policy = policy,
        .timeout = next(seed) % 32 ? 0 : BELAY_MS(1)) {
        for (i = 0; i < n; i++)
            belay_spawn(s, node, w, next(seed) | 1, depth - 1);
        if (next(seed) % 64 == 0)
            belay_cancel(s, "by chance");
        if (next(seed) % 64 == 0)
            return -EAGAIN; /* leaves early */
        if (next(seed) % 4 == 0)
            BELAY_TRY(belay_yield());
    }
    return 0;
}

static int
act(struct world *w, uint32_t *seed, int depth)
{
    switch (next(seed) % 8) {
    case 0:
        return belay_sleep(BELAY_US(next(seed) % 300));
    case 1:
        return meet(w, seed);
    case 2:
        return shielded(w);
    case 3:
        return belay_yield();
    case 4:
        return next(seed) % 64 ? 0 : BELAY_FAIL(-EIO, "by chance");
    default:
        return depth > 0 ? branch(w, seed, depth) : raise_guarded(w);
    }
}

BELAY_TASK_LATER(node, (struct world *, w), (uint32_t, seed), (int, depth))
{
    int i, r = 0;

    __atomic_fetch_add(&w->started, 1, __ATOMIC_RELAXED);
    for (i = 0; i < 4 && r == 0; i++)
        r = act(w, &seed, depth);
    __atomic_fetch_add(&w->ended, 1, __ATOMIC_RELAXED);
    return r;
}

static bool
is_possible(int r)
{
    return r == 0 || r == -EIO || r == -ECANCELED || r == -ETIME ||
        r == -EAGAIN;
}

BELAY_TASK(rounds, (int, count), (uint32_t, seed))
{
    int i, err;

    for (i = 0; i < count; i++) {
        struct world w = {.lock = BELAY_MUTEX_INIT};

        BELAY_TRY(belay_chan_open(&w.meet, 0));
        BELAY_SCOPE_CATCH(s, &err) {
            belay_spawn(s, node, &w, next(&seed) | 1, DEPTH);
            belay_spawn(s, node, &w, next(&seed) | 1, DEPTH);
        }
        belay_chan_free(&w.meet);
        ck_assert_msg(is_possible(err), "a scope's result is %d", err);
        ck_assert_int_eq(w.started, w.ended);
        ck_assert_int_ge(w.started, 2);
        ck_assert_int_eq(w.guarded, w.entries);
    }
    return 0;
}

START_TEST(everything_comes_home)
{
    belay_run_opts opts = {.size = sizeof opts, .workers = (unsigned)_i};
    struct rounds_is_no_BELAY_TASK args = {0, ROUNDS, (uint32_t)_i * 77777};
    int r = belay_run_at(BELAY_TYPE_(rounds), &args, &opts,
        BELAY_SITE_("rounds"));

    ck_assert_int_eq(r, 0);
}
END_TEST

/* ---- a long chain ------------------------------------------------------- */

/* Each waits for the next to be ready; none ever is.  The last cuts them. */
BELAY_TASK_AHEAD(chain, (belay_scope *, all), (int *, ended), (int, left));
BELAY_TASK_LATER(chain, (belay_scope *, all), (int *, ended), (int, left))
{
    int r = 0, err;

    if (left == 0) {
        belay_cancel(all, "the chain is complete");
        return belay_sleep(BELAY_S(1000));
    }
    BELAY_SCOPE_CATCH(s, &err)
        r = belay_spawn_ready(s, chain, all, ended, left - 1);
    ++*ended;
    return r;
}

BELAY_TASK(cuts_chain, (int *, ended), (int, length))
{
    int err;

    BELAY_SCOPE_CATCH(s, &err)
        belay_spawn(s, chain, s, ended, length);
    return err;
}

/* A cut goes along the chain on one stack, which is shorter than that. */
START_TEST(a_cut_reaches_the_end_of_a_long_chain)
{
    enum { LENGTH = 4000 };
    int ended = 0;

    ck_assert_int_eq(belay_run_with((.workers = 1), cuts_chain, &ended,
        (int)LENGTH), -ECANCELED);
    ck_assert_int_eq(ended, LENGTH);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("tree");
    TCase *t = tcase_create("tree");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_loop_test(t, everything_comes_home, 1, 5);
    tcase_add_test(t, a_cut_reaches_the_end_of_a_long_chain);
    tcase_set_timeout(t, 50);
    suite_add_tcase(s, t);
    srunner_set_tap(r, "-");
    srunner_run_all(r, CK_SILENT);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
