/* SPDX-License-Identifier: MIT */
/* See server.h. */
#include <belay/io.h>

#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static void
server_changed(struct server *srv)
{
    belay_event_set(&srv->changed);
}

int
server_await(struct server *srv, atomic_uint *count, unsigned n)
{
    while (atomic_load(count) != n) {
        BELAY_TRY(belay_event_wait(&srv->changed));
        belay_event_reset(&srv->changed);
    }
    return 0;
}

const char *
server_url(struct server *srv, const char *path)
{
    static char urls[8][256];
    static unsigned next;
    char *url = urls[next++ % 8];

    (void)snprintf(url, sizeof *urls, "%s%s", srv->url, path);
    return url;
}

/* ---- one connection ----------------------------------------------------- */

/* Reads a request: the length of its head, 0 at the end. */
static ssize_t
conn_read_head(int fd, char *buf, size_t *more)
{
    size_t used = 0;
    char *end;

    buf[0] = '\0';
    while ((end = strstr(buf, "\r\n\r\n")) == NULL) {
        ssize_t n;

        if (used == SERVER_REQUEST)
            return -EMSGSIZE;
        n = belay_read(fd, buf + used, SERVER_REQUEST - used);
        if (n <= 0)
            return n;
        used += (size_t)n;
        buf[used] = '\0';
    }
    *more = used;
    return end + 4 - buf;
}

static bool
conn_is_chunked(const char *head)
{
    return strcasestr(head, "\r\nTransfer-Encoding: chunked\r\n") != NULL;
}

/* Reads a body of which so much is there; what is beyond 64 KiB is counted
 * only.  A chunked one is read up to its last chunk, and counted with all its
 * lengths. */
static int
conn_read_body(struct server *srv, int fd, char *buf, size_t head, size_t used)
{
    const char *length = strcasestr(buf, "\r\nContent-Length:");
    size_t want = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
    size_t got = used - head;
    char rest[16384];

    atomic_store(&srv->body_len, want);
    while (conn_is_chunked(buf) && strstr(buf + head, "0\r\n\r\n") == NULL) {
        ssize_t n = belay_read(fd, buf + used, SERVER_REQUEST - used);

        if (n <= 0)
            return n < 0 ? (int)n : -ECONNRESET;
        used += (size_t)n;
        buf[used] = '\0';
        atomic_store(&srv->body_len, used - head);
    }
    while (got < want) {
        bool fits = head + want <= SERVER_REQUEST;
        ssize_t n = belay_read(fd, fits ? buf + head + got : rest,
            fits ? want - got : sizeof rest);

        if (n <= 0)
            return n < 0 ? (int)n : -ECONNRESET;
        got += (size_t)n;
        if (fits)
            buf[head + got] = '\0';
    }
    return 0;
}

static int
conn_drip(int fd, const char *text)
{
    for (; *text != '\0'; text++) {
        BELAY_TRY(belay_write_all(fd, text, 1, NULL));
        BELAY_TRY(belay_sleep(BELAY_MS(20)));
    }
    return 0;
}

static int
conn_flood(struct server *srv, int fd, size_t n)
{
    char block[4096];

    memset(block, 'x', sizeof block);
    while (n > 0) {
        ssize_t done = BELAY_TRY(belay_write(fd, block,
            n < sizeof block ? n : sizeof block));

        n -= (size_t)done;
        atomic_fetch_add(&srv->sent, (uint64_t)done);
        server_changed(srv);
    }
    return 0;
}

