/* SPDX-License-Identifier: MIT */
/* cli/name.h: whatever a URL holds, the name lies below the directory. */
#include "cli/name.h"
#include "suite.h"

#include <errno.h>
#include <string.h>

static const char sum[] = "ba7816bf8f01cfea414140de5dae2223"
                          "b00361a396177a9cb410ff61f20015ad";
static struct text out;

static const char *
named(const char *template, const char *path, const char *query)
{
    struct name_facts f = {12, "example.org", 8080, path, query, 200, sum};

    text_clear(&out);
    ck_assert_int_eq(name_expand(template, &f, &out), 0);
    return out.p;
}

START_TEST(words)
{
    ck_assert_str_eq(named("{n}.{status}-{port}", "/", NULL), "12.200-8080");
    ck_assert_str_eq(named("{host}/{path}", "/a/b.html", NULL),
        "example.org/a/b.html");
    ck_assert_str_eq(named("{path}", "/a/", NULL), "a/index");
    ck_assert_str_eq(named("{path}", "/", NULL), "index");
    ck_assert_str_eq(named("{path}", "", NULL), "index");
    ck_assert_str_eq(named("{file}", "/a/b.html", NULL), "b.html");
    ck_assert_str_eq(named("{file}", "/a/", NULL), "index");
    ck_assert_str_eq(named("{file}_{query}", "/b", "q=1/2"), "b_q=1_2");
    ck_assert_str_eq(named(NAME_BY_CONTENT, "/", NULL),
        "ba/ba7816bf8f01cfea414140de5dae2223"
        "b00361a396177a9cb410ff61f20015ad");
}
END_TEST

START_TEST(harmless)
{
    ck_assert_str_eq(named("{path}", "/../../etc/passwd", NULL),
        "_./_./etc/passwd");
    ck_assert_str_eq(named("{path}", "//etc//passwd", NULL), "etc/passwd");
    ck_assert_str_eq(named("{path}", "/./.ssh/x", NULL), "_/_ssh/x");
    ck_assert_str_eq(named("{file}", "/a/..", NULL), "_.");
    ck_assert_str_eq(named("{file}", "/.belay-1-1.tmp", NULL),
        "_belay-1-1.tmp");
    ck_assert_str_eq(named("{path}", "/a\n\t\x7f\\b", NULL), "a____b");
    ck_assert_str_eq(named("{query}", "/", NULL), "_");
    ck_assert_str_eq(named(".{n}", "/", NULL), "_12");
    ck_assert_str_eq(named("{n}{path}", "/../x", NULL), "12/_./x");
}
END_TEST

START_TEST(long_parts)
{
    char path[400] = "/";
    char other[400] = "/";
    char first[400];

    memset(path + 1, 'a', NAME_PART);
    ck_assert_str_eq(named("{path}", path, NULL), path + 1); /* fits */
    memset(path + 1, 'a', 300);
    memset(other + 1, 'a', 300);
    other[300] = 'b';
    strncpy(first, named("{path}", path, NULL), sizeof first - 1);
    ck_assert_uint_eq(strlen(first), NAME_PART);
    ck_assert_uint_eq(strlen(named("{path}", other, NULL)), NAME_PART);
    ck_assert_str_ne(first, out.p); /* they differ in the end only */

    for (int i = 1; i < 300; i += 2) /* never half a character */
        memcpy(path + i, "\xc3\xa4", 2);
    named("{path}", path, NULL);
    ck_assert_ptr_nonnull(strchr(out.p, '~'));
    ck_assert_int_eq(strchr(out.p, '~')[-1], '\xa4');
}
END_TEST

START_TEST(too_long)
{
    struct name_facts f = {1, "h", 80, NULL, NULL, 200, sum};
    char path[1200];

    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    for (size_t i = 100; i < sizeof path - 1; i += 101)
        path[i] = '/';
    f.path = path;
    text_clear(&out);
    ck_assert_int_eq(name_expand("{path}", &f, &out), -ENAMETOOLONG);
    text_free(&out);
}
END_TEST

START_TEST(templates)
{
    char why[200];

    ck_assert_int_eq(name_check("{host}/{path}", why, sizeof why), 0);
    ck_assert_int_eq(name_check("a..b/c", why, sizeof why), 0);
    ck_assert_int_eq(name_check("", why, sizeof why), -EINVAL);
    ck_assert_int_eq(name_check("/a", why, sizeof why), -EINVAL);
    ck_assert_int_eq(name_check("a/../b", why, sizeof why), -EINVAL);
    ck_assert_int_eq(name_check("..", why, sizeof why), -EINVAL);
    ck_assert_int_eq(name_check("a{", why, sizeof why), -EINVAL);
    ck_assert_str_eq(why, "'a{' has a { without }");
    ck_assert_int_eq(name_check("a}", why, sizeof why), -EINVAL);
    ck_assert_int_eq(name_check("{nope}", why, sizeof why), -EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "{host}"));
    ck_assert(name_by_answer(NAME_BY_CONTENT));
    ck_assert(name_by_answer("{n}-{status}"));
    ck_assert(!name_by_answer("{host}/{path}"));
}
END_TEST

SUITE("name", words, harmless, long_parts, too_long, templates)
