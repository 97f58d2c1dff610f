/* SPDX-License-Identifier: MIT */
/* Datagrams, and descriptors that go through unix sockets. */
#include "sock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* ---- calls -------------------------------------------------------------- */

static int
gram_to(int fd, const char *text, struct sock_addr *to)
{
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

    if (to != NULL) {
        m.msg_name = &to->sa;
        m.msg_namelen = to->len;
    }
    return sock_op(BLY_OP_SENDMSG, fd, &m, 0, NULL);
}

static int
gram_from(int fd, char *buf, size_t n, struct sock_addr *from, int *flags)
{
    struct iovec iov = {buf, n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1,
        .msg_name = &from->sa, .msg_namelen = sizeof from->sa};
    int r = sock_op(BLY_OP_RECVMSG, fd, &m, 0, NULL);

    from->len = m.msg_namelen;
    *flags = m.msg_flags;
    return r;
}

#define NAMED(fd, at, domain)                                                  \
    BELAY_AUTO_FD(fd);                                                         \
    struct sock_addr at;                                                       \
    BELAY_TRY(sock_bound(&fd, &at, (domain), SOCK_DGRAM))

/* ---- datagrams ---------------------------------------------------------- */

BOTH(a_datagram_comes_whole_and_says_from_whom)
{
    struct sock_addr from;
    char buf[8];
    int flags;

    NAMED(a, at_a, domain);
    NAMED(b, at_b, domain);
    EQUAL(gram_to(a, "one", &at_b), 3);
    EQUAL(gram_to(a, "second", &at_b), 6);
    EQUAL(gram_from(b, buf, sizeof buf, &from, &flags), 3);
    HOLDS(memcmp(buf, "one", 3) == 0);
    EQUAL(flags & MSG_TRUNC, 0);
    EQUAL(from.len, at_a.len);
    HOLDS(memcmp(&from.sa, &at_a.sa, from.len) == 0);
    EQUAL(gram_from(b, buf, 3, &from, &flags), 3);
    HOLDS(memcmp(buf, "sec", 3) == 0);
    EQUAL(flags & MSG_TRUNC, MSG_TRUNC);
    EQUAL(sock_poll(b), POLLOUT); /* the rest is gone */
    return 0;
}

BOTH(an_empty_datagram_comes_too)
{
    char buf[4];

    NAMED(a, at_a, domain);
    NAMED(b, at_b, domain);
    (void)at_a;
    EQUAL(gram_to(a, "", &at_b), 0);
    EQUAL(sock_poll(b), POLLIN | POLLOUT);
    EQUAL(sock_recv(b, buf, sizeof buf), 0);
    EQUAL(sock_poll(b), POLLOUT);
    return 0;
}

BELAY_TASK(gram_wait, (int, fd), (char *, buf), (size_t, n), (int *, got))
{
    *got = sock_recv(fd, buf, n);
    return *got < 0 ? *got : 0;
}

BOTH(a_receiver_waits)
{
    char buf[4] = "";
    int got = 0;

    NAMED(a, at_a, domain);
    NAMED(b, at_b, domain);
    (void)at_a;
    EQUAL(BELAY_WITHIN(BELAY_MS(1), sock_recv(b, buf, sizeof buf)), -ETIME);
    BELAY_SCOPE(s) {
        belay_spawn(s, gram_wait, b, buf, sizeof buf, &got);
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
        EQUAL(gram_to(a, "x", &at_b), 1);
    }
    EQUAL(got, 1);
    EQUAL(buf[0], 'x');
    return 0;
}

BOTH(a_peer_may_be_set)
{
    struct sock_addr from;
    char buf[4];
    int flags;

    NAMED(a, at_a, domain);
    NAMED(b, at_b, domain);
    EQUAL(gram_to(a, "x", NULL), domain == AF_UNIX ? -ENOTCONN : -EDESTADDRREQ);
    BELAY_TRY(sock_op(BLY_OP_CONNECT, a, &at_b.sa, at_b.len, NULL));
    EQUAL(sock_send(a, "ask"), 3);
    EQUAL(gram_from(b, buf, sizeof buf, &from, &flags), 3);
    HOLDS(memcmp(&from.sa, &at_a.sa, from.len) == 0);
    EQUAL(gram_to(b, "yes", &from), 3);
    EQUAL(sock_recv(a, buf, sizeof buf), 3);
    HOLDS(memcmp(buf, "yes", 3) == 0);
    return 0;
}