static void
conn_reset(int fd)
{
    struct linger now = {1, 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static int
conn_step(struct server *srv, int fd, const struct step *step)
{
    switch (step->act) {
    case SAY:
        return belay_write_all(fd, step->text,
            step->n > 0 ? step->n : strlen(step->text), NULL);
    case DRIP:
        return conn_drip(fd, step->text);
    case FLOOD:
        return conn_flood(srv, fd, step->n);
    case PAUSE:
        return belay_sleep((belay_dur)step->n * BELAY_MS(1));
    case STALL: {
        char c;

        /* Until the peer ends it. */
        while (belay_read(fd, &c, 1) > 0)
            ;
        return -ESHUTDOWN;
    }
    case RESET:
        conn_reset(fd);
        return -ESHUTDOWN;
    case CLOSE:
    default:
        return -ESHUTDOWN;
    }
}

static int
conn_steps(struct server *srv, int fd, const struct page *page)
{
    for (size_t i = 0; i < 8 && page->steps[i].act != END; i++)
        BELAY_TRY(conn_step(srv, fd, &page->steps[i]));
    return 0;
}

static const struct page *
conn_find(struct server *srv, const char *request)
{
    static const struct page missing = PAGE("",
        {SAY, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0});
    const char *path = strchr(request, ' ');
    const struct page *p;

    if (path == NULL)
        return &missing;
    for (p = srv->pages; p->path != NULL; p++) {
        size_t n = strlen(p->path);

        if (strncmp(path + 1, p->path, n) == 0 && path[n + 1] == ' ')
            return p;
    }
    return &missing;
}

/* One request after the other.  Whatever goes wrong ends the connection, and
 * no more than that. */
static int
conn_talk(struct server *srv, int fd, char *buf)
{
    size_t used;

    for (;;) {
        const struct page *page;
        ssize_t head = conn_read_head(fd, buf, &used);

        if (head <= 0)
            return (int)head;
        page = conn_find(srv, buf);
        if (!page->early)
            BELAY_TRY(conn_read_body(srv, fd, buf, (size_t)head, used));
        if (srv->keep)
            memcpy(srv->request, buf, SERVER_REQUEST + 1);
        atomic_fetch_add(&srv->requests, 1);
        server_changed(srv);
        BELAY_TRY(conn_steps(srv, fd, page));
    }
}

/* What a server does that is none. */
static int
conn_mishandle(struct server *srv, int fd)
{
    if (srv->raw)
        return conn_steps(srv, fd, srv->pages);
    if (srv->mute)
        return conn_step(srv, fd, &(struct step){STALL, NULL, 0});
    conn_reset(fd);
    return 0;
}

BELAY_TASK(conn_serve, (struct server *, srv), (int, fd))
{
    bool bad = srv->raw || srv->mute || srv->hang_up;
    char *buf = malloc(SERVER_REQUEST + 1);

    belay_ignore(bad ? conn_mishandle(srv, fd) : conn_talk(srv, fd, buf),
        "the client sees what it is");
    free(buf);
    belay_fd_close(fd);
    atomic_fetch_add(&srv->closed, 1);
    server_changed(srv);
    return 0;
}

/* ---- the server --------------------------------------------------------- */

BELAY_TASK(server_run, (struct server *, srv))
{
    BELAY_SCOPE(s) {
        while (!srv->deaf) {
            int fd;

            if (belay_wait_fd(srv->fd, BELAY_READABLE) < 0)
                break;
            fd = accept4(srv->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (fd < 0)
                continue;
            atomic_fetch_add(&srv->accepted, 1);
            server_changed(srv);
            if (belay_spawn(s, conn_serve, srv, fd) < 0) {
                belay_fd_close(fd);
                break;
            }
        }
        if (srv->deaf)
            belay_ignore(belay_sleep(INT64_MAX), "until the test has ended");
    }
    return 0;
}

BELAY_TASK(server_main, (struct server *, srv))
{
    belay_ignore(server_run(srv), "it was cut");
    belay_fd_close(srv->fd);
    return 0;
}

int
server_start(belay_scope *s, struct server *srv)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 ||
        listen(fd, srv->deaf ? 0 : 128) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) < 0) {
        int r = -errno;

        (void)close(fd);
        return r;
    }
    srv->fd = fd;
    srv->port = ntohs(a.sin_port);
    (void)snprintf(srv->url, sizeof srv->url, "http://127.0.0.1:%u",
        srv->port);
    return belay_spawn_with(s, (.daemon = true), server_main, srv);
}
