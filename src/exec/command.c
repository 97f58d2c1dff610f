/* SPDX-License-Identifier: MIT */
/*
 * A process from its beginning to its end, with what it wrote.
 *
 * Its outputs end when nobody has them open any more, and that may be never: a
 * descendant that has left the tree keeps them.  So when the tree is gone, the
 * collectors are cut; what the pipes hold at that moment they still take.
 */
#include <belay/process.h>

#include <belay/io.h>

#include "base/alloc.h"
#include "base/check.h"
#include "exec/keeper.h"
#include "os/sys.h"

#include <errno.h>
#include <string.h>

enum { COMMAND_MAX = 1 << 20, COMMAND_FIRST = 4096, COMMAND_TEXT = 160 };

#define COMMAND_PATIENCE BELAY_S(5)

/* What comes out of one pipe. */
struct command_sink {
    int fd;
    char *data;
    size_t len, room, max;
    bool torn; /* not read to its end */
    const belay_site *site;
};

struct command {
    belay_process *p;
    struct command_sink sinks[2]; /* of 1 and 2 */
    int in;
    belay_slice input;
    const belay_site *site;
};

/* ---- outputs ------------------------------------------------------------ */

/* Room for one byte more than max, so that too much is seen, and a 0. */
static int
command_grow(struct command_sink *k)
{
    size_t room = k->room != 0 ? 2 * k->room : COMMAND_FIRST;
    char *data;

    if (k->room - k->len > 1)
        return 0;
    if (room > k->max + 2)
        room = k->max + 2;
    data = bly_alloc(room);
    if (data == NULL)
        return -ENOMEM;
    if (k->len != 0)
        memcpy(data, k->data, k->len);
    bly_free(k->data);
    k->data = data;
    k->room = room;
    return 0;
}

/* 1 go on, 0 the end. */
static int
command_read(struct command_sink *k)
{
    ssize_t n;
    int r = command_grow(k);

    if (r < 0)
        return r;
    n = belay_read_at(k->fd, k->data + k->len, k->room - 1 - k->len, k->site);
    if (n <= 0)
        return (int)n;
    k->len += (size_t)n;
    if (k->len <= k->max)
        return 1;
    k->len = k->max;
    return belay_fail_at(-EMSGSIZE, k->site,
        "a process wrote more than %zu bytes", k->max);
}

/* What is there and needs no waiting. */
static int
command_drain(struct command_sink *k)
{
    belay_block shield;
    int r = 1;

    belay_shield_open(&shield, COMMAND_PATIENCE, k->site);
    while (r > 0 && (bly_sys_poll(k->fd, BELAY_READABLE) & BELAY_READABLE) != 0)
        r = command_read(k);
    belay_block_close(&shield);
    k->torn = r < 0;
    return r < 0 ? r : 0;
}

BELAY_TASK(command_collect, (struct command_sink *, k))
{
    int r;

    do
        r = command_read(k);
    while (r > 0);
    return r == -ECANCELED || r == -ETIME ? command_drain(k) : r;
}

/* It need not read all of it. */
BELAY_TASK(command_feed, (struct command *, c))
{
    int r = belay_write_all_at(
        c->in, c->input.data, c->input.len, NULL, c->site);

    belay_fd_closep(&c->in);
    return r == -EPIPE ? 0 : r;
}

/* ---- the run ------------------------------------------------------------ */

static int
command_spawn(belay_scope *s, struct command *c)
{
    belay_spawn_opts how = {.size = sizeof how};
    int i, r = 0;

    for (i = 0; i < 2 && r == 0; i++)
        if (c->sinks[i].fd >= 0)
            r = belay_spawn_at(s, BELAY_TYPE_(command_collect),
                BELAY_ARGS_(command_collect, &c->sinks[i]), &how, c->site);
    if (r == 0 && c->in >= 0)
        r = belay_spawn_at(s, BELAY_TYPE_(command_feed),
            BELAY_ARGS_(command_feed, c), &how, c->site);
    return r;
}

/* 0: it has ended, and so have all that it started. */
static int
command_inside(belay_scope *s, struct command *c, const char *const *argv,
    const belay_process_opts *opts)
{
    int i, r = belay_process_start_at(s, &c->p, argv, opts, c->site);

    if (r < 0)
        return r;
    c->in = belay_process_take(c->p, 0);
    for (i = 0; i < 2; i++)
        c->sinks[i].fd = belay_process_take(c->p, i + 1);
    r = command_spawn(s, c);
    if (r == 0)
        r = belay_event_wait_at(&c->p->done, c->site);
    if (r == 0)
        r = belay_process_stop_at(c->p, c->site);
    if (r == 0)
        belay_cancel_at(s, c->site, "'%s' has ended", c->p->name);
    return r;
}

