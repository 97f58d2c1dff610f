/* SPDX-License-Identifier: MIT */
/* Stacks: what is given out, how its end is guarded, when memory goes back. */
#include "core/stack.h"

#include "arch/ctx.h"
#include "os/os.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

static struct bly_stack_pool pool;
static struct bly_stacks cache;

static void
setup(void)
{
    bly_stack_pool_init(&pool);
    bly_stacks_init(&cache, &pool);
}

static void
teardown(void)
{
    bly_stacks_fini(&cache);
    bly_stack_pool_fini(&pool);
}

static struct bly_stack *
get(size_t want)
{
    struct bly_stack *s = bly_stack_get(&cache, want);

    ck_assert_ptr_nonnull(s);
    return s;
}

static char *
top_of(const struct bly_stack *s)
{
    return s->low + s->size;
}

static bool
resident(const char *p)
{
    size_t page = bly_os_page_size();
    unsigned char there = 0;

    ck_assert_int_eq(
        mincore((void *)((uintptr_t)p & ~(page - 1)), page, &there), 0);
    return there & 1;
}

static long
lines_of_maps(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    long n = 0;
    int c;

    ck_assert_ptr_nonnull(f);
    while ((c = getc(f)) != EOF)
        n += c == '\n';
    fclose(f);
    return n;
}

static long
resident_pages(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long size, pages;

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%ld %ld", &size, &pages), 2);
    fclose(f);
    return pages;
}

START_TEST(all_of_it_is_usable)
{
    static const size_t wants[] = {0, 1, 1024, 1025, 5000, 65536, 100000,
        131072, 500000, 1 << 20, 3 << 20, 20 << 20, 100};
    enum { N = sizeof(wants) / sizeof(wants[0]) };
    struct bly_stack *s[2 * N];

    for (size_t i = 0; i < 2 * N; i++) {
        s[i] = get(wants[i / 2]);
        ck_assert_uint_ge(s[i]->size, wants[i / 2]);
        ck_assert_uint_eq((uintptr_t)top_of(s[i]) % 16, 0);
        ck_assert_ptr_null(s[i]->owner);
        /* Above the canary, if there is one. */
        memset(s[i]->low + 8, (int)i + 1, s[i]->size - 8);
    }
    for (size_t i = 0; i < 2 * N; i++) {
        ck_assert_int_eq(s[i]->low[8], (int)i + 1);
        ck_assert_int_eq(top_of(s[i])[-1], (int)i + 1);
        bly_stack_put(&cache, s[i]);
    }
    ck_assert_ptr_null(bly_stack_get(&cache, (size_t)3 << 30));
}
END_TEST

START_TEST(last_freed_is_next)
{
    struct bly_stack *a = get(0), *b = get(0);

    a->owner = &cache;
    bly_stack_put(&cache, b);
    bly_stack_put(&cache, a);
    ck_assert_ptr_eq(get(0), a);
    ck_assert_ptr_null(a->owner);
    ck_assert_ptr_eq(get(0), b);
}
END_TEST

START_TEST(tops_have_colours)
{
    size_t page = bly_os_page_size();
    bool seen[64] = {false};
    int colours = 0;

    for (int i = 0; i < 64; i++) {
        size_t line = (uintptr_t)top_of(get(0)) % page / 64;

        ck_assert_uint_eq((uintptr_t)top_of(get(0)) % 64, 0);
        colours += line < 64 && !seen[line];
        seen[line % 64] = true;
    }
    ck_assert_int_ge(colours, 16);
}
END_TEST

/* With the system's own answer, not a sanitizer's. */
static void
touch(char *p)
{
    signal(SIGSEGV, SIG_DFL);
    *(volatile char *)p = 1;
}

