/* SPDX-License-Identifier: MIT */
/* cli/args.h: a table of one option of each kind. */
#include "cli/args.h"
#include "cli/number.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct got {
    bool verbose, quiet;
    const char *dir, *file;
    struct args_list inputs;
    uint64_t jobs, room;
    belay_dur timeout;
    struct rate rate;
    struct args_share failures;
    int colour;
};

#define AT(field) offsetof(struct got, field)

static const struct args_option options[] = {
    {"verbose", 'v', ARGS_FLAG, NULL, AT(verbose), "say more", 0, 0},
    {"quiet", 'q', ARGS_FLAG, NULL, AT(quiet), "say less", 0, 0},
    {"output", 'o', ARGS_DIR, "DIR", AT(dir), "where to\nwrite", 0, 0},
    {"journal", '\0', ARGS_FILE, "FILE", AT(file), "remember", 0, 0},
    {"input", 'i', ARGS_LIST, "FILE", AT(inputs), "read these", 0, 0},
    {"jobs", 'j', ARGS_COUNT, "N", AT(jobs), "at once", 1, 100},
    {"room", '\0', ARGS_SIZE, "SIZE", AT(room), "bytes", 0, 0},
    {"timeout", '\0', ARGS_DURATION, "TIME", AT(timeout), "of one", 0, 0},
    {"rate", '\0', ARGS_RATE, "RATE", AT(rate), "at most", 0, 0},
    {"max-failures", '\0', ARGS_SHARE, "N", AT(failures), "then stop", 0, 0},
    {"color", '\0', ARGS_CHOICE, "auto|always|never", AT(colour), "x", 0, 0},
    {"help", 'h', ARGS_HELP, NULL, 0, "this", 0, 0},
    {NULL, '\0', ARGS_FLAG, NULL, 0, NULL, 0, 0},
};
static const struct args_group groups[] = {{"All", options}, {NULL, NULL}};
static const struct args_example examples[] = {
    {"first of all", "belay do it"}, {NULL, NULL}};
static const struct args_spec spec = {
    "belay do", "[URL...]", "does it", examples, groups, "belay-do(1)", false};

static struct got got;
static struct args_list rest;
static char why[200];

