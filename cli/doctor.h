/* SPDX-License-Identifier: MIT */
/* belay doctor: what belay finds on this machine, and what that means. */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "cli/args.h"

extern const struct args_spec doctor_spec;

int doctor_run(int argc, char **argv);

#endif
