/* SPDX-License-Identifier: MIT */
/* Exit statuses, the same for all commands. */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_SOME_FAILED = 1, /* the run is complete, some of it failed */
    STATUS_USAGE = 2,
    STATUS_STOPPED = 3,     /* --fail-fast, --max-failures */
    STATUS_DEADLINE = 4,    /* --deadline */
    STATUS_ENVIRONMENT = 5, /* no memory, no descriptors, unwritable DIR */
    STATUS_SIGNAL = 128,    /* and the number; by raising it once more */
};

#endif
