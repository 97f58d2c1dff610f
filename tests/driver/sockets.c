/* SPDX-License-Identifier: MIT */
/*
 * Sockets by bare operations and bare system calls, so that the simulated
 * kernel is held against the real one, and not against what it says itself.
 */
#include "sock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

/* ---- connecting --------------------------------------------------------- */

BOTH(both_sides_hear_each_other)
{
    PAIR(domain, c, s);
    EQUAL(sock_send(c, "ping"), 4);
    BELAY_TRY(sock_expect(s, "ping"));
    EQUAL(sock_send(s, "pong"), 4);
    BELAY_TRY(sock_expect(c, "pong"));
    return 0;
}

static int
names_are_told(void)
{
    struct sock_addr a = {.len = sizeof a.sa}, b = {.len = sizeof b.sa};
    struct sock_addr here = {.len = sizeof here.sa};
    BELAY_AUTO_FD(l);
    BELAY_AUTO_FD(c);
    BELAY_AUTO_FD(s);
    struct sock_addr at;

    BELAY_TRY(sock_listen(&l, &at, AF_INET, 8));
    BELAY_TRY(sock_connect(&c, &at));
    s = BELAY_TRY(sock_op(BLY_OP_ACCEPT, l, &a.sa, 0, &a.len));
    BELAY_TRY(bly_sys_name(c, false, sock_sa(&here), &here.len));
    EQUAL(a.len, here.len);
    HOLDS(memcmp(&a.sa, &here.sa, 8) == 0); /* family, port, host */
    BELAY_TRY(bly_sys_name(c, true, sock_sa(&b), &b.len));
    HOLDS(memcmp(&b.sa, &at.sa, 8) == 0);
    b.len = sizeof b.sa;
    EQUAL(bly_sys_name(l, true, sock_sa(&b), &b.len), -ENOTCONN);
    return 0;
}

static int
nobody_listens(void)
{
    BELAY_AUTO_FD(l);
    BELAY_AUTO_FD(c);
    BELAY_AUTO_FD(u);
    struct sock_addr a;
    struct sockaddr_un *un = (void *)&a.sa;

    BELAY_TRY(sock_listen(&l, &a, AF_INET, 8));
    belay_fd_closep(&l);
    EQUAL(sock_connect(&c, &a), -ECONNREFUSED);
    sock_any(&a, AF_UNIX);
    (void)snprintf(un->sun_path, sizeof un->sun_path, "/nowhere/at/all");
    a.len = sizeof *un;
    EQUAL(sock_connect(&u, &a), -ENOENT);
    return 0;
}

static int
an_address_is_taken_once(void)
{
    BELAY_AUTO_FD(l);
    BELAY_AUTO_FD(m);
    struct sock_addr a;

    BELAY_TRY(sock_listen(&l, &a, AF_INET, 8));
    BELAY_TRY(sock_new(&m, AF_INET, SOCK_STREAM));
    EQUAL(bly_sys_bind(m, sock_sa(&a), a.len), -EADDRINUSE);
    EQUAL(bly_sys_bind(l, sock_sa(&a), a.len), -EINVAL);
    return 0;
}

BELAY_TASK(accept_one, (int, l), (int *, fd))
{
    *fd = sock_accept(l);
    return *fd < 0 ? *fd : 0;
}

BOTH(accept_waits_for_somebody)
{
    BELAY_AUTO_FD(l);
    BELAY_AUTO_FD(c);
    BELAY_AUTO_FD(s);
    struct sock_addr a;

    BELAY_TRY(sock_listen(&l, &a, domain, 8));
    BELAY_SCOPE(scope) {
        belay_spawn(scope, accept_one, l, &s);
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
        BELAY_TRY(sock_connect(&c, &a));
    }
    HOLDS(s >= 0);
    EQUAL(sock_send(c, "x"), 1);
    return sock_expect(s, "x");
}

BOTH(a_deadline_ends_an_accept)
{
    BELAY_AUTO_FD(l);
    BELAY_AUTO_FD(c);
    BELAY_AUTO_FD(s);
    struct sock_addr a;

    BELAY_TRY(sock_listen(&l, &a, domain, 8));
    EQUAL(BELAY_WITHIN(BELAY_MS(1), sock_accept(l)), -ETIME);
    BELAY_TRY(sock_connect(&c, &a));
    s = BELAY_TRY(sock_accept(l));
    return 0;
}

