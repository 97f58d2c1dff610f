/* SPDX-License-Identifier: MIT */
/*
 * The four promises over trees that chance grows: scopes of all kinds inside
 * each other, which end, fail, are left, cancelled and run out of time.  There
 * is one code that a task of these trees fails with, so that each scope knows
 * what it has to answer: that, if a failure was not told to anybody.
 */
#include "rules.h"

#include <string.h>

enum { TREE_WIDTH = 3, TREE_CODE = -EIO };

/* One scope and its children; in the frame of its owner. */
struct bough {
    int live;    /* atomic: children that were spawned and have not ended */
    int untold;  /* atomic: of their failures, those that count */
    int deferred;
    int tagged;
};

static int
tree_get(int *p)
{
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void
tree_add(int *p, int n)
{
    __atomic_add_fetch(p, n, __ATOMIC_SEQ_CST);
}

BELAY_TASK_AHEAD(grows, (struct bough *, on), (int, depth), (bool, counts));

/* A leaf: waits, works behind a shield, or fails, on being cut or by itself. */
static int
tree_leaf(void)
{
    switch (belay_test_choose(4)) {
    case 0:
        return 0;
    case 1:
        return belay_sleep(belay_test_choose(3));
    case 2:
        return belay_sleep(2) < 0 ? TREE_CODE : 0;
    default: {
        BELAY_SHIELD(BELAY_S(1));
        BELAY_CHECK_EQ(belay_sleep(1), 0);
        return belay_test_choose(2) ? TREE_CODE : 0;
    }
    }
}

static void
tree_spawn(belay_scope *s, struct bough *b, belay_outcome *out, int depth)
{
    int r;

    tree_add(&b->live, 1);
    switch (belay_test_choose(4)) {
    case 0:
        r = belay_spawn_catch(s, out, grows, b, depth, false);
        BELAY_CHECK(r == 0 || out->err == r);
        break;
    case 1:
        r = belay_spawn_daemon(s, grows, b, depth, true);
        break;
    case 2:
        r = belay_spawn_tagged(s, 1, grows, b, depth, true);
        b->tagged += r == 0;
        break;
    default:
        r = belay_spawn(s, grows, b, depth, true);
    }
    if (r < 0) {
        BELAY_CHECK_EQ(r, -ECANCELED);
        tree_add(&b->live, -1);
    }
}

static int
tree_deferred(void *arg)
{
    struct bough *b = arg;

    BELAY_CHECK_EQ(tree_get(&b->live), 0); /* no task outlives its scope */
    BELAY_CHECK_EQ(belay_sleep(1), 0);     /* and clean-up may wait */
    b->deferred++;
    return 0;
}

/* The body of a scope; true: it is to be left early. */
static bool
tree_body(belay_scope *s, struct bough *b, belay_outcome *out, int depth)
{
    uint32_t i, n = 1 + belay_test_choose(TREE_WIDTH);

    BELAY_CHECK_EQ(belay_defer(s, tree_deferred, b), 0);
    for (i = 0; i < n; i++)
        tree_spawn(s, b, &out[i], depth);
    switch (belay_test_choose(5)) {
    case 0:
        belay_cancel(s, "by chance");
        return false;
    case 1:
        return belay_sleep(1) < 0;
    case 2:
        belay_stop(s, "by chance");
        return false;
    case 3:
        return true;
    default:
        return false;
    }
}

static int
tree_scope(struct bough *b, belay_outcome *out, int depth)
{
    BELAY_SCOPE(s, .policy = (belay_policy)belay_test_choose(2),
        .timeout = belay_test_choose(2), .grace = belay_test_choose(2)) {
        if (tree_body(s, b, out, depth))
            return 0;
    }
    return 1;
}

BELAY_TASK_LATER(grows, (struct bough *, on), (int, depth), (bool, counts))
{
    belay_outcome out[TREE_WIDTH];
    struct bough b;
    int r;

    if (depth == 0) {
        r = tree_leaf();
    } else {
        memset(&b, 0, sizeof b);
        r = tree_scope(&b, out, depth - 1);
        BELAY_CHECK_EQ(tree_get(&b.live), 0);
        BELAY_CHECK_EQ(b.deferred, 1);
        if (r == 0) /* left early: what nobody was told of is our failure */
            r = belay_take_failure();
        if (tree_get(&b.untold) > 0)
            BELAY_CHECK_EQ(r, TREE_CODE);
        else
            BELAY_CHECK(r >= 0 || r == -ECANCELED || r == -ETIME);
        if (r != TREE_CODE) /* cut by ourselves: that was no failure */
            r = belay_cancelled();
    }
    if (on != NULL) {
        if (r == TREE_CODE && counts)
            tree_add(&on->untold, 1);
        tree_add(&on->live, -1);
    }
    return r;
}

static void
grow(int depth)
{
    int err, i;

    for (i = 0; i < 2; i++) {
        BELAY_SCOPE_CATCH(s, &err) {
            belay_spawn(s, grows, NULL, depth, true);
        }
        BELAY_CHECK_EQ(belay_checkpoint(), 0);
        BELAY_CHECK(!belay_stopping());
    }
}

BELAY_TEST(promises_of_a_small_tree, .schedules = 6000)
{
    grow(2);
}

BELAY_TEST(promises_of_a_tree, .schedules = 3000)
{
    grow(3);
}

BELAY_TEST(promises_over_two_workers, .workers = 2, .schedules = 3000)
{
    grow(3);
}
