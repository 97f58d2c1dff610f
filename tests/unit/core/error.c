/* SPDX-License-Identifier: MIT */
/* core/error.h: what belay_why tells of a failure and of its way. */
#include "core/error.h"

#include <belay/run.h>
#include <belay/task.h>

#include "base/alloc.h"
#include "core/rt.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAR __attribute__((noinline))

/* Where each place of this file lies; noted when control is there. */
static int line_of_fail, line_of_open, line_of_load, line_of_start;

static char wanted[2000];

static const char *
want(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(wanted, sizeof(wanted), fmt, ap);
    va_end(ap);
    return wanted;
}

START_TEST(words)
{
    ck_assert_str_eq(belay_strerror(0), "success");
    ck_assert_str_eq(belay_strerror(17), "success");
    ck_assert_str_eq(belay_strerror(-ENOENT), strerror(ENOENT));
    ck_assert_str_eq(belay_strerror(-ECONNREFUSED), strerror(ECONNREFUSED));
    ck_assert_str_eq(belay_strerror(-ETIME), "deadline passed");
    ck_assert_str_eq(belay_strerror(BELAY_ECLOSED), "channel closed");
    ck_assert_str_eq(belay_strerror(BELAY_EOPEN), "circuit breaker open");
    ck_assert_str_eq(belay_strerror(BELAY_ECRASHED),
        "worker process crashed");
    ck_assert_str_eq(belay_strerror(-70001), "unknown error -70001");
    ck_assert_str_eq(belay_strerror(INT_MIN), "unknown error -2147483648");
}
END_TEST

static int FAR
parse(int port)
{
    line_of_fail = __LINE__ + 1;
    return BELAY_FAIL(-EINVAL, "port %d is out of range", port);
}

START_TEST(outside_a_task)
{
    ck_assert_int_eq(parse(99999), -EINVAL);
    ck_assert_int_eq(belay_trace(-EIO, BELAY_SITE_("x")), -EIO);
    belay_ignore(-EIO, "nobody cares");
    ck_assert_str_eq(belay_why(), "no failure");
}
END_TEST

static int FAR
open_port(int port)
{
    line_of_open = __LINE__ + 1;
    BELAY_TRY(parse(port));
    return 0;
}

static int FAR
load(int port)
{
    line_of_load = __LINE__ + 1;
    BELAY_TRY(open_port(port));
    return 0;
}

BELAY_TASK(message_and_way)
{
    const char *why;

    ck_assert_str_eq(belay_why(), "no failure");
    ck_assert_int_eq(load(99999), -EINVAL);
    why = belay_why();
    ck_assert_str_eq(why,
        want("port 99999 is out of range (EINVAL) at parse (%s:%d)\n"
             "  via parse(port) at %s:%d\n"
             "  via open_port(port) at %s:%d",
            __FILE__, line_of_fail, __FILE__, line_of_open, __FILE__,
            line_of_load));
    /* Good until the task fails again. */
    ck_assert_ptr_eq(belay_why(), why);
    return 0;
}

static int FAR
open_file(int code)
{
    return code;
}

static int FAR
start(int code)
{
    line_of_start = __LINE__ + 1;
    BELAY_TRY(open_file(code));
    return 0;
}

static int FAR
start_all(int code)
{
    line_of_load = __LINE__ + 1;
    BELAY_TRY(start(code));
    return 0;
}

/* The failure comes from a function that told nothing. */
BELAY_TASK(way_without_message)
{
    ck_assert_int_eq(start_all(-ENOENT), -ENOENT);
    ck_assert_str_eq(belay_why(),
        want("%s (ENOENT) from open_file(code) at start (%s:%d)\n"
             "  via start(code) at %s:%d",
            strerror(ENOENT), __FILE__, line_of_start, __FILE__,
            line_of_load));
    ck_assert_int_eq(start(BELAY_ECLOSED), BELAY_ECLOSED);
    ck_assert_str_eq(belay_why(),
        want("channel closed (BELAY_ECLOSED) from open_file(code)"
             " at start (%s:%d)",
            __FILE__, line_of_start));
    ck_assert_int_eq(start(-70001), -70001);
    ck_assert_str_eq(belay_why(),
        want("unknown error -70001 (-70001) from open_file(code)"
             " at start (%s:%d)",
            __FILE__, line_of_start));
    return 0;
}

