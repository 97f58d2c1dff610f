/* SPDX-License-Identifier: MIT */
/* Simulated child processes: the table is in proc_sim.c, what they do in
 * vproc_sh.c. */
#ifndef BLY_SIM_VPROC_H
#define BLY_SIM_VPROC_H

#include "base/list.h"
#include "os/proc.h"
#include "sim/vnet.h"

enum {
    BLY_VPROC_FDS = 8,   /* of a process */
    BLY_VPROC_LIVES = 8, /* descriptors of a process, in others */
    BLY_VPROC_TEXT = 256
};

struct bly_vproc {
    struct bly_link link; /* in the table, oldest first */
    int pid, parent, group;
    int64_t began;
    bool head;     /* was started by the program, which has to reap it */
    bool ended;
    bool stopped;
    bool deaf;     /* ignores TERM */
    bool reads;    /* waits until something changes in the kernel */
    int killed_by; /* the signal that ends it, or 0 */
    uint32_t news; /* futex: counts what might interest it */
    struct bly_vnet_end *fds[BLY_VPROC_FDS]; /* NULL: nothing comes and all
                                              * is swallowed */
    /* Ends whose peers are descriptors of it: they close when it ends. */
    struct bly_vnet_end *lives[BLY_VPROC_LIVES];
    struct bly_proc_end end;
    char text[BLY_VPROC_TEXT]; /* what it does */
};

/* ---- proc_sim.c --------------------------------------------------------- */

void bly_vproc_reset(void);
/* Something has changed in the kernel. */
void bly_vproc_poke(void);
/* The same, of a change that a process has made. */
void bly_vproc_changed(void);
/* Whether any is there that has not ended, and so may bring work. */
bool bly_vproc_any(void);
/* The number of one that has ended and nobody has reaped; 0: none. */
int bly_vproc_zombie(void);

/* Another one with the same descriptors, in the same group or its own. */
int bly_vproc_fork(struct bly_vproc *p, const char *text, bool own)
    BLY_MUST_CHECK;
bool bly_vproc_has_children(const struct bly_vproc *p);
/* Sleeps until the time has come, news has changed from seen, or never.
 * False: it has been killed. */
bool bly_vproc_pause(struct bly_vproc *p, uint32_t seen, int64_t until);

/* ---- vproc_sh.c --------------------------------------------------------- */

/* The text for this, or NULL: there is no such program. */
bool bly_vsh_program(const char *const *argv, char *text);
/* Its exit status, unless it has been killed. */
int bly_vsh_run(struct bly_vproc *p);

#endif
