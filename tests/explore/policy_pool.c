/* SPDX-License-Identifier: MIT */
/*
 * The pool in every schedule: never more items than allowed, none lost and
 * none given to two, every slot back whatever is cut or fails, and the order
 * of those who wait.
 */
#include <belay/pool.h>
#include <belay/sync.h>
#include <belay/task.h>
#include <belay/test.h>

enum { AT_MOST = 8 };

/* What the items are made by; it knows all of them. */
struct works {
    belay_pool *pool;
    struct thing {
        bool open, used;
        bool bad; /* its next check fails */
    } things[64];
    unsigned n, open, most;
    belay_dur slow;  /* each open, check and close */
    int fail;        /* opening fails with this */
    unsigned checks;
    int order[AT_MOST], served;
};

static int
works_open(void *arg, void **item)
{
    struct works *w = arg;
    int r;

    w->open++; /* counts from the beginning of the opening */
    BELAY_CHECK(w->open <= w->most);
    r = w->slow > 0 ? belay_sleep(w->slow) : 0;
    if (r == 0)
        r = w->fail;
    if (r < 0) {
        w->open--;
        return r;
    }
    BELAY_CHECK(w->n < 64);
    w->things[w->n].open = true;
    *item = &w->things[w->n++];
    return 0;
}

static void
works_close(void *arg, void *item)
{
    struct works *w = arg;
    struct thing *t = item;

    BELAY_CHECK(t->open && !t->used);
    if (w->slow > 0)
        BELAY_CHECK_EQ(belay_sleep(w->slow), 0); /* no cut comes here */
    t->open = false;
    w->open--;
}

static int
works_check(void *arg, void *item)
{
    struct works *w = arg;
    struct thing *t = item;

    BELAY_CHECK(t->open && !t->used);
    w->checks++;
    if (w->slow > 0)
        BELAY_TRY(belay_sleep(w->slow));
    return t->bad ? -EPIPE : 0;
}

static int
works_start(struct works *w, belay_pool_opts opts)
{
    opts.size = sizeof opts;
    opts.open = works_open;
    opts.close = works_close;
    opts.check = works_check;
    opts.arg = w;
    w->most = opts.max;
    return belay_pool_open_at(&w->pool, &opts, BELAY_SITE_("works"));
}

static void
works_end(struct works *w)
{
    belay_pool_info info;

    belay_pool_stats(w->pool, &info);
    BELAY_CHECK_EQ(info.taken, 0);
    BELAY_CHECK_EQ(info.idle, w->open);
    belay_pool_close(&w->pool);
    BELAY_CHECK(w->pool == NULL);
    BELAY_CHECK_EQ(w->open, 0);
}

BELAY_TASK(use, (struct works *, w), (int, who), (bool, breaks))
{
    BELAY_LEASE(lease);
    struct thing *t;

    BELAY_TRY(belay_pool_take(w->pool, &lease));
    t = lease.item;
    BELAY_CHECK(t->open && !t->used);
    t->used = true;
    if (w->served < AT_MOST)
        w->order[w->served++] = who;
    belay_ignore(belay_sleep(BELAY_MS(1)), "the explorer cuts here");
    t->used = false;
    belay_pool_put(&lease, breaks);
    BELAY_CHECK(lease.item == NULL);
    return 0;
}

static void
use_by(struct works *w, int n, bool breaks)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        for (int i = 0; i < n; i++)
            belay_spawn(s, use, w, i, breaks);
    }
    BELAY_CHECK(err == 0 || belay_test_disturbed());
    BELAY_CHECK(w->served == n || belay_test_disturbed());
}

BELAY_TEST(no_more_items_than_allowed, .strategy = BELAY_EXHAUSTIVE)
{
    struct works w = {.n = 0};

    BELAY_CHECK_EQ(works_start(&w, (belay_pool_opts){.max = 2}), 0);
    use_by(&w, 3, false);
    BELAY_CHECK(w.n <= 2);
    works_end(&w);
}

BELAY_TEST(broken_items_are_replaced, .strategy = BELAY_EXHAUSTIVE)
{
    struct works w = {.slow = BELAY_MS(1)};

    BELAY_CHECK_EQ(works_start(&w, (belay_pool_opts){.max = 1}), 0);
    use_by(&w, 2, true);
    BELAY_CHECK_EQ(w.n, 2);
    BELAY_CHECK_EQ(w.open, 0);
    works_end(&w);
}

BELAY_TEST(first_come_first_served, .strategy = BELAY_FIFO)
{
    struct works w = {.slow = BELAY_MS(5)};
    int err;

    BELAY_CHECK_EQ(works_start(&w, (belay_pool_opts){.max = 1}), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        for (int i = 0; i < 4; i++) {
            belay_spawn(s, use, &w, i, i % 2 == 0);
            BELAY_CHECK_EQ(belay_sleep(BELAY_US(10)), 0);
        }
    }
    BELAY_CHECK_EQ(err, 0);
    for (int i = 0; i < 4; i++)
        BELAY_CHECK_EQ(w.order[i], i);
    works_end(&w);
}

