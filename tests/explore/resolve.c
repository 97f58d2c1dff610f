/* SPDX-License-Identifier: MIT */
/*
 * Looking up names: one lookup for all who ask at the same time, answers that
 * are remembered for so long and no longer, tasks that are cut while name
 * servers hang, and nothing left of it.
 */
#include <belay/net.h>
#include <belay/run.h>
#include <belay/test.h>

#include "core/lane.h"
#include "sim/names.h"

#include <stdio.h>
#include <string.h>

enum { MANY = 3 };

struct asked {
    int got;
    belay_addr addrs[4];
};

BELAY_TASK(ask, (const char *, name), (struct asked *, out))
{
    out->got = belay_resolve(name, out->addrs, 4);
    return out->got < 0 ? out->got : 0;
}

static void
check_addr(const belay_addr *a, const char *text)
{
    char buf[BELAY_ADDR_TEXT];

    BELAY_CHECK(strcmp(belay_addr_format(a, buf, sizeof buf), text) == 0);
}

BELAY_TEST(numbers_are_not_looked_up, .strategy = BELAY_FIFO)
{
    belay_addr a[2];

    BELAY_CHECK_EQ(belay_resolve("10.1.2.3:80", a, 2), 1);
    check_addr(&a[0], "10.1.2.3:80");
    BELAY_CHECK_EQ(belay_resolve("[fd00::1]:80", a, 2), 1);
    check_addr(&a[0], "[fd00::1]:80");
    BELAY_CHECK_EQ(belay_resolve("unix:/x", a, 2), 1);
    check_addr(&a[0], "unix:/x");
    BELAY_CHECK(bly_worker_here->rt->lanes[BLY_LANE_DNS] == NULL);
    BELAY_CHECK_EQ(belay_resolve("10.1.2.3:80", a, 0), -EINVAL);
    BELAY_CHECK_EQ(belay_resolve("[a.test]:80", a, 1), -EINVAL);
    BELAY_CHECK_EQ(belay_resolve("a.test", a, 1), -EINVAL);
    BELAY_CHECK_EQ(bly_sim_names_asked("a.test"), 0);
}

BELAY_TEST(a_name_gives_its_addresses, .strategy = BELAY_FIFO)
{
    belay_addr a[4];

    belay_test_host("a.test", "10.0.0.1 fd00::2 10.0.0.3", 0);
    BELAY_CHECK_EQ(belay_resolve("a.test:80", a, 4), 3);
    check_addr(&a[0], "10.0.0.1:80");
    check_addr(&a[1], "[fd00::2]:80");
    check_addr(&a[2], "10.0.0.3:80");
    BELAY_CHECK_EQ(belay_resolve("A.Test:81", a, 2), 2); /* the same name */
    check_addr(&a[1], "[fd00::2]:81");
    BELAY_CHECK_EQ(bly_sim_names_asked("a.test"), 1);
    BELAY_CHECK_EQ(belay_resolve("localhost:1", a, 4), 2);
}

BELAY_TEST(failures_name_the_name, .strategy = BELAY_FIFO)
{
    char name[300];
    belay_addr a;

    belay_test_host("mute.test", NULL, BELAY_S(20));
    BELAY_CHECK_EQ(belay_resolve("none.test:80", &a, 1), -ENOENT);
    BELAY_CHECK(strstr(belay_why(), "no address for 'none.test'") != NULL);
    BELAY_CHECK_EQ(belay_resolve("mute.test:80", &a, 1), -EAGAIN);
    BELAY_CHECK(strstr(belay_why(), "'mute.test'") != NULL);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(20));
    (void)memset(name, 'x', sizeof name);
    (void)memcpy(name + 290, ":80", 4);
    BELAY_CHECK_EQ(belay_resolve(name, &a, 1), -ENAMETOOLONG);
}

static void
many_ask(void)
{
    static const char *const names[MANY] = {"a.test:1", "A.test:2",
        "a.test:3"};
    struct asked out[MANY];
    int err, i;

    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < MANY; i++)
            belay_spawn(s, ask, names[i], &out[i]);
    }
    if (err != 0) {
        BELAY_CHECK(belay_test_disturbed());
        return;
    }
    for (i = 0; i < MANY; i++) {
        BELAY_CHECK_EQ(out[i].got, 2);
        BELAY_CHECK_EQ(belay_addr_port(&out[i].addrs[0]), i + 1);
        BELAY_CHECK_EQ(belay_addr_port(&out[i].addrs[1]), i + 1);
    }
}

/* Whether it takes a while or none at all. */
BELAY_TEST(who_asks_at_the_same_time_asks_once, .schedules = 3000,
    .workers = 2, .atomic = true)
{
    belay_test_host("a.test", "10.0.0.1 10.0.0.2",
        belay_test_choose(2) * BELAY_S(1));
    many_ask();
    BELAY_CHECK_EQ(bly_sim_names_asked("a.test"), 1);
}

BELAY_TEST(whatever_goes_wrong_nobody_hangs, .schedules = 1000, .workers = 2,
    .cancel_everywhere = true, .fail_allocs = true)
{
    belay_test_host("a.test", "10.0.0.1 10.0.0.2",
        belay_test_choose(2) * BELAY_S(1));
    many_ask();
}