static void
touch_guard(enum bly_stack_mode mode, size_t want)
{
    pool.mode = mode;
    char *low = get(want)->low;

    low[0] = 1; /* the last byte that is ours */
    if (pool.mode != mode) {
        printf("# skipped: this kernel has no %s\n",
            bly_stack_mode_name(mode));
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    touch(low - 1);
}

START_TEST(guard_normal)
{
    touch_guard(BLY_STACK_GUARD, 0);
}
END_TEST

START_TEST(guard_large)
{
    touch_guard(BLY_STACK_GUARD, 500000);
}
END_TEST

START_TEST(guard_custom)
{
    touch_guard(BLY_STACK_GUARD, 20 << 20);
}
END_TEST

START_TEST(guard_mprotect)
{
    touch_guard(BLY_STACK_MPROTECT, 0);
}
END_TEST

/* Those at the end of the last slab too. */
START_TEST(guard_of_the_last)
{
    char *low = NULL;

    for (int i = 0; i < 126; i++)
        low = get(0)->low;
    touch(low - 1);
}
END_TEST

static void
expect_found(struct bly_stack *s)
{
    size_t page = bly_os_page_size();
    bool guard;

    ck_assert_ptr_eq(bly_stack_find(s->low, &guard), s);
    ck_assert(!guard);
    ck_assert_ptr_eq(bly_stack_find(top_of(s) - 1, &guard), s);
    ck_assert(!guard);
    if (s->class == BLY_STACK_SMALL)
        return;
    ck_assert_ptr_eq(bly_stack_find(s->low - 1, &guard), s);
    ck_assert(guard);
    ck_assert_ptr_eq(bly_stack_find(s->low - page, &guard), s);
    ck_assert(guard);
    ck_assert(bly_stack_find(s->low - page - 1, &guard) != s);
    ck_assert(bly_stack_find(top_of(s) + 4096, &guard) != s);
}

START_TEST(found_by_address)
{
    bool guard;

    expect_found(get(40 << 20));
    for (int i = 0; i < 300; i++)
        expect_found(get(0));
    expect_found(get(500000));
    expect_found(get(20 << 20));
    expect_found(get(1));
    ck_assert_ptr_null(bly_stack_find(&guard, &guard));
    ck_assert_ptr_null(bly_stack_find(NULL, &guard));
    ck_assert_ptr_null(bly_stack_find(&pool, &guard));
    ck_assert_ptr_null(bly_stack_find((void *)UINTPTR_MAX, &guard));
    ck_assert_ptr_null(
        bly_stack_find((void *)((uintptr_t)get(0) & ~0xffffffu), &guard));
}
END_TEST

START_TEST(unknown_after_the_pool)
{
    struct bly_stack_pool other;
    struct bly_stacks c;
    bool guard;

    bly_stack_pool_init(&other);
    bly_stacks_init(&c, &other);
    struct bly_stack *s = bly_stack_get(&c, 0);
    char *low = s->low;
    ck_assert_ptr_eq(bly_stack_find(low, &guard), s);
    bly_stack_put(&c, s);
    bly_stacks_fini(&c);
    bly_stack_pool_fini(&other);
    ck_assert_ptr_null(bly_stack_find(low, &guard));
    expect_found(get(0));
}
END_TEST

enum { MANY = 20000 };

static struct bly_stack *many[MANY];
static char *lows[MANY];

static void
get_many(int n, size_t want)
{
    for (int i = 0; i < n; i++) {
        many[i] = get(want);
        top_of(many[i])[-8] = 1;
    }
}

/* What a million needs is what 20,000 need, fifty times. */
START_TEST(parked_stack_costs_a_page)
{
    get_many(200, 0);
    long maps = lines_of_maps();
    long pages = resident_pages();

    get_many(MANY, 0);
    pages = resident_pages() - pages;
    maps = lines_of_maps() - maps;
    if (pool.mode != BLY_STACK_GUARD || BLY_SANITIZE || RUNNING_ON_VALGRIND) {
        printf("# skipped: %s, or instrumented\n",
            bly_stack_mode_name(pool.mode));
        return;
    }
    ck_assert_int_le(maps, 8);
    ck_assert_uint_le(
        (size_t)pages * bly_os_page_size() / MANY, bly_os_page_size() + 64);
}
END_TEST

START_TEST(freed_memory_goes_back)
{
    enum { KEPT = BLY_STACK_HOT_MAX + 512 + 32 };
    int left = 0;

    get_many(MANY / 4, 0);
    for (int i = 0; i < MANY / 4; i++)
        bly_stack_put(&cache, many[i]);
    while (bly_stacks_tend(&cache, false))
        continue;
    for (int i = 0; i < MANY / 4; i++)
        left += resident(top_of(many[i]) - 8);
    /* ThreadSanitizer keeps something in them. */
    if (!BLY_TSAN)
        ck_assert_int_le(left, KEPT);
}
END_TEST

/* What was cleared is given out again, each once and guarded. */
START_TEST(cleared_stacks_serve_again)
{
    for (int round = 0; round < 3; round++) {
        get_many(3000, 0);
        for (int i = 0; i < 3000; i++) {
            ck_assert_ptr_null(many[i]->owner);
            many[i]->owner = &many[i];
        }
        for (int i = 0; i < 3000; i++)
            ck_assert_ptr_eq(many[i]->owner, &many[i]);
        for (int i = 0; i < 3000; i++)
            bly_stack_put(&cache, many[i]);
    }
    ck_assert_uint_eq(pool.narenas, BLY_SANITIZE ? 3 : 2);
    touch(many[1500]->low - 1);
}
END_TEST

START_TEST(without_guards_a_check)
{
    bool tool = BLY_SANITIZE || RUNNING_ON_VALGRIND;

    pool.mode = BLY_STACK_MPROTECT;
    get_many(tool ? 1000 : 15200, 0);
    if (tool) /* which could not follow so many mappings */
        pool.mode = BLY_STACK_CANARY;
    get_many(200, 0);
    ck_assert_int_eq((int)bly_stack_mode(&pool), BLY_STACK_CANARY);
    struct bly_stack *s = many[199];
    char *sp = top_of(s) - 100;

    ck_assert(s->watched);
    ck_assert(!resident(s->low));
    ck_assert(bly_stack_check(s, sp));
    s->low[20] = 1;
    ck_assert(!bly_stack_check(s, sp));
}
END_TEST

START_TEST(small_ones_are_packed)
{
    many[0] = get(1);
    bly_stack_put(&cache, many[0]);
    if (many[0]->class != BLY_STACK_SMALL) {
        printf("# skipped: frames are larger in this build\n");
        return;
    }
    get_many(MANY, 1024);
    char *low = many[0]->low, *high = many[0]->low;
    for (int i = 0; i < MANY; i++) {
        low = many[i]->low < low ? many[i]->low : low;
        high = many[i]->low > high ? many[i]->low : high;
        memset(many[i]->low + 8, 1, 1016);
        ck_assert(bly_stack_check(many[i], top_of(many[i]) - 200));
        lows[i] = many[i]->low;
    }
    ck_assert_uint_le((size_t)(high - low) / (MANY - 1), 1075);
    many[7]->low[3] ^= 1;
    ck_assert(!bly_stack_check(many[7], top_of(many[7]) - 200));
    many[7]->low[3] ^= 1;
    for (int i = 0; i < MANY; i++)
        bly_stack_put(&cache, many[i]);
    int left = 0;
    for (int i = 0; i < MANY; i++)
        left += resident(lows[i]);
    ck_assert_int_lt(left, MANY / 2);
    get_many(MANY, 1024);
    for (int i = 0; i < MANY; i++)
        ck_assert(bly_stack_check(many[i], top_of(many[i]) - 200));
}
END_TEST

START_TEST(check_sees_the_stack_pointer)
{
    struct bly_stack *s = get(0);

    ck_assert(bly_stack_check(s, top_of(s) - 300));
    ck_assert_uint_eq(bly_stack_high_water(s), 288);
    ck_assert(bly_stack_check(s, s->low));
    ck_assert_uint_ge(bly_stack_high_water(s), s->size - 15);
    ck_assert(!bly_stack_check(s, s->low - 1));
    ck_assert(!bly_stack_check(s, top_of(s) + 1));
}
END_TEST

START_TEST(high_water_shows_in_memory)
{
    struct bly_stack *s = get(0);

    ck_assert_uint_eq(bly_stack_high_water(s), 0);
    top_of(s)[-50000] = 1;
    /* Valgrind would find fault with looking at words; pages will do. */
    ck_assert_uint_ge(bly_stack_high_water(s), 50000);
    ck_assert_uint_lt(bly_stack_high_water(s),
        RUNNING_ON_VALGRIND ? 50000 + bly_os_page_size() : 50008);
    ck_assert(bly_stack_check(s, top_of(s) - 200));
    bly_stack_trim(s, top_of(s) - 200);
    ck_assert(!resident(top_of(s) - 50000));
    ck_assert_uint_lt(bly_stack_high_water(s), 50000);
}
END_TEST

START_TEST(trim_leaves_what_is_in_use)
{
    struct bly_stack *s = get(0);

    memset(s->low, 7, s->size);
    bly_stack_trim(s, top_of(s) - 9000);
    for (size_t i = 1; i <= 9000 + 128; i++)
        ck_assert_int_eq(top_of(s)[-(ptrdiff_t)i], 7);
    ck_assert(!resident(top_of(s) - 9000 - 2 * bly_os_page_size()));
    bly_stack_trim(s, s->low + 10); /* nothing to give */
    ck_assert_int_eq(top_of(s)[-9000], 7);
}
END_TEST

START_TEST(custom_is_used_again)
{
    struct bly_stack *s = get(5 << 20);

    s->low[0] = 1;
    bly_stack_put(&cache, s);
    ck_assert_ptr_ne(get(2 << 20), s); /* it would be wasted on this */
    ck_assert_ptr_eq(get(4 << 20), s);
    ck_assert_ptr_ne(get(4 << 20), s);
}
END_TEST

START_TEST(no_more_address_space)
{
    struct rlimit limit;
    int n = 0;

    if (BLY_SANITIZE || RUNNING_ON_VALGRIND) {
        printf("# skipped: the process is larger than any limit\n");
        return;
    }
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = (rlim_t)400 << 20;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    while (n < MANY && (many[n] = bly_stack_get(&cache, 0)) != NULL)
        n++;
    ck_assert_int_gt(n, 500);
    ck_assert_int_lt(n, 3200);
    ck_assert_ptr_null(bly_stack_get(&cache, 0));
    ck_assert_ptr_null(bly_stack_get(&cache, 300 << 20));
    bly_stack_put(&cache, many[5]);
    ck_assert_ptr_eq(bly_stack_get(&cache, 0), many[5]);
}
END_TEST

static void *
get_and_put(void *arg)
{
    struct bly_stacks c;
    struct bly_stack *held[400];
    static const size_t wants[] = {0, 0, 1, 0, 300000};

    bly_stacks_init(&c, &pool);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 400; i++) {
            held[i] = bly_stack_get(&c, wants[i % 5]);
            ck_assert_ptr_nonnull(held[i]);
            ck_assert_ptr_null(held[i]->owner);
            held[i]->owner = arg;
            top_of(held[i])[-100] = 1;
        }
        for (int i = 0; i < 400; i++) {
            struct bly_stack *s = held[(i * 7 + round) % 400];

            ck_assert_ptr_eq(s->owner, arg);
            bly_stack_put(&c, s);
        }
        (void)bly_stacks_tend(&c, false);
    }
    bly_stacks_fini(&c);
    return NULL;
}

