/* SPDX-License-Identifier: MIT */
/*
 * What the machine offers, found by trying.  Each probe leaves things as they
 * were.  A text that is given back is static or lies in the probe.
 */
#ifndef CLI_PROBE_H
#define CLI_PROBE_H

#include <belay/base.h>

struct probe {
    char kernel[128]; /* "Linux 6.1.0 x86_64" */
    unsigned cpus;    /* that this process may use */
    bool uring;
    int uring_errno;          /* why not */
    bool uring_defer;         /* DEFER_TASKRUN: 6.1 */
    bool uring_used;          /* a runtime has opened one */
    int runtime;              /* 0, or why there can be none */
    bool guards;              /* MADV_GUARD_INSTALL: 6.13 */
    bool openat2;             /* 5.6 */
    bool pidfd;               /* 5.3 */
    bool tmpfile;             /* in the current directory */
    uint64_t files, files_hard; /* descriptors; UINT64_MAX: no limit */
    uint64_t processes;       /* and threads, of this user */
    uint64_t maps;            /* vm.max_map_count; 0: not known */
    uint64_t memory;          /* of the control group; UINT64_MAX: none */
    uint64_t pids;            /* the same */
};

void probe_all(struct probe *p);

#endif