BELAY_TEST(answers_are_kept_for_so_long, .strategy = BELAY_FIFO)
{
    belay_addr a;

    belay_test_host("a.test", "10.0.0.1", 0);
    BELAY_CHECK_EQ(belay_resolve("a.test:1", &a, 1), 1);
    BELAY_CHECK_EQ(belay_resolve("none.test:1", &a, 1), -ENOENT);
    belay_test_host("a.test", "10.0.0.2", 0);
    belay_test_host("none.test", "10.0.0.3", 0);
    BELAY_CHECK_EQ(belay_sleep(BELAY_S(5) - 1), 0);
    BELAY_CHECK_EQ(belay_resolve("none.test:1", &a, 1), -ENOENT);
    BELAY_CHECK_EQ(belay_sleep(1), 0);
    BELAY_CHECK_EQ(belay_resolve("none.test:1", &a, 1), 1);
    check_addr(&a, "10.0.0.3:1");
    BELAY_CHECK_EQ(belay_sleep(BELAY_S(55) - 1), 0);
    BELAY_CHECK_EQ(belay_resolve("a.test:1", &a, 1), 1);
    check_addr(&a, "10.0.0.1:1");
    BELAY_CHECK_EQ(belay_sleep(1), 0);
    BELAY_CHECK_EQ(belay_resolve("a.test:1", &a, 1), 1);
    check_addr(&a, "10.0.0.2:1");
    BELAY_CHECK_EQ(bly_sim_names_asked("a.test"), 2);
}

/* The oldest answers go. */
BELAY_TEST(the_table_has_a_bound, .strategy = BELAY_FIFO)
{
    char name[32];
    belay_addr a;
    int i;

    for (i = 0; i <= 256; i++) {
        (void)snprintf(name, sizeof name, "n%d.test:1", i);
        BELAY_CHECK_EQ(belay_resolve(name, &a, 1), -ENOENT);
    }
    BELAY_CHECK_EQ(belay_resolve("n1.test:1", &a, 1), -ENOENT);
    BELAY_CHECK_EQ(belay_resolve("n0.test:1", &a, 1), -ENOENT);
    BELAY_CHECK_EQ(bly_sim_names_asked("n1.test"), 1);
    BELAY_CHECK_EQ(bly_sim_names_asked("n0.test"), 2);
}

/* A deadline is kept, and the answer that comes too late is not lost. */
BELAY_TEST(name_servers_hang, .schedules = 500, .workers = 2)
{
    belay_addr a;

    belay_test_host("slow.test", "10.0.0.1", BELAY_S(30));
    BELAY_CHECK_EQ(
        BELAY_WITHIN(BELAY_S(2), belay_resolve("slow.test:1", &a, 1)), -ETIME);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(2));
    BELAY_CHECK_EQ(
        BELAY_WITHIN(BELAY_S(2), belay_resolve("slow.test:1", &a, 1)), -ETIME);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(4));
    BELAY_CHECK_EQ(belay_resolve("slow.test:1", &a, 1), 1);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(30));
    BELAY_CHECK_EQ(bly_sim_names_asked("slow.test"), 1);
}

/* Who asked is cut, at any point; who waits for the same has it all the same,
 * by the lookup that is under way or by one of its own. */
BELAY_TEST(who_asked_goes_away, .schedules = 3000, .workers = 2,
    .atomic = true)
{
    struct asked first, second;
    int err, outer;

    belay_test_host("a.test", "10.0.0.1", BELAY_S(1));
    BELAY_SCOPE_CATCH(s, &outer) {
        BELAY_SCOPE_CATCH(cut, &err) {
            belay_spawn(cut, ask, "a.test:1", &first);
            belay_spawn(s, ask, "a.test:2", &second);
            belay_cancel(cut, "test");
        }
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK(first.got == -ECANCELED || first.got == 1);
    BELAY_CHECK_EQ(second.got, 1);
    BELAY_CHECK(bly_sim_names_asked("a.test") <= 2);
}

/* The lane has one thread, which hangs; a lookup that never began is begun by
 * the next one. */
BELAY_TEST(who_asked_goes_away_before_its_turn, .schedules = 1000,
    .workers = 2)
{
    struct asked busy, first, second;
    int err, outer;

    bly_worker_here->rt->lane_max[BLY_LANE_DNS] = 1;
    belay_test_host("busy.test", "10.0.0.1", BELAY_S(9));
    belay_test_host("a.test", "10.0.0.1", 0);
    BELAY_SCOPE_CATCH(s, &outer) {
        belay_spawn(s, ask, "busy.test:1", &busy);
        BELAY_CHECK_EQ(belay_sleep(BELAY_S(1)), 0);
        BELAY_SCOPE_CATCH(cut, &err) {
            belay_spawn(cut, ask, "a.test:1", &first);
            BELAY_CHECK_EQ(belay_sleep(BELAY_S(1)), 0);
            belay_spawn(s, ask, "a.test:2", &second);
            BELAY_CHECK_EQ(belay_sleep(BELAY_S(1)), 0);
            belay_cancel(cut, "test");
        }
        BELAY_CHECK_EQ(first.got, -ECANCELED);
    }
    BELAY_CHECK_EQ(outer, 0);
    BELAY_CHECK_EQ(second.got, 1);
    BELAY_CHECK_EQ(bly_sim_names_asked("a.test"), 1);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_S(9));
}

BELAY_TASK(leaves_a_lookup_behind)
{
    belay_addr a;
    int r = BELAY_WITHIN(BELAY_S(1), belay_resolve("slow.test:1", &a, 1));

    return r == -ETIME || r == 1 ? 0 : -EPROTO;
}

/* The thread comes back when the runtime is gone, or going. */
BELAY_TEST(a_lookup_outlives_its_runtime, .schedules = 2000, .threads = true,
    .atomic = true)
{
    uint32_t word = 0;
    int64_t late = BELAY_S(1) + (int64_t)belay_test_choose(2);

    belay_test_host("slow.test", "10.0.0.1", late);
    BELAY_CHECK_EQ(belay_run(leaves_a_lookup_behind), 0);
    bly_os_futex_wait(&word, 0, bly_os_now() + BELAY_S(9));
}
