/* SPDX-License-Identifier: MIT */
/*
 * Descriptors: reading, writing, waiting for readiness.
 *
 * A descriptor is the plain int of the system.  These calls put the task to
 * sleep instead of its thread; descriptors may be in blocking mode or not.
 * They return a count or a negative code.  A call that is cut returns only
 * when the kernel has let go of the buffer, and bytes that it has moved by
 * then are reported, not lost.
 *
 * One task may read while another one writes.  To close a descriptor that a
 * task still waits for is a misuse, and names both places.
 *
 * Regular files are read from the page cache at once, and otherwise without
 * stopping the worker.  A read or write of a disk that has begun cannot be
 * called back: a cut then waits for its end.
 */
#ifndef BELAY_IO_H
#define BELAY_IO_H

#include <belay/base.h>
#include <belay/error.h>
#include <belay/select.h>

#include <sys/types.h>
#include <sys/uio.h>

BELAY_BEGIN_DECLS

/*
 * Up to n bytes: as soon as there are some.  Returns their number, 0 at the
 * end, or -errno (-ECONNRESET ...), or the code of a cut.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK ssize_t belay_read_at(int fd, void *buf,
    size_t n, const belay_site *site);
/* At least one byte of n, as many as go at once.  -EPIPE: nobody reads; no
 * signal is raised. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK ssize_t belay_write_at(int fd,
    const void *buf, size_t n, const belay_site *site);
BELAY_API BELAY_WAITS BELAY_MUST_CHECK ssize_t belay_readv_at(int fd,
    const struct iovec *iov, int count, const belay_site *site);
BELAY_API BELAY_WAITS BELAY_MUST_CHECK ssize_t belay_writev_at(int fd,
    const struct iovec *iov, int count, const belay_site *site);
/* At a place of a file, without moving its position. */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK ssize_t belay_pread_at(int fd, void *buf,
    size_t n, off_t offset, const belay_site *site);
BELAY_API BELAY_WAITS BELAY_MUST_CHECK ssize_t belay_pwrite_at(int fd,
    const void *buf, size_t n, off_t offset, const belay_site *site);

/*
 * All n bytes.  Returns 0, or why not; *done (if not NULL) is how many bytes
 * were moved in either case.  An end before n bytes have come is -EPROTO for
 * the read.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_read_all_at(int fd, void *buf,
    size_t n, size_t *done, const belay_site *site);
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_write_all_at(int fd,
    const void *buf, size_t n, size_t *done, const belay_site *site);

/* What to wait for; what came.  ERROR and HANGUP come unasked. */
#define BELAY_READABLE 0x001
#define BELAY_WRITABLE 0x004
#define BELAY_FD_ERROR 0x008
#define BELAY_FD_HANGUP 0x010

/*
 * Waits until one of events is there.  Returns those that are, > 0; -EBADF; or
 * the code of a cut.  For descriptors that other libraries read and write.
 */
BELAY_API BELAY_WAITS BELAY_MUST_CHECK int belay_wait_fd_at(int fd, int events,
    const belay_site *site);
/* The same as a case of belay_select; its result is the events.  fd < 0:
 * never happens. */
BELAY_API belay_case belay_case_fd(int fd, int events);

/* A pipe: fds[0] is read, fds[1] written; both close on exec. */
BELAY_API BELAY_MUST_CHECK int belay_pipe(int fds[2]);

/*
 * Closes a descriptor that no task waits for (that aborts, and names both
 * places).  Never waits, never fails; what close() may say about lost writes,
 * belay_fsync has said before.  fd < 0: nothing.  Cancellation point: no.
 */
BELAY_API void belay_fd_close_at(int fd, const belay_site *site);
BELAY_API void belay_fd_closep(int *fd);

BELAY_END_DECLS

#if !defined(__cplusplus)
#define belay_read(fd, buf, n)                                                 \
    belay_read_at((fd), (buf), (n), BELAY_SITE_("read"))
#define belay_write(fd, buf, n)                                                \
    belay_write_at((fd), (buf), (n), BELAY_SITE_("write"))
#define belay_readv(fd, iov, count)                                            \
    belay_readv_at((fd), (iov), (count), BELAY_SITE_("readv"))
#define belay_writev(fd, iov, count)                                           \
    belay_writev_at((fd), (iov), (count), BELAY_SITE_("writev"))
#define belay_pread(fd, buf, n, offset)                                        \
    belay_pread_at((fd), (buf), (n), (offset), BELAY_SITE_("pread"))
#define belay_pwrite(fd, buf, n, offset)                                       \
    belay_pwrite_at((fd), (buf), (n), (offset), BELAY_SITE_("pwrite"))
#define belay_read_all(fd, buf, n, done)                                       \
    belay_read_all_at((fd), (buf), (n), (done), BELAY_SITE_("read_all"))
#define belay_write_all(fd, buf, n, done)                                      \
    belay_write_all_at((fd), (buf), (n), (done), BELAY_SITE_("write_all"))
#define belay_wait_fd(fd, events)                                              \
    belay_wait_fd_at((fd), (events), BELAY_SITE_("wait_fd"))
#define BELAY_FD(fd, events) belay_case_fd((fd), (events))
#define belay_fd_close(fd) belay_fd_close_at((fd), BELAY_SITE_("fd_close"))
/* BELAY_AUTO_FD(x) declares int x = -1, closed on every way out. */
#define BELAY_AUTO_FD(x) int x BELAY_CLEANUP_(belay_fd_closep) = -1
#endif
#endif
