/* SPDX-License-Identifier: MIT */
/* What select asks of a case, with cases of our own: order, locks, chance. */
#include "sync/select.h"

#include <check.h>
#include <errno.h>

enum { THINGS = 5 };

struct thing {
    struct bly_gate gate;
    bool ready;
    int refusals; /* so often it cannot be done after all */
    int result;
    int taken;
};

static struct thing things[THINGS];

static struct bly_gate *
thing_gate(const belay_case *c)
{
    return &((struct thing *)c->belay_on)->gate;
}

/* Everything is locked whenever a case is asked. */
static void
all_locked(const struct bly_arm *a)
{
    (void)a;
    for (int i = 0; i < THINGS; i++)
        ck_assert_uint_eq(things[i].gate.lock.held, 1);
}

static bool
thing_ready(struct bly_arm *a)
{
    all_locked(a);
    return ((struct thing *)a->c->belay_on)->ready;
}

static int
thing_take(struct bly_arm *a, struct bly_batch *b)
{
    struct thing *x = a->c->belay_on;

    (void)b;
    all_locked(a);
    if (x->refusals-- > 0) {
        x->ready = false;
        return BLY_CASE_WAIT;
    }
    x->taken++;
    return x->result;
}

static const struct bly_case_ops thing_ops = {
    .verb = "thing",
    .gate = thing_gate,
    .ready = thing_ready,
    .take = thing_take,
};

static void
prepare(void)
{
    for (int i = 0; i < THINGS; i++)
        /* Some gates have never been numbered. */
        things[i] = (struct thing){
            .gate.id = i < 3 ? (uint32_t)(10 - i) : 0, .result = 100 + i};
}

/* Asks all things, each twice, in the order that start gives. */
static int
ask(int start, int *r)
{
    belay_case cases[2 * THINGS + 1] = {{0}};
    belay_case_room room[2 * THINGS + 1];
    int i, which;

    for (i = 0; i < 2 * THINGS; i++)
        cases[i + 1] = (belay_case){.belay_ops = &thing_ops,
            .belay_on = &things[(start + i) % THINGS]};
    which = belay_try_select_at(r, cases, room, 2 * THINGS + 1, NULL);
    for (i = 0; i < THINGS; i++)
        ck_assert_uint_eq(things[i].gate.lock.held, 0);
    return which < 0 ? which : (start + which - 1) % THINGS;
}

START_TEST(each_gate_is_locked_once)
{
    for (int start = 0; start < THINGS; start++) {
        int r = 7;

        ck_assert_int_eq(ask(start, &r), -EAGAIN);
        ck_assert_int_eq(r, -EAGAIN);
    }
}
END_TEST

START_TEST(the_case_that_is_ready_is_done_once)
{
    for (int k = 0; k < THINGS; k++) {
        int r;

        prepare();
        things[k].ready = true;
        ck_assert_int_eq(ask(k + 2, &r), k);
        ck_assert_int_eq(r, 100 + k);
        ck_assert_int_eq(ask(1, NULL), k);
        ck_assert_int_eq(things[k].taken, 2);
    }
}
END_TEST

/* A peer that was a select, and is being ended elsewhere. */
START_TEST(one_that_cannot_be_done_after_all)
{
    int r;

    things[1].ready = things[3].ready = true;
    things[1].refusals = 1;
    ck_assert_int_eq(ask(1, &r), 3);
    ck_assert_int_eq(things[1].taken, 0);
    things[3].ready = false;
    things[1].ready = true;
    things[1].refusals = 1;
    ck_assert_int_eq(ask(1, &r), -EAGAIN);
}
END_TEST

START_TEST(time_and_nothing)
{
    belay_case_room room[2];
    belay_case none[2] = {{0}};
    belay_case soon[2] = {belay_case_after(1), belay_case_after(0)};
    int r = 7;

    ck_assert_int_eq(belay_try_select_at(&r, none, room, 2, NULL), -EINVAL);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_int_eq(belay_try_select_at(&r, soon, room, 2, NULL), 1);
    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(belay_try_select_at(&r, soon, room, 1, NULL), -EAGAIN);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("select");
    TCase *t = tcase_create("select");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, prepare, NULL);
    tcase_add_test(t, each_gate_is_locked_once);
    tcase_add_test(t, the_case_that_is_ready_is_done_once);
    tcase_add_test(t, one_that_cannot_be_done_after_all);
    tcase_add_test(t, time_and_nothing);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