START_TEST(threads_share_the_pool)
{
    pthread_t t[4];
    char names[4];

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(
            pthread_create(&t[i], NULL, get_and_put, &names[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    /* Nothing was lost: the same stacks still suffice. */
    ck_assert_uint_le(pool.narenas, BLY_SANITIZE ? 3 : 2);
}
END_TEST

static void
add_guards(TCase *t)
{
    tcase_add_test_raise_signal(t, guard_normal, SIGSEGV);
    tcase_add_test_raise_signal(t, guard_large, SIGSEGV);
    tcase_add_test_raise_signal(t, guard_custom, SIGSEGV);
    tcase_add_test_raise_signal(t, guard_mprotect, SIGSEGV);
    tcase_add_test_raise_signal(t, guard_of_the_last, SIGSEGV);
    tcase_add_test_raise_signal(t, cleared_stacks_serve_again, SIGSEGV);
}

int
main(void)
{
    Suite *s = suite_create("stack");
    TCase *t = tcase_create("stack");
    SRunner *r = srunner_create(s);

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, all_of_it_is_usable);
    tcase_add_test(t, last_freed_is_next);
    tcase_add_test(t, tops_have_colours);
    add_guards(t);
    tcase_add_test(t, found_by_address);
    tcase_add_test(t, unknown_after_the_pool);
    tcase_add_test(t, parked_stack_costs_a_page);
    tcase_add_test(t, freed_memory_goes_back);
    tcase_add_test(t, without_guards_a_check);
    tcase_add_test(t, small_ones_are_packed);
    tcase_add_test(t, check_sees_the_stack_pointer);
    tcase_add_test(t, high_water_shows_in_memory);
    tcase_add_test(t, trim_leaves_what_is_in_use);
    tcase_add_test(t, custom_is_used_again);
    tcase_add_test(t, no_more_address_space);
    tcase_add_test(t, threads_share_the_pool);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
