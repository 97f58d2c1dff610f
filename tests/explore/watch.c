/* SPDX-License-Identifier: MIT */
/* Who watches never misses the last value, and never sees an older one. */
#include <belay/broadcast.h>
#include <belay/test.h>

struct pair {
    int a, b; /* equal, unless a copy was torn */
};

typedef BELAY_WATCH(struct pair) pair_watch;

static bool
watch_open(pair_watch *w)
{
    if (belay_watch_open(w, "pair") == 0)
        return true;
    BELAY_CHECK(belay_test_disturbed());
    return false;
}

/* Watches until the end; *last is the newest value. */
static int
watch_all(pair_watch *w, int *last)
{
    uint64_t seen = 0, before = 0;
    struct pair p = {0};
    int r;

    while ((r = belay_watch_wait(w, &seen, &p)) > 0) {
        BELAY_CHECK_EQ(p.a, p.b);
        BELAY_CHECK(seen > before);
        BELAY_CHECK_EQ(p.a, seen);
        before = seen;
        *last = p.a;
    }
    BELAY_CHECK_EQ(seen, before);
    return r;
}

BELAY_TASK(watcher, (pair_watch *, w), (int *, last))
{
    int r = watch_all(w, last);

    return r == -EIO ? 0 : r;
}

BELAY_TASK(setter, (pair_watch *, w), (int, n))
{
    for (int i = 1; i <= n; i++) {
        BELAY_TRY(belay_watch_set(w, (struct pair){i, i}));
        BELAY_TRY(belay_yield());
    }
    belay_watch_close(w, -EIO);
    BELAY_CHECK_EQ(belay_watch_set(w, (struct pair){0, 0}), BELAY_ECLOSED);
    return 0;
}

static void
watch_and_set(int watchers, int n)
{
    int i, err, last[3] = {0};
    pair_watch w;

    if (!watch_open(&w))
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < watchers; i++)
            belay_spawn(s, watcher, &w, &last[i]);
        belay_spawn(s, setter, &w, n);
    }
    for (i = 0; i < watchers && !belay_test_disturbed(); i++)
        BELAY_CHECK_EQ(last[i], n);
    if (!belay_test_disturbed())
        BELAY_CHECK_EQ(err, 0);
    belay_watch_free(&w);
}

BELAY_TEST(nobody_misses_the_last_value, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .max_runs = 1000000)
{
    watch_and_set(2, 2);
}

BELAY_TEST(nobody_misses_it_until_cancelled, .cancel_everywhere = true,
    .fail_allocs = true, .schedules = 1000)
{
    watch_and_set(3, 3);
}

BELAY_TEST(nobody_misses_it_on_two_workers, .workers = 2, .atomic = true,
    .schedules = 3000)
{
    watch_and_set(2, 2);
}

/* ---- two things happen to one who watches ------------------------------- */

enum happening { SET, CLOSE, CANCEL, TIMEOUT, HAPPENINGS };

BELAY_TASK(sleeper, (pair_watch *, w), (belay_dur, patience), (bool, selects))
{
    BELAY_DEADLINE(patience);
    struct pair p = {-1, -1};
    uint64_t seen = 0;
    int r, which = 0;

    if (selects)
        which = belay_select(&r, BELAY_WATCH_WAIT(w, &seen, &p));
    else
        r = belay_watch_wait(w, &seen, &p);
    BELAY_CHECK(which == 0 || which == r);
    BELAY_CHECK_EQ(r == 1, seen > 0);
    BELAY_CHECK_EQ(r == 1, p.a > 0);
    BELAY_CHECK(r == 1 || r == -EIO || r == -ECANCELED || r == -ETIME);
    return 0;
}

BELAY_TASK(event, (pair_watch *, w), (belay_scope *, s),
    (enum happening, what), (int, v))
{
    belay_ignore(belay_sleep(BELAY_MS(1)), "at the same time as time");
    if (what == SET)
        belay_ignore(belay_watch_set(w, (struct pair){v, v}), "closed");
    if (what == CLOSE)
        belay_watch_close(w, -EIO);
    if (what == CANCEL)
        belay_cancel(s, "a test");
    return 0;
}

BELAY_TEST(two_happen_to_a_watcher, .strategy = BELAY_EXHAUSTIVE,
    .preemptions = 1, .max_runs = 1000000)
{
    enum happening x = belay_test_choose(HAPPENINGS);
    enum happening y = belay_test_choose(HAPPENINGS);
    belay_dur patience =
        x == TIMEOUT || y == TIMEOUT ? BELAY_MS(1) : BELAY_S(1);
    bool selects = belay_test_choose(2);
    pair_watch w;
    int err;

    if (x > y || !watch_open(&w))
        return;
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn(s, sleeper, &w, patience, selects);
        belay_spawn(s, event, &w, s, x, 1);
        belay_spawn(s, event, &w, s, y, 2);
    }
    belay_watch_free(&w);
}
