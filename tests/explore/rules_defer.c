/* SPDX-License-Identifier: MIT */
/* Rule 15: deferred calls, the memory of a scope, and the errors it keeps. */
#include "rules.h"

#include <string.h>

struct log {
    char text[32];
    uint64_t task;
};

struct entry {
    struct log *log;
    char name[2];
    belay_dur nap;
    int result, slept;
};

static int
note(void *arg)
{
    struct entry *e = arg;

    BELAY_CHECK(belay_task_id() == e->log->task);
    e->slept = belay_sleep(e->nap);
    strncat(e->log->text, e->name, sizeof e->log->text - 2);
    return e->result;
}

BELAY_TASK(notes_its_end, (struct entry *, e))
{
    BELAY_SHIELD(BELAY_S(100));
    BELAY_TRY(belay_sleep(e->nap));
    strncat(e->log->text, e->name, sizeof e->log->text - 2);
    return e->result;
}

/* ---- when, in which order, and where ------------------------------------ */

BELAY_TEST(rule_15_after_all_children_and_last_first,
    .strategy = BELAY_EXHAUSTIVE)
{
    struct log log = {"", belay_task_id()};
    struct entry a = {&log, "a", 1, 0, RULES_UNSET};
    struct entry b = {&log, "b", 1, 0, RULES_UNSET};
    struct entry c = {&log, "c", BELAY_MS(2), 0, 0};
    struct entry d = {&log, "d", BELAY_MS(3), 0, 0};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(belay_defer(s, note, &a), 0);
        belay_spawn(s, notes_its_end, &c);
        belay_spawn_daemon(s, notes_its_end, &d);
        BELAY_CHECK_EQ(belay_defer(s, note, &b), 0);
    }
    BELAY_CHECK_EQ(err, 0);
    BELAY_CHECK(strcmp(log.text, "cdba") == 0);
    BELAY_CHECK_EQ(a.slept, 0);
    BELAY_CHECK_EQ(b.slept, 0);
}

/* ---- the shield --------------------------------------------------------- */

BELAY_TEST(rule_15_cuts_from_outside_are_hidden, .strategy = BELAY_EXHAUSTIVE,
    .cancel_everywhere = true)
{
    struct log log = {"", belay_task_id()};
    struct entry a = {&log, "a", 1, 0, RULES_UNSET};
    struct entry b = {&log, "b", 1, 0, RULES_UNSET};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(belay_defer(s, note, &a), 0);
        BELAY_CHECK_EQ(belay_defer(s, note, &b), 0);
        belay_ignore(belay_sleep(1), "a cancel may come");
        belay_cancel(s, "test");
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK(strcmp(log.text, "ba") == 0);
    BELAY_CHECK_EQ(a.slept, 0);
    BELAY_CHECK_EQ(b.slept, 0);
}

static void
overrun(belay_dur cleanup, belay_dur limit)
{
    struct log log = {"", belay_task_id()};
    struct entry a = {&log, "a", limit, 0, RULES_UNSET};
    struct entry b = {&log, "b", limit, 0, RULES_UNSET};
    struct entry c = {&log, "c", limit - 1, 0, RULES_UNSET};
    belay_dur start = belay_test_elapsed();
    int err;

    BELAY_SCOPE_CATCH(s, &err, .cleanup = cleanup) {
        BELAY_CHECK_EQ(belay_defer(s, note, &a), 0);
        BELAY_CHECK_EQ(belay_defer(s, note, &b), 0);
        BELAY_CHECK_EQ(belay_defer(s, note, &c), 0);
    }
    BELAY_CHECK_EQ(err, 0); /* all three say so */
    BELAY_CHECK_EQ(c.slept, 0);
    BELAY_CHECK_EQ(b.slept, -ETIME);
    BELAY_CHECK_EQ(a.slept, -ETIME);
    BELAY_CHECK(strcmp(log.text, "cba") == 0);
    BELAY_CHECK_EQ(belay_test_elapsed() - start, limit);
}

BELAY_TEST(rule_15_one_limit_for_all_and_the_rest_still_run,
    .strategy = BELAY_EXHAUSTIVE)
{
    overrun(BELAY_MS(7), BELAY_MS(7));
    overrun(0, BELAY_S(5)); /* the default */
}

/* ---- results ------------------------------------------------------------ */

