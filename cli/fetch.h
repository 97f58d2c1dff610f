/* SPDX-License-Identifier: MIT */
/* belay fetch: many URLs, each with its own result. */
#ifndef CLI_FETCH_H
#define CLI_FETCH_H

#include "cli/args.h"

extern const struct args_spec fetch_spec;

int fetch_run(int argc, char **argv);

#endif
