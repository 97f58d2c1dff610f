/* SPDX-License-Identifier: MIT */
/*
 * The contract of os/proc.h in a simulation.
 *
 * A process is a simulated thread that runs one of a few programs, in virtual
 * time, with descriptors of the simulated kernel.  What it does to the program
 * under test and what that does to it is interleaved like everything else.
 *
 * A descriptor of a process is the read end of a pipe whose other end it
 * holds: at its end that is closed, which wakes who waits for it.
 *
 * Who was not started by the program itself is reaped by whoever it is that
 * does so on a real machine.  A process that is left is a thread that is left,
 * or one that nobody reaped.
 */
#include "sim/vproc.h"

#include "base/alloc.h"
#include "base/choice.h"
#include "os/os.h"
#include "sim/machine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { VPROC_FIRST = 2000, VPROC_LIST = 64, VPROC_US = 1000, VPROC_INIT = 1 };

static struct {
    struct bly_list all;
    int pid; /* the latest that was given out */
} vproc;

/* ---- the table ---------------------------------------------------------- */

static struct bly_vproc *
vproc_after(struct bly_vproc *p)
{
    struct bly_link *l = p == NULL ? bly_list_first(&vproc.all)
                                   : bly_list_next(&vproc.all, &p->link);

    return l == NULL ? NULL : BLY_CONTAINER(l, struct bly_vproc, link);
}

static struct bly_vproc *
vproc_find(int pid)
{
    struct bly_vproc *p = vproc_after(NULL);

    while (p != NULL && p->pid != pid)
        p = vproc_after(p);
    return p;
}

static void
vproc_free(struct bly_vproc *p)
{
    bly_list_remove(&p->link);
    bly_free_quiet(p);
}

/* Ends are the kernel's and go with it. */
void
bly_vproc_reset(void)
{
    struct bly_vproc *p;

    if (vproc.all.head.next == NULL)
        bly_list_init(&vproc.all);
    while ((p = vproc_after(NULL)) != NULL)
        vproc_free(p);
    vproc.pid = VPROC_FIRST;
}

bool
bly_vproc_any(void)
{
    struct bly_vproc *p = vproc_after(NULL);

    while (p != NULL && p->ended)
        p = vproc_after(p);
    return p != NULL;
}

int
bly_vproc_zombie(void)
{
    struct bly_vproc *p = vproc_after(NULL);

    while (p != NULL && !p->ended)
        p = vproc_after(p);
    return p != NULL ? p->pid : 0;
}

bool
bly_vproc_has_children(const struct bly_vproc *parent)
{
    struct bly_vproc *p = vproc_after(NULL);

    while (p != NULL && p->parent != parent->pid)
        p = vproc_after(p);
    return p != NULL;
}

/* ---- a process ---------------------------------------------------------- */

static void
vproc_tell(struct bly_vproc *p)
{
    p->news++;
    bly_os_futex_wake(&p->news, 1);
}

void
bly_vproc_poke(void)
{
    struct bly_vproc *p = vproc_after(NULL);

    while (p != NULL) {
        if (!p->reads) {
            p = vproc_after(p);
            continue;
        }
        p->reads = false;
        vproc_tell(p); /* others may run meanwhile */
        p = vproc_after(NULL);
    }
}

/* The kernel tells the workers, and it knows which are there: none of them may
 * end meanwhile. */
void
bly_vproc_changed(void)
{
    bly_machine.still = true;
    bly_vnet_changed();
    bly_machine.still = false;
}

bool
bly_vproc_pause(struct bly_vproc *p, uint32_t seen, int64_t until)
{
    while (p->killed_by == 0 &&
        (p->stopped || (p->news == seen && bly_os_now() < until))) {
        if (p->stopped)
            bly_os_futex_wait(&p->news, p->news, BLY_NEVER);
        else
            bly_os_futex_wait(&p->news, seen, until);
    }
    p->reads = false;
    return p->killed_by == 0;
}

