/* SPDX-License-Identifier: MIT */
/* The main() of test programs: runs what BELAY_TEST defined, prints TAP. */
#include "sim/sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static belay_test_case *cases, *cases_last;

struct main_args {
    const char *replay;
    const char *seed;
    bool list;
    char **names;
    int nnames;
};

void
belay_test_add(belay_test_case *test)
{
    test->next = NULL;
    if (cases_last == NULL)
        cases = test;
    else
        cases_last->next = test;
    cases_last = test;
}

/* Each line of the text as a TAP comment. */
static void
main_comment(const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");

        printf("# %.*s\n", (int)n, text);
        text += n;
        if (*text == '\n')
            text++;
    }
}

static void
main_tell(const belay_test_case *test, const belay_test_result *r, int number)
{
    printf("# %s: %lu run%s, %lu distinct", test->name, r->runs,
        r->runs == 1 ? "" : "s", r->distinct);
    if (test->opts.strategy == BELAY_EXHAUSTIVE &&
        r->finding == BELAY_FINDS_NOTHING)
        printf(r->complete ? ", complete" : ", not complete");
    if (test->opts.cancel_everywhere)
        printf(", cancelled at %lu points", r->cancels);
    if (test->opts.fail_allocs)
        printf(", %lu allocations failed", r->allocs);
    if (test->opts.fail_io)
        printf(", %lu calls for I/O failed", r->faults);
    printf("\n%s %d - %s\n", r->failed ? "not ok" : "ok", number, test->name);
    if (r->finding != BELAY_FINDS_NOTHING)
        printf("# found %s, %u deviation%s from the default run%s\n",
            bly_sim_finding_name(r->finding), r->deviations,
            r->deviations == 1 ? "" : "s",
            r->failed ? "" : ", as the test wants");
    if (r->failed || r->finding != BELAY_FINDS_NOTHING)
        main_comment(r->message);
    if (r->token[0] != '\0')
        printf("# token: %s\n# again: BELAY_REPLAY=%s %s %s\n", r->token,
            r->token, program_invocation_name, test->name);
    fflush(stdout);
}

static bool
main_wants(const belay_test_case *test, const struct main_args *args)
{
    struct bly_sim_trace t = {NULL, 0, 0, 0, 0};
    uint32_t config;
    int i;

    for (i = 0; i < args->nnames; i++)
        if (strcmp(args->names[i], test->name) == 0)
            return true;
    if (args->nnames > 0 || args->replay == NULL)
        return args->nnames == 0;
    if (bly_sim_token_read(args->replay, &config, &t) != NULL)
        config = UINT32_MAX;
    bly_sim_trace_free(&t);
    return config == bly_sim_config(&test->opts);
}

/* False: the command line is wrong. */
static bool
main_parse(struct main_args *args, int argc, char **argv)
{
    int i;

    args->replay = getenv("BELAY_REPLAY");
    args->seed = NULL;
    args->list = false;
    for (i = 1; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--list") == 0)
            args->list = true;
        else if (strcmp(argv[i], "--replay") == 0 && i + 1 < argc)
            args->replay = argv[++i];
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            args->seed = argv[++i];
        else
            return false;
    }
    args->names = argv + i;
    args->nnames = argc - i;
    return true;
}

static int
main_run(const struct main_args *args, int count)
{
    belay_test_case *test;
    int number = 0, failed = 0;

    printf("1..%d\n", count);
    for (test = cases; test != NULL; test = test->next) {
        belay_test_opts opts = test->opts;
        belay_test_result r;

        if (!main_wants(test, args))
            continue;
        if (args->replay != NULL)
            opts.replay = args->replay;
        if (args->seed != NULL)
            opts.seed = strtoull(args->seed, NULL, 10);
        failed += belay_test_run(test->run, NULL, &opts, &r);
        main_tell(test, &r, ++number);
    }
    return failed == 0 ? 0 : 1;
}

int
belay_test_main(int argc, char **argv)
{
    belay_test_case *test;
    struct main_args args;
    int count = 0;

    if (!main_parse(&args, argc, argv)) {
        fprintf(stderr,
            "usage: %s [--list] [--seed N] [--replay TOKEN] [NAME...]\n",
            argv[0]);
        return 2;
    }
    for (test = cases; test != NULL; test = test->next) {
        count += main_wants(test, &args);
        if (args.list)
            printf("%s\n", test->name);
    }
    if (args.list)
        return 0;
    if (count == 0 || (args.nnames > 0 && count < args.nnames)) {
        fprintf(stderr, "%s: no such test%s\n", argv[0],
            args.replay != NULL ? ", or the token is not of this program" :
                                  "");
        return 2;
    }
    return main_run(&args, count);
}

__attribute__((weak)) int
main(int argc, char **argv)
{
    return belay_test_main(argc, argv);
}
