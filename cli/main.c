/* SPDX-License-Identifier: MIT */
/*
 * The command `belay'.  Its first word is looked up in a table; what follows
 * is the command's own.  Nothing is read or opened before that.
 */
#include <belay/base.h>

#include "cli/args.h"
#include "cli/complete.h"
#include "cli/doctor.h"
#include "cli/fetch.h"
#include "cli/jot.h"
#include "cli/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAIN_COMMANDS = 16 };

static const struct command main_commands[] = {
    {"fetch", &fetch_spec, fetch_run},
    {"doctor", &doctor_spec, doctor_run},
    {NULL, NULL, NULL},
};

static const struct command *
main_find(const char *name)
{
    for (const struct command *c = main_commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static void
main_help(FILE *f)
{
    fputs("belay: structured concurrency at the command line\n\n", f);
    for (const struct command *c = main_commands; c->name != NULL; c++)
        fprintf(f, "  # %s\n  %s\n\n", c->spec->examples[0].what,
            c->spec->examples[0].line);
    fputs("Usage: belay COMMAND [OPTION...]\n\nCommands:\n", f);
    for (const struct command *c = main_commands; c->name != NULL; c++)
        fprintf(f, "  %-12s %s\n", c->name, c->spec->purpose);
    fputs("  completion   write the completions of bash, zsh or fish\n"
          "  help         this text, or that of a command\n"
          "\nOptions:\n"
          "  --version    the version; with --json for programs\n"
          "  --help       this text\n"
          "\nMore: man belay(1), belay COMMAND --help\n",
        f);
}

static int
main_unknown(const char *name)
{
    const char *names[MAIN_COMMANDS] = {"completion", "help"}, *near;
    size_t n = 2;

    for (const struct command *c = main_commands;
        c->name != NULL && n < MAIN_COMMANDS; c++)
        names[n++] = c->name;
    near = args_nearest(name, names, n);
    fprintf(stderr, "belay: there is no command '%s'", name);
    if (near != NULL)
        fprintf(stderr, "; did you mean '%s'?\n", near);
    else
        fputs("; see belay --help\n", stderr);
    return STATUS_USAGE;
}

static int
main_show_help(int argc, char **argv)
{
    const struct command *c;

    if (argc < 2) {
        main_help(stdout);
        return STATUS_OK;
    }
    c = main_find(argv[1]);
    if (c == NULL)
        return main_unknown(argv[1]);
    args_help(c->spec, stdout);
    return STATUS_OK;
}

static int
main_version(int argc, char **argv)
{
    struct text out = {NULL, 0, 0};
    struct jot j = {&out, false};

    if (argc > 2 || (argc == 2 && strcmp(argv[1], "--json") != 0)) {
        fprintf(stderr, "belay: --version takes --json only\n");
        return STATUS_USAGE;
    }
    if (argc == 1) {
        printf("belay %s\n", belay_version());
        return STATUS_OK;
    }
    jot_open(&j, NULL, '{');
    jot_number(&j, "v", 1);
    jot_text(&j, "version", belay_version());
    jot_close(&j, '}');
    puts(out.p);
    text_free(&out);
    return STATUS_OK;
}

static int
main_completion(int argc, char **argv)
{
    if (argc == 2 && complete_write(main_commands, argv[1], stdout) == 0)
        return STATUS_OK;
    fputs("belay: completion takes bash, zsh or fish\n", stderr);
    return STATUS_USAGE;
}

/* So that no file is opened as one of the three.  What uses it then fails. */
static void
main_take_streams(void)
{
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};

    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", modes[fd]) != fd)
            _exit(STATUS_ENVIRONMENT);
}

static int
main_run(int argc, char **argv)
{
    const char *word = argv[0];
    const struct command *c = main_find(word);

    if (c != NULL)
        return c->run(argc, argv);
    if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0)
        return main_version(argc, argv);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
        strcmp(word, "help") == 0)
        return main_show_help(argc, argv);
    if (strcmp(word, "completion") == 0)
        return main_completion(argc, argv);
    return main_unknown(word);
}

int
main(int argc, char **argv)
{
    int status;

    main_take_streams();
    if (argc < 2) {
        main_help(stderr);
        return STATUS_USAGE;
    }
    status = main_run(argc - 1, argv + 1);
    if (fflush(stdout) != 0 && status == STATUS_OK)
        return STATUS_ENVIRONMENT;
    return status;
}
