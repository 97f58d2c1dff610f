/* SPDX-License-Identifier: MIT */
/* os/replace.h: all of the new content or all of the old. */
#include "os/replace.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static const char *
path(const char *name)
{
    static char full[4][512];
    static int at;

    at = (at + 1) % 4;
    (void)snprintf(full[at], sizeof(full[at]), "%s/%s", root, name);
    return full[at];
}

static void
prepare(void)
{
    (void)snprintf(root, sizeof(root), "/tmp/belay-replace-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

/* Removes everything and returns how many files there were. */
static int
clear(void)
{
    DIR *dir = opendir(root);
    struct dirent *e;
    int n = 0;

    ck_assert_ptr_nonnull(dir);
    while ((e = readdir(dir)) != NULL)
        if (e->d_name[0] != '.') {
            (void)unlink(path(e->d_name));
            n++;
        }
    (void)closedir(dir);
    return n;
}

static void
finish(void)
{
    (void)clear();
    (void)rmdir(root);
}

static void
has(const char *name, const char *want)
{
    char text[64];
    FILE *f = fopen(path(name), "r");
    size_t n;

    ck_assert_ptr_nonnull(f);
    n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    (void)fclose(f);
    ck_assert_str_eq(text, want);
}

static int
replace(const char *name, const char *text)
{
    return bly_os_replace(path(name), text, strlen(text));
}

START_TEST(a_new_file)
{
    struct stat st;
    mode_t mask = umask(0027);

    ck_assert_int_eq(replace("a", "one"), 0);
    (void)umask(mask);
    has("a", "one");
    ck_assert_int_eq(stat(path("a"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0640);
    ck_assert_int_eq(clear(), 1);
}
END_TEST

START_TEST(an_old_file_keeps_its_mode)
{
    struct stat st;

    ck_assert_int_eq(replace("a", "one"), 0);
    ck_assert_int_eq(chmod(path("a"), 0604), 0);
    ck_assert_int_eq(replace("a", "two"), 0);
    has("a", "two");
    ck_assert_int_eq(stat(path("a"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0604);
    ck_assert_int_eq(clear(), 1);
}
END_TEST

/* Who has the old one open goes on reading it: it was not written over. */
START_TEST(the_old_file_is_not_touched)
{
    char text[8] = "";
    int fd;

    ck_assert_int_eq(replace("a", "one"), 0);
    fd = open(path("a"), O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(replace("a", "two!"), 0);
    ck_assert_int_eq(read(fd, text, sizeof(text) - 1), 3);
    ck_assert_str_eq(text, "one");
    (void)close(fd);
    has("a", "two!");
}
END_TEST

START_TEST(a_link_goes_on_leading_there)
{
    struct stat st;

    ck_assert_int_eq(replace("a", "one"), 0);
    ck_assert_int_eq(symlink("a", path("b")), 0);
    ck_assert_int_eq(replace("b", "two"), 0);
    has("a", "two");
    ck_assert_int_eq(lstat(path("b"), &st), 0);
    ck_assert(S_ISLNK(st.st_mode));
    ck_assert_int_eq(clear(), 2);
}
END_TEST

START_TEST(a_name_that_is_taken_is_passed_over)
{
    ck_assert_int_eq(replace("a.new0", "mine"), 0);
    ck_assert_int_eq(replace("a", "one"), 0);
    has("a", "one");
    has("a.new0", "mine");
    ck_assert_int_eq(clear(), 2);
}
END_TEST

START_TEST(a_pipe_is_written_to)
{
    char text[8] = "";
    int fd;

    ck_assert_int_eq(mkfifo(path("p"), 0600), 0);
    fd = open(path("p"), O_RDONLY | O_NONBLOCK);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(replace("p", "one"), 0);
    ck_assert_int_eq(read(fd, text, sizeof(text) - 1), 3);
    ck_assert_str_eq(text, "one");
    (void)close(fd);
    ck_assert_int_eq(clear(), 1);
}
END_TEST

START_TEST(failures_leave_everything)
{
    errno = EXDEV;
    ck_assert_int_eq(bly_os_replace("/dev/full", "one", 3), -ENOSPC);
    ck_assert_int_eq(bly_os_replace(root, "one", 3), -EISDIR);
    ck_assert_int_eq(replace("no/a", "one"), -ENOENT);
    ck_assert_int_eq(errno, EXDEV);
    ck_assert_int_eq(clear(), 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("replace");
    TCase *t = tcase_create("replace");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, prepare, finish);
    tcase_add_test(t, a_new_file);
    tcase_add_test(t, an_old_file_keeps_its_mode);
    tcase_add_test(t, the_old_file_is_not_touched);
    tcase_add_test(t, a_link_goes_on_leading_there);
    tcase_add_test(t, a_name_that_is_taken_is_passed_over);
    tcase_add_test(t, a_pipe_is_written_to);
    tcase_add_test(t, failures_leave_everything);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
