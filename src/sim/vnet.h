/* SPDX-License-Identifier: MIT */
/*
 * The simulated kernel's side of descriptors.  The essay is in vnet.c.
 *
 * vnet.c       the table of descriptors; ends
 * vnet_addr.c  addresses
 * vnet_sock.c  sockets and pipes: connecting, closing
 * vnet_data.c  bytes of streams
 * vnet_gram.c  datagrams
 * vnet_gift.c  descriptors that are sent
 * vnet_path.c  how far it is, and what is on its way
 * vnet_op.c    an operation on an end: what it would do, doing it
 * io.c         the backend: what flies, and when it completes
 * sys_sim.c    os/sys.h
 */
#ifndef BLY_SIM_VNET_H
#define BLY_SIM_VNET_H

#include "base/list.h"
#include "os/sys.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    BLY_VNET_FDS = 4096, /* descriptors of a run */
    BLY_VNET_ROOM = 4096, /* bytes that wait at an end, unless set */
    BLY_VNET_GRAM_ROOM = 65536, /* the same of datagrams */
    BLY_VNET_PATHS = 32
};

struct bly_op;

struct bly_vnet_addr {
    socklen_t len; /* 0: none */
    struct sockaddr_storage sa;
};

enum bly_vnet_kind { BLY_VNET_STREAM, BLY_VNET_PIPE, BLY_VNET_GRAM };
enum bly_vnet_state {
    BLY_VNET_NEW,
    BLY_VNET_LISTENS,
    BLY_VNET_CONNECTED /* has had a peer */
};

/* Descriptors that are on their way, with the bytes [start, end). */
struct bly_vnet_gift {
    struct bly_link link; /* in bly_vnet_end.gifts, unless in a datagram */
    uint64_t start, end;
    uint32_t count;
    struct bly_vnet_end *ends[];
};

/* How it is to reach an address. */
struct bly_vnet_path {
    struct bly_vnet_addr where; /* without a number: any; len 0: all */
    int64_t latency;            /* one way */
    int64_t since;              /* it stalled until then */
    int refuse;                 /* how connects fail; 0: they do not */
    bool stall, lossy;
};

/* What a datagram may meet. */
enum bly_vnet_fate {
    BLY_VNET_COMES,
    BLY_VNET_IS_LOST,
    BLY_VNET_COMES_TWICE,
    BLY_VNET_OVERTAKES,
    BLY_VNET_FATES
};

/* A socket, or an end of a pipe. */
struct bly_vnet_end {
    struct bly_link link;   /* in bly_vnet.ends */
    struct bly_link queued; /* with a listener, not yet accepted */
    uint32_t refs;          /* descriptors */
    uint8_t kind, state;
    int domain;          /* AF_UNIX for pipes: they close like these */
    bool reads, writes;  /* what this end can do at all */
    bool no_more_reads;  /* shut down */
    bool no_more_writes; /* likewise, or told that nobody reads */
    bool eof;            /* the peer has said that no more comes */
    bool dead;           /* reset */
    bool bound;          /* by a call, not by a connection */
    bool reuse_port, v6only;
    int error;                 /* of the reset, to be told once */
    struct bly_vnet_end *peer; /* NULL: none, or it is closed */
    struct bly_vnet_addr local, remote;
    struct bly_vnet_addr via; /* the server's, of a connection over IP */
    int64_t syn;              /* when a connect began; 0: none goes on */
    struct bly_list waves;    /* what is on its way to here */
    size_t hidden;            /* bytes among them, the last ones of used */
    char *bytes; /* that have come and wait to be read: used of room */
    size_t room, used;
    uint64_t taken;         /* bytes that have been read from it */
    struct bly_list gifts;  /* that come with bytes */
    struct bly_list grams;  /* datagrams that wait; used is their sum */
    uint32_t backlog;
    struct bly_list queue; /* of a listener: ends not yet accepted */
    uint32_t nqueue;
};

/* All of the simulated kernel; cleared before each run. */
struct bly_vnet {
    struct bly_list ends;
    struct bly_vnet_end *fds[BLY_VNET_FDS];
    uint32_t fds_used; /* slots from here on were never used */
    uint16_t port;     /* the latest that was given out */
    struct bly_vnet_path paths[BLY_VNET_PATHS];
    uint32_t npaths;
};
extern struct bly_vnet bly_vnet;

/* ---- vnet.c ------------------------------------------------------------- */

void bly_vnet_reset(void);
/* How many descriptors are open, and a text that names some. */
unsigned bly_vnet_leaks(char *buf, size_t size);

