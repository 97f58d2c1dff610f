/* SPDX-License-Identifier: MIT */
/*
 * The simulated kernel: descriptors, sockets, pipes and what lies between.
 *
 * It is one structure, and whoever is in it is alone in it: a simulated thread
 * loses the processor only at a bly_point().  Each run begins with an empty
 * one, and whatever a run that was left had in it is thrown away then.  Its
 * memory is the simulation's: it does not fail, and nobody counts it.
 *
 * An end (struct bly_vnet_end) is what a descriptor refers to: a socket, or
 * one side of a pipe.  What an end has received lies with it.  What is sent
 * goes straight to the peer, and takes room there, so that a sender has to
 * wait when the peer does not read.  Room is small, so that it does.
 *
 * The rules of Linux are followed where programs can tell:
 *
 *   - to close with bytes unread resets the peer, and so does to write to one
 *     that is closed; but pipes and unix sockets say EPIPE at once;
 *   - what came before a reset can still be read, then the error is told
 *     once, then there is the end;
 *   - who connects to nobody is refused, but waits while the listener's queue
 *     is full;
 *   - a write to a pipe of no more than its room is not split;
 *   - what has no room is lost if it was sent by UDP, else its sender waits;
 *   - descriptors stay with the bytes that they were sent with.
 *
 * One is not: the name of a unix socket goes when its socket is closed; there
 * is no file that remains.
 *
 * Nothing here asks the explorer, and nothing here wakes anybody: whoever has
 * changed something calls bly_vnet_changed() when he is done.  That is in
 * io.c, where the choices are.
 */
#include "sim/vnet.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { VNET_FIRST_PORT = 40000, VNET_HELD = 1 << 20 };

struct bly_vnet bly_vnet;

/* ---- ends --------------------------------------------------------------- */

struct bly_vnet_end *
bly_vnet_end_new(int domain, enum bly_vnet_kind kind)
{
    struct bly_vnet_end *e = bly_alloc_quiet(sizeof(*e));

    if (e == NULL)
        return NULL;
    memset(e, 0, sizeof(*e));
    e->domain = domain;
    e->kind = (uint8_t)kind;
    e->room = kind == BLY_VNET_GRAM ? BLY_VNET_GRAM_ROOM : BLY_VNET_ROOM;
    e->reads = e->writes = true;
    bly_list_init(&e->queue);
    bly_list_init(&e->gifts);
    bly_list_init(&e->grams);
    bly_list_init(&e->waves);
    bly_list_push(&bly_vnet.ends, &e->link);
    return e;
}

struct bly_vnet_end *
bly_vnet_end_after(struct bly_vnet_end *e)
{
    struct bly_link *l = e == NULL ? bly_list_first(&bly_vnet.ends)
                                   : bly_list_next(&bly_vnet.ends, &e->link);

    return l == NULL ? NULL : BLY_CONTAINER(l, struct bly_vnet_end, link);
}

/* Throws away what nobody has taken, but for plain bytes. */
static void
vnet_end_empty(struct bly_vnet_end *e)
{
    struct bly_link *l;

    bly_vnet_gram_drop_all(e);
    bly_vnet_waves_drop(e);
    while ((l = bly_list_pop(&e->gifts)) != NULL)
        bly_vnet_gift_drop(BLY_CONTAINER(l, struct bly_vnet_gift, link));
}

void
bly_vnet_end_free(struct bly_vnet_end *e)
{
    if (e->peer != NULL)
        e->peer->peer = NULL;
    if (bly_linked(&e->queued))
        bly_list_remove(&e->queued);
    bly_list_remove(&e->link);
    vnet_end_empty(e);
    bly_free_quiet(e->bytes);
    bly_free_quiet(e);
}

/* ---- descriptors -------------------------------------------------------- */

int
bly_vnet_fd_new(struct bly_vnet_end *e)
{
    uint32_t i;

    for (i = 0; i < BLY_VNET_FDS && bly_vnet.fds[i] != NULL; i++)
        continue;
    if (i == BLY_VNET_FDS)
        return -EMFILE;
    if (i >= bly_vnet.fds_used)
        bly_vnet.fds_used = i + 1;
    bly_vnet.fds[i] = e;
    e->refs++;
    return BLY_SIM_FD + (int)i;
}

struct bly_vnet_end *
bly_vnet_end_of(int fd)
{
    if (fd < BLY_SIM_FD || fd - BLY_SIM_FD >= BLY_VNET_FDS)
        return NULL;
    return bly_vnet.fds[fd - BLY_SIM_FD];
}

void
bly_vnet_fd_close(int fd)
{
    struct bly_vnet_end *e = bly_vnet_end_of(fd);

    bly_vnet.fds[fd - BLY_SIM_FD] = NULL;
    bly_vnet_end_put(e);
}

void
bly_vnet_end_put(struct bly_vnet_end *e)
{
    if (--e->refs == 0)
        bly_vnet_close(e);
}

/* ---- a run -------------------------------------------------------------- */

/* Some are only held by what lies in others, so nothing closes by itself. */
static void
vnet_free_all(void)
{
    struct bly_vnet_end *e;

    for (e = bly_vnet_end_after(NULL); e != NULL; e = bly_vnet_end_after(e))
        e->refs += VNET_HELD;
    for (e = bly_vnet_end_after(NULL); e != NULL; e = bly_vnet_end_after(e))
        vnet_end_empty(e);
    while ((e = bly_vnet_end_after(NULL)) != NULL)
        bly_vnet_end_free(e);
}

void
bly_vnet_reset(void)
{
    if (bly_vnet.ends.head.next == NULL)
        bly_list_init(&bly_vnet.ends);
    vnet_free_all();
    memset(bly_vnet.fds, 0, bly_vnet.fds_used * sizeof(bly_vnet.fds[0]));
    bly_vnet.fds_used = 0;
    bly_vnet.port = VNET_FIRST_PORT;
    bly_vnet.npaths = 0;
    bly_vnet_io_reset();
}

static void
vnet_name(const struct bly_vnet_end *e, char *buf, size_t size)
{
    char local[128], remote[128];

    if (e->kind == BLY_VNET_PIPE) {
        snprintf(buf, size, "%s end of a pipe", e->reads ? "read" : "write");
        return;
    }
    bly_vnet_addr_text(&e->local, local, sizeof(local));
    bly_vnet_addr_text(&e->remote, remote, sizeof(remote));
    snprintf(buf, size, "%s %s%s%s",
        e->state == BLY_VNET_LISTENS ? "listener" : "socket", local,
        e->remote.len > 0 ? " to " : "", e->remote.len > 0 ? remote : "");
}

unsigned
bly_vnet_leaks(char *buf, size_t size)
{
    unsigned n = 0;
    size_t len = 0;
    uint32_t i;

    buf[0] = '\0';
    for (i = 0; i < bly_vnet.fds_used; i++) {
        char name[300];
        int w;

        if (bly_vnet.fds[i] == NULL)
            continue;
        vnet_name(bly_vnet.fds[i], name, sizeof(name));
        w = snprintf(buf + len, size - len, "%s%s", n > 0 ? ", " : "", name);
        if (w > 0 && len + (size_t)w < size)
            len += (size_t)w;
        else
            buf[len] = '\0';
        n++;
    }
    return n;
}
