/* SPDX-License-Identifier: MIT */
/* What programs write, in bounded memory.  See spill.h. */
#include "cli/spill.h"

#include "cli/own.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SINK_FIRST = 4096, SINK_SMALL = 4096 };

struct spill {
    const char *dir;
    int fd;
    uint32_t slots; /* of the file */
    uint32_t *idle; /* those that nobody has */
    size_t n, room;
};

struct spill_part {
    uint32_t slot, len;
};

/* ---- the file ------------------------------------------------------------ */

struct spill *
spill_new(const char *dir)
{
    struct spill *sp = own_alloc(sizeof *sp);

    sp->dir = dir;
    sp->fd = -1;
    return sp;
}

void
spill_free(struct spill *sp)
{
    if (sp == NULL)
        return;
    if (sp->fd >= 0)
        close(sp->fd);
    free(sp->idle);
    free(sp);
}

uint32_t
spill_most(const struct spill *sp)
{
    return sp->slots;
}

/* Where the file system has no files without names, it loses its own. */
static int
spill_named(const char *dir)
{
    struct text name = {NULL, 0, 0};
    int fd, r;

    text_printf(&name, "%s/belay-XXXXXX", dir);
    fd = mkostemp(name.p, O_CLOEXEC);
    r = fd < 0 ? -errno : fd;
    if (fd >= 0)
        (void)unlink(name.p);
    text_free(&name);
    return r;
}

static int
spill_open(struct spill *sp)
{
    int fd;

    if (sp->fd >= 0)
        return 0;
    fd = open(sp->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT))
        fd = spill_named(sp->dir);
    else if (fd < 0)
        fd = -errno;
    sp->fd = fd < 0 ? -1 : fd;
    return fd < 0 ? fd : 0;
}

static void
spill_drop(struct spill *sp, uint32_t slot)
{
    if (sp->n == sp->room) {
        sp->room = sp->room > 0 ? 2 * sp->room : 16;
        sp->idle = own_resize(sp->idle, sp->room * sizeof *sp->idle);
    }
    sp->idle[sp->n++] = slot;
}

static int
spill_move(int fd, char *p, size_t n, off_t at, bool out)
{
    while (n > 0) {
        ssize_t done = out ? pwrite(fd, p, n, at) : pread(fd, p, n, at);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? -errno : -EIO;
        p += done;
        n -= (size_t)done;
        at += done;
    }
    return 0;
}

static int
spill_put(struct spill *sp, char *data, size_t n, uint32_t *out)
{
    uint32_t slot;
    int r = spill_open(sp);

    if (r < 0)
        return r;
    slot = sp->n > 0 ? sp->idle[--sp->n] : sp->slots++;
    r = spill_move(sp->fd, data, n, (off_t)slot * SPILL_SLOT, true);
    if (r < 0)
        spill_drop(sp, slot);
    else
        *out = slot;
    return r;
}

/* ---- an output ----------------------------------------------------------- */

char *
sink_room(struct sink *k, size_t *n)
{
    if (k->tail_room == k->len) {
        k->tail_room = k->tail_room > SPILL_SLOT / 2 ? SPILL_SLOT
            : k->tail_room > SINK_FIRST / 2          ? 2 * k->tail_room
                                                     : SINK_FIRST;
        k->tail = own_resize(k->tail, k->tail_room);
    }
    *n = k->tail_room - k->len;
    return k->tail + k->len;
}

/* Its tail goes to the file. */
static int
sink_flush(struct sink *k, struct spill *sp)
{
    uint32_t slot;
    int r = spill_put(sp, k->tail, k->len, &slot);

    if (r < 0)
        return r;
    if (k->n == k->room) {
        k->room = k->room > 0 ? 2 * k->room : 4;
        k->parts = own_resize(k->parts, k->room * sizeof *k->parts);
    }
    k->parts[k->n++] = (struct spill_part){slot, (uint32_t)k->len};
    k->len = 0;
    return 0;
}

int
sink_took(struct sink *k, struct spill *sp, size_t n, uint64_t max)
{
    uint64_t left = max - k->kept;

    k->bytes += n;
    if (n > left)
        n = (size_t)left;
    k->kept += n;
    k->len += n;
    return k->len == SPILL_SLOT ? sink_flush(k, sp) : 0;
}

int
sink_settle(struct sink *k, struct spill *sp)
{
    int r = 0;

    if (k->len > SINK_SMALL)
        r = sink_flush(k, sp);
    if (r < 0 || k->len == k->tail_room)
        return r;
    k->tail_room = k->len;
    k->tail = own_resize(k->tail, k->len); /* 0: the smallest piece */
    return 0;
}

int
sink_piece(const struct sink *k, struct spill *sp, size_t i, char *buf,
    const char **data, size_t *n)
{
    int r;

    if (i > k->n || (i == k->n && k->len == 0))
        return 0;
    if (i == k->n) {
        *data = k->tail;
        *n = k->len;
        return 1;
    }
    *data = buf;
    *n = k->parts[i].len;
    r = spill_move(sp->fd, buf, *n, (off_t)k->parts[i].slot * SPILL_SLOT,
        false);
    return r < 0 ? r : 1;
}

void
sink_clear(struct sink *k, struct spill *sp)
{
    for (size_t i = 0; i < k->n; i++)
        spill_drop(sp, k->parts[i].slot);
    free(k->parts);
    free(k->tail);
    *k = (struct sink){.bytes = 0};
}
