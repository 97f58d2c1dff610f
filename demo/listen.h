/* SPDX-License-Identifier: MIT */
/* Sockets that wait for connections, as tasks want them. */
#ifndef LISTEN_H
#define LISTEN_H

#include <belay.h>

/* Listens at a numeric address and port; port 0: at any free one, which is
 * stored.  A descriptor, or -errno. */
int listen_on(const char *address, unsigned *port) BELAY_MUST_CHECK;

/* The next connection to listener: a descriptor; -ESHUTDOWN once the task is
 * asked to stop; or why there are no more. */
int listen_accept(int listener) BELAY_MUST_CHECK;

#endif