/* ---- one after the other -------------------------------------------- */

static struct thing *
take(struct works *w, belay_lease *lease)
{
    BELAY_CHECK_EQ(belay_pool_take(w->pool, lease), 0);
    return lease->item;
}

BELAY_TEST(the_item_used_last_is_used_next, .strategy = BELAY_EXHAUSTIVE)
{
    struct works w = {.n = 0};
    belay_lease a = {0}, b = {0};
    struct thing *second;

    BELAY_CHECK_EQ(works_start(&w, (belay_pool_opts){.max = 3}), 0);
    take(&w, &a);
    second = take(&w, &b);
    belay_pool_put(&a, false);
    belay_pool_put(&b, false);
    BELAY_CHECK(take(&w, &a) == second);
    belay_pool_put(&a, false);
    belay_pool_put(&a, false); /* holds nothing: no mistake */
    BELAY_CHECK_EQ(w.n, 2);
    works_end(&w);
}

BELAY_TEST(a_bad_item_is_closed_and_the_next_one_looked_at,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct works w = {.n = 0};
    belay_lease a = {0}, b = {0};
    struct thing *first;

    BELAY_CHECK_EQ(works_start(&w, (belay_pool_opts){.max = 2}), 0);
    first = take(&w, &a);
    take(&w, &b)->bad = true;
    belay_pool_put(&a, false);
    belay_pool_put(&b, false);
    BELAY_CHECK(take(&w, &a) == first);
    BELAY_CHECK_EQ(w.checks, 2);
    BELAY_CHECK_EQ(w.open, 1);
    belay_pool_put(&a, false);
    works_end(&w);
}

BELAY_TEST(what_was_just_used_need_not_be_checked,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct works w = {.n = 0};
    belay_lease a = {0};

    BELAY_CHECK_EQ(
        works_start(&w,
            (belay_pool_opts){.max = 1, .check_after = BELAY_MS(10)}), 0);
    take(&w, &a);
    belay_pool_put(&a, false);
    BELAY_CHECK_EQ(belay_sleep(BELAY_MS(9)), 0);
    take(&w, &a);
    BELAY_CHECK_EQ(w.checks, 0);
    belay_pool_put(&a, false);
    BELAY_CHECK_EQ(belay_sleep(BELAY_MS(10)), 0);
    take(&w, &a);
    BELAY_CHECK_EQ(w.checks, 1);
    belay_pool_put(&a, false);
    works_end(&w);
}

BELAY_TEST(old_items_are_closed, .strategy = BELAY_EXHAUSTIVE)
{
    struct works w = {.n = 0};
    belay_lease a = {0}, b = {0}, c = {0};

    BELAY_CHECK_EQ(
        works_start(&w,
            (belay_pool_opts){.max = 3, .max_age = BELAY_MS(10)}), 0);
    take(&w, &a);
    take(&w, &b);
    belay_pool_put(&a, false);
    BELAY_CHECK_EQ(belay_sleep(BELAY_MS(6)), 0);
    take(&w, &a);
    take(&w, &c);
    belay_pool_put(&a, false);
    BELAY_CHECK_EQ(belay_sleep(BELAY_MS(6)), 0);
    belay_pool_put(&c, false); /* finds the first one too old */
    BELAY_CHECK_EQ(w.open, 2);
    belay_pool_put(&b, false); /* is too old itself */
    BELAY_CHECK_EQ(w.open, 1);
    BELAY_CHECK_EQ(belay_sleep(BELAY_MS(6)), 0);
    take(&w, &a); /* the third one is too old by now */
    BELAY_CHECK_EQ(w.n, 4);
    BELAY_CHECK_EQ(w.open, 1);
    belay_pool_put(&a, false);
    works_end(&w);
}

BELAY_TEST(only_so_many_stay_idle, .strategy = BELAY_EXHAUSTIVE)
{
    struct works w = {.n = 0};
    belay_lease a = {0}, b = {0};

    BELAY_CHECK_EQ(
        works_start(&w, (belay_pool_opts){.max = 2, .max_idle = 1}), 0);
    take(&w, &a);
    take(&w, &b);
    belay_pool_put(&a, false);
    belay_pool_put(&b, false);
    BELAY_CHECK_EQ(w.open, 1);
    works_end(&w);
}

