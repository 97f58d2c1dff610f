/* SPDX-License-Identifier: MIT */
/*
 * System calls on descriptors that neither wait nor move data.  sys_linux.c
 * makes them; in libbelay-test they go to the simulated network of sim/ for
 * sockets and pipes, which have numbers from BLY_SIM_FD on.  All return 0, a
 * descriptor, or -errno, and leave errno alone.  Descriptors close on exec.
 */
#ifndef BLY_OS_SYS_H
#define BLY_OS_SYS_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { BLY_SIM_FD = 1 << 24 };

int bly_sys_socket(int domain, int type, int protocol) BLY_MUST_CHECK;
int bly_sys_socketpair(int domain, int type, int fds[2]) BLY_MUST_CHECK;
int bly_sys_pipe(int fds[2], int flags) BLY_MUST_CHECK;
int bly_sys_bind(int fd, const struct sockaddr *sa, socklen_t len)
    BLY_MUST_CHECK;
int bly_sys_listen(int fd, int backlog) BLY_MUST_CHECK;
int bly_sys_shutdown(int fd, int how);
int bly_sys_name(int fd, bool peer, struct sockaddr *sa, socklen_t *len)
    BLY_MUST_CHECK;
int bly_sys_setopt(int fd, int level, int name, int value);
int bly_sys_getopt(int fd, int level, int name, int *value) BLY_MUST_CHECK;
void bly_sys_close(int fd);

/* The files of Unix sockets.  What tells the one at path from others that
 * have been or will be there; 0: there is none. */
uint64_t bly_sys_sock_id(const char *path);
/* Whether nobody listens behind it any more. */
bool bly_sys_sock_orphan(const char *path);
/* Removes it, if it is still that one. */
void bly_sys_sock_unlink(const char *path, uint64_t id);
/* What is ready now, of poll's events; 0: nothing; -EBADF. */
int bly_sys_poll(int fd, int events);

/*
 * The addresses of a host, with port 0, for sockets of this family (AF_UNSPEC:
 * any): up to n of them.  Takes as long as it takes: for a lane.  Returns how
 * many, or -ENOENT (there is no such name), -EAGAIN (not now), -ENOMEM.
 */
int bly_sys_resolve(const char *host, int family,
    struct sockaddr_storage *out, int n) BLY_MUST_CHECK;

#endif
