/* SPDX-License-Identifier: MIT */
/* cli/template.h: an input goes to its places, and is never anything else. */
#include "cli/template.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *
field(const void *record, const char *name)
{
    (void)record;
    return strcmp(name, "user") == 0 ? "Ada"
        : strcmp(name, "first name") == 0 ? "A d a"
                                          : NULL;
}

static char out[500];
static const char *missing;

/* The arguments, | between them. */
static const char *
expand_as(struct template_how how, const char *input, const char *const *words)
{
    struct template_facts facts = {7, input, field, NULL};
    struct template *t;
    size_t n = 0;
    char **v;

    while (words[n] != NULL)
        n++;
    t = template_new(words, n, &how);
    missing = NULL;
    v = template_expand(t, &facts, &missing);
    out[0] = '\0';
    for (size_t i = 0; v != NULL && v[i] != NULL; i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s",
            i > 0 ? "|" : "", v[i]);
    free(v);
    if (missing != NULL) /* lies in the template */
        missing = strcmp(missing, "nobody") == 0 ? "nobody" : "another";
    template_free(t);
    return out;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define PLAIN ((struct template_how){NULL, false, false})
#define FIELDS ((struct template_how){NULL, true, false})
#define SHELL ((struct template_how){NULL, false, true})

START_TEST(an_input_is_one_argument)
{
    ck_assert_str_eq(expand_as(PLAIN, "a b*$(x)", WORDS("cp", "{}", "x/{}")),
        "cp|a b*$(x)|x/a b*$(x)");
    ck_assert_str_eq(expand_as(PLAIN, "-rf", WORDS("ls", "-l")), "ls|-l|-rf");
    ck_assert_str_eq(expand_as(PLAIN, "", WORDS("ls", "")), "ls||");
    /* What comes in is not looked at again. */
    ck_assert_str_eq(expand_as(PLAIN, "{#}", WORDS("{}{}")), "{#}{#}");
}
END_TEST

START_TEST(numbers_and_other_braces)
{
    ck_assert_str_eq(expand_as(PLAIN, "x", WORDS("a{#}", "{#}{}")), "a7|7x");
    ck_assert_str_eq(expand_as(PLAIN, "x",
        WORDS("awk", "{print $1} {user} {{}} { {", "{")),
        "awk|{print $1} {user} {x} { {|{");
}
END_TEST

START_TEST(parts_of_paths)
{
    static const struct {
        const char *path, *parts; /* {.} {/} {//} {/.} */
    } cases[] = {
        {"a/b.tar.gz", "a/b.tar|b.tar.gz|a|b.tar"},
        {"b", "b|b|.|b"},
        {"a.d/b", "a.d/b|b|a.d|b"},
        {".hidden", ".hidden|.hidden|.|.hidden"},
        {"/etc/.x.y", "/etc/.x|.x.y|/etc|.x"},
        {"/x", "/x|x|/|x"},
        {"a/b.c/", "a/b|b.c|a|b"},
        {"a//b", "a//b|b|a|b"},
        {"/", "/||/|"},
        {"", "||.|"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(expand_as(PLAIN, cases[i].path,
            WORDS("{.}", "{/}", "{//}", "{/.}")), cases[i].parts);
}
END_TEST

START_TEST(fields)
{
    ck_assert_str_eq(expand_as(FIELDS, "row",
        WORDS("mail", "{user}@x", "{first name}", "{print $1}")),
        "mail|Ada@x|A d a|{print $1}");
    ck_assert_ptr_null(missing);
    ck_assert_str_eq(expand_as(FIELDS, "row", WORDS("a", "{nobody}")), "");
    ck_assert_str_eq(missing, "nobody");
    ck_assert_str_eq(expand_as(FIELDS, "row", WORDS("a")), "a|row");
}
END_TEST

START_TEST(fields_are_listed)
{
    struct template *t = template_new(
        WORDS("x", "{a}-{b}", "{}", "{a}"), 4, &FIELDS);

    ck_assert_str_eq(template_field(t, 0), "a");
    ck_assert_str_eq(template_field(t, 1), "b");
    ck_assert_str_eq(template_field(t, 2), "a");
    ck_assert_ptr_null(template_field(t, 3));
    template_free(t);
}
END_TEST

START_TEST(another_token)
{
    struct template_how how = {"%", true, false};

    ck_assert_str_eq(expand_as(how, "x", WORDS("a", "{}%{user}")),
        "a|{}x{user}");
    ck_assert_str_eq(expand_as(how, "x", WORDS("a", "{}")), "a|{}|x");
}
END_TEST

START_TEST(a_script_gets_values_as_arguments)
{
    ck_assert_str_eq(expand_as(SHELL, "$(rm x)",
        WORDS("cat {} |", "wc > {#}")),
        "/bin/sh|-c|cat \"${1}\" | wc > \"${2}\"|sh|$(rm x)|7");
    ck_assert_str_eq(expand_as(SHELL, "x", WORDS("cat")),
        "/bin/sh|-c|cat \"${1}\"|sh|x");
}
END_TEST

START_TEST(one_program)
{
    struct template *t = template_new(WORDS("ls", "{}"), 2, &PLAIN);

    ck_assert(template_one_program(t));
    template_free(t);
    t = template_new(WORDS("./{}", "x"), 2, &PLAIN);
    ck_assert(!template_one_program(t));
    template_free(t);
    t = template_new(WORDS("{}"), 1, &SHELL);
    ck_assert(template_one_program(t));
    template_free(t);
}
END_TEST

SUITE("template", an_input_is_one_argument, numbers_and_other_braces,
    parts_of_paths, fields, fields_are_listed, another_token,
    a_script_gets_values_as_arguments, one_program)