/* Only what the peer has sent comes to who has one. */
static int
strangers_are_not_heard(void)
{
    char buf[4];

    NAMED(a, at_a, AF_INET);
    NAMED(b, at_b, AF_INET);
    NAMED(c, at_c, AF_INET);
    (void)at_c;
    BELAY_TRY(sock_op(BLY_OP_CONNECT, a, &at_b.sa, at_b.len, NULL));
    EQUAL(gram_to(c, "c", &at_a), 1);
    EQUAL(gram_to(b, "b", &at_a), 1);
    EQUAL(sock_recv(a, buf, sizeof buf), 1);
    EQUAL(buf[0], 'b');
    return 0;
}

static int
nobody_is_there_by_udp(void)
{
    char buf[4];

    NAMED(a, at_a, AF_INET);
    NAMED(b, at_b, AF_INET);
    (void)at_a;
    belay_fd_closep(&b);
    EQUAL(gram_to(a, "lost", &at_b), 4);
    BELAY_TRY(sock_op(BLY_OP_CONNECT, a, &at_b.sa, at_b.len, NULL));
    EQUAL(sock_send(a, "lost"), 4);
    EQUAL(sock_recv(a, buf, sizeof buf), -ECONNREFUSED);
    return 0;
}

static int
nobody_is_there_locally(void)
{
    NAMED(a, at_a, AF_UNIX);
    NAMED(b, at_b, AF_UNIX);
    (void)at_a;
    BELAY_TRY(sock_op(BLY_OP_CONNECT, a, &at_b.sa, at_b.len, NULL));
    belay_fd_closep(&b);
    EQUAL(sock_send(a, "x"), -ECONNREFUSED);
    EQUAL(gram_to(a, "x", &at_b), -ECONNREFUSED);
    return 0;
}

static int
too_much_for_one(void)
{
    static char much[70000];
    struct iovec iov = {much, sizeof much};
    NAMED(a, at_a, AF_INET);
    NAMED(b, at_b, AF_INET);
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1,
        .msg_name = &at_b.sa, .msg_namelen = at_b.len};

    (void)at_a;
    EQUAL(sock_op(BLY_OP_SENDMSG, a, &m, 0, NULL), -EMSGSIZE);
    iov.iov_len = 60000;
    EQUAL(sock_op(BLY_OP_SENDMSG, a, &m, 0, NULL), 60000);
    EQUAL(sock_recv(b, much, sizeof much), 60000);
    return 0;
}

BOTH(datagrams_make_no_connection)
{
    NAMED(a, at_a, domain);
    (void)at_a;
    EQUAL(bly_sys_listen(a, 1), -EOPNOTSUPP);
    EQUAL(sock_accept(a), -EOPNOTSUPP);
    return 0;
}

/* ---- descriptors -------------------------------------------------------- */

/* A pipe's reading end goes through a socket, with some text. */
static int
gift_send(int fd, const char *text, int gift)
{
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof gift)] = {0};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof gift);
    memcpy(CMSG_DATA(c), &gift, sizeof gift);
    return sock_op(BLY_OP_SENDMSG, fd, &m, 0, NULL);
}

/* *gift is -1 if none came. */
static int
gift_recv(int fd, char *buf, size_t n, bool room, int *gift, int *flags)
{
    struct iovec iov = {buf, n};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof *gift)];
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = room ? control : NULL,
        .msg_controllen = room ? sizeof control : 0};
    int r = sock_op(BLY_OP_RECVMSG, fd, &m, 0, NULL);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    *gift = -1;
    *flags = m.msg_flags;
    if (r >= 0 && c != NULL && c->cmsg_type == SCM_RIGHTS)
        memcpy(gift, CMSG_DATA(c), sizeof *gift);
    return r;
}

#define GIVE(type, a, b, in, out)                                              \
    BELAY_AUTO_FD(a);                                                          \
    BELAY_AUTO_FD(b);                                                          \
    BELAY_AUTO_FD(in);                                                         \
    BELAY_AUTO_FD(out);                                                        \
    BELAY_TRY(give_open((type), &a, &b, &in, &out))

static int
give_open(int type, int *a, int *b, int *in, int *out)
{
    int pair[2], flags = bly_io_sock_flags(bly_must_self("", NULL)->worker);

    HOLDS(flags >= 0);
    BELAY_TRY(bly_sys_socketpair(AF_UNIX, type | flags, pair));
    *a = pair[0];
    *b = pair[1];
    BELAY_TRY(belay_pipe(pair));
    *in = pair[0];
    *out = pair[1];
    return 0;
}

