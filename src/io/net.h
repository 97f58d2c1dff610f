/* SPDX-License-Identifier: MIT */
/* What the files of belay/net.h share. */
#ifndef BLY_IO_NET_H
#define BLY_IO_NET_H

#include <belay/net.h>

#include "base/compiler.h"

struct bly_task;

/* ---- addr.c ------------------------------------------------------------- */

BLY_INLINE struct sockaddr *
bly_addr_sa(const belay_addr *a)
{
    return (struct sockaddr *)(uintptr_t)&a->sa;
}

/* "unix:..." or "@..." */
bool bly_addr_is_unix(const char *text);
/* Of "host:port".  1: the host stood in brackets; 0; or a failure with its
 * message. */
int bly_addr_split(const char *text, char *host, size_t size, uint16_t *port)
    BLY_MUST_CHECK;
/* False: host is no number, nor nothing or "*", which mean any. */
bool bly_addr_number(belay_addr *a, const char *host, uint16_t port)
    BLY_MUST_CHECK;
void bly_addr_set_port(belay_addr *a, uint16_t port);
/* An IPv4 address that came through a socket of IPv6 is one. */
void bly_addr_unmap(belay_addr *a);
/* The path of a Unix address, or NULL. */
const char *bly_addr_path(const belay_addr *a);
/* Of a socket or of its peer. */
int bly_addr_of(int fd, bool peer, belay_addr *out) BLY_MUST_CHECK;

/* ---- socket.c ----------------------------------------------------------- */

/* A whole copy of what the caller gave, which may be NULL or shorter. */
belay_net_opts bly_net_opts(const belay_net_opts *opts);
/* A socket of this type for this family, with the options; or -errno. */
int bly_net_socket(struct bly_task *t, int family, int type,
    const belay_net_opts *opts) BLY_MUST_CHECK;
int bly_net_bind(int fd, const belay_addr *a) BLY_MUST_CHECK;
/* A Unix socket with a full queue cannot be waited for: ask again, after
 * pauses that grow from *ms = 0. */
bool bly_net_full(int r, const belay_addr *to) BLY_MUST_CHECK;
int bly_net_pause(int *ms) BLY_MUST_CHECK;
/* Connects fd, asleep. */
int bly_net_connect(int fd, const belay_addr *to, const belay_site *site)
    BLY_MUST_CHECK;
/* A new descriptor that is connected, or a code without a message. */
int bly_net_dial(struct bly_task *t, const belay_addr *to,
    const belay_net_opts *opts, const belay_site *site) BLY_MUST_CHECK;

/* ---- bound.c ------------------------------------------------------------ */

struct bly_bound {
    int fd;
    belay_addr addr;
    uint64_t path_id; /* of the file that bind made, or 0 */
};

/* Binds a socket to b->addr, which was read from text; 0, and the address with
 * its port, or a code without a message. */
int bly_bound_open(struct bly_bound *b, struct bly_task *t, const char *text,
    int type, const belay_net_opts *o) BLY_MUST_CHECK;
void bly_bound_close(struct bly_bound *b);

/* ---- stream_fd.c -------------------------------------------------------- */

/* A stream whose descriptor comes later, so that this cannot fail then. */
int bly_stream_fd_prepare(belay_stream **st, const belay_site *site)
    BLY_MUST_CHECK;
void bly_stream_fd_set(belay_stream *st, int fd);

#endif
