/* SPDX-License-Identifier: MIT */
/* The commands there are, and the completions of shells for them. */
#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H

#include "cli/args.h"

/* One row of the dispatch table. */
struct command {
    const char *name;
    const struct args_spec *spec;
    int (*run)(int argc, char **argv); /* returns an exit status */
};

/* Writes the completions for "bash", "zsh" or "fish", made from the tables;
 * commands ends with a name of NULL.  -EINVAL: no such shell. */
int complete_write(const struct command *commands, const char *shell, FILE *f);

#endif