/* Somebody handled the first failure; the second has the same number. */
BELAY_TASK(second_failure)
{
    char first[1000];

    ck_assert_int_eq(start_all(-ENOENT), -ENOENT);
    (void)snprintf(first, sizeof(first), "%s", belay_why());
    ck_assert_int_eq(start_all(-ENOENT), -ENOENT);
    ck_assert_str_eq(belay_why(), first);
    return 0;
}

BELAY_TASK(ignored)
{
    ck_assert_int_eq(load(99999), -EINVAL);
    belay_ignore(-EIO, "this is another one");
    ck_assert_ptr_nonnull(strstr(belay_why(), "port 99999"));
    belay_ignore(-EINVAL, "the default port will do");
    ck_assert_str_eq(belay_why(), "no failure");
    ck_assert_int_eq(start(-EINVAL), -EINVAL);
    ck_assert_ptr_null(strstr(belay_why(), "port 99999"));
    return 0;
}

static int FAR
dig(int depth)
{
    if (depth == 0)
        return BELAY_FAIL(-EIO, "the bottom");
    BELAY_TRY(dig(depth - 1));
    return 0;
}

static int
count(const char *text, const char *what)
{
    int n = 0;

    while ((text = strstr(text, what)) != NULL) {
        n++;
        text += strlen(what);
    }
    return n;
}

/* The first 16 places are kept: that of the failure and 15 more. */
BELAY_TASK(long_way)
{
    ck_assert_int_eq(dig(15), -EIO);
    ck_assert_int_eq(count(belay_why(), "\n  via dig(depth - 1) at "), 15);
    ck_assert_ptr_null(strstr(belay_why(), "places more"));
    ck_assert_int_eq(dig(40), -EIO);
    ck_assert_int_eq(count(belay_why(), "\n  via dig(depth - 1) at "), 15);
    ck_assert_int_eq(count(belay_why(), "\n  and 25 places more"), 1);
    return 0;
}

BELAY_TASK(long_message)
{
    char text[500];

    memset(text, 'm', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    ck_assert_int_eq(BELAY_FAIL(-EIO, "%s", text), -EIO);
    ck_assert_uint_eq(strspn(belay_why(), "m"), 199);
    ck_assert_ptr_nonnull(strstr(belay_why(), "m (EIO) at "));
    return 0;
}

static int FAR
wait_in_vain(void)
{
    BELAY_TRY(belay_checkpoint());
    return 0;
}

BELAY_TASK(cut_is_not_traced)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_cancel(s, "the user left");
        ck_assert_int_eq(wait_in_vain(), -ECANCELED);
        ck_assert(
            bly_self()->extra == NULL || bly_self()->extra->trace == NULL);
        ck_assert_ptr_eq(
            strstr(belay_why(), want("%s (ECANCELED): the user left",
                                    strerror(ECANCELED))),
            belay_why());
    }
    ck_assert_int_eq(err, -ECANCELED);
    return 0;
}

BELAY_TASK(copies)
{
    struct bly_task *t = bly_self();
    char *text;

    ck_assert_int_eq(parse(0), -EINVAL);
    text = bly_why_copy(t, -EINVAL);
    ck_assert_str_eq(text,
        want("port 0 is out of range (EINVAL) at parse (%s:%d)\n"
             "  in task 'copies' spawned at %s:%d",
            __FILE__, line_of_fail, t->base.site->file, t->base.site->line));
    bly_free(text);
    /* The task ends with a number that is not the recorded one. */
    text = bly_why_copy(t, -EPIPE);
    ck_assert_str_eq(text,
        want("%s (EPIPE)\n  in task 'copies' spawned at %s:%d",
            strerror(EPIPE), t->base.site->file, t->base.site->line));
    bly_free(text);
    return 0;
}

