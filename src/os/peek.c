/* SPDX-License-Identifier: MIT */
/* The kernel does the reading, as it would for a debugger. */
#include "os/peek.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

bool
bly_peek(const void *from, void *to, size_t size)
{
    union {
        const void *from;
        void *base;
    } there = {.from = from};
    struct iovec local = {.iov_base = to, .iov_len = size};
    struct iovec remote = {.iov_base = there.base, .iov_len = size};
    int saved = errno;
    ssize_t n = process_vm_readv(
        (pid_t)syscall(SYS_gettid), &local, 1, &remote, 1, 0);

    errno = saved;
    return n == (ssize_t)size;
}

bool
bly_peek_text(const char *from, char *to, size_t size)
{
    size_t i;

    /* Byte by byte: the string may end just before memory that is not there.
     * Only reports come here. */
    for (i = 0; i + 1 < size; i++) {
        if (!bly_peek(from + i, to + i, 1))
            break;
        if (to[i] == '\0')
            return true;
    }
    to[i] = '\0';
    return i + 1 == size;
}