static int
defers(int child, int x, int y, bool cut, belay_done *errors, size_t *count)
{
    struct log log = {"", belay_task_id()};
    struct entry a = {&log, "a", 0, x, 0};
    struct entry b = {&log, "b", 0, y, 0};
    belay_scope s;
    int r;

    belay_scope_open(&s, NULL, BELAY_SITE_("s"));
    BELAY_CHECK_EQ(belay_defer(&s, note, &a), 0);
    BELAY_CHECK_EQ(belay_defer(&s, note, &b), 0);
    belay_spawn(&s, returns, child);
    if (cut)
        belay_cancel(&s, "test");
    if (errors != NULL) {
        BELAY_CHECK_EQ(belay_sleep(1), -ECANCELED);
        *count = belay_scope_errors(&s, errors, 4);
    }
    r = belay_scope_close(&s);
    BELAY_CHECK(strcmp(log.text, "ba") == 0);
    return r;
}

BELAY_TEST(rule_15_the_result_of_a_scope_that_has_no_other,
    .strategy = BELAY_EXHAUSTIVE)
{
    belay_done errors[4];
    size_t count = 0;

    BELAY_CHECK_EQ(defers(0, 3, 4, false, NULL, NULL), 0);
    BELAY_CHECK_EQ(defers(0, -EIO, 0, false, NULL, NULL), -EIO);
    BELAY_CHECK_EQ(defers(0, 0, -EIO, false, NULL, NULL), -EIO);
    BELAY_CHECK_EQ(defers(0, -EIO, -EPIPE, false, NULL, NULL), -EPIPE);
    BELAY_CHECK_EQ(defers(-ENOENT, -EIO, 0, false, errors, &count), -ENOENT);
    BELAY_CHECK_EQ(count, 1);
    BELAY_CHECK_EQ(errors[0].err, -ENOENT);
    /* A cut is no failure (rule 3), so it is not another one. */
    BELAY_CHECK_EQ(defers(0, -EIO, 0, true, NULL, NULL), -EIO);
    BELAY_CHECK_EQ(defers(0, 0, 0, true, NULL, NULL), -ECANCELED);
}

static int
fails_with_words(void *arg)
{
    return BELAY_FAIL(-EIO, "no %s", (const char *)arg);
}

BELAY_TEST(rule_15_what_a_deferred_call_said_is_told)
{
    char what[] = "ink";
    int err;

    BELAY_SCOPE_CATCH(s, &err)
        BELAY_CHECK_EQ(belay_defer(s, fails_with_words, what), 0);
    BELAY_CHECK_EQ(err, -EIO);
    BELAY_CHECK(strstr(belay_why(), "no ink (EIO)") != NULL);
    BELAY_CHECK(strstr(belay_why(), "fails_with_words") != NULL);
}

static int
fails_slowly(void *arg)
{
    (void)arg;
    return belay_sleep(BELAY_S(100));
}

BELAY_TEST(rule_15_an_overrun_that_is_passed_on_is_a_failure,
    .strategy = BELAY_EXHAUSTIVE)
{
    int err;

    BELAY_SCOPE_CATCH(s, &err, .cleanup = BELAY_MS(1)) {
        BELAY_CHECK_EQ(belay_defer(s, fails_slowly, NULL), 0);
    }
    BELAY_CHECK_EQ(err, -ETIME);
    BELAY_CHECK_EQ(belay_test_elapsed(), BELAY_MS(1));
}

static int
fails_at_once(void *arg)
{
    (void)arg;
    return -EIO;
}

BELAY_TASK(leaves_with_a_defer, (bool, try))
{
    BELAY_SCOPE(s) {
        belay_ignore(belay_defer(s, fails_at_once, NULL), "it is called");
        if (try)
            BELAY_TRY(belay_checkpoint());
        return 0;
    }
    return 0;
}

/* Nobody is told of it by an early leave, so it fails the task (rule 3). */
BELAY_TEST(rule_15_a_failure_is_not_lost_by_leaving,
    .strategy = BELAY_EXHAUSTIVE, .cancel_everywhere = true)
{
    belay_outcome out = {.err = RULES_UNSET};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        belay_spawn_catch(s, &out, leaves_with_a_defer, true);
    }
    BELAY_CHECK(out.err == -EIO ||
        (belay_test_disturbed() && out.err == -ECANCELED));
}

/* ---- limits of a defer -------------------------------------------------- */

struct late {
    belay_scope *s;
    int got, ran;
};

static int
spawns_late(void *arg)
{
    struct late *l = arg;

    l->got = belay_spawn(l->s, counts, &l->ran);
    return 0;
}

