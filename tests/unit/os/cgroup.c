/* SPDX-License-Identifier: MIT */
/* os/cgroup.h over hierarchies that the tests make up in a directory. */
#include "os/cgroup.h"

#include <check.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char root[64], membership[128];

/* Writes text to the file at path below the root, making directories. */
static void
put(const char *path, const char *text)
{
    char full[512];
    FILE *f;

    (void)snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        (void)mkdir(full, 0700);
        *p = '/';
    }
    f = fopen(full, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static void
prepare(void)
{
    (void)snprintf(root, sizeof(root), "/tmp/belay-cgroup-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    (void)snprintf(membership, sizeof(membership), "%s/self", root);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static void
finish(void)
{
    (void)nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static unsigned
cpus(void)
{
    return bly_cgroup_cpus(membership, root);
}

START_TEST(nothing_there)
{
    ck_assert_uint_eq(cpus(), UINT_MAX);
    put("/self", "0::/\n");
    ck_assert_uint_eq(cpus(), UINT_MAX);
    put("/self", "nonsense\n7\n3:cpu\n::\n");
    ck_assert_uint_eq(cpus(), UINT_MAX);
}
END_TEST

START_TEST(version_2)
{
    static const struct {
        const char *text;
        unsigned cpus;
    } table[] = {
        {"max 100000\n", UINT_MAX}, {"100000 100000\n", 1},
        {"100001 100000\n", 2}, {"150000 100000\n", 2},
        {"200000 100000\n", 2}, {"1000 100000\n", 1}, {"250 100\n", 3},
        {"0 100000\n", UINT_MAX}, {"100000 0\n", UINT_MAX},
        {"100000\n", UINT_MAX}, {"", UINT_MAX},
    };

    put("/self", "0::/user/app\n");
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        put("/user/app/cpu.max", table[i].text);
        ck_assert_uint_eq(cpus(), table[i].cpus);
    }
}
END_TEST

START_TEST(the_smallest_on_the_way_counts)
{
    put("/self", "0::/a/b/c\n");
    put("/a/b/c/cpu.max", "800000 100000\n");
    put("/a/b/cpu.max", "max 100000\n");
    put("/a/cpu.max", "300000 100000\n");
    ck_assert_uint_eq(cpus(), 3);
    put("/cpu.max", "200000 100000\n");
    ck_assert_uint_eq(cpus(), 2);
    put("/a/b/c/cpu.max", "50000 100000\n");
    ck_assert_uint_eq(cpus(), 1);
    put("/self", "0::/\n"); /* in a namespace, only the root is seen */
    ck_assert_uint_eq(cpus(), 2);
}
END_TEST

START_TEST(path_of_the_host)
{
    put("/self", "0::/docker/0123456789abcdef\n");
    put("/cpu.max", "400000 100000\n");
    ck_assert_uint_eq(cpus(), 4);
}
END_TEST

START_TEST(version_1)
{
    put("/self", "12:cpuset:/app\n4:cpu,cpuacct:/app\n1:name=systemd:/x\n");
    put("/cpu,cpuacct/app/cpu.cfs_quota_us", "-1\n");
    put("/cpu,cpuacct/app/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(cpus(), UINT_MAX);
    put("/cpu,cpuacct/app/cpu.cfs_quota_us", "250000\n");
    ck_assert_uint_eq(cpus(), 3);
    put("/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
    ck_assert_uint_eq(cpus(), 3); /* half a pair says nothing */
    put("/cpu,cpuacct/cpu.cfs_period_us", "50000\n");
    ck_assert_uint_eq(cpus(), 1);
}
END_TEST

/* cpuset and cpuacct begin with the same three letters. */
START_TEST(only_the_cpu_controller)
{
    put("/self", "3:cpuset:/\n2:cpuacct:/\n5:memory:/\n");
    put("/cpuset/cpu.cfs_quota_us", "100000\n");
    put("/cpuset/cpu.cfs_period_us", "100000\n");
    put("/cpuacct/cpu.cfs_quota_us", "100000\n");
    put("/cpuacct/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(cpus(), UINT_MAX);
    put("/self", "3:cpuset:/\n2:cpuacct,cpu:/");
    put("/cpuacct,cpu/cpu.cfs_quota_us", "700000\n");
    put("/cpuacct,cpu/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(cpus(), 7);
}
END_TEST

START_TEST(both_versions)
{
    put("/self", "4:cpu:/app\n0::/app\n");
    put("/cpu/app/cpu.cfs_quota_us", "200000\n");
    put("/cpu/app/cpu.cfs_period_us", "100000\n");
    put("/app/cpu.max", "300000 100000\n");
    ck_assert_uint_eq(cpus(), 2);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("cgroup");
    TCase *t = tcase_create("cgroup");
    SRunner *r = srunner_create(s);

    tcase_add_checked_fixture(t, prepare, finish);
    tcase_add_test(t, nothing_there);
    tcase_add_test(t, version_2);
    tcase_add_test(t, the_smallest_on_the_way_counts);
    tcase_add_test(t, path_of_the_host);
    tcase_add_test(t, version_1);
    tcase_add_test(t, only_the_cpu_controller);
    tcase_add_test(t, both_versions);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