static void
command_prepare(struct command *c, belay_process_opts *o,
    const belay_site *site)
{
    int i;

    if (o->size != sizeof *o)
        bly_misuse(site, "process options of another version");
    if (o->input.len != 0 && o->in != BELAY_CHILD_USUAL)
        bly_misuse(site, "a process with both .input and .in");
    if (o->in == BELAY_CHILD_USUAL)
        o->in = o->input.len != 0 ? BELAY_CHILD_PIPE : BELAY_CHILD_NULL;
    if (o->out == BELAY_CHILD_USUAL)
        o->out = BELAY_CHILD_PIPE;
    if (o->err == BELAY_CHILD_USUAL)
        o->err = BELAY_CHILD_PIPE;
    memset(c, 0, sizeof *c);
    c->in = -1;
    c->input = o->input;
    c->site = site;
    for (i = 0; i < 2; i++)
        c->sinks[i] = (struct command_sink){.fd = -1, .site = site,
            .max = o->max != 0 ? o->max : COMMAND_MAX};
}

static belay_slice
command_slice(struct command_sink *k)
{
    if (k->data != NULL)
        k->data[k->len] = '\0';
    return (belay_slice){k->data, k->len};
}

/* How it ended, and what it said last. */
static int
command_result(const struct command *c)
{
    const struct command_sink *k = &c->sinks[1];
    char text[COMMAND_TEXT];
    size_t end = k->len, begin;
    int r = bly_keeper_result(c->p, text, sizeof text);

    if (r == 0)
        return 0;
    while (end > 0 && k->data[end - 1] == '\n')
        end--;
    for (begin = end; begin > 0 && k->data[begin - 1] != '\n';)
        begin--;
    return belay_fail_at(r, c->site, "%s%s%.*s", text, end != 0 ? ": " : "",
        (int)(end - begin < COMMAND_TEXT ? end - begin : COMMAND_TEXT),
        end != 0 ? k->data + begin : "");
}

/* Gives what there is to the caller. */
static int
command_end(struct command *c, int r, belay_output *o)
{
    if (c->p != NULL && belay_event_is_set(&c->p->done))
        o->exit = c->p->exit;
    if (r == 0 && (c->sinks[0].torn || c->sinks[1].torn))
        r = belay_fail_at(-EIO, c->site,
            "what '%s' wrote could not be read to its end", c->p->name);
    if (r == 0)
        r = command_result(c);
    o->out = command_slice(&c->sinks[0]);
    o->err = command_slice(&c->sinks[1]);
    return r;
}

int
belay_process_run_at(belay_output **out, const char *const *argv,
    const belay_process_opts *opts, const belay_site *site)
{
    belay_process_opts how = {.size = sizeof how};
    belay_output *o = bly_zalloc(sizeof *o);
    struct command c;
    belay_scope s;
    int i, r, closed;

    *out = NULL;
    if (o == NULL)
        return -ENOMEM;
    if (opts != NULL)
        how = *opts;
    command_prepare(&c, &how, site);
    belay_scope_open(&s, NULL, site);
    r = command_inside(&s, &c, argv, &how);
    closed = belay_scope_close(&s);
    if (closed < 0 && closed != -ECANCELED && closed != -ETIME)
        r = closed; /* of who collects or feeds; or it could not be watched */
    if (r == -ECANCELED && belay_cancelled() < 0)
        r = belay_cancelled(); /* the scope may have been cut first */
    belay_fd_closep(&c.in);
    for (i = 0; i < 2; i++)
        belay_fd_closep(&c.sinks[i].fd);
    r = command_end(&c, r, o);
    if (c.p != NULL)
        *out = o;
    else
        bly_free(o);
    belay_process_close(&c.p);
    return r;
}

void
belay_output_close(belay_output **o)
{
    if (*o == NULL)
        return;
    bly_free((void *)(uintptr_t)(*o)->out.data);
    bly_free((void *)(uintptr_t)(*o)->err.data);
    bly_free(*o);
    *o = NULL;
}

void
belay_output_closep(belay_output **o)
{
    belay_output_close(o);
}