static int
a_stop_ends_an_accept(void)
{
    BELAY_AUTO_FD(l);
    struct sock_addr a;
    int err, fd = 0;

    BELAY_TRY(sock_listen(&l, &a, AF_INET, 8));
    BELAY_SCOPE_CATCH(scope, &err, .grace = INT64_MAX) {
        belay_spawn(scope, accept_one, l, &fd);
        BELAY_TRY(belay_sleep(BELAY_MS(1)));
        belay_stop(scope, "test");
    }
    EQUAL(fd, -ESHUTDOWN);
    EQUAL(err, -ESHUTDOWN);
    return 0;
}

/* ---- ending ------------------------------------------------------------- */

BOTH(what_came_before_the_end_is_read)
{
    char buf[8];

    PAIR(domain, c, s);
    EQUAL(sock_send(c, "last"), 4);
    belay_fd_closep(&c);
    BELAY_TRY(sock_expect(s, "last"));
    EQUAL(sock_recv(s, buf, sizeof buf), 0);
    EQUAL(sock_recv(s, buf, sizeof buf), 0);
    return 0;
}

BOTH(one_side_may_end_alone)
{
    char buf[8];

    PAIR(domain, c, s);
    EQUAL(sock_send(c, "ask"), 3);
    BELAY_TRY(bly_sys_shutdown(c, SHUT_WR));
    BELAY_TRY(sock_expect(s, "ask"));
    EQUAL(sock_recv(s, buf, sizeof buf), 0);
    EQUAL(sock_send(c, "x"), -EPIPE);
    EQUAL(sock_send(s, "answer"), 6);
    BELAY_TRY(sock_expect(c, "answer"));
    return 0;
}

/* Who closes without having read resets the other. */
BOTH(bytes_that_nobody_read_reset)
{
    char buf[8];

    PAIR(domain, c, s);
    EQUAL(sock_send(c, "unread"), 6);
    HOLDS(belay_wait_fd(s, BELAY_READABLE) & BELAY_READABLE);
    belay_fd_closep(&s);
    EQUAL(sock_recv(c, buf, sizeof buf), -ECONNRESET);
    EQUAL(sock_recv(c, buf, sizeof buf), 0);
    EQUAL(sock_send(c, "x"), -EPIPE);
    return 0;
}

static int
writes_to_nobody_break_the_pipe(void)
{
    char buf[8];

    PAIR(AF_INET, c, s);
    belay_fd_closep(&s);
    EQUAL(sock_recv(c, buf, sizeof buf), 0);
    EQUAL(sock_send(c, "x"), 1); /* the answer is a reset */
    EQUAL(sock_send(c, "x"), -EPIPE);
    EQUAL(sock_recv(c, buf, sizeof buf), 0);
    return 0;
}

static int
local_writes_to_nobody_break_the_pipe(void)
{
    PAIR(AF_UNIX, c, s);
    belay_fd_closep(&s);
    EQUAL(sock_send(c, "x"), -EPIPE);
    return 0;
}

/* A connection that nobody has accepted ends with its listener. */
BOTH(the_queue_dies_with_the_listener)
{
    BELAY_AUTO_FD(l);
    BELAY_AUTO_FD(c);
    struct sock_addr a;
    char buf[8];

    BELAY_TRY(sock_listen(&l, &a, domain, 8));
    BELAY_TRY(sock_connect(&c, &a));
    belay_fd_closep(&l);
    EQUAL(sock_recv(c, buf, sizeof buf), -ECONNRESET);
    return 0;
}

/* ---- readiness ---------------------------------------------------------- */

