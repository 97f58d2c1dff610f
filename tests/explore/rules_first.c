/* SPDX-License-Identifier: MIT */
/* Rule 13: races, which the first success or the first end decides. */
#include "rules.h"

/* ---- who ran how far ---------------------------------------------------- */

struct runner {
    bool returned, discarded;
    int result;
};

struct race {
    struct runner r[3];
    int order[3], n;
};

/* Nothing is between the entry and the end of the task. */
BELAY_TASK(runs, (struct race *, race), (int, me), (int, turns), (int, result),
    (bool, deaf))
{
    int r = 0;

    while (turns-- > 0 && r == 0)
        r = belay_yield();
    r = r < 0 && !deaf ? r : result;
    race->r[me].returned = true;
    race->r[me].result = r;
    race->order[race->n++] = me;
    return r;
}

static void
runs_discard(void *args)
{
    struct runs_is_no_BELAY_TASK *a = args;

    BELAY_CHECK(a->race->r[a->me].returned);
    BELAY_CHECK(!a->race->r[a->me].discarded);
    a->race->r[a->me].discarded = true;
}

#define enter(s, race, me, turns, result, deaf)                                \
    belay_spawn_with(                                                          \
        s, (.discard = runs_discard), runs, race, me, turns, result, deaf)

/* How many successes somebody has to look after. */
static int
kept(const struct race *race)
{
    int i, n = 0;

    for (i = 0; i < 3; i++)
        n += race->r[i].returned && race->r[i].result >= 0 &&
            !race->r[i].discarded;
    return n;
}

static int
first_that(const struct race *race, bool success)
{
    int i;

    for (i = 0; i < race->n; i++)
        if ((race->r[race->order[i]].result >= 0) == success)
            return race->order[i];
    return -1;
}

/* ---- first-ok ----------------------------------------------------------- */

BELAY_TEST(rule_13_the_first_success_wins, .strategy = BELAY_EXHAUSTIVE)
{
    struct race race = {.n = 0};
    int err;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_OK) {
        enter(s, &race, 0, 1, 0, false);
        enter(s, &race, 1, 1, 5, true);
        enter(s, &race, 2, 0, -EIO, false);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(race.n, 3);
    BELAY_CHECK_EQ(kept(&race), 1);
    BELAY_CHECK(!race.r[first_that(&race, true)].discarded);
    BELAY_CHECK(!race.r[2].discarded);
}

BELAY_TEST(rule_13_the_winner_cuts_the_rest, .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_OK) {
        belay_spawn(s, until_cut, &got);
        belay_spawn(s, naps_then, BELAY_MS(1), -EIO);
        belay_spawn(s, naps_then, BELAY_MS(2), 4);
        belay_spawn(s, breaks_when_cut, -EPIPE);
        BELAY_CHECK_EQ(belay_sleep(BELAY_S(1)), -ECANCELED);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(2));
}

BELAY_TEST(rule_13_all_failed, .strategy = BELAY_EXHAUSTIVE)
{
    struct race race = {.n = 0};
    int err;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_OK) {
        enter(s, &race, 0, 1, -EIO, false);
        enter(s, &race, 1, 1, -EPIPE, false);
    }
    BELAY_CHECK_EQ(err, race.r[race.order[0]].result);
    BELAY_CHECK_EQ(race.n, 2);
}

/* Nobody has won, whoever knows of the failures. */
BELAY_TEST(rule_13_all_failed_and_all_were_told, .strategy = BELAY_EXHAUSTIVE)
{
    belay_outcome out;
    belay_done done;
    int err;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_OK) {
        belay_spawn_catch(s, &out, returns, -EIO);
    }
    BELAY_CHECK_EQ(out.err, -EIO);
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_OK) {
        belay_spawn_tagged(s, 1, returns, -EPIPE);
        BELAY_CHECK_EQ(belay_next(s, &done), 1);
        BELAY_CHECK_EQ(done.err, -EPIPE);
    }
    BELAY_CHECK_EQ(err, -EPIPE);
}

BELAY_TEST(rule_13_no_child, .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_OK) {
    }
    BELAY_CHECK_EQ(err, -ENOENT);
    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_OK) {
        belay_spawn_daemon(s, until_cut, &got); /* runs no race */
    }
    BELAY_CHECK_EQ(err, -ENOENT);
    BELAY_CHECK_EQ(got, -ECANCELED);
    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_OK) {
        belay_spawn_daemon(s, returns, 0);
        belay_spawn(s, naps_then, 1, -EIO);
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_DONE) {
    }
    BELAY_CHECK_EQ(err, 0);
}

/* A cut is no success, but what succeeds all the same is one. */
BELAY_TEST(rule_13_a_deadline_in_a_race, .strategy = BELAY_EXHAUSTIVE)
{
    int got = RULES_UNSET, err;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_OK,
        .timeout = BELAY_MS(1)) {
        belay_spawn(s, until_cut, &got);
    }
    BELAY_CHECK_EQ(err, -ETIME);
    BELAY_CHECK_EQ(got, -ETIME);
    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_OK,
        .timeout = BELAY_MS(1)) {
        belay_spawn(s, until_cut, &got);
        belay_spawn(s, stubborn, BELAY_MS(2), 6);
    }
    BELAY_CHECK_EQ(err, 0);
}