static int FAR
pass_on(int code)
{
    line_of_load = __LINE__ + 1;
    return belay_trace(code, BELAY_SITE_("scope s"));
}

BELAY_TASK(adopted)
{
    static char big[10000];

    bly_trace_adopt(bly_self(), -EIO, "disk full (EIO) at child (c.c:1)");
    ck_assert_int_eq(pass_on(-EIO), -EIO);
    ck_assert_str_eq(belay_why(),
        want("disk full (EIO) at child (c.c:1)\n  via scope s at %s:%d",
            __FILE__, line_of_load));
    bly_trace_adopt(bly_self(), -EPIPE, NULL);
    ck_assert_str_eq(belay_why(), want("%s (EPIPE)", strerror(EPIPE)));
    memset(big, 'b', sizeof(big) - 1);
    bly_trace_adopt(bly_self(), -EIO, big);
    ck_assert_uint_eq(strspn(belay_why(), "b"), 4096);
    ck_assert_str_eq(belay_why() + 4096, "\n  ...");
    return 0;
}

BELAY_TASK(broken_child, (int, port))
{
    return load(port);
}

static int line_of_spawn;

static int FAR
run_child(int port)
{
    BELAY_SCOPE(s) {
        line_of_spawn = __LINE__ + 1;
        belay_spawn(s, broken_child, port);
    }
    return 0;
}

BELAY_TASK(childs_story_goes_on)
{
    ck_assert_int_eq(run_child(70000), -EINVAL);
    ck_assert_ptr_eq(
        strstr(belay_why(),
            want("port 70000 is out of range (EINVAL) at parse (%s:%d)\n"
                 "  via parse(port) at %s:%d\n"
                 "  via open_port(port) at %s:%d\n"
                 "  in task 'broken_child' spawned at %s:%d\n"
                 "  via scope s at ",
                __FILE__, line_of_fail, __FILE__, line_of_open, __FILE__,
                line_of_load, __FILE__, line_of_spawn)),
        belay_why());
    return 0;
}

BELAY_TASK(own_traces)
{
    belay_outcome out[2] = {{1, NULL}, {1, NULL}};
    int err;

    ck_assert_int_eq(BELAY_FAIL(-EIO, "the parent's"), -EIO);
    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_catch(s, &out[0], broken_child, 70001);
        belay_spawn_catch(s, &out[1], broken_child, 70002);
    }
    ck_assert_int_eq(err, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(out[i].err, -EINVAL);
        ck_assert_ptr_eq(strstr(out[i].why, want("port %d is", 70001 + i)),
            out[i].why);
    }
    ck_assert_ptr_eq(strstr(belay_why(), "the parent's"), belay_why());
    return 0;
}

#define IN_A_TASK(name)                                                        \
    START_TEST(in_##name)                                                      \
    {                                                                          \
        ck_assert_int_eq(belay_run(name), 0);                                  \
    }                                                                          \
    END_TEST

IN_A_TASK(message_and_way)
IN_A_TASK(way_without_message)
IN_A_TASK(second_failure)
IN_A_TASK(ignored)
IN_A_TASK(long_way)
IN_A_TASK(long_message)
IN_A_TASK(cut_is_not_traced)
IN_A_TASK(copies)
IN_A_TASK(adopted)
IN_A_TASK(childs_story_goes_on)
IN_A_TASK(own_traces)

int
main(void)
{
    Suite *s = suite_create("error");
    TCase *t = tcase_create("error");
    SRunner *r = srunner_create(s);

    tcase_add_test(t, words);
    tcase_add_test(t, outside_a_task);
    tcase_add_test(t, in_message_and_way);
    tcase_add_test(t, in_way_without_message);
    tcase_add_test(t, in_second_failure);
    tcase_add_test(t, in_ignored);
    tcase_add_test(t, in_long_way);
    tcase_add_test(t, in_long_message);
    tcase_add_test(t, in_cut_is_not_traced);
    tcase_add_test(t, in_copies);
    tcase_add_test(t, in_adopted);
    tcase_add_test(t, in_childs_story_goes_on);
    tcase_add_test(t, in_own_traces);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