BELAY_TEST(a_failed_open_costs_no_slot, .strategy = BELAY_EXHAUSTIVE)
{
    struct works w = {.fail = -ECONNREFUSED};
    belay_lease a = {0};

    BELAY_CHECK_EQ(works_start(&w, (belay_pool_opts){.max = 1}), 0);
    for (int i = 0; i < 3; i++)
        BELAY_CHECK_EQ(belay_pool_take(w.pool, &a), -ECONNREFUSED);
    BELAY_CHECK(a.item == NULL);
    w.fail = 0;
    take(&w, &a);
    belay_pool_put(&a, false);
    works_end(&w);
}

/* ---- cuts ----------------------------------------------------------- */

static int
take_and_leave(struct works *w)
{
    BELAY_LEASE(lease);

    BELAY_TRY(belay_pool_take(w->pool, &lease));
    return BELAY_FAIL(-EIO, "left without a put");
}

BELAY_TEST(what_is_left_is_broken, .strategy = BELAY_EXHAUSTIVE)
{
    struct works w = {.n = 0};

    BELAY_CHECK_EQ(works_start(&w, (belay_pool_opts){.max = 1}), 0);
    BELAY_CHECK_EQ(take_and_leave(&w), -EIO);
    BELAY_CHECK_EQ(w.n, 1);
    BELAY_CHECK_EQ(w.open, 0);
    works_end(&w);
}

/* The deadline falls into the first check; that item is closed though it is
 * good, and the others are left alone. */
BELAY_TEST(a_check_that_is_cut_closes_the_item, .strategy = BELAY_EXHAUSTIVE)
{
    struct works w = {.slow = BELAY_MS(10)};
    belay_lease a = {0}, b = {0};
    struct thing *first;

    BELAY_CHECK_EQ(works_start(&w, (belay_pool_opts){.max = 2}), 0);
    first = take(&w, &a);
    take(&w, &b);
    belay_pool_put(&a, false);
    belay_pool_put(&b, false);
    BELAY_CHECK_EQ(
        BELAY_WITHIN(BELAY_MS(5), belay_pool_take(w.pool, &a)), -ETIME);
    BELAY_CHECK(a.item == NULL);
    BELAY_CHECK_EQ(w.open, 1);
    BELAY_CHECK_EQ(w.checks, 1);
    BELAY_CHECK(take(&w, &a) == first);
    belay_pool_put(&a, false);
    works_end(&w);
}

BELAY_TEST(a_cut_anywhere_loses_no_slot, .cancel_everywhere = true,
    .fail_allocs = true, .schedules = 600)
{
    struct works w = {.slow = BELAY_MS(1)};
    int r = works_start(&w, (belay_pool_opts){.max = 2});

    BELAY_CHECK(r == 0 || (r == -ENOMEM && belay_test_disturbed()));
    if (r < 0)
        return;
    use_by(&w, 4, false);
    works_end(&w);
}

BELAY_TEST(a_cut_anywhere_loses_no_broken_item, .cancel_everywhere = true,
    .schedules = 600)
{
    struct works w = {.slow = BELAY_MS(1)};

    BELAY_CHECK_EQ(works_start(&w, (belay_pool_opts){.max = 1}), 0);
    use_by(&w, 3, true);
    works_end(&w);
}

/* ---- two workers ---------------------------------------------------- */

BELAY_TASK(use_plain, (belay_pool *, p))
{
    BELAY_LEASE(lease);

    BELAY_TRY(belay_pool_take(p, &lease));
    ++*(int *)lease.item; /* nobody else has it */
    belay_pool_put(&lease, false);
    return 0;
}

static int
shared_open(void *arg, void **item)
{
    *item = arg;
    return 0;
}

BELAY_TEST(workers_share_a_pool, .workers = 2, .atomic = true,
    .schedules = 2000)
{
    int uses = 0, err;
    belay_pool *p;

    BELAY_CHECK_EQ(
        belay_pool_open(&p, .open = shared_open, .arg = &uses, .max = 1), 0);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_with(s, (.worker = 1), use_plain, p);
        belay_spawn_with(s, (.worker = 2), use_plain, p);
        belay_spawn_with(s, (.worker = 2), use_plain, p);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK_EQ(uses, 3);
    belay_pool_close(&p);
}

/* ---- mistakes ------------------------------------------------------- */

BELAY_TEST(a_pool_with_items_out_cannot_be_closed, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    struct works w = {.n = 0};
    belay_lease a = {0};

    BELAY_CHECK_EQ(works_start(&w, (belay_pool_opts){.max = 1}), 0);
    take(&w, &a);
    belay_pool_close(&w.pool);
}

BELAY_TEST(a_lease_holds_one_item, .strategy = BELAY_FIFO,
    .expect = BELAY_FINDS_MISUSE)
{
    struct works w = {.n = 0};
    belay_lease a = {0};

    BELAY_CHECK_EQ(works_start(&w, (belay_pool_opts){.max = 2}), 0);
    take(&w, &a);
    take(&w, &a);
}