#define READ(...)                                                              \
    reading((char *[]){(char *)(uintptr_t) "do", ##__VA_ARGS__, NULL})

static int
reading(char **argv)
{
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    args_free(&spec, &got, &rest);
    memset(&got, 0, sizeof got);
    got.jobs = 64;
    why[0] = '\0';
    return args_parse(&spec, argc, argv, &got, &rest, why, sizeof why);
}

#define T(s) ((char *)(uintptr_t)(s))

START_TEST(each_kind)
{
    ck_assert_int_eq(READ(T("-v"), T("--output=out"), T("--journal"), T("j"),
                         T("-i"), T("a"), T("-ib"), T("--jobs"), T("7"),
                         T("--room=1k"), T("--timeout"), T("2s"),
                         T("--rate=3/s/host"), T("--max-failures=10%"),
                         T("--color=never")),
        0);
    ck_assert(got.verbose && !got.quiet);
    ck_assert_str_eq(got.dir, "out");
    ck_assert_str_eq(got.file, "j");
    ck_assert_uint_eq(got.inputs.n, 2);
    ck_assert_str_eq(got.inputs.v[0], "a");
    ck_assert_str_eq(got.inputs.v[1], "b");
    ck_assert_uint_eq(got.jobs, 7);
    ck_assert_uint_eq(got.room, 1024);
    ck_assert_int_eq(got.timeout, 2000000000);
    ck_assert(got.rate.n == 3 && got.rate.host);
    ck_assert(got.failures.n == 10 && got.failures.percent);
    ck_assert_int_eq(got.colour, 2);
    ck_assert_uint_eq(rest.n, 0);
}
END_TEST

START_TEST(mixed_with_operands)
{
    ck_assert_int_eq(READ(T("u1"), T("-qvj3"), T("-"), T("--"), T("-v")), 0);
    ck_assert(got.verbose && got.quiet);
    ck_assert_uint_eq(got.jobs, 3);
    ck_assert_uint_eq(rest.n, 3);
    ck_assert_str_eq(rest.v[0], "u1");
    ck_assert_str_eq(rest.v[1], "-"); /* a lone dash is no option */
    ck_assert_str_eq(rest.v[2], "-v");
    ck_assert_int_eq(READ(T("-j3"), T("-j"), T("5")), 0);
    ck_assert_uint_eq(got.jobs, 5); /* the last one counts */
    ck_assert_int_eq(READ(), 0);
    ck_assert_uint_eq(got.jobs, 64); /* the default stays */
}
END_TEST

START_TEST(help_is_wanted)
{
    ck_assert_int_eq(READ(T("--help"), T("--no-such")), ARGS_WANTS_HELP);
    ck_assert_int_eq(READ(T("-vh")), ARGS_WANTS_HELP);
}
END_TEST

/* Each with the message that names the thing. */
START_TEST(refused)
{
    static const struct {
        const char *args[2], *why;
    } rows[] = {
        {{"--jbos=3"}, "unknown option '--jbos'; did you mean '--jobs'?"},
        {{"--zebra"}, "unknown option '--zebra'"},
        {{"-z"}, "unknown option '-z'"},
        {{"--jobs"}, "--jobs needs a number like 8"},
        {{"--jobs=x"}, "--jobs needs a number like 8, not 'x'"},
        {{"-j", "0"}, "--jobs is 1 to 100, not '0'"},
        {{"-j101"}, "--jobs is 1 to 100, not '101'"},
        {{"--timeout=x"},
            "--timeout needs a duration like 500ms, 20s or 5m, not 'x'"},
        {{"--room=9999999999G"}, "--room: '9999999999G' is too large"},
        {{"--rate=3"},
            "--rate needs a rate like 10/s or 10/s/host, not '3'"},
        {{"--max-failures=101%"}, "--max-failures needs a number like 5 or "
                                  "a share like 10%, not '101%'"},
        {{"--color=alway"},
            "--color needs auto|always|never, not 'alway'"},
        {{"--verbose=1"}, "--verbose takes no value"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *argv[] = {T("do"), T(rows[i].args[0]), T(rows[i].args[1]), NULL};

        ck_assert_int_eq(reading(argv), -EINVAL);
        ck_assert_str_eq(why, rows[i].why);
    }
}
END_TEST

START_TEST(a_command_ends_options)
{
    struct args_spec of_command = spec;
    char *argv[] = {T("do"), T("-v"), T("ls"), T("-q"), T("--"), T("-x")};

    args_free(&spec, &got, &rest);
    memset(&got, 0, sizeof got);
    of_command.ends = true;
    ck_assert_int_eq(args_parse(&of_command, 6, argv, &got, &rest, why,
        sizeof why), 0);
    ck_assert(got.verbose);
    ck_assert(!got.quiet);
    ck_assert_uint_eq(rest.n, 4); /* all that follows, as it is */
    ck_assert_str_eq(rest.v[0], "ls");
    ck_assert_str_eq(rest.v[1], "-q");
    ck_assert_str_eq(rest.v[2], "--");
}
END_TEST

START_TEST(nearest)
{
    static const char *const names[] = {"fetch", "doctor", "map"};

    ck_assert_str_eq(args_nearest("fecth", names, 3), "fetch"); /* a swap */
    ck_assert_str_eq(args_nearest("docter", names, 3), "doctor");
    ck_assert_str_eq(args_nearest("mapp", names, 3), "map");
    ck_assert_ptr_null(args_nearest("top", names, 3));
    ck_assert_ptr_null(args_nearest("x", names, 3));
    ck_assert_ptr_null(args_nearest(
        "a-word-that-is-longer-than-any-option-has-ever-been", names, 3));
}
END_TEST

START_TEST(help)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    const char *example, *usage;

    ck_assert_ptr_nonnull(f);
    args_help(&spec, f);
    fclose(f);
    example = strstr(text, "belay do it");
    usage = strstr(text, "Usage: belay do [OPTION...] [URL...]\n");
    ck_assert_ptr_nonnull(example);
    ck_assert_ptr_nonnull(usage);
    ck_assert(example < usage); /* examples first */
    for (const struct args_option *o = options; o->name != NULL; o++)
        ck_assert_ptr_nonnull(strstr(text, o->name));
    free(text);
    args_free(&spec, &got, &rest);
}
END_TEST

SUITE("args", each_kind, mixed_with_operands, help_is_wanted, refused,
    a_command_ends_options, nearest, help)
