/* SPDX-License-Identifier: MIT */
/* Sockets that are bound to an address given as text, and the files of those
 * that have a path. */
#include "io/net.h"
#include "os/sys.h"

#include <errno.h>
#include <string.h>

/* Binds, and if a program that is gone has left the path, takes it over. */
static int
bound_bind(struct bly_bound *b)
{
    const char *path = bly_addr_path(&b->addr);
    int r = bly_net_bind(b->fd, &b->addr);
    uint64_t id;

    if (r == -EADDRINUSE && path != NULL) {
        id = bly_sys_sock_id(path);
        if (id != 0 && bly_sys_sock_orphan(path)) {
            bly_sys_sock_unlink(path, id);
            r = bly_net_bind(b->fd, &b->addr);
        }
    }
    if (r == 0 && path != NULL)
        b->path_id = bly_sys_sock_id(path);
    return r;
}

static int
bound_open(struct bly_bound *b, struct bly_task *t, int type,
    const belay_net_opts *o)
{
    int family = b->addr.sa.ss_family, r = 0;

    b->fd = bly_net_socket(t, family, type, o);
    if (b->fd < 0)
        return b->fd;
    if (family != AF_UNIX && type == SOCK_STREAM)
        r = bly_sys_setopt(b->fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0)
        r = bound_bind(b);
    if (r == 0)
        r = bly_addr_of(b->fd, false, &b->addr);
    if (r < 0)
        bly_bound_close(b);
    return r;
}

static bool
bound_is_any(const char *text)
{
    return text[0] == ':' || strncmp(text, "*:", 2) == 0;
}

int
bly_bound_open(struct bly_bound *b, struct bly_task *t, const char *text,
    int type, const belay_net_opts *o)
{
    uint16_t port = (uint16_t)belay_addr_port(&b->addr);
    int r = bound_open(b, t, type, o);

    if ((r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) && bound_is_any(text) &&
        !o->only_v6 && bly_addr_number(&b->addr, "0.0.0.0", port))
        r = bound_open(b, t, type, o); /* a machine without IPv6 */
    return r;
}

void
bly_bound_close(struct bly_bound *b)
{
    if (b->path_id != 0)
        bly_sys_sock_unlink(bly_addr_path(&b->addr), b->path_id);
    bly_sys_close(b->fd);
}