static int
give(int type)
{
    BELAY_AUTO_FD(gift);
    char buf[8];
    int flags;

    GIVE(type, a, b, in, out);
    EQUAL(gift_send(a, "t", in), 1);
    belay_fd_closep(&in); /* the one on its way keeps the pipe */
    EQUAL(belay_write(out, "x", 1), 1);
    EQUAL(gift_recv(b, buf, sizeof buf, true, &gift, &flags), 1);
    HOLDS(gift >= 0);
    EQUAL(flags & MSG_CTRUNC, 0);
    EQUAL(buf[0], 't');
    EQUAL(belay_read(gift, buf, 1), 1);
    EQUAL(buf[0], 'x');
    return 0;
}

static int
a_descriptor_is_given(void)
{
    BELAY_TRY(give(SOCK_STREAM));
    return give(SOCK_DGRAM);
}

/* It comes with its bytes, and a read ends with them. */
static int
gifts_stay_with_their_bytes(void)
{
    BELAY_AUTO_FD(first);
    BELAY_AUTO_FD(second);
    char buf[8];
    int flags;

    GIVE(SOCK_STREAM, a, b, in, out);
    EQUAL(gift_send(a, "1", in), 1);
    EQUAL(gift_send(a, "2", out), 1);
    EQUAL(sock_send(a, "3"), 1);
    EQUAL(gift_recv(b, buf, sizeof buf, true, &first, &flags), 1);
    EQUAL(buf[0], '1');
    HOLDS(first >= 0);
    EQUAL(gift_recv(b, buf, sizeof buf, true, &second, &flags), 1);
    EQUAL(buf[0], '2');
    HOLDS(second >= 0);
    EQUAL(belay_write(second, "x", 1), 1);
    EQUAL(belay_read(first, buf, 1), 1);
    return sock_expect(b, "3");
}

/* Who does not want it closes it: then nobody writes to the pipe any more. */
static int
give_in_vain(int type, bool plain)
{
    char buf[8];
    int flags, gift;

    GIVE(type, a, b, in, out);
    EQUAL(gift_send(a, "t", out), 1);
    belay_fd_closep(&out);
    if (plain) {
        EQUAL(sock_recv(b, buf, sizeof buf), 1);
    } else {
        EQUAL(gift_recv(b, buf, sizeof buf, false, &gift, &flags), 1);
        EQUAL(gift, -1);
        EQUAL(flags & MSG_CTRUNC, MSG_CTRUNC);
    }
    EQUAL(belay_read(in, buf, 1), 0);
    return 0;
}

static int
a_gift_that_nobody_wants_is_closed(void)
{
    for (int plain = 0; plain < 2; plain++) {
        BELAY_TRY(give_in_vain(SOCK_STREAM, plain != 0));
        BELAY_TRY(give_in_vain(SOCK_DGRAM, plain != 0));
    }
    return 0;
}

/* Likewise what nobody has read when the socket closes. */
static int
a_gift_that_nobody_takes_is_closed(void)
{
    char buf[8];

    GIVE(SOCK_STREAM, a, b, in, out);
    EQUAL(gift_send(a, "t", out), 1);
    belay_fd_closep(&out);
    belay_fd_closep(&b);
    EQUAL(belay_read(in, buf, 1), 0);
    return 0;
}

static int
a_gift_must_be_open(void)
{
    GIVE(SOCK_STREAM, a, b, in, out);
    EQUAL(gift_send(a, "t", in + 1000), -EBADF);
    EQUAL(sock_poll(b), POLLOUT);
    return 0;
}

const struct driver_case driver_grams[] = {
    CASE(a_datagram_comes_whole_and_says_from_whom),
    CASE(an_empty_datagram_comes_too),
    CASE(a_receiver_waits),
    CASE(a_peer_may_be_set),
    CASE(strangers_are_not_heard),
    CASE(nobody_is_there_by_udp),
    CASE(nobody_is_there_locally),
    CASE(too_much_for_one),
    CASE(datagrams_make_no_connection),
    CASE(a_descriptor_is_given),
    CASE(gifts_stay_with_their_bytes),
    CASE(a_gift_that_nobody_wants_is_closed),
    CASE(a_gift_that_nobody_takes_is_closed),
    CASE(a_gift_must_be_open),
    {NULL, NULL},
};
