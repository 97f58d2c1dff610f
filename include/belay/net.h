/* SPDX-License-Identifier: MIT */
/*
 * The network: addresses, names, connections, datagrams.
 *
 *     BELAY_AUTO(belay_listener, l);
 *     BELAY_TRY(belay_listen(&l, "127.0.0.1:8080"));
 *     for (;;) {
 *         BELAY_AUTO(belay_stream, st);
 *         BELAY_TRY(belay_accept(l, &st));
 *         ...
 *     }
 *
 * Addresses as text:
 *
 *     127.0.0.1:80  [::1]:80  [fe80::1%eth0]:80
 *     :80  *:80          any address of this machine, of both families
 *     unix:/run/x.sock   a path
 *     @name              a name in the abstract namespace of Unix sockets
 *
 * Small writes go out at once (TCP_NODELAY), and descriptors close on exec.
 */
#ifndef BELAY_NET_H
#define BELAY_NET_H

#include <belay/base.h>
#include <belay/error.h>
#include <belay/stream.h>

#include <sys/socket.h>

BELAY_BEGIN_DECLS

/* ---- addresses ---------------------------------------------------------- */

/* What the system calls a socket address.  All zero: none. */
typedef struct belay_addr {
    struct sockaddr_storage sa;
    socklen_t len;
} belay_addr;

/* Room for the text of any address. */
#define BELAY_ADDR_TEXT 128

/* Numbers and paths only, so it never waits.  Returns 0, or -EINVAL or
 * -ENAMETOOLONG with a message. */
BELAY_API BELAY_MUST_CHECK int belay_addr_parse(belay_addr *a,
    const char *text);
/* The text of a, cut off at size; returns buf. */
BELAY_API const char *belay_addr_format(const belay_addr *a, char *buf,
    size_t size);
/* The port, or -1: it has none. */
BELAY_API int belay_addr_port(const belay_addr *a);
BELAY_API bool belay_addr_equal(const belay_addr *a, const belay_addr *b);

/* The address of our end of a connection, and of the peer's.  0, -ENOTSOCK,
 * -ENOTCONN ... */
BELAY_API BELAY_MUST_CHECK int belay_stream_local(belay_stream *st,
    belay_addr *out);
BELAY_API BELAY_MUST_CHECK int belay_stream_peer(belay_stream *st,
    belay_addr *out);

/*
 * The addresses of "name:port", the best first, up to n of them; an address as
 * text gives itself.  Names are looked up as getaddrinfo(3) does, on threads
 * kept for that, and remembered for a minute, or 5 s if there is none.  A
 * deadline is kept even if the name servers hang.  Returns how many, or
 * -ENOENT: there is no such name; -EAGAIN: nobody knows now; -EINVAL.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_resolve_at(const char *name,
    belay_addr *out, int n, const belay_site *site);

/* ---- options ------------------------------------------------------------ */

/* For whatever opens a socket; accepted ones inherit those of the listener. */
typedef struct belay_net_opts {
    size_t size;         /* sizeof(belay_net_opts) */
    const char *from;    /* connecting: the address of our end; NULL = any */
    unsigned backlog;    /* listening: connections that may wait to be
                          * accepted; 0 = as many as the system allows */
    bool reuse_port;     /* others that say so too may have the same port */
    bool only_v6;        /* an IPv6 address takes no IPv4 connections */
    bool delay;          /* TCP gathers small writes (Nagle) */
    bool broadcast;      /* datagrams may go to a whole network */
    belay_dur keepalive; /* TCP asks a peer that is silent for so long, and
                          * gives up after three questions; whole seconds;
                          * 0 = never */
    int send_buffer;     /* of the kernel, in bytes; 0 = as it likes */
    int recv_buffer;
    void *reserved[6];
} belay_net_opts;

/* ---- connections -------------------------------------------------------- */

/* Connects to an address, for as long as the system tries; a deadline ends it
 * sooner.  opts may be NULL.  Returns 0, or -ECONNREFUSED, -ETIMEDOUT ... */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_connect_at(belay_stream **st,
    const belay_addr *to, const belay_net_opts *opts, const belay_site *site);

/*
 * Connects to "name:port", or to an address as text.  Of several addresses the
 * next is tried when one has failed or the last has been silent for 250 ms,
 * IPv6 and IPv4 in turn; the first connection wins.  opts may be NULL.
 * Returns 0; what belay_resolve says; or what the last address said, and the
 * message names both.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_dial_at(belay_stream **st,
    const char *name, const belay_net_opts *opts, const belay_site *site);

typedef struct belay_listener belay_listener;

/*
 * Listens on an address; with port 0, on one that is free.  A Unix path is
 * removed by the close; one that was left behind by a program that is gone is
 * taken over.  opts may be NULL.  Returns 0, or -EADDRINUSE, -EACCES ...
 */
BELAY_API BELAY_MUST_CHECK int belay_listen_at(belay_listener **l,
    const char *addr, const belay_net_opts *opts, const belay_site *site);
/* Closes *l, unless it is NULL, and sets it to NULL.  Aborts if a task still
 * accepts.  Cancellation point: no. */
BELAY_API void belay_listener_close_at(belay_listener **l,
    const belay_site *site);