/* The discard is the loser's own, and the scope waits for it. */
struct loser {
    uint64_t task;
    bool discarded;
};

BELAY_TASK(loses, (struct loser *, l))
{
    l->task = belay_task_id();
    (void)!belay_sleep(BELAY_S(10000));
    return 1;
}

static void
loses_discard(void *args)
{
    struct loses_is_no_BELAY_TASK *a = args;

    BELAY_CHECK(belay_task_id() == a->l->task);
    a->l->discarded = true;
}

BELAY_TEST(rule_13_a_loser_discards_in_its_own_task,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct loser l = {0, false};
    belay_done done;
    int err, seen;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_OK) {
        belay_spawn_with(s,
            (.discard = loses_discard, .tagged = true, .tag = 2), loses, &l);
        belay_spawn_tagged(s, 1, returns, 0);
        for (seen = 0; seen < 2; seen++) {
            BELAY_CHECK_EQ(belay_next(s, &done), 1);
            BELAY_CHECK(done.tag == 1 || l.discarded);
        }
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK(l.discarded);
}

/* ---- first-done --------------------------------------------------------- */

BELAY_TEST(rule_13_the_first_end_decides, .strategy = BELAY_EXHAUSTIVE)
{
    struct race race = {.n = 0};
    int err, first;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_DONE) {
        enter(s, &race, 0, 1, 5, true);
        enter(s, &race, 1, 1, -EIO, false);
        enter(s, &race, 2, 1, -EPIPE, true);
    }
    BELAY_CHECK_EQ(race.n, 3);
    first = race.r[race.order[0]].result;
    BELAY_CHECK_EQ(err, first < 0 ? first : 0);
    BELAY_CHECK_EQ(kept(&race), first >= 0);
}

/* A failure decides, whoever is told of it. */
BELAY_TEST(rule_13_a_failure_decides, .strategy = BELAY_EXHAUSTIVE)
{
    int got[3] = {RULES_UNSET, RULES_UNSET, RULES_UNSET}, err;
    belay_outcome out;
    belay_done done;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_DONE) {
        belay_spawn(s, until_cut, &got[0]);
        belay_spawn(s, naps_then, 1, -EIO);
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK_EQ(got[0], -ECANCELED);
    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_DONE) {
        belay_spawn(s, until_cut, &got[1]);
        belay_spawn_tagged(s, 1, naps_then, 1, -EIO);
        BELAY_CHECK_EQ(belay_next(s, &done), 1);
        BELAY_CHECK_EQ(done.err, -EIO);
    }
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK_EQ(got[1], -ECANCELED);
    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_FIRST_DONE) {
        belay_spawn(s, until_cut, &got[2]);
        belay_spawn_catch(s, &out, naps_then, 1, -EIO);
    }
    BELAY_CHECK_EQ(err, -ECANCELED); /* cut by its policy: rule 3 */
    BELAY_CHECK_EQ(out.err, -EIO);
    BELAY_CHECK_EQ(got[2], -ECANCELED);
}

/* ---- nothing is lost ---------------------------------------------------- */

/* The result is success exactly if one success was kept for the owner. */
static void
disturbed_race(belay_policy policy)
{
    struct race race = {.n = 0};
    int err;

    BELAY_SCOPE_CATCH(s, &err, .policy = policy) {
        enter(s, &race, 0, 1, 4, true);
        enter(s, &race, 1, 1, 5, true);
    }
    BELAY_CHECK_EQ(kept(&race), err == 0);
    BELAY_CHECK(err == 0 || belay_test_disturbed());
}

BELAY_TEST(rule_13_first_ok_keeps_one_success, .strategy = BELAY_EXHAUSTIVE,
    .cancel_everywhere = true, .fail_allocs = true)
{
    disturbed_race(BELAY_FIRST_OK);
}

BELAY_TEST(rule_13_first_done_keeps_one_success,
    .strategy = BELAY_EXHAUSTIVE, .cancel_everywhere = true,
    .fail_allocs = true)
{
    disturbed_race(BELAY_FIRST_DONE);
}

/* Two that end at once on two workers: one wins. */
static void
parallel_race(belay_policy policy)
{
    struct race a = {.n = 0}, b = {.n = 0};
    int err;

    BELAY_SCOPE_CATCH(s, &err, .policy = policy) {
        belay_spawn_with(s, (.discard = runs_discard, .worker = 1), runs, &a,
            0, 0, 4, true);
        belay_spawn_with(s, (.discard = runs_discard, .worker = 2), runs, &b,
            0, 0, 5, true);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(kept(&a) + kept(&b), 1);
}

BELAY_TEST(rule_13_first_ok_over_two_workers, .workers = 2, .atomic = true,
    .schedules = 3000)
{
    parallel_race(BELAY_FIRST_OK);
}

BELAY_TEST(rule_13_first_done_over_two_workers, .workers = 2, .atomic = true,
    .schedules = 3000)
{
    parallel_race(BELAY_FIRST_DONE);
}
