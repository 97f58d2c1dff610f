/* SPDX-License-Identifier: MIT */
/*
 * One request to the kernel is one wait.
 *
 * A public call fills a bly_op in its frame and calls bly_op_run().  From then
 * on until the backend has completed it, the op and the buffer that it names
 * belong to the kernel; a cut only asks for its end.  See op.c.
 *
 * Backends: io_uring, epoll, and the simulated one of libbelay-test.  Each
 * worker has its own instance, made at its first operation, touched by its
 * thread only (but for wake).
 */
#ifndef BLY_IO_OP_H
#define BLY_IO_OP_H

#include "core/driver.h"
#include "core/wait.h"

#include <sys/socket.h>
#include <sys/uio.h>

enum bly_op_kind {
    BLY_OP_READ,    /* buf, len, off (-1: the file's position) */
    BLY_OP_WRITE,   /* the same */
    BLY_OP_READV,   /* iov in buf, count in len, off */
    BLY_OP_WRITEV,
    BLY_OP_RECV,    /* buf, len, flags */
    BLY_OP_SEND,    /* the same; MSG_NOSIGNAL is in flags */
    BLY_OP_RECVMSG, /* struct msghdr in buf, flags */
    BLY_OP_SENDMSG,
    BLY_OP_ACCEPT,  /* sockaddr in buf (or NULL), addrlen; flags as accept4 */
    BLY_OP_CONNECT, /* sockaddr in buf, len */
    BLY_OP_POLL,    /* flags: poll's events; the result are those that came */
    BLY_OP_FSYNC,   /* flags: 1 data only */
    BLY_OP_SPLICE,  /* from fd to out, len; a pipe is at one end */
    BLY_OP_KINDS
};

struct bly_op;

/* Tells that op has completed; runs on its worker, between two tasks.  op is
 * the callee's again. */
typedef void bly_op_done(struct bly_op *op);

struct bly_op {
    struct bly_waiter w; /* of who waits for it */
    struct bly_link link; /* the backend's: in flight */
    bly_op_done *done;
    uint8_t kind;     /* bly_op_kind */
    uint8_t state;    /* the backend's; 0 before it is submitted */
    bool cancelled;   /* the backend was asked to end it */
    int fd, out;
    uint32_t flags;
    void *buf;
    size_t len;
    int64_t off;
    socklen_t *addrlen;
    int result;       /* a count or -errno */
};

enum bly_op_course {
    BLY_OP_IS_DONE,  /* the result is in op->result; done() is not called */
    BLY_OP_FLIES,    /* done() will be called */
    BLY_OP_TO_LANE,  /* it can only be done by a call that blocks */
};

/* What a worker has once it has begun an operation: the head of a backend's
 * own data. */
struct bly_io {
    const struct bly_io_backend *backend;
    uint32_t flying; /* operations that are under way */
    bool unblock;    /* SIGPIPE was not blocked before */
};

struct bly_io_backend {
    const char *name;
    /* What sockets and pipes are to be opened with: 0 or O_NONBLOCK, which is
     * the same as SOCK_NONBLOCK. */
    int sock_flags;
    int (*open)(struct bly_io **io, struct bly_worker *w) BLY_MUST_CHECK;
    void (*close)(struct bly_io *io);
    enum bly_op_course (*submit)(struct bly_io *io, struct bly_op *op);
    /* Asks for the end of one that flies.  DONE: it has ended here and now, as
     * if it had never been, and done() is not called. */
    enum bly_abort (*cancel)(struct bly_io *io, struct bly_op *op);
    /* As of bly_driver. */
    void (*poll)(struct bly_io *io, struct bly_worker *w);
    void (*park)(struct bly_io *io, struct bly_worker *w, int64_t deadline);
    void (*wake)(struct bly_io *io, struct bly_worker *w);
    /* Whether one that flies, here or elsewhere, may end by itself, so that
     * nobody who sleeps is in a deadlock; NULL: as long as any flies here. */
    bool (*busy)(struct bly_io *io);
};

/* The driver of every runtime that has I/O; chooses the backend. */
extern const struct bly_driver bly_driver_io;

#if BLY_SIM
extern const struct bly_io_backend bly_io_sim; /* sim/io.c */
#else
extern const struct bly_io_backend bly_io_uring, bly_io_epoll;
/* Makes a ring and gives it back: 0 or -errno. */
int bly_io_uring_try(void) BLY_MUST_CHECK;
#endif

/* The instance of w, made if it is the first operation; -errno. */
int bly_io_of(struct bly_worker *w, struct bly_io **io) BLY_MUST_CHECK;
/* What sockets and pipes of this worker are to be opened with, or -errno. */
int bly_io_sock_flags(struct bly_worker *w) BLY_MUST_CHECK;

/* Whether io_uring can be used here: 0, or -errno of who refused it;
 * -ENOSYS also if the library was built without. */
int bly_io_uring_probe(void);

/*
 * The beginning of a call: checks as every wait does (see bly_enter) and
 * clears op.  The caller then fills in what the kind needs.
 */
int bly_op_begin(struct bly_op *op, enum bly_op_kind kind, int fd,
    const char *what, const belay_site *site) BLY_MUST_CHECK;
/* Does it, asleep; its result, or the code of a cut. */
int bly_op_run(struct bly_op *op) BLY_MUST_CHECK;
/* The same once more after bly_op_run, with the fields as they are now. */
int bly_op_again(struct bly_op *op) BLY_MUST_CHECK;

/* The system call itself, on the calling thread, blocking as the descriptor
 * does: for lanes.  A count or -errno. */
int bly_op_call(struct bly_op *op) BLY_MUST_CHECK;
/* The same without blocking: -EAGAIN.  *lane: only a lane can do it. */
int bly_op_try(struct bly_op *op, bool *lane) BLY_MUST_CHECK;
/* Readiness of the descriptor does not tell when op can be done: a message to
 * the name of a Unix socket, where the receiver's room counts.  Then EAGAIN is
 * told as ENOBUFS. */
bool bly_op_is_blind(const struct bly_op *op);
/* Poll's events that op waits for. */
int bly_op_events(const struct bly_op *op);

/* Who uses a descriptor: closing it then is a misuse.  See fdtab.c. */
void bly_fd_hold(int fd, const belay_site *site);
void bly_fd_drop(int fd);
/* Aborts if somebody holds it. */
void bly_fd_check_close(int fd, const belay_site *site);
/* False: it is none.  True may be a memory of an earlier one with its number:
 * the kernel then says ENOTSOCK, and bly_fd_no_socket corrects it. */
bool bly_fd_is_socket(int fd);
void bly_fd_no_socket(int fd);

#endif
