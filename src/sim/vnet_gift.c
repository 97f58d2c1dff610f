/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that travel through a unix socket of the simulated kernel.  On
 * their way they hold what they refer to.
 */
#include "sim/vnet.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

enum { GIFT_MOST = 253 }; /* of one message, as in Linux */

static int
gift_add(struct bly_vnet_gift *g, const int *fds, size_t n)
{
    if (n > GIFT_MOST)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        struct bly_vnet_end *e = bly_vnet_end_of(fds[i]);

        if (e == NULL)
            return -EBADF;
        g->ends[g->count++] = e;
        e->refs++;
    }
    return 0;
}

int
bly_vnet_gift_pack(const struct bly_vnet_end *e, const struct msghdr *msg,
    struct bly_vnet_gift **out)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    struct bly_vnet_gift *g;
    int r;

    *out = NULL;
    if (c == NULL)
        return 0;
    if (e->domain != AF_UNIX || c->cmsg_len < CMSG_LEN(0) ||
        c->cmsg_level != SOL_SOCKET ||
        c->cmsg_type != SCM_RIGHTS ||
        CMSG_NXTHDR((struct msghdr *)(uintptr_t)msg, c) != NULL)
        return -EINVAL;
    g = bly_alloc_quiet(sizeof(*g) + GIFT_MOST * sizeof(struct bly_vnet_end *));
    if (g == NULL)
        return -ENOMEM;
    memset(g, 0, sizeof(*g));
    r = gift_add(g, (const int *)(const void *)CMSG_DATA(c),
        (c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    if (r < 0) {
        bly_vnet_gift_drop(g);
        return r;
    }
    *out = g;
    return 0;
}

/* How many descriptors the message has room for. */
static uint32_t
gift_room(const struct bly_vnet_move *m)
{
    if (m->msg->msg_control == NULL || m->control < CMSG_LEN(sizeof(int)))
        return 0;
    return (uint32_t)((m->control - CMSG_LEN(0)) / sizeof(int));
}

void
bly_vnet_gift_unpack(struct bly_vnet_gift *g, const struct bly_vnet_move *m)
{
    uint32_t room = gift_room(m), n = 0;
    struct cmsghdr *c = m->msg->msg_control;

    for (; n < room && n < g->count; n++) {
        int fd = bly_vnet_fd_new(g->ends[n]);

        if (fd < 0)
            break;
        memcpy(CMSG_DATA(c) + n * sizeof(fd), &fd, sizeof(fd));
    }
    if (n < g->count)
        m->msg->msg_flags |= MSG_CTRUNC;
    if (n > 0) {
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        m->msg->msg_controllen = CMSG_SPACE(n * sizeof(int));
        if (m->msg->msg_controllen > m->control)
            m->msg->msg_controllen = m->control;
    }
    bly_vnet_gift_drop(g);
}

void
bly_vnet_gift_drop(struct bly_vnet_gift *g)
{
    if (g == NULL)
        return;
    for (uint32_t i = 0; i < g->count; i++)
        bly_vnet_end_put(g->ends[i]);
    bly_free_quiet(g);
}
