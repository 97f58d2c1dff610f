/* SPDX-License-Identifier: MIT */
/*
 * Options of a command: one table from which arguments are read, and --help
 * and the completions of shells are written.
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum args_kind {
    ARGS_FLAG,     /* bool */
    ARGS_HELP,     /* nothing is stored; reading ends with ARGS_WANTS_HELP */
    ARGS_TEXT,     /* const char * */
    ARGS_FILE,     /* the same; completes file names */
    ARGS_DIR,      /* the same; completes directories */
    ARGS_LIST,     /* struct args_list: may be given several times; files */
    ARGS_TEXTS,    /* the same with texts */
    ARGS_COUNT,    /* uint64_t */
    ARGS_SIZE,     /* uint64_t, bytes */
    ARGS_DURATION, /* belay_dur */
    ARGS_RATE,     /* struct rate */
    ARGS_SHARE,    /* struct args_share: "5" or "10%" */
    ARGS_CHOICE,   /* int: the index in value, "auto|always|never" */
};

/* Texts that are part of argv; v is freed by args_free. */
struct args_list {
    const char **v;
    size_t n;
};

struct args_share {
    double n;
    bool percent;
};

struct args_option {
    const char *name; /* without the dashes */
    char letter;      /* '\0': none */
    enum args_kind kind;
    const char *value; /* "N", or the choices; NULL for flags */
    size_t offset;     /* where it goes in the command's own struct */
    const char *help;  /* one line or more */
    uint64_t min, max; /* ARGS_COUNT only; both 0: anything */
};

struct args_group {
    const char *title;
    const struct args_option *options; /* ends with a name of NULL */
};

struct args_example {
    const char *what, *line;
};

struct args_spec {
    const char *command; /* "belay fetch" */
    const char *operands; /* "[URL...]"; NULL: takes none */
    const char *purpose;
    const struct args_example *examples; /* ends with a line of NULL */
    const struct args_group *groups;     /* ends with a title of NULL */
    const char *more;                    /* "belay-fetch(1)" */
    bool ends; /* the first operand ends options: it is a command */
};

enum { ARGS_WANTS_HELP = 1 };

/*
 * Reads argv[1..] into the struct at `into', which holds the defaults, and the
 * operands into *rest.  Options and operands may be mixed, unless spec->ends;
 * -- ends options.
 * Returns 0, ARGS_WANTS_HELP, or -EINVAL with a text in why.
 */
int args_parse(const struct args_spec *spec, int argc, char **argv, void *into,
    struct args_list *rest, char *why, size_t size);
/* The lists in `into' and rest. */
void args_free(const struct args_spec *spec, void *into,
    struct args_list *rest);

/* Examples first. */
void args_help(const struct args_spec *spec, FILE *f);

/*
 * The one of n names that is nearest to word, or NULL if none is near: at most
 * one wrong, missing, additional or swapped letter in three.
 */
const char *args_nearest(const char *word, const char *const *names, size_t n);

#endif
