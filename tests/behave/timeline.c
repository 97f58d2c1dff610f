/* SPDX-License-Identifier: MIT */
/*
 * The timeline's calls.  What a trace must look like as a whole is checked by
 * tests/check/timeline.py; here, whether what happened is in the file.
 */
#include <belay.h>

#include "child.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char root[64], file[96];
static char data[4 << 20];
static size_t size;

static void
prepare(void)
{
    (void)snprintf(root, sizeof root, "/tmp/belay-timeline-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    (void)snprintf(file, sizeof file, "%s/trace", root);
}

static void
finish(void)
{
    (void)unlink(file);
    ck_assert_int_eq(rmdir(root), 0); /* so there was nothing else */
}

static void
load(void)
{
    FILE *f = fopen(file, "r");

    ck_assert_ptr_nonnull(f);
    size = fread(data, 1, sizeof data, f);
    ck_assert_uint_lt(size, sizeof data);
    (void)fclose(f);
}

/* How often the file has this text. */
static int
count(const char *text)
{
    const char *at = data;
    int n = 0;

    while ((at = memmem(at, size - (size_t)(at - data), text,
                strlen(text))) != NULL) {
        at++;
        n++;
    }
    return n;
}

#define ck_count(text, n) ck_assert_int_eq(count(text), (n))

/* ---- a known program ---------------------------------------------------- */

typedef BELAY_CHAN(int) int_chan;

BELAY_TASK(asker, (int_chan, to), (int_chan, from))
{
    int answer;

    belay_timeline_mark("asks %d", 17);
    BELAY_TRY(belay_send(&to, 17));
    (void)BELAY_TRY(belay_recv(&from, &answer));
    belay_timeline_mark("got %d", answer);
    return 0;
}

BELAY_TASK(answerer, (int_chan, from), (int_chan, to))
{
    int question;

    (void)BELAY_TRY(belay_recv(&from, &question));
    BELAY_TRY(belay_send(&to, question + 25));
    return 0;
}

BELAY_TASK(conversation)
{
    BELAY_AUTO_CHAN(int_chan, questions);
    BELAY_AUTO_CHAN(int_chan, answers);

    BELAY_TRY(belay_chan_open(&questions, 0, .name = "questions"));
    BELAY_TRY(belay_chan_open(&answers, 0, .name = "answers"));
    BELAY_SCOPE(s, .name = "talk") {
        belay_spawn_with(s, (.worker = 1), asker, questions, answers);
        belay_spawn_with(s, (.worker = 2), answerer, questions, answers);
    }
    return 0;
}

static void
check_conversation(void)
{
    load();
    ck_count("child of", 2);
    ck_count("scope talk", 1);
    ck_count("spawn asker #", 1);
    ck_count("spawn answerer #", 1);
    ck_count("asks 17", 1);
    ck_count("got 42", 1);
    /* Two rendezvous: the first to come sleeps, the second wakes him; and the
     * last child wakes who joins. */
    ck_assert_int_ge(count("wake "), 3);
    ck_assert_int_ge(count("channel 'answers' of"), 1);
    ck_count("join scope 'talk'", 1);
}

START_TEST(two_workers_are_recorded)
{
    ck_assert_int_eq(belay_timeline_start(NULL), 0);
    ck_assert_int_eq(belay_run_with((.workers = 2), conversation), 0);
    ck_assert_int_eq(belay_timeline_write(file), 0);
    check_conversation();
}
END_TEST

BELAY_TASK(starts_and_talks)
{
    BELAY_TRY(belay_timeline_start(NULL));
    BELAY_TRY(belay_run(conversation));
    return belay_timeline_write(file);
}

START_TEST(a_task_records_its_runtime)
{
    ck_assert_int_eq(belay_run_with((.workers = 2), starts_and_talks), 0);
    load();
    ck_count("scope talk", 1);
    ck_count("got 42", 1);
    ck_assert_int_ge(count("starts_and_talks"), 1);
}
END_TEST

BELAY_TASK(marks, (int, n))
{
    for (int i = 0; i < n; i++)
        belay_timeline_mark("mark %d.", i);
    return 0;
}

START_TEST(a_new_start_forgets_the_old)
{
    ck_assert_int_eq(belay_timeline_start(NULL), 0);
    ck_assert_int_eq(belay_run(marks, 3), 0);
    ck_assert_int_eq(belay_timeline_start(NULL), 0);
    ck_assert_int_eq(belay_run(marks, 1), 0);
    ck_assert_int_eq(belay_timeline_write(file), 0);
    load();
    ck_count("mark 0.", 1);
    ck_count("mark 1.", 0);
}
END_TEST

START_TEST(a_stop_keeps_what_there_is)
{
    ck_assert_int_eq(belay_timeline_start(NULL), 0);
    ck_assert_int_eq(belay_run(marks, 1), 0);
    belay_timeline_stop();
    ck_assert_int_eq(belay_run(marks, 3), 0);
    ck_assert_int_eq(belay_timeline_write(file), 0);
    load();
    ck_count("mark 0.", 1);
    ck_count("mark 1.", 0);
}
END_TEST

BELAY_TASK(stops_in_between)
{
    belay_timeline_mark("is seen");
    belay_timeline_stop();
    belay_timeline_mark("is not seen");
    return 0;
}

START_TEST(a_task_may_stop)
{
    ck_assert_int_eq(belay_timeline_start(NULL), 0);
    ck_assert_int_eq(belay_run_with((.workers = 2), stops_in_between), 0);
    ck_assert_int_eq(belay_timeline_write(file), 0);
    load();
    ck_count("is seen", 1);
    ck_count("is not seen", 0);
}
END_TEST

/* 16 is the least; a mark is an event, and the first and the last are others.
 */
START_TEST(the_oldest_are_lost)
{
    belay_timeline_opts opts = {.size = sizeof opts, .events = 16};

    ck_assert_int_eq(belay_timeline_start(&opts), 0);
    ck_assert_int_eq(belay_run(marks, 100), 0);
    ck_assert_int_eq(belay_timeline_write(file), 0);
    load();
    ck_count("mark 0.", 0);
    ck_count("mark 80.", 0);
    ck_count("mark 99.", 1);
    ck_count("earlier events are lost", 1);
}
END_TEST

START_TEST(runtimes_are_told_apart)
{
    ck_assert_int_eq(belay_timeline_start(NULL), 0);
    ck_assert_int_eq(belay_run(marks, 1), 0);
    ck_assert_int_eq(belay_run(marks, 1), 0);
    ck_assert_int_eq(belay_timeline_write(file), 0);
    load();
    ck_count("of runtime 1", 1);
    ck_count("of runtime 2", 1);
}
END_TEST

/* ---- files -------------------------------------------------------------- */

START_TEST(nothing_to_write)
{
    struct stat st;

    ck_assert_int_eq(belay_timeline_write(file), -ENODATA);
    ck_assert_int_lt(stat(file, &st), 0);
    belay_timeline_mark("outside"); /* does nothing */
    belay_timeline_stop();
    ck_assert_int_eq(belay_timeline_write(file), -ENODATA);
}
END_TEST

static char why[512];

BELAY_TASK(writes_to, (const char *, path))
{
    int r = belay_timeline_write(path);

    (void)snprintf(why, sizeof why, "%s", belay_why());
    return r;
}

START_TEST(a_failure_names_the_file)
{
    ck_assert_int_eq(belay_timeline_start(NULL), 0);
    ck_assert_int_eq(belay_run(writes_to, "/nowhere/trace"), -ENOENT);
    ck_assert_ptr_nonnull(strstr(why, "'/nowhere/trace'"));
    ck_assert_ptr_nonnull(strstr(why, "No such file"));
    ck_assert_int_eq(belay_run(writes_to, "/dev/full"), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(why, "'/dev/full'"));
}
END_TEST

START_TEST(a_task_writes_while_others_run)
{
    ck_assert_int_eq(belay_timeline_start(NULL), 0);
    ck_assert_int_eq(belay_run(writes_to, file), 0);
    load();
    ck_assert_int_ge(count("writes_to"), 1);
}
END_TEST

/* ---- BELAY_TIMELINE ----------------------------------------------------- */

static int
talk(void)
{
    return belay_main_with((.workers = 2), conversation);
}

START_TEST(the_environment_asks_for_it)
{
    ck_assert_int_eq(setenv("BELAY_TIMELINE", file, 1), 0);
    child_start(talk);
    child_exits(0);
    ck_assert_str_eq(child.text, "");
    check_conversation();
}
END_TEST

START_TEST(the_environment_names_no_place)
{
    ck_assert_int_eq(setenv("BELAY_TIMELINE", "/nowhere/trace", 1), 0);
    child_start(talk);
    child_exits(0); /* the program's own */
    child_wrote(
        "belay: cannot write the timeline '/nowhere/trace': No such file");
}
END_TEST

START_TEST(an_empty_value_asks_for_nothing)
{
    ck_assert_int_eq(setenv("BELAY_TIMELINE", "", 1), 0);
    child_start(talk);
    child_exits(0);
    ck_assert_str_eq(child.text, "");
}
END_TEST

int
main(void)
{
    TCase *t = tcase_create("timeline");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, prepare, finish);
    tcase_add_test(t, two_workers_are_recorded);
    tcase_add_test(t, a_task_records_its_runtime);
    tcase_add_test(t, a_new_start_forgets_the_old);
    tcase_add_test(t, a_stop_keeps_what_there_is);
    tcase_add_test(t, a_task_may_stop);
    tcase_add_test(t, the_oldest_are_lost);
    tcase_add_test(t, runtimes_are_told_apart);
    tcase_add_test(t, nothing_to_write);
    tcase_add_test(t, a_failure_names_the_file);
    tcase_add_test(t, a_task_writes_while_others_run);
    tcase_add_test(t, the_environment_asks_for_it);
    tcase_add_test(t, the_environment_names_no_place);
    tcase_add_test(t, an_empty_value_asks_for_nothing);
    return child_suite("timeline", t);
}
