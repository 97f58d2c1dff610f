/* SPDX-License-Identifier: MIT */
/*
 * faultd: a web server that does wrong on request.
 *
 *     $ faultd
 *     http://127.0.0.1:40213
 *
 * The path says what comes: /delay/200/1000 waits 200 ms and sends 1000
 * bytes, /reset resets the connection, / lists all of them.  Numbers may be
 * left out from the right.  It is a client's worst enemy and its demo's best
 * friend: pages (/pages/200) have sizes and delays that are always the same,
 * and with --faulty 10 one in ten of them fails, always in the same way.
 *
 * Each connection is a task that waits wherever it has to: for requests, for
 * time, for a peer that does not read.  All of them are children of one scope,
 * so that a stop (SIGTERM, or the end of standard input with --until-eof) ends
 * them all.  What goes wrong on a connection is its client's affair, and ends
 * no more than the connection.
 */
#include <belay/io.h>

#include "faultd.h"
#include "listen.h"

#include <errno.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* ---- requests ----------------------------------------------------------- */

/* 1, or 0 if the client has none any more. */
static int
read_head(struct conn *c)
{
    char *end;

    c->buf[c->used] = '\0';
    while ((end = strstr(c->buf, "\r\n\r\n")) == NULL) {
        ssize_t n;

        if (c->used == HEAD_MAX)
            return -EMSGSIZE;
        n = BELAY_TRY(belay_read(c->fd, c->buf + c->used, HEAD_MAX - c->used));
        if (n == 0)
            return 0;
        c->used += (size_t)n;
        c->buf[c->used] = '\0';
    }
    c->head = (size_t)(end + 4 - c->buf);
    return 1;
}

/* Reads the body and does nothing with it. */
static int
skip_body(struct conn *c)
{
    const char *length = strcasestr(c->buf, "\r\nContent-Length:");
    size_t left = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
    size_t here = c->used - c->head < left ? c->used - c->head : left;
    char waste[1024];

    c->head += here;
    for (left -= here; left > 0;) {
        ssize_t n = BELAY_TRY(belay_read(c->fd, waste,
            left < sizeof waste ? left : sizeof waste));

        if (n == 0)
            return -ECONNRESET;
        left -= (size_t)n;
    }
    return 0;
}

/* Takes "GET /delay/200/1000 HTTP/1.1" apart: the path, which then ends. */
static const char *
find_path(struct conn *c)
{
    char *path = c->buf + strcspn(c->buf, " \r");

    c->head_only = strncmp(c->buf, "HEAD ", 5) == 0;
    path += *path == ' ';
    path[strcspn(path, " \r")] = '\0';
    return path;
}

static int
serve_request(struct conn *c)
{
    bool close = strcasestr(c->buf, "\r\nConnection: close\r\n") != NULL;
    bool chunked = strcasestr(c->buf, "\r\nTransfer-Encoding:") != NULL;
    int r;

    if (chunked) {
        BELAY_TRY(answer_bare(c, "411 Length Required"));
        return CLOSE;
    }
    BELAY_TRY(skip_body(c));
    BELAY_TRY(belay_sleep(c->d->delay * BELAY_MS(1)));
    r = BELAY_TRY(answer(c, find_path(c)));
    return close ? CLOSE : r;
}

static int
serve_requests(struct conn *c)
{
    while (BELAY_TRY(read_head(c)) > 0) {
        atomic_fetch_add(&c->d->requests, 1);
        if (BELAY_TRY(serve_request(c)) == CLOSE)
            break;
        c->used -= c->head;
        memmove(c->buf, c->buf + c->head, c->used);
    }
    return 0;
}

BELAY_TASK(serve_client, (struct faultd *, d), (int, fd))
{
    struct conn c;

    c.d = d;
    c.fd = fd;
    c.used = 0;
    belay_ignore(serve_requests(&c), "the client sees what it is");
    belay_fd_close(fd);
    atomic_fetch_sub(&d->open, 1);
    return 0;
}