struct bly_vnet_end *bly_vnet_end_new(int domain, enum bly_vnet_kind kind);
/* The lowest free number, which holds e; -EMFILE. */
int bly_vnet_fd_new(struct bly_vnet_end *e);
/* NULL: no such descriptor. */
struct bly_vnet_end *bly_vnet_end_of(int fd);
/* Takes the number back. */
void bly_vnet_fd_close(int fd);
/* One reference less; the last one closes the end. */
void bly_vnet_end_put(struct bly_vnet_end *e);
/* All of them in turn, from NULL to NULL. */
struct bly_vnet_end *bly_vnet_end_after(struct bly_vnet_end *e);
/* Out of everything; its peer does not know it any more. */
void bly_vnet_end_free(struct bly_vnet_end *e);

/* ---- vnet_addr.c -------------------------------------------------------- */

/* From a program: 0, -EINVAL, -EAFNOSUPPORT. */
int bly_vnet_addr_set(struct bly_vnet_addr *a, int domain,
    const struct sockaddr *sa, socklen_t len) BLY_MUST_CHECK;
/* To a program, cut off at *len, which becomes the whole length. */
void bly_vnet_addr_get(const struct bly_vnet_addr *a, struct sockaddr *sa,
    socklen_t *len);
/* Whether what is sent `to' there comes to who is bound to this. */
bool bly_vnet_addr_covers(const struct bly_vnet_addr *bound,
    const struct bly_vnet_addr *to);
void bly_vnet_addr_text(const struct bly_vnet_addr *a, char *buf, size_t size);
/* What it is if nobody is bound to it: -ENOENT, -ECONNREFUSED, -ENETUNREACH. */
int bly_vnet_addr_nobody(const struct bly_vnet_addr *a);
/* The address itself instead of "any". */
void bly_vnet_addr_here(struct bly_vnet_addr *a);
/* The same as seen by a socket of this domain. */
void bly_vnet_addr_map(struct bly_vnet_addr *a, int domain);
/* "Any" of both families as who uses IPv4 sees it. */
void bly_vnet_addr_four(struct bly_vnet_addr *a);
/* From a program: where datagrams of e go.  A socket for both families knows
 * IPv4 by two names; this gives the shorter. */
int bly_vnet_addr_to(struct bly_vnet_addr *a, const struct bly_vnet_end *e,
    const struct sockaddr *sa, socklen_t len) BLY_MUST_CHECK;
/* Lacks a number that it is to be bound to. */
bool bly_vnet_addr_portless(const struct bly_vnet_addr *a);
void bly_vnet_addr_set_port(struct bly_vnet_addr *a, uint16_t port);
/* How much where says about a: 2 number and host, 1 the host, 0 that it is
 * one; -1: it is another. */
int bly_vnet_addr_says(const struct bly_vnet_addr *where,
    const struct bly_vnet_addr *a);
/* From "1.2.3.4:5", "[::1]:5", "1.2.3.4", "::1" or "*"; false: it is none. */
bool bly_vnet_addr_parse(struct bly_vnet_addr *a, const char *text)
    BLY_MUST_CHECK;
/* A local address of this domain with no number. */
void bly_vnet_addr_any(struct bly_vnet_addr *a, int domain);

/* ---- vnet_sock.c -------------------------------------------------------- */

void bly_vnet_join(struct bly_vnet_end *a, struct bly_vnet_end *b);
/* Who is bound to what `to' names; NULL: nobody. */
struct bly_vnet_end *bly_vnet_find(const struct bly_vnet_addr *to,
    enum bly_vnet_kind kind, bool listens);
/* e gets an address to send from, if it has none and its domain wants one. */
int bly_vnet_name_client(struct bly_vnet_end *e) BLY_MUST_CHECK;
int bly_vnet_bind(struct bly_vnet_end *e, const struct bly_vnet_addr *a)
    BLY_MUST_CHECK;
int bly_vnet_listen(struct bly_vnet_end *e, int backlog) BLY_MUST_CHECK;
/* 0, an error, or -EAGAIN: no answer yet.  dry: only what it would be. */
int bly_vnet_connect(struct bly_vnet_end *e, const struct bly_vnet_addr *to,
    bool dry) BLY_MUST_CHECK;
/* A descriptor, an error, or -EAGAIN: nobody has come. */
int bly_vnet_accept(struct bly_vnet_end *listener, struct bly_vnet_addr *from,
    bool dry) BLY_MUST_CHECK;
int bly_vnet_shut(struct bly_vnet_end *e, int how);
/* The last descriptor is gone. */
void bly_vnet_close(struct bly_vnet_end *e);
/* e learns that the connection is reset. */
void bly_vnet_is_reset(struct bly_vnet_end *e);

/* ---- vnet_data.c -------------------------------------------------------- */

/* Bytes that a call wants to move, whatever it is called. */
struct bly_vnet_move {
    const struct iovec *iov;
    size_t len; /* at most the sum of all */
    uint32_t flags;
    struct msghdr *msg; /* NULL: only bytes */
    size_t control;     /* room in msg for what comes with them */
    enum bly_vnet_fate fate;
};

