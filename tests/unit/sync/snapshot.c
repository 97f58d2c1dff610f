/* SPDX-License-Identifier: MIT */
/* belay_snapshot: which version a view shows, and when a version goes. */
#include <belay/frozen.h>

#include "base/atomic.h"
#include "base/compiler.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Each says of itself whether it has been dropped. */
struct config {
    int number;
    int twice; /* number * 2 while it lives */
    int dropped;
};

typedef BELAY_SNAPSHOT(struct config) snapshot;

static snapshot current;
static struct config a = {1, 2, 0}, b = {2, 4, 0};

static void
drop(void *arg)
{
    struct config *c = arg;

    c->dropped++;
    c->twice = -1;
}

static void
prepare(void)
{
    memset(&current, 0, sizeof(current));
    a = (struct config){1, 2, 0};
    b = (struct config){2, 4, 0};
}

static void
publish(struct config *c)
{
    ck_assert_int_eq(belay_publish(&current, c, drop, c), 0);
}

START_TEST(empty)
{
    BELAY_VIEW(&current, p);

    ck_assert_ptr_null(p);
    belay_snapshot_clear(&current.belay_base_);
}
END_TEST

START_TEST(newest_is_shown)
{
    publish(&a);
    {
        BELAY_VIEW(&current, p);

        ck_assert_ptr_eq(p, &a);
    }
    ck_assert_int_eq(a.dropped, 0); /* still the newest */
    publish(&b);
    ck_assert_int_eq(a.dropped, 1); /* nobody had it */
    {
        BELAY_VIEW(&current, p);

        ck_assert_ptr_eq(p, &b);
    }
    belay_snapshot_clear(&current.belay_base_);
    ck_assert_int_eq(b.dropped, 1);
    BELAY_VIEW(&current, p);
    ck_assert_ptr_null(p);
}
END_TEST

START_TEST(last_view_drops)
{
    belay_view v[3];

    publish(&a);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_eq(belay_view_open(&v[i], &current.belay_base_), &a);
    belay_view_close(&v[1]); /* before it is replaced */
    publish(&b);
    belay_view_close(&v[0]);
    belay_view_close(&v[0]); /* twice: nothing */
    ck_assert_int_eq(a.dropped, 0);
    ck_assert_int_eq(((const struct config *)v[2].value)->twice, 2);
    belay_view_close(&v[2]);
    ck_assert_int_eq(a.dropped, 1);
    belay_snapshot_clear(&current.belay_base_);
}
END_TEST

START_TEST(no_drop_wanted)
{
    ck_assert_int_eq(belay_publish(&current, &a, NULL, NULL), 0);
    publish(&b);
    ck_assert_int_eq(a.dropped, 0);
    belay_snapshot_clear(&current.belay_base_);
}
END_TEST

START_TEST(replace)
{
    struct config c = {3, 6, 0};
    belay_snapshot *s = &current.belay_base_;
    belay_view none, old;

    ck_assert_ptr_null(belay_view_open(&none, s));
    ck_assert_int_eq(belay_snapshot_replace(s, &none, &a, drop, &a), 0);
    ck_assert_int_eq(
        belay_snapshot_replace(s, &none, &b, drop, &b), -EAGAIN);
    ck_assert_int_eq(b.dropped, 0); /* it was not taken */
    ck_assert_ptr_eq(belay_view_open(&old, s), &a);
    ck_assert_int_eq(belay_snapshot_replace(s, &old, &b, drop, &b), 0);
    ck_assert_int_eq(
        belay_snapshot_replace(s, &old, &c, drop, &c), -EAGAIN);
    ck_assert_int_eq(a.dropped, 0);
    belay_view_close(&old);
    ck_assert_int_eq(a.dropped, 1);
    belay_snapshot_clear(s);
    ck_assert_int_eq(b.dropped, 1);
}
END_TEST