/* ---- the server --------------------------------------------------------- */

BELAY_TASK(stop_at_eof, (belay_scope *, s))
{
    char c;

    while (BELAY_TRY(belay_read(0, &c, 1)) > 0)
        ;
    belay_stop(s, "the end of standard input");
    return 0;
}

static int
accept_clients(struct faultd *d, belay_scope *s)
{
    for (;;) {
        int fd = BELAY_TRY(listen_accept(d->listener));

        atomic_fetch_add(&d->accepted, 1);
        atomic_fetch_add(&d->open, 1);
        if (belay_spawn(s, serve_client, d, fd) < 0)
            belay_fd_close(fd);
    }
}

BELAY_TASK(faultd, (struct faultd *, d))
{
    int r = 0, err;

    BELAY_SCOPE_CATCH(s, &err, .grace = BELAY_S(1)) {
        if (d->until_eof)
            belay_spawn_daemon(s, stop_at_eof, s);
        r = accept_clients(d, s);
        belay_cancel(s, "the server stops");
    }
    belay_fd_close(d->listener);
    return r == -ESHUTDOWN ? 0 : r;
}

/* ---- the command line --------------------------------------------------- */

static const struct option options[] = {
    {"address", required_argument, NULL, 'a'},
    {"port", required_argument, NULL, 'p'},
    {"workers", required_argument, NULL, 'w'},
    {"delay", required_argument, NULL, 'd'},
    {"faulty", required_argument, NULL, 'f'},
    {"until-eof", no_argument, NULL, 'e'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void
help(void)
{
    char text[2048];

    (void)answer_list(text, sizeof text);
    printf("faultd: a web server that does wrong on request\n\n"
        "  --address A        the address it listens at; 127.0.0.1\n"
        "  --port N           the port; 0, any free one, by default\n"
        "  --workers N        threads; as many as there are processors\n"
        "  --delay MS         before each answer\n"
        "  --faulty PERCENT   of the pages that fail\n"
        "  --until-eof        stop when standard input ends\n\n"
        "It prints its address. Paths:\n\n%s", text);
}

/* -1, or the status to exit with. */
static int
take_options(struct faultd *d, int argc, char **argv)
{
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        long n = optarg != NULL ? strtol(optarg, NULL, 10) : 0;

        n = n > 0 ? n : 0;
        switch (option) {
        case 'a':
            d->address = optarg;
            break;
        case 'p':
            d->port = (unsigned)n;
            break;
        case 'w':
            d->workers = (unsigned)n;
            break;
        case 'd':
            d->delay = n;
            break;
        case 'f':
            d->faulty = n;
            break;
        case 'e':
            d->until_eof = true;
            break;
        case 'h':
            help();
            return 0;
        default:
            return 2;
        }
    }
    return -1;
}

/* As many connections as the system allows. */
static void
raise_limit(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        return;
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r);
}

int
main(int argc, char **argv)
{
    static struct faultd d = {.address = "127.0.0.1"};
    int status = take_options(&d, argc, argv);
    size_t i;

    if (status >= 0)
        return status;
    for (i = 0; i < BLOCK; i++)
        d.block[i] = i % 64 < 63 ? "abcdefghijklmnopqrstuvwxyz"[i % 64 % 26]
                                 : '\n';
    raise_limit();
    d.listener = listen_on(d.address, &d.port);
    if (d.listener < 0) {
        fprintf(stderr, "faultd: cannot listen at %s, port %u: %s\n",
            d.address, d.port, belay_strerror(d.listener));
        return 1;
    }
    (void)snprintf(d.url, sizeof d.url, strchr(d.address, ':') != NULL
        ? "http://[%.64s]:%u" : "http://%.64s:%u", d.address, d.port);
    puts(d.url);
    fflush(stdout);
    return belay_main_with((.workers = d.workers), faultd, &d);
}
