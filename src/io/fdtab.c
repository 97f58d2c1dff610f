/* SPDX-License-Identifier: MIT */
/*
 * What is known about descriptors, by number: how many operations use one, and
 * where the newest of them was called, so that closing it meanwhile is caught;
 * and whether it is a socket, so that a write can be a send.
 *
 * A table of the process in pieces that are made when asked for and never
 * given back.  Without memory for a piece nothing is known, and nothing is
 * caught.  What is remembered of the kind of a descriptor may be that of an
 * earlier one with its number, if that was closed by others; so it is only
 * used where the kernel corrects it (ENOTSOCK).
 *
 * In a simulation a run may be left at any point, which would leave counts
 * behind: there nothing is counted.
 */
#include "base/alloc.h"
#include "base/atomic.h"
#include "base/check.h"
#include "io/op.h"

#include <errno.h>
#include <sys/stat.h>

enum {
    FDTAB_PIECE = 1024,
    FDTAB_PIECES = 1024 /* what lies beyond is not watched */
};

struct fdtab_entry {
    uint32_t users;         /* atomic */
    uint32_t socket;        /* atomic: it was one when last looked at */
    const belay_site *site; /* atomic: of the newest user */
};

static struct fdtab_entry *fdtab[FDTAB_PIECES]; /* atomic */

static struct fdtab_entry *
fdtab_piece(size_t i)
{
    struct fdtab_entry *none = NULL, *piece;
    size_t size = FDTAB_PIECE * sizeof *piece;

    /* pairs with fdtab_piece elsewhere */
    piece = bly_load_acquire(&fdtab[i]);
    if (BLY_LIKELY(piece != NULL))
        return piece;
    piece = bly_alloc_quiet(size);
    if (piece == NULL)
        return NULL;
    for (size_t k = 0; k < FDTAB_PIECE; k++)
        piece[k] = (struct fdtab_entry){0, 0, NULL};
    /* pairs with fdtab_piece elsewhere */
    if (bly_cas(&fdtab[i], &none, piece))
        return piece;
    bly_free_quiet(piece);
    return none;
}

static struct fdtab_entry *
fdtab_of(int fd)
{
    struct fdtab_entry *piece;

    if (BLY_SIM || fd < 0 || fd >= FDTAB_PIECE * FDTAB_PIECES)
        return NULL;
    piece = fdtab_piece((size_t)fd / FDTAB_PIECE);
    return piece == NULL ? NULL : &piece[fd % FDTAB_PIECE];
}

void
bly_fd_hold(int fd, const belay_site *site)
{
    struct fdtab_entry *e = fdtab_of(fd);

    if (e == NULL)
        return;
    bly_store_relaxed(&e->site, site);
    (void)bly_fetch_add(&e->users, 1u); /* pairs with bly_fd_check_close */
}

void
bly_fd_drop(int fd)
{
    struct fdtab_entry *e = fdtab_of(fd);

    /* pairs with bly_fd_check_close */
    if (e != NULL)
        (void)bly_fetch_add(&e->users, UINT32_MAX);
}

void
bly_fd_check_close(int fd, const belay_site *site)
{
    struct fdtab_entry *e = fdtab_of(fd);
    const belay_site *user;

    if (e == NULL)
        return;
    bly_store_relaxed(&e->socket, 0u);
    if (BLY_LIKELY(bly_load(&e->users) == 0)) /* pairs with bly_fd_hold */
        return;
    user = bly_load_relaxed(&e->site);
    bly_misuse(site, "descriptor %d is closed while the %s of %s:%d uses it",
        fd, user != NULL ? user->what : "call",
        user != NULL ? user->file : "?", user != NULL ? user->line : 0);
}

static bool
fdtab_ask(int fd)
{
    struct stat st;
    int saved = errno;
    bool is = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);

    errno = saved;
    return is;
}

bool
bly_fd_is_socket(int fd)
{
    struct fdtab_entry *e = fdtab_of(fd);
    bool is;

    if (e != NULL && bly_load_relaxed(&e->socket) != 0)
        return true;
    is = fdtab_ask(fd);
    if (e != NULL && is)
        bly_store_relaxed(&e->socket, 1u);
    return is;
}

void
bly_fd_no_socket(int fd)
{
    struct fdtab_entry *e = fdtab_of(fd);

    if (e != NULL)
        bly_store_relaxed(&e->socket, 0u);
}