/* More views than 16 bits can count, one after the other and all at once. */
START_TEST(very_many_views)
{
    enum { MANY = 200 * 1000 };
    belay_view *v = calloc(MANY, sizeof(*v));

    ck_assert_ptr_nonnull(v);
    publish(&a);
    for (int i = 0; i < MANY; i++)
        ck_assert_ptr_eq(belay_view_open(&v[i], &current.belay_base_), &a);
    for (int i = 0; i < MANY; i++) {
        BELAY_VIEW(&current, p);

        ck_assert_ptr_eq(p, &a);
    }
    for (int i = 0; i < MANY / 2; i++)
        belay_view_close(&v[i]);
    ck_assert_int_eq(a.dropped, 0);
    publish(&b);
    for (int i = MANY / 2; i < MANY; i++) {
        ck_assert_int_eq(a.dropped, 0);
        belay_view_close(&v[i]);
    }
    ck_assert_int_eq(a.dropped, 1);
    belay_snapshot_clear(&current.belay_base_);
    free(v);
}
END_TEST

START_TEST(empty_views_are_not_counted)
{
    for (int i = 0; i < 200 * 1000; i++) {
        BELAY_VIEW(&current, p);

        ck_assert_ptr_null(p);
    }
    publish(&a);
    {
        BELAY_VIEW(&current, p);

        ck_assert_ptr_eq(p, &a);
    }
    belay_snapshot_clear(&current.belay_base_);
    ck_assert_int_eq(a.dropped, 1);
}
END_TEST

/* ---- real threads ------------------------------------------------------- */

enum { READERS = 2, WRITERS = 2, VERSIONS = 20000 };

static uint32_t writers_left = WRITERS;
static uint32_t drops;

static void
drop_for_good(void *arg)
{
    struct config *c = arg;

    c->twice = -1;
    bly_fetch_add(&drops, 1u); /* counted once per version */
    free(c);
}

static void *
writer(void *arg)
{
    (void)arg;
    for (int i = 0; i < VERSIONS; i++) {
        struct config *c = malloc(sizeof(*c));

        if (c == NULL)
            abort();
        *c = (struct config){i, i * 2, 0};
        if (belay_publish(&current, c, drop_for_good, c) < 0)
            abort();
    }
    bly_fetch_add(&writers_left, UINT32_MAX); /* pairs with reader */
    return NULL;
}

static void *
reader(void *torn)
{
    while (bly_load_acquire(&writers_left) > 0) { /* pairs with writer */
        BELAY_VIEW(&current, p);

        if (p != NULL && p->twice != p->number * 2)
            ++*(int *)torn;
    }
    return NULL;
}

START_TEST(readers_and_writers)
{
    pthread_t id[READERS + WRITERS];
    int torn[READERS] = {0};

    for (int i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_create(&id[i], NULL, reader, &torn[i]), 0);
    for (int i = 0; i < WRITERS; i++)
        ck_assert_int_eq(
            pthread_create(&id[READERS + i], NULL, writer, NULL), 0);
    for (int i = 0; i < READERS + WRITERS; i++)
        ck_assert_int_eq(pthread_join(id[i], NULL), 0);
    for (int i = 0; i < READERS; i++)
        ck_assert_int_eq(torn[i], 0);
    ck_assert_uint_eq(drops, WRITERS * VERSIONS - 1); /* all but the newest */
    belay_snapshot_clear(&current.belay_base_);
    ck_assert_uint_eq(drops, WRITERS * VERSIONS);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("snapshot");
    TCase *t = tcase_create("snapshot");
    SRunner *r = srunner_create(s);

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, prepare, NULL);
    tcase_add_test(t, empty);
    tcase_add_test(t, newest_is_shown);
    tcase_add_test(t, last_view_drops);
    tcase_add_test(t, no_drop_wanted);
    tcase_add_test(t, replace);
    tcase_add_test(t, very_many_views);
    tcase_add_test(t, empty_views_are_not_counted);
    tcase_add_test(t, readers_and_writers);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
