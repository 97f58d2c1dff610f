/* SPDX-License-Identifier: MIT */
/* Bare operations and bare system calls, for the cases about sockets. */
#ifndef DRIVER_SOCK_H
#define DRIVER_SOCK_H

#include "suite.h"

#include "io/op.h"
#include "os/sys.h"

struct sock_addr {
    struct sockaddr_storage sa;
    socklen_t len;
};

struct sockaddr *sock_sa(struct sock_addr *a);
/* A loopback address, or no name at all (unix). */
void sock_any(struct sock_addr *a, int domain);
int sock_new(int *fd, int domain, int type);
/* Bound to such an address, which is told. */
int sock_bound(int *fd, struct sock_addr *a, int domain, int type);
int sock_listen(int *fd, struct sock_addr *a, int domain, int backlog);
int sock_connect(int *fd, struct sock_addr *a);
int sock_pair(int domain, int *client, int *server);

int sock_op(enum bly_op_kind kind, int fd, void *buf, size_t len,
    socklen_t *addrlen);
int sock_recv(int fd, void *buf, size_t n);
int sock_send(int fd, const char *text); /* all of it */
int sock_accept(int fd);
/* All of text comes, in however many pieces. */
int sock_expect(int fd, const char *text);
int sock_poll(int fd);

/* Two sockets that are connected, and close with the block. */
#define PAIR(domain, client, server)                                           \
    BELAY_AUTO_FD(client);                                                     \
    BELAY_AUTO_FD(server);                                                     \
    BELAY_TRY(sock_pair((domain), &client, &server))

/* Each case for each kind of socket. */
#define BOTH(name)                                                             \
    static int name##_of(int domain);                                          \
    static int name(void)                                                      \
    {                                                                          \
        BELAY_TRY(name##_of(AF_INET));                                         \
        return name##_of(AF_UNIX);                                             \
    }                                                                          \
    static int name##_of(int domain)

#define CASE(name) {#name, name}

#endif