/* For BELAY_AUTO(belay_listener, l). */
BELAY_API void belay_listener_closep(belay_listener **l);
/* Where it listens, the port being known. */
BELAY_API const belay_addr *belay_listener_addr(const belay_listener *l);
/* Its descriptor, which stays its own. */
BELAY_API int belay_listener_fd(const belay_listener *l);

/*
 * The next connection.  Those that fail before they are taken are passed
 * over.  While the process has no free descriptor or memory (EMFILE ...) it
 * waits and tries again.  Returns 0; -ESHUTDOWN after a gentle stop; the code
 * of a cut; or what is wrong with the listener.  Any number of tasks.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_accept_at(belay_listener *l,
    belay_stream **st, const belay_site *site);

/* ---- datagrams ---------------------------------------------------------- */

/* A socket for datagrams: UDP, or those of Unix sockets. */
typedef struct belay_udp belay_udp;

/* At an address as text; ":0" for who only asks.  A path is removed by the
 * close, as a listener's.  opts may be NULL.  Returns 0, or -EADDRINUSE,
 * -EACCES ...  Cancellation point: no. */
BELAY_API BELAY_MUST_CHECK int belay_udp_open_at(belay_udp **u,
    const char *addr, const belay_net_opts *opts, const belay_site *site);
/* Closes *u, unless it is NULL, and sets it to NULL.  Aborts if a task still
 * uses it.  Cancellation point: no. */
BELAY_API void belay_udp_close_at(belay_udp **u, const belay_site *site);
/* For BELAY_AUTO(belay_udp, u). */
BELAY_API void belay_udp_closep(belay_udp **u);
/* Where it was opened, the port being known. */
BELAY_API const belay_addr *belay_udp_addr(const belay_udp *u);
/* Its descriptor, which stays its own. */
BELAY_API int belay_udp_fd(const belay_udp *u);

/* From now on only this peer is heard, it is who is sent to without an
 * address, and that it is not there is told by a later call (-ECONNREFUSED). */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_udp_connect_at(belay_udp *u,
    const belay_addr *peer, const belay_site *site);
/* One datagram; to NULL: to the peer.  0: it is on its way, and may be lost;
 * -EMSGSIZE: too long for one; -EDESTADDRREQ, -ENOTCONN: there is no peer. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_udp_send_at(belay_udp *u,
    const void *buf, size_t n, const belay_addr *to, const belay_site *site);
/*
 * The next datagram: its bytes, which may be 0; *from (if not NULL) is who sent
 * it, an IPv4 address if it came by IPv4.  -EMSGSIZE: it was longer than n, and
 * buf has its beginning.  Any number of tasks may send and receive.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK ssize_t belay_udp_recv_at(belay_udp *u,
    void *buf, size_t n, belay_addr *from, const belay_site *site);

BELAY_END_DECLS

#if !defined(__cplusplus)

#define belay_resolve(name, out, n)                                            \
    belay_resolve_at((name), (out), (n), BELAY_SITE_("resolve"))
#define BELAY_NET_OPTS_(...)                                                   \
    (&(const belay_net_opts){                                                  \
        .size = sizeof(belay_net_opts) __VA_OPT__(, ) __VA_ARGS__})
/* belay_connect(&st, &addr, .keepalive = BELAY_S(60)) */
#define belay_connect(st, to, ...)                                             \
    belay_connect_at((st), (to), BELAY_NET_OPTS_(__VA_ARGS__),                 \
        BELAY_SITE_("connect"))
/* belay_dial(&st, "example.org:443", .keepalive = BELAY_S(60)) */
#define belay_dial(st, name, ...)                                              \
    belay_dial_at((st), (name), BELAY_NET_OPTS_(__VA_ARGS__),                  \
        BELAY_SITE_("dial"))
/* belay_listen(&l, ":80", .reuse_port = true) */
#define belay_listen(l, addr, ...)                                             \
    belay_listen_at((l), (addr), BELAY_NET_OPTS_(__VA_ARGS__),                 \
        BELAY_SITE_("listen"))
#define belay_listener_close(l)                                                \
    belay_listener_close_at((l), BELAY_SITE_("listener_close"))
#define belay_accept(l, st) belay_accept_at((l), (st), BELAY_SITE_("accept"))
/* belay_udp_open(&u, ":5353", .broadcast = true) */
#define belay_udp_open(u, addr, ...)                                           \
    belay_udp_open_at((u), (addr), BELAY_NET_OPTS_(__VA_ARGS__),               \
        BELAY_SITE_("udp_open"))
#define belay_udp_close(u) belay_udp_close_at((u), BELAY_SITE_("udp_close"))
#define belay_udp_connect(u, peer)                                             \
    belay_udp_connect_at((u), (peer), BELAY_SITE_("udp_connect"))
#define belay_udp_send(u, buf, n, to)                                          \
    belay_udp_send_at((u), (buf), (n), (to), BELAY_SITE_("udp_send"))
#define belay_udp_recv(u, buf, n, from)                                        \
    belay_udp_recv_at((u), (buf), (n), (from), BELAY_SITE_("udp_recv"))

#endif
#endif
