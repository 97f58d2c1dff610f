/* SPDX-License-Identifier: MIT */
/* A process and what it has started, for those who end it.  See family.c. */
#ifndef BLY_EXEC_FAMILY_H
#define BLY_EXEC_FAMILY_H

#include "base/compiler.h"

#include <stdbool.h>

struct bly_relative {
    int pid;
    int pidfd; /* -1: no descriptor was free */
    int64_t began;
    bool stopped;
};

/* One thread at a time. */
struct bly_family {
    int head;        /* the number of the first process, and its group's */
    int64_t before;  /* who began later has nothing to do with it */
    struct bly_relative *list;
    uint32_t count, room;
    bool found;      /* in the round that goes on */
};

/* head has not been reaped; or it has, and its group is not empty. */
void bly_family_init(struct bly_family *f, int head, int64_t before);
void bly_family_fini(struct bly_family *f);

/* Asks all to end.  Reads /proc: for a lane, as the next one. */
void bly_family_terminate(struct bly_family *f);
/* Kills all, and all that they start meanwhile. */
void bly_family_kill(struct bly_family *f);

/* Whether one has ended. */
bool bly_relative_gone(const struct bly_relative *r);

#endif