/* It is gone when the last of it is told. */
static void
vproc_end(struct bly_vproc *p)
{
    struct bly_vproc *other;
    int i;

    for (i = 0; i < BLY_VPROC_FDS; i++)
        if (p->fds[i] != NULL)
            bly_vnet_end_put(p->fds[i]);
    for (i = 0; i < BLY_VPROC_LIVES; i++)
        if (p->lives[i] != NULL)
            bly_vnet_end_put(p->lives[i]);
    memset(p->fds, 0, sizeof p->fds);
    memset(p->lives, 0, sizeof p->lives);
    for (other = vproc_after(NULL); other != NULL; other = vproc_after(other)) {
        if (other->parent == p->pid)
            other->parent = VPROC_INIT;
        if (other->pid == p->parent)
            other->reads = true; /* it may wait for us */
    }
    p->ended = true;
    if (!p->head)
        vproc_free(p);
    bly_vproc_changed();
}

static void
vproc_main(void *arg)
{
    struct bly_vproc *p = arg;
    int code = bly_vsh_run(p);

    p->end.signal = p->killed_by;
    p->end.code = p->killed_by != 0 ? -1 : code;
    vproc_end(p);
}

static struct bly_vproc *
vproc_new(const char *text, int parent)
{
    struct bly_vproc *p = bly_alloc_quiet(sizeof *p);

    if (p == NULL)
        return NULL;
    memset(p, 0, sizeof *p);
    p->pid = ++vproc.pid;
    p->parent = parent;
    p->group = p->pid;
    p->began = bly_machine.now;
    (void)snprintf(p->text, sizeof p->text, "%s", text);
    return p;
}

/* Its number, or -errno and it is freed. */
static int
vproc_start(struct bly_vproc *p)
{
    struct bly_vthread *v = bly_machine_start(vproc_main, p, "process");
    int i;

    if (v == NULL) {
        bly_free_quiet(p);
        return -EAGAIN;
    }
    v->detached = true;
    for (i = 0; i < BLY_VPROC_FDS; i++)
        if (p->fds[i] != NULL)
            p->fds[i]->refs++;
    bly_list_push(&vproc.all, &p->link);
    return p->pid;
}

int
bly_vproc_fork(struct bly_vproc *parent, const char *text, bool own)
{
    struct bly_vproc *p = vproc_new(text, parent->pid);

    if (p == NULL)
        return -ENOMEM;
    if (!own)
        p->group = parent->group;
    p->deaf = parent->deaf;
    memcpy(p->fds, parent->fds, sizeof p->fds);
    return vproc_start(p);
}

/* ---- the contract: starting --------------------------------------------- */

/* What the process gets for ours; false: there is no such descriptor. */
static bool
vproc_fd(struct bly_vproc *p, int theirs, int ours)
{
    if (ours == BLY_PROC_OUT)
        p->fds[theirs] = p->fds[1];
    else if (ours >= BLY_SIM_FD)
        p->fds[theirs] = bly_vnet_end_of(ours);
    return ours < BLY_SIM_FD || p->fds[theirs] != NULL;
}

static int
vproc_fds(struct bly_vproc *p, struct bly_proc_start *how)
{
    size_t i;

    for (i = 0; i < how->nmore + 3; i++) {
        int theirs = i < 3 ? (int)i : how->more[i - 3].theirs;

        if (theirs < BLY_VPROC_FDS &&
            vproc_fd(p, theirs, i < 3 ? how->fds[i] : how->more[i - 3].ours))
            continue;
        how->stage = BLY_PROC_FD;
        how->bad_fd = theirs;
        return -EBADF;
    }
    return 0;
}

int
bly_proc_start(struct bly_proc_start *how, int *pidfd)
{
    char text[BLY_VPROC_TEXT];
    struct bly_vproc *p;
    int r;

    bly_point(&vproc);
    how->stage = BLY_PROC_PROGRAM;
    how->bad_fd = -1;
    if (bly_choose(BLY_CHOOSE_FAULT, 2) != 0)
        return -EAGAIN;
    if (!bly_vsh_program(how->argv, text))
        return -ENOENT;
    p = vproc_new(text, VPROC_US);
    if (p == NULL)
        return -ENOMEM;
    p->head = true;
    r = vproc_fds(p, how);
    if (r < 0) {
        bly_free_quiet(p);
        return r;
    }
    r = vproc_start(p);
    if (r >= 0)
        *pidfd = bly_proc_open(r);
    return r;
}

void
bly_proc_gone(void)
{
}

/* ---- the contract: ending ----------------------------------------------- */

int
bly_proc_reap(int pid, int pidfd, struct bly_proc_end *out)
{
    struct bly_vproc *p;

    (void)pidfd;
    bly_point(&vproc);
    p = vproc_find(pid);
    if (p == NULL || !p->head)
        return -ECHILD;
    if (!p->ended)
        return 0;
    *out = p->end;
    vproc_free(p);
    return 1;
}

