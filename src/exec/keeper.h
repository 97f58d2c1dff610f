/* SPDX-License-Identifier: MIT */
/* What a handle and the keeper of a process share.  See keeper.c. */
#ifndef BLY_EXEC_KEEPER_H
#define BLY_EXEC_KEEPER_H

#include <belay/process.h>
#include <belay/sync.h>

#include "base/lock.h"
#include "os/proc.h"

enum { BLY_KEEPER_NAME = 64 };

struct belay_process {
    uint32_t refs; /* atomic */
    int pid;
    int pidfd;  /* -1: the kernel has none for us; then it is asked again and
                 * again, and `lock' keeps its number its own meanwhile */
    struct bly_lock lock;
    bool reaped; /* under lock */
    bool lost;   /* somebody else has reaped it; once done */
    int ours[3];   /* our ends of pipes, or -1 */
    int theirs[3]; /* while it starts: descriptors of its own, or -1 */
    belay_dur grace; /* < 0: none */
    belay_event quit, done, gone;
    belay_exit exit; /* once done */
    const belay_site *site;
    bool kept;       /* the keeper has begun, and has its share of refs */
    struct bly_proc_start how; /* while it starts */
    struct bly_proc_fd *more;  /* the same */
    char name[BLY_KEEPER_NAME];
};

/* Starts what p->how says as a daemon of s, and keeps it. */
int bly_keeper_spawn(belay_scope *s, belay_process *p, const belay_site *site)
    BLY_MUST_CHECK;
void bly_keeper_unref(belay_process *p);

int bly_keeper_signal(belay_process *p, int number) BLY_MUST_CHECK;

/* Once done: what belay_process_wait returns, with the reason in text. */
int bly_keeper_result(const belay_process *p, char *text, size_t size)
    BLY_MUST_CHECK;

#endif