BELAY_TEST(rule_15_no_spawn_into_the_scope, .strategy = BELAY_EXHAUSTIVE)
{
    struct late l = {NULL, RULES_UNSET, 0};
    int err;

    BELAY_SCOPE_CATCH(s, &err) {
        l.s = s;
        belay_spawn(s, returns, 0);
        BELAY_CHECK_EQ(belay_defer(s, spawns_late, &l), 0);
    }
    BELAY_CHECK_EQ(l.got, -ECANCELED);
    BELAY_CHECK_EQ(l.ran, 0);
    BELAY_CHECK_EQ(err, -ECANCELED); /* the child that never ran: rule 7 */
}

/* A scope of its own it may well have. */
static int
opens_a_scope(void *arg)
{
    BELAY_SCOPE(s) {
        belay_spawn(s, counts, arg);
        belay_spawn(s, naps_then, 1, 0);
    }
    return 0;
}

BELAY_TEST(rule_15_a_defer_may_open_a_scope, .strategy = BELAY_EXHAUSTIVE)
{
    int err, n = 0;

    BELAY_SCOPE_CATCH(s, &err) {
        BELAY_CHECK_EQ(belay_defer(s, opens_a_scope, &n), 0);
        belay_cancel(s, "test");
    }
    BELAY_CHECK_EQ(err, -ECANCELED);
    BELAY_CHECK_EQ(n, 1);
}

/* ---- memory ------------------------------------------------------------- */

static int
reads_memory(void *arg)
{
    char *text = arg;

    BELAY_CHECK(strcmp(text, "still here") == 0);
    memset(text, 0, 16);
    return 0;
}

BELAY_TASK(allocates, (belay_scope *, s), (char **, out))
{
    *out = belay_alloc(s, 16);
    return *out != NULL ? 0 : -ENOMEM;
}

BELAY_TEST(rule_15_the_memory_goes_after_them, .strategy = BELAY_EXHAUSTIVE,
    .fail_allocs = true)
{
    char *mine, *theirs = NULL;
    int err, i;

    BELAY_SCOPE_CATCH(s, &err) {
        mine = belay_alloc(s, 16);
        if (mine == NULL)
            break;
        for (i = 0; i < 16; i++)
            BELAY_CHECK_EQ(mine[i], 0);
        BELAY_CHECK_EQ((uintptr_t)mine % _Alignof(max_align_t), 0);
        memcpy(mine, "still here", sizeof "still here");
        belay_ignore(belay_defer(s, reads_memory, mine), "it is called");
        belay_spawn(s, allocates, s, &theirs);
        belay_ignore(belay_sleep(1), "the child may have failed");
        BELAY_CHECK(theirs != NULL || belay_test_disturbed());
    }
    BELAY_CHECK(err == 0 || belay_test_disturbed());
}

static int
counts_calls(void *arg)
{
    ++*(int *)arg;
    return 0;
}

BELAY_TEST(rule_15_each_is_called_once_whatever_happens,
    .strategy = BELAY_EXHAUSTIVE, .cancel_everywhere = true,
    .fail_allocs = true)
{
    int err, calls[3] = {0, 0, 0}, i, failed = 0;

    BELAY_SCOPE_CATCH(s, &err) {
        for (i = 0; i < 3; i++) {
            int r = belay_defer(s, counts_calls, &calls[i]);

            BELAY_CHECK(r == 0 || (r == -ENOMEM && calls[i] == 1));
            failed += r < 0;
        }
        belay_ignore(belay_sleep(1), "a cancel may come");
    }
    for (i = 0; i < 3; i++)
        BELAY_CHECK_EQ(calls[i], 1);
    BELAY_CHECK(failed == 0 || belay_test_disturbed());
}

/* ---- errors ------------------------------------------------------------- */

struct reader {
    belay_scope *s;
    belay_done errors[20];
    size_t count;
};

static int
reads_errors(void *arg)
{
    struct reader *r = arg;

    r->count = belay_scope_errors(r->s, r->errors, 20);
    return 0;
}

BELAY_TEST(rule_15_sixteen_errors_and_a_count, .strategy = BELAY_RANDOM,
    .schedules = 50)
{
    struct reader r = {.count = 0};
    int err, i;

    BELAY_SCOPE_CATCH(s, &err, .policy = BELAY_COLLECT) {
        r.s = s;
        BELAY_CHECK_EQ(belay_defer(s, reads_errors, &r), 0);
        for (i = 0; i < 18; i++)
            belay_spawn(s, naps_then, i + 1, -(100 + i));
    }
    BELAY_CHECK_EQ(err, -100);
    BELAY_CHECK_EQ(r.count, 18);
    for (i = 0; i < 16; i++)
        BELAY_CHECK_EQ(r.errors[i].err, -(100 + i));
    for (; i < 20; i++)
        BELAY_CHECK_EQ(r.errors[i].err, 0);
}
