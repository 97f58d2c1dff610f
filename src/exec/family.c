/* SPDX-License-Identifier: MIT */
/*
 * Finding and ending all that a process has started.
 *
 * Relatives are the head, the members of its process group, and the children
 * of relatives, wherever they have gone since.  The kernel tells who somebody's
 * parent is only while that lives, so relatives are kept once they have been
 * found, each with a descriptor, which stays the same process whatever becomes
 * of its number.  Between reading a number in /proc and opening it, it may have
 * become somebody else's: so one looks once more when one has the descriptor.
 *
 * The group is named by a number too.  It stays the group's until the head has
 * been reaped and the last member has ended; after that a new process may get
 * it, and a group of its own with it.  If the head has been reaped, only those
 * count that began before.
 *
 * To kill a tree while it grows: stop all that are found, and look again, until
 * no new ones are found; then nobody is left who could start another one.
 *
 * Rejected: PR_SET_CHILD_SUBREAPER, by which orphans become our children.  It
 * is the whole process's, so that other libraries' orphans would come as well.
 */
#include "exec/family.h"

#include "base/alloc.h"
#include "os/proc.h"
#include "os/sys.h"

#include <signal.h>
#include <string.h>

enum { FAMILY_FIRST = 16, FAMILY_ROUNDS = 64 };

void
bly_family_init(struct bly_family *f, int head, int64_t before)
{
    memset(f, 0, sizeof *f);
    f->head = head;
    f->before = before;
}

void
bly_family_fini(struct bly_family *f)
{
    uint32_t i;

    for (i = 0; i < f->count; i++)
        if (f->list[i].pidfd >= 0)
            bly_sys_close(f->list[i].pidfd);
    bly_free(f->list);
}

/* ---- finding ------------------------------------------------------------ */

/* The last one that had this number. */
static const struct bly_relative *
family_get(const struct bly_family *f, int pid)
{
    uint32_t i;

    for (i = f->count; i-- > 0;)
        if (f->list[i].pid == pid)
            return &f->list[i];
    return NULL;
}

static bool
family_grow(struct bly_family *f)
{
    uint32_t room = f->room != 0 ? 2 * f->room : FAMILY_FIRST;
    struct bly_relative *list;

    if (f->count < f->room)
        return true;
    list = bly_alloc(room * sizeof *list);
    if (list == NULL)
        return false;
    if (f->count != 0)
        memcpy(list, f->list, f->count * sizeof *list);
    bly_free(f->list);
    f->list = list;
    f->room = room;
    return true;
}

static bool
family_is_relative(struct bly_family *f, const struct bly_proc_info *p)
{
    const struct bly_relative *known;
    struct bly_proc_info parent;

    if (p->pid == f->head || p->group == f->head)
        return p->began <= f->before;
    known = family_get(f, p->parent);
    return known != NULL && bly_proc_look(known->pid, &parent) == 0 &&
        parent.began == known->began;
}

static bool
family_see(void *arg, const struct bly_proc_info *p)
{
    struct bly_family *f = arg;
    const struct bly_relative *known = family_get(f, p->pid);
    struct bly_relative *r;
    struct bly_proc_info again;
    int fd;

    if (p->ended || (known != NULL && known->began == p->began) ||
        !family_is_relative(f, p))
        return true;
    if (!family_grow(f))
        return false;
    fd = bly_proc_open(p->pid);
    if (bly_proc_look(p->pid, &again) < 0 || again.began != p->began) {
        if (fd >= 0)
            bly_sys_close(fd);
        return true;
    }
    r = &f->list[f->count++];
    r->pid = p->pid;
    r->pidfd = fd;
    r->began = p->began;
    r->stopped = false;
    f->found = true;
    return true;
}

/* True: there are some that were not known.  In one listing a child may come
 * before its parent. */
static bool
family_find(struct bly_family *f)
{
    uint32_t before = f->count;

    do {
        f->found = false;
        if (bly_proc_list(family_see, f) < 0)
            break;
    } while (f->found);
    return f->count != before;
}

/* ---- ending ------------------------------------------------------------- */

bool
bly_relative_gone(const struct bly_relative *r)
{
    struct bly_proc_info now;

    return bly_proc_look(r->pid, &now) < 0 || now.began != r->began ||
        now.ended;
}

static void
family_signal(const struct bly_relative *r, int number)
{
    if (r->pidfd >= 0)
        (void)bly_proc_signal(r->pidfd, number);
    else if (!bly_relative_gone(r))
        (void)bly_proc_signal_one(r->pid, number);
}

void
bly_family_terminate(struct bly_family *f)
{
    uint32_t i;

    (void)family_find(f);
    for (i = 0; i < f->count; i++) {
        family_signal(&f->list[i], SIGTERM);
        family_signal(&f->list[i], SIGCONT); /* or it would not come to it */
    }
}

void
bly_family_kill(struct bly_family *f)
{
    uint32_t i;
    int round;

    for (round = 0; round < FAMILY_ROUNDS; round++) {
        bool found = family_find(f);

        if (!found && round > 0)
            break;
        for (i = 0; i < f->count; i++)
            if (!f->list[i].stopped) {
                family_signal(&f->list[i], SIGSTOP);
                f->list[i].stopped = true;
            }
    }
    for (i = 0; i < f->count; i++)
        family_signal(&f->list[i], SIGKILL);
}