const char *
bly_proc_signal_text(int number)
{
    return number == SIGKILL ? "Killed" : NULL;
}

static void
vproc_signal(struct bly_vproc *p, int number)
{
    if (number == 0 || p->ended)
        return;
    if (number == SIGCONT || number == SIGSTOP)
        p->stopped = number == SIGSTOP;
    else if (number != SIGTERM || !p->deaf)
        p->killed_by = number;
    vproc_tell(p);
}

int
bly_proc_signal(int pidfd, int number)
{
    struct bly_vnet_end *e;
    struct bly_vproc *p;
    int i;

    bly_point(&vproc);
    e = bly_vnet_end_of(pidfd);
    for (p = vproc_after(NULL); p != NULL && e != NULL; p = vproc_after(p))
        for (i = 0; i < BLY_VPROC_LIVES; i++)
            if (p->lives[i] != NULL && p->lives[i] == e->peer) {
                vproc_signal(p, number);
                return 0;
            }
    return e == NULL ? -EBADF : -ESRCH;
}

int
bly_proc_signal_group(int group, int number)
{
    int pids[VPROC_LIST], n = 0, i;
    struct bly_vproc *p;

    bly_point(&vproc);
    for (p = vproc_after(NULL); p != NULL; p = vproc_after(p))
        if (p->group == group && n < VPROC_LIST)
            pids[n++] = p->pid;
    for (i = 0; i < n; i++) {
        p = vproc_find(pids[i]);
        if (p != NULL)
            vproc_signal(p, number);
    }
    return n > 0 ? 0 : -ESRCH;
}

int
bly_proc_signal_one(int pid, int number)
{
    struct bly_vproc *p;

    bly_point(&vproc);
    p = vproc_find(pid);
    if (p == NULL)
        return -ESRCH;
    vproc_signal(p, number);
    return 0;
}

/* ---- the contract: looking ---------------------------------------------- */

int
bly_proc_open(int pid)
{
    struct bly_vnet_end *in, *out;
    struct bly_vproc *p;
    int fd, i;

    bly_point(&vproc);
    p = vproc_find(pid);
    if (p == NULL)
        return -ESRCH;
    if (bly_choose(BLY_CHOOSE_FAULT, 2) != 0)
        return -EMFILE;
    for (i = 0; i < BLY_VPROC_LIVES && p->lives[i] != NULL; i++)
        continue;
    if (i == BLY_VPROC_LIVES)
        return -EMFILE;
    in = bly_vnet_end_new(AF_UNIX, BLY_VNET_PIPE);
    out = bly_vnet_end_new(AF_UNIX, BLY_VNET_PIPE);
    if (in == NULL || out == NULL)
        return -ENOMEM;
    fd = bly_vnet_fd_new(in);
    if (fd < 0)
        return fd;
    bly_vnet_join(in, out);
    in->writes = out->reads = false;
    out->refs = 1;
    if (p->ended)
        bly_vnet_end_put(out);
    else
        p->lives[i] = out;
    return fd;
}

static void
vproc_info(const struct bly_vproc *p, struct bly_proc_info *out)
{
    *out = (struct bly_proc_info){.pid = p->pid, .parent = p->parent,
        .group = p->group, .ended = p->ended, .began = p->began};
}

int
bly_proc_look(int pid, struct bly_proc_info *out)
{
    struct bly_vproc *p;

    bly_point(&vproc);
    p = vproc_find(pid);
    if (p == NULL)
        return -ESRCH;
    vproc_info(p, out);
    return 0;
}

/* What one gets is old as soon as one has it. */
int
bly_proc_list(bool (*fn)(void *arg, const struct bly_proc_info *p), void *arg)
{
    struct bly_proc_info list[VPROC_LIST];
    struct bly_vproc *p;
    int n = 0, i;

    bly_point(&vproc);
    for (p = vproc_after(NULL); p != NULL && n < VPROC_LIST;
         p = vproc_after(p))
        vproc_info(p, &list[n++]);
    for (i = 0; i < n; i++)
        if (!fn(arg, &list[i]))
            break;
    return 0;
}

void
bly_proc_blocking(int fd)
{
    (void)fd;
}
