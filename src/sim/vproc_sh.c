/* SPDX-License-Identifier: MIT */
/*
 * What simulated processes do: as much of a shell as tests of processes need,
 * so that they say the same here and on a real machine.
 *
 *     sh -c 'COMMAND; COMMAND ...'
 *
 * or one of the commands alone:
 *
 *     true, false, exit N     as everywhere
 *     sleep SECONDS           with fractions, or infinity
 *     echo WORD...            the last word may be >&2
 *     cat                     from 0 to 1
 *     trap '' TERM            TERM is ignored from now on
 *     kill -N $$              it ends by this signal
 *     wait                    for all that it started
 *     COMMAND &               in another process
 *     setsid COMMAND &        and in another group
 */
#include "sim/vproc.h"

#include "base/time.h"
#include "os/os.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VSH_WORDS = 16, VSH_CHUNK = 64 };

struct vsh_command {
    const char *words[VSH_WORDS];
    int n;
};

/* ---- bytes -------------------------------------------------------------- */

/* A count, 0 at the end, or -errno; -EINTR: it has been killed. */
static int
vsh_move(struct bly_vproc *p, int fd, char *buf, size_t n, bool in)
{
    struct bly_vnet_end *e = p->fds[fd];
    struct iovec iov = {buf, n};
    struct bly_vnet_move m = {.iov = &iov, .len = n};
    int r;

    if (e == NULL)
        return in ? 0 : (int)n;
    for (;;) {
        uint32_t seen = p->news;

        if (p->killed_by != 0)
            return -EINTR;
        r = in ? bly_vnet_recv(e, &m, false) : bly_vnet_put(e, &m, false);
        if (r != -EAGAIN)
            break;
        p->reads = true;
        if (!bly_vproc_pause(p, seen, BLY_NEVER))
            return -EINTR;
    }
    bly_vproc_changed();
    return r;
}

/* Who writes to nobody is killed. */
static int
vsh_write(struct bly_vproc *p, int fd, char *buf, size_t n)
{
    while (n > 0) {
        int r = vsh_move(p, fd, buf, n, false);

        if (r == -EPIPE)
            p->killed_by = SIGPIPE;
        if (r < 0)
            return 1;
        buf += r;
        n -= (size_t)r;
    }
    return 0;
}

static int
vsh_echo(struct bly_vproc *p, const struct vsh_command *c)
{
    bool err = c->n > 1 && strcmp(c->words[c->n - 1], ">&2") == 0;
    char line[BLY_VPROC_TEXT + 2];
    size_t len = 0;
    int i, n = err ? c->n - 1 : c->n;

    line[0] = '\0';
    for (i = 1; i < n; i++)
        len += (size_t)snprintf(line + len, sizeof line - len, "%s%s",
            i > 1 ? " " : "", c->words[i]);
    line[len] = '\n';
    return vsh_write(p, err ? 2 : 1, line, len + 1);
}

static int
vsh_cat(struct bly_vproc *p)
{
    char buf[VSH_CHUNK];
    int n;

    while ((n = vsh_move(p, 0, buf, sizeof buf, true)) > 0)
        if (vsh_write(p, 1, buf, (size_t)n) != 0)
            return 1;
    return n < 0;
}

/* ---- commands ----------------------------------------------------------- */

static int
vsh_sleep(struct bly_vproc *p, const char *seconds)
{
    int64_t until = strcmp(seconds, "infinity") == 0
        ? BLY_NEVER
        : bly_os_now() + (int64_t)(strtod(seconds, NULL) * 1e9);

    while (bly_os_now() < until)
        if (!bly_vproc_pause(p, p->news, until))
            return 1;
    return 0;
}

static int
vsh_wait(struct bly_vproc *p)
{
    for (;;) {
        uint32_t seen = p->news;

        if (!bly_vproc_has_children(p))
            return 0;
        if (!bly_vproc_pause(p, seen, BLY_NEVER))
            return 1;
    }
}

static bool
vsh_is(const struct vsh_command *c, const char *name)
{
    return strcmp(c->words[0], name) == 0;
}

/* Its exit status. */
static int
vsh_do(struct bly_vproc *p, const struct vsh_command *c)
{
    const char *first = c->n > 1 ? c->words[1] : "0";

    if (vsh_is(c, "false"))
        return 1;
    if (vsh_is(c, "exit"))
        return (int)strtol(first, NULL, 10);
    if (vsh_is(c, "sleep"))
        return vsh_sleep(p, first);
    if (vsh_is(c, "echo"))
        return vsh_echo(p, c);
    if (vsh_is(c, "cat"))
        return vsh_cat(p);
    if (vsh_is(c, "wait"))
        return vsh_wait(p);
    if (vsh_is(c, "trap"))
        p->deaf = true;
    if (vsh_is(c, "kill"))
        p->killed_by = (int)strtol(first + 1, NULL, 10);
    return 0;
}

static const char *const vsh_names[] = {"true", "false", "exit", "sleep",
    "echo", "cat", "wait", "trap", "kill", "setsid"};

static bool
vsh_knows(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof vsh_names / sizeof *vsh_names; i++)
        if (strcmp(name, vsh_names[i]) == 0)
            return true;
    return false;
}

/* One command in its own text, which is cut into words. */
static int
vsh_command(struct bly_vproc *p, char *text, bool apart)
{
    struct vsh_command c = {.n = 0};
    bool own;
    char *at, *word;

    text += strspn(text, " ");
    own = strncmp(text, "setsid ", 7) == 0;
    if (apart)
        return bly_vproc_fork(p, own ? text + 7 : text, own) < 0;
    for (at = text; c.n < VSH_WORDS; c.n++) {
        at += strspn(at, " ");
        word = at;
        at += strcspn(at, " ");
        if (word == at)
            break;
        if (*at != '\0')
            *at++ = '\0';
        c.words[c.n] = word;
    }
    if (c.n == 0)
        return 0;
    return vsh_knows(c.words[0]) ? vsh_do(p, &c) : 127;
}

int
bly_vsh_run(struct bly_vproc *p)
{
    char text[BLY_VPROC_TEXT], *at = text;
    int status = 0;

    memcpy(text, p->text, sizeof text);
    for (;;) {
        char *end = at + strcspn(at, ";&");
        char mark;
        bool exits;

        if (end[0] == '&' && end > at && end[-1] == '>') /* >&2 */
            end += strcspn(end + 1, ";&") + 1;
        mark = *end;
        *end = '\0';
        at += strspn(at, " ");
        exits = strncmp(at, "exit", 4) == 0;
        if (!bly_vproc_pause(p, p->news - 1, BLY_NEVER))
            return 1;
        status = vsh_command(p, at, mark == '&');
        if (p->killed_by != 0 || exits || mark == '\0')
            return status;
        at = end + 1;
    }
}

bool
bly_vsh_program(const char *const *argv, char *text)
{
    const char *name = strrchr(argv[0], '/');
    size_t len = 0;
    int i;

    name = name != NULL ? name + 1 : argv[0];
    if (strcmp(name, "sh") == 0 && argv[1] != NULL && argv[2] != NULL) {
        (void)snprintf(text, BLY_VPROC_TEXT, "%s", argv[2]);
        return true;
    }
    text[0] = '\0';
    for (i = 0; argv[i] != NULL && len < BLY_VPROC_TEXT; i++)
        len += (size_t)snprintf(text + len, BLY_VPROC_TEXT - len, "%s%s",
            i > 0 ? " " : "", i > 0 ? argv[i] : name);
    return vsh_knows(name);
}
