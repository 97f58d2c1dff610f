/* SPDX-License-Identifier: MIT */
/* cli/term.h: who decides about colour; what a terminal may be told. */
#include "cli/term.h"
#include "suite.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int terminal = -1, file = -1;

static void
set(const char *term, const char *no, const char *force)
{
    unsetenv("NO_COLOR");
    unsetenv("CLICOLOR_FORCE");
    unsetenv("FORCE_COLOR");
    unsetenv("TERM");
    if (term != NULL)
        setenv("TERM", term, 1);
    if (no != NULL)
        setenv("NO_COLOR", no, 1);
    if (force != NULL)
        setenv("CLICOLOR_FORCE", force, 1);
}

static void
begin(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);

    ck_assert_int_ge(master, 0);
    ck_assert(grantpt(master) == 0 && unlockpt(master) == 0);
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    file = open("/dev/null", O_WRONLY);
    ck_assert(terminal >= 0 && file >= 0);
}

START_TEST(colour_of_each_stream)
{
    begin();
    set("xterm", NULL, NULL);
    ck_assert(term_colour(terminal, TERM_AUTO) && term_is(terminal));
    ck_assert(!term_colour(file, TERM_AUTO) && !term_is(file));
    ck_assert(term_colour(file, TERM_ALWAYS));
    ck_assert(!term_colour(terminal, TERM_NEVER));
}
END_TEST

START_TEST(colour_by_environment)
{
    begin();
    set("xterm", "1", "1");
    ck_assert(!term_colour(terminal, TERM_AUTO)); /* NO_COLOR is stronger */
    ck_assert(term_colour(terminal, TERM_ALWAYS)); /* and an option most */
    set("xterm", "", NULL);
    ck_assert(term_colour(terminal, TERM_AUTO)); /* empty: not set */
    set("xterm", NULL, "1");
    ck_assert(term_colour(file, TERM_AUTO));
    set("xterm", NULL, "0");
    ck_assert(!term_colour(file, TERM_AUTO));
    set("dumb", NULL, NULL);
    ck_assert(!term_colour(terminal, TERM_AUTO) && !term_is(terminal));
    set(NULL, NULL, NULL);
    ck_assert(!term_colour(terminal, TERM_AUTO) && !term_is(terminal));
    set("dumb", NULL, "1");
    ck_assert(term_colour(terminal, TERM_AUTO));
}
END_TEST

START_TEST(width)
{
    begin();
    unsetenv("COLUMNS");
    ck_assert_uint_eq(term_width(file), 80);
    setenv("COLUMNS", "33", 1);
    ck_assert_uint_eq(term_width(file), 33);
    setenv("COLUMNS", "wide", 1);
    ck_assert_uint_eq(term_width(file), 80);
}
END_TEST

START_TEST(fits)
{
    struct text t = {NULL, 0, 0};

    text_add(&t, "\xc3\xa4\xc3\xb6\xc3\xbc" "abc");
    term_fit(&t, 4);
    ck_assert_str_eq(t.p, "\xc3\xa4\xc3\xb6\xc3\xbc" "a");
    term_fit(&t, 4);
    ck_assert_uint_eq(t.n, 7);
    text_clear(&t);
    text_add(&t, "a\033[2Jb");
    term_fit(&t, 80);
    ck_assert_str_eq(t.p, "a?[2Jb");
    text_free(&t);
}
END_TEST

START_TEST(safe)
{
    struct text t = {NULL, 0, 0};

    term_safe(&t, "a\033]0;x\007\n\xc2\x9b" "1m\xc3\xa4", 14);
    ck_assert_str_eq(t.p, "a\\x1b]0;x\\x07\\x0a\\xc2\\x9b1m\xc3\xa4");
    text_clear(&t);
    term_paint(&t, true, TERM_RED, "x");
    term_paint(&t, false, TERM_RED, "y");
    ck_assert_str_eq(t.p, "\033[31mx\033[0my");
    text_free(&t);
}
END_TEST

SUITE("term", colour_of_each_stream, colour_by_environment, width, fits, safe)
