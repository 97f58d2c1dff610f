/* SPDX-License-Identifier: MIT */
/* See listen.h. */
#include <belay/io.h>

#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static int
listen_bind(const struct addrinfo *a)
{
    int yes = 1, r;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
        0);

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    r = -errno;
    (void)close(fd);
    return r;
}

static unsigned
listen_port(int fd)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof a;

    if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        return 0;
    return ntohs(a.ss_family == AF_INET6
            ? ((const struct sockaddr_in6 *)&a)->sin6_port
            : ((const struct sockaddr_in *)&a)->sin_port);
}

int
listen_on(const char *address, unsigned *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *a;
    char service[16];
    int fd;

    (void)snprintf(service, sizeof service, "%u", *port);
    if (getaddrinfo(address, service, &hints, &a) != 0)
        return -EADDRNOTAVAIL;
    fd = listen_bind(a);
    freeaddrinfo(a);
    if (fd >= 0)
        *port = listen_port(fd);
    return fd;
}

/* Whether another accept may go well, which it may after a moment if
 * descriptors or memory were wanting. */
static int
listen_again(int err)
{
    switch (err) {
    case EAGAIN:
    case EINTR:
    case ECONNABORTED:
        return 0;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return belay_sleep(BELAY_MS(10));
    default:
        return -err;
    }
}

int
listen_accept(int listener)
{
    enum { COMES, STOP };

    for (;;) {
        int yes = 1, r;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            return fd;
        }
        BELAY_TRY(listen_again(errno));
        BELAY_TRY(belay_select(&r,
            [COMES] = BELAY_FD(listener, BELAY_READABLE),
            [STOP] = BELAY_STOP));
        BELAY_TRY(r);
    }
}
