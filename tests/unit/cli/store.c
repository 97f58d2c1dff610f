/* SPDX-License-Identifier: MIT */
/* cli/store.h: names appear with the whole content or not at all. */
#include "cli/store.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char base[] = "/tmp/belay-store-XXXXXX";
static char dir[100];
static struct store *st;

static void
opens(struct store_opts opts)
{
    ck_assert_int_eq(store_open(&st, dir, &opts), 0);
}

static void
begin(struct store_opts opts)
{
    ck_assert_ptr_nonnull(mkdtemp(base));
    snprintf(dir, sizeof dir, "%s/out", base); /* is made */
    opens(opts);
}

static void
end(void)
{
    char command[200];

    store_close(st);
    st = NULL;
    snprintf(command, sizeof command, "rm -r %s", base);
    ck_assert_int_eq(system(command), 0);
}

/* How many entries the directory has, hidden ones too. */
static int
entries(void)
{
    DIR *d = opendir(dir);
    int n = 0;

    ck_assert_ptr_nonnull(d);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n - 2;
}

static struct store_file
written(const char *text)
{
    struct store_file f = {false, -1, ""};

    ck_assert_int_eq(store_begin(st, &f), 0);
    ck_assert_int_eq(write(f.fd, text, strlen(text)), (int)strlen(text));
    return f;
}

static int
put(const char *name, const char *text)
{
    struct store_file f = written(text);
    int r = store_finish(st, &f, name);

    ck_assert(!f.open);
    return r;
}

static const char *
content(const char *name)
{
    static char text[100];
    char path[300];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "r");
    if (f == NULL)
        return NULL;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

/* With and without files that have no name. */
static const struct store_opts ways[] = {
    {false, false, false}, {false, true, true}};

START_TEST(whole_or_not_at_all)
{
    struct store_file f;

    begin(ways[_i]);
    f = written("half");
    ck_assert_int_eq(entries(), _i); /* the hidden name */
    ck_assert_ptr_null(content("a"));
    ck_assert_int_eq(store_again(&f), 0);
    ck_assert_int_eq(write(f.fd, "other", 5), 5);
    ck_assert_int_eq(store_finish(st, &f, "a"), 0);
    ck_assert_str_eq(content("a"), "other");
    ck_assert_int_eq(entries(), 1);
    f = written("gone");
    store_drop(st, &f);
    store_drop(st, &f); /* once more: nothing */
    ck_assert_int_eq(entries(), 1);
    end();
}
END_TEST

START_TEST(directories)
{
    begin(ways[_i]);
    ck_assert_int_eq(put("x/y/z", "one"), 0);
    ck_assert_int_eq(put("x/y/w", "two"), 0);
    ck_assert_str_eq(content("x/y/z"), "one");
    ck_assert_str_eq(content("x/y/w"), "two");
    ck_assert_int_eq(put("x", "is a directory"), -EEXIST);
    ck_assert_int_eq(put("x/y/z/q", "is a file"), -ENOTDIR);
    ck_assert_int_eq(entries(), 1);
    end();
}
END_TEST

START_TEST(what_is_there)
{
    begin(ways[_i]);
    ck_assert_int_eq(put("a", "one"), 0);
    ck_assert_int_eq(put("a", "one"), 0); /* the same */
    ck_assert_int_eq(put("a", "two"), -EEXIST);
    ck_assert_int_eq(put("a", "longer"), -EEXIST);
    ck_assert_str_eq(content("a"), "one");
    store_close(st);
    opens((struct store_opts){true, false, ways[_i].no_tmpfile});
    ck_assert_int_eq(put("a", "two"), 0);
    ck_assert_str_eq(content("a"), "two");
    ck_assert_int_eq(entries(), 1);
    end();
}
END_TEST

START_TEST(never_outside)
{
    char path[200];

    begin(ways[_i]);
    snprintf(path, sizeof path, "%s/link", dir);
    ck_assert_int_eq(symlink("..", path), 0);
    ck_assert_int_lt(put("link/a", "x"), 0);
    ck_assert_int_lt(put("link/b/a", "x"), 0);
    ck_assert_int_lt(put("../a", "x"), 0);
    ck_assert_int_lt(put("b/../../a", "x"), 0);
    ck_assert_int_eq(put("link", "x"), -EEXIST);
    snprintf(path, sizeof path, "%s/a", base);
    ck_assert_int_eq(access(path, F_OK), -1);
    snprintf(path, sizeof path, "%s/b", base);
    ck_assert_int_eq(access(path, F_OK), -1);
    end();
}
END_TEST

/* Also one that is killed in the middle. */
START_TEST(nothing_is_left)
{
    struct store_file mine;
    int status;
    pid_t pid;

    begin(ways[_i]);
    mine = written("alive");
    pid = fork();
    if (pid == 0) {
        close(mine.fd);
        store_close(st);
        st = NULL;
        if (store_open(&st, dir, &ways[_i]) == 0)
            (void)written("dead");
        raise(SIGKILL);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(entries(), 2 * _i);
    store_close(st);
    opens(ways[_i]);
    ck_assert_uint_eq(store_removed(st), (unsigned)_i); /* not the living */
    ck_assert_int_eq(store_finish(st, &mine, "mine"), 0);
    ck_assert_int_eq(entries(), 1);
    end();
}
END_TEST

START_TEST(unwritable)
{
    static const struct store_opts none;

    ck_assert_int_eq(store_open(&st, "/dev/null/x", &none), -ENOTDIR);
    ck_assert_int_eq(store_open(&st, "/nowhere/x", &none), -ENOENT);
    ck_assert_int_lt(store_open(&st, "/proc/self", &none), 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("store");
    TCase *t = tcase_create("store");
    SRunner *r;
    int failed;

    tcase_add_loop_test(t, whole_or_not_at_all, 0, 2);
    tcase_add_loop_test(t, directories, 0, 2);
    tcase_add_loop_test(t, what_is_there, 0, 2);
    tcase_add_loop_test(t, never_outside, 0, 2);
    tcase_add_loop_test(t, nothing_is_left, 0, 2);
    tcase_add_test(t, unwritable);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