BOTH(readiness_follows_the_state)
{
    PAIR(domain, c, s);
    EQUAL(sock_poll(c), POLLOUT);
    EQUAL(sock_send(s, "x"), 1);
    HOLDS(belay_wait_fd(c, BELAY_READABLE) & BELAY_READABLE);
    EQUAL(sock_poll(c), POLLIN | POLLOUT);
    BELAY_TRY(sock_expect(c, "x"));
    EQUAL(sock_poll(c), POLLOUT);
    BELAY_TRY(bly_sys_shutdown(s, SHUT_WR));
    HOLDS(belay_wait_fd(c, BELAY_READABLE) & BELAY_READABLE);
    EQUAL(sock_poll(c), POLLIN | POLLOUT | POLLRDHUP);
    BELAY_TRY(bly_sys_shutdown(c, SHUT_WR));
    EQUAL(sock_poll(c), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
    return 0;
}

BOTH(readiness_of_a_listener)
{
    BELAY_AUTO_FD(l);
    BELAY_AUTO_FD(c);
    struct sock_addr a;

    BELAY_TRY(sock_listen(&l, &a, domain, 8));
    EQUAL(sock_poll(l), 0);
    BELAY_TRY(sock_connect(&c, &a));
    HOLDS(belay_wait_fd(l, BELAY_READABLE) & BELAY_READABLE);
    EQUAL(sock_poll(l), POLLIN);
    return 0;
}

/* ---- what is none ------------------------------------------------------- */

static int
a_pipe_is_no_socket(void)
{
    BELAY_AUTO_FD(in);
    BELAY_AUTO_FD(out);
    struct sock_addr a;
    char buf[4];
    int pair[2];

    BELAY_TRY(belay_pipe(pair));
    in = pair[0];
    out = pair[1];
    sock_any(&a, AF_INET);
    EQUAL(sock_recv(in, buf, sizeof buf), -ENOTSOCK);
    EQUAL(sock_send(out, "x"), -ENOTSOCK);
    EQUAL(sock_accept(in), -ENOTSOCK);
    EQUAL(bly_sys_bind(in, sock_sa(&a), a.len), -ENOTSOCK);
    EQUAL(bly_sys_listen(in, 1), -ENOTSOCK);
    EQUAL(bly_sys_shutdown(in, SHUT_RD), -ENOTSOCK);
    return 0;
}

BOTH(a_fresh_socket_can_do_little)
{
    BELAY_AUTO_FD(fd);
    struct sock_addr a = {.len = sizeof a.sa};
    char buf[4];

    BELAY_TRY(sock_new(&fd, domain, SOCK_STREAM));
    EQUAL(sock_recv(fd, buf, sizeof buf),
        domain == AF_UNIX ? -EINVAL : -ENOTCONN);
    EQUAL(sock_send(fd, "x"), domain == AF_UNIX ? -ENOTCONN : -EPIPE);
    EQUAL(sock_accept(fd), -EINVAL);
    EQUAL(bly_sys_shutdown(fd, SHUT_RD), domain == AF_UNIX ? 0 : -ENOTCONN);
    EQUAL(bly_sys_name(fd, true, sock_sa(&a), &a.len), -ENOTCONN);
    return 0;
}

static int
a_pair_is_connected(void)
{
    BELAY_AUTO_FD(a);
    BELAY_AUTO_FD(b);
    int pair[2], flags = bly_io_sock_flags(bly_must_self("", NULL)->worker);

    HOLDS(flags >= 0);
    BELAY_TRY(bly_sys_socketpair(AF_UNIX, SOCK_STREAM | flags, pair));
    a = pair[0];
    b = pair[1];
    EQUAL(sock_send(a, "one"), 3);
    EQUAL(sock_send(b, "two"), 3);
    BELAY_TRY(sock_expect(b, "one"));
    return sock_expect(a, "two");
}

const struct driver_case driver_sockets[] = {
    CASE(both_sides_hear_each_other),
    CASE(names_are_told),
    CASE(nobody_listens),
    CASE(an_address_is_taken_once),
    CASE(accept_waits_for_somebody),
    CASE(a_deadline_ends_an_accept),
    CASE(a_stop_ends_an_accept),
    CASE(what_came_before_the_end_is_read),
    CASE(one_side_may_end_alone),
    CASE(bytes_that_nobody_read_reset),
    CASE(writes_to_nobody_break_the_pipe),
    CASE(local_writes_to_nobody_break_the_pipe),
    CASE(the_queue_dies_with_the_listener),
    CASE(readiness_follows_the_state),
    CASE(readiness_of_a_listener),
    CASE(a_pipe_is_no_socket),
    CASE(a_fresh_socket_can_do_little),
    CASE(a_pair_is_connected),
    {NULL, NULL},
};