void bly_vnet_scatter(const struct iovec *iov, const char *from, size_t n);
void bly_vnet_gather(const struct iovec *iov, char *to, size_t n);

/* Each: a count, an error, or -EAGAIN.  dry: only what it would be. */
int bly_vnet_recv(struct bly_vnet_end *e, const struct bly_vnet_move *m,
    bool dry) BLY_MUST_CHECK;
int bly_vnet_put(struct bly_vnet_end *e, const struct bly_vnet_move *m,
    bool dry) BLY_MUST_CHECK;
/* What is ready, of poll's events. */
int bly_vnet_poll(const struct bly_vnet_end *e, int events);

/* ---- vnet_gram.c -------------------------------------------------------- */

int bly_vnet_gram_connect(struct bly_vnet_end *e,
    const struct bly_vnet_addr *to, bool dry) BLY_MUST_CHECK;
int bly_vnet_gram_recv(struct bly_vnet_end *e, const struct bly_vnet_move *m,
    bool dry) BLY_MUST_CHECK;
int bly_vnet_gram_put(struct bly_vnet_end *e, const struct bly_vnet_move *m,
    bool dry) BLY_MUST_CHECK;
int bly_vnet_gram_poll(const struct bly_vnet_end *e);
void bly_vnet_gram_drop_all(struct bly_vnet_end *e);
/* When the next one that is on its way arrives. */
int64_t bly_vnet_gram_next(const struct bly_vnet_end *e);
/* Whether what is sent so goes where it may be lost. */
bool bly_vnet_gram_is_lossy(const struct bly_vnet_end *e,
    const struct msghdr *msg);

/* ---- vnet_path.c -------------------------------------------------------- */

/* That of where, made if there is none; NULL: too many. */
struct bly_vnet_path *bly_vnet_path_new(const struct bly_vnet_addr *where);
/* NULL: nothing is said about it. */
const struct bly_vnet_path *bly_vnet_path_to(const struct bly_vnet_addr *to);
/* When something is there that was sent then, after so many ways. */
int64_t bly_vnet_arrival(const struct bly_vnet_addr *server, int64_t sent,
    int ways);
/* To e, from its peer: now or later.  Bytes have been put there already. */
enum bly_vnet_news { BLY_VNET_BYTES, BLY_VNET_EOF, BLY_VNET_RESET };
void bly_vnet_tell(struct bly_vnet_end *e, enum bly_vnet_news what,
    size_t bytes);
void bly_vnet_waves_drop(struct bly_vnet_end *e);
/* What has arrived by now is there. */
void bly_vnet_land(void);
/* When the next arrives; BLY_NEVER: nothing is on its way. */
int64_t bly_vnet_next(void);
/* Whether e, which connects, gets an answer: 0, an error, -EAGAIN. */
int bly_vnet_path_connects(const struct bly_vnet_end *e) BLY_MUST_CHECK;
/* Resets the connections to there. */
void bly_vnet_path_reset(const struct bly_vnet_addr *where);

/* ---- vnet_gift.c -------------------------------------------------------- */

/* What msg sends along, or NULL. */
int bly_vnet_gift_pack(const struct bly_vnet_end *e, const struct msghdr *msg,
    struct bly_vnet_gift **out) BLY_MUST_CHECK;
/* To who receives: descriptors, and what the message says of them. */
void bly_vnet_gift_unpack(struct bly_vnet_gift *g,
    const struct bly_vnet_move *m);
void bly_vnet_gift_drop(struct bly_vnet_gift *g);

/* ---- vnet_op.c ---------------------------------------------------------- */

/* What op would give now; -EAGAIN: nothing yet. */
int bly_vnet_look(struct bly_op *op) BLY_MUST_CHECK;
/* Does it, with at most so many bytes. */
int bly_vnet_do(struct bly_op *op, size_t most, enum bly_vnet_fate fate)
    BLY_MUST_CHECK;
/* Begins it, and forgets that it was begun: for those that take time. */
void bly_vnet_begin(const struct bly_op *op);
void bly_vnet_forget(const struct bly_op *op);
/* Whether it sends something that may have any fate. */
bool bly_vnet_is_lossy(const struct bly_op *op);
/* Whether it may move fewer bytes than it could. */
bool bly_vnet_may_be_short(const struct bly_op *op);
/* Lets it fail: the code.  A connection is then reset, for both sides. */
int bly_vnet_fail(const struct bly_op *op) BLY_MUST_CHECK;

/* ---- io.c --------------------------------------------------------------- */

/* Something has changed: what flies may be able to complete. */
void bly_vnet_changed(void);
void bly_vnet_io_reset(void);
/* Nobody may be using fd. */
void bly_vnet_io_closing(int fd);

#endif
