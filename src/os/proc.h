/* SPDX-License-Identifier: MIT */
/*
 * Other processes: starting one, looking, signalling, reaping.  All return
 * >= 0 or -errno, and leave errno alone.
 *
 * A number of a process is a process only until somebody has reaped it; a
 * descriptor of one (pidfd) stays the same process for ever.
 */
#ifndef BLY_OS_PROC_H
#define BLY_OS_PROC_H

#include "base/compiler.h"

#include <stdbool.h>

/* What becomes its descriptor 0, 1, 2, if not one of ours. */
enum {
    BLY_PROC_SAME = -1, /* ours of that number */
    BLY_PROC_NULL = -2, /* /dev/null */
    BLY_PROC_OUT = -3   /* of 2: what became its 1 */
};

struct bly_proc_fd {
    int theirs, ours;
};

enum bly_proc_stage {
    BLY_PROC_PROGRAM, /* finding and executing it; or anything else */
    BLY_PROC_DIR,
    BLY_PROC_FD
};

struct bly_proc_start {
    const char *const *argv; /* argv[0] is looked for in PATH */
    const char *const *env;  /* NULL: ours */
    const char *dir;         /* NULL: ours */
    int fds[3];              /* BLY_PROC_*, or one of ours */
    const struct bly_proc_fd *more; /* theirs > 2 */
    size_t nmore;
    /* Out, on failure: whose fault it is, and which descriptor of theirs. */
    enum bly_proc_stage stage;
    int bad_fd;
};

/*
 * Starts a program as the first of a process group, with no signal blocked and
 * SIGPIPE as usual, and no other descriptors than these.  When we die, the
 * kernel kills it.  Returns its number; its descriptor may be -1: the kernel
 * has none, or none was free.  Waits until the program has begun: for a lane.
 */
int bly_proc_start(struct bly_proc_start *how, int *pidfd) BLY_MUST_CHECK;
/* Once for each that was started, when it has been reaped. */
void bly_proc_gone(void);

struct bly_proc_end {
    int code;   /* exit status; -1: a signal ended it */
    int signal; /* or 0 */
    bool core;
    int64_t user_ns, system_ns;
    int64_t max_rss; /* bytes */
};

/* Of a child: 1 it has ended and is reaped now, so that its number may become
 * somebody else's; 0 not yet; -ECHILD: it has been reaped before.  pidfd may
 * be -1. */
int bly_proc_reap(int pid, int pidfd, struct bly_proc_end *out)
    BLY_MUST_CHECK;

/* What it means, or NULL. */
const char *bly_proc_signal_text(int number);
int bly_proc_signal(int pidfd, int number);
/* Of one that still has its number.  0 tells only whether it is there: 0, or
 * -ESRCH. */
int bly_proc_signal_group(int pid, int number);
int bly_proc_signal_one(int pid, int number);
int bly_proc_open(int pid) BLY_MUST_CHECK; /* its descriptor */

struct bly_proc_info {
    int pid, parent, group;
    bool ended;    /* and not reaped */
    int64_t began; /* on bly_os_now_boot()'s clock, to 10 ms or so */
};

int bly_proc_look(int pid, struct bly_proc_info *out) BLY_MUST_CHECK;
/* Calls fn for every process that can be seen; stops when it answers false. */
int bly_proc_list(bool (*fn)(void *arg, const struct bly_proc_info *p),
    void *arg) BLY_MUST_CHECK;

/* Reads and writes of fd wait, as programs expect. */
void bly_proc_blocking(int fd);

#endif
