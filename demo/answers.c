/* SPDX-License-Identifier: MIT */
/* What faultd answers, right and wrong. */
#include <belay/io.h>

#include "faultd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- sending ------------------------------------------------------------ */

static int
send_bytes(struct conn *c, const char *p, size_t n)
{
    return belay_write_all(c->fd, p, n, NULL);
}

/* headers: whole lines.  length < 0: is not told. */
static int
send_head(struct conn *c, const char *status, long length,
    const char *headers)
{
    char head[HEAD_MAX + 256], size[64] = "";
    int n;

    if (length >= 0)
        (void)snprintf(size, sizeof size, "Content-Length: %ld\r\n", length);
    n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%s%s\r\n", status, size,
        headers);
    return send_bytes(c, head, (size_t)n);
}

static int
send_body(struct conn *c, long n)
{
    while (n > 0 && !c->head_only) {
        size_t piece = n < BLOCK ? (size_t)n : BLOCK;

        BELAY_TRY(send_bytes(c, c->d->block, piece));
        n -= (long)piece;
    }
    return 0;
}

static int
send_slowly(struct conn *c, const char *p, long n, long ms)
{
    for (; n > 0; n--) {
        BELAY_TRY(belay_sleep(ms * BELAY_MS(1)));
        BELAY_TRY(send_bytes(c, p++, 1));
    }
    return 0;
}

static int
send_text(struct conn *c, const char *text, size_t n)
{
    BELAY_TRY(send_head(c, "200 OK", (long)n, "Content-Type: text/plain\r\n"));
    return c->head_only ? KEEP : send_bytes(c, text, n);
}

/* ---- what there is: right answers --------------------------------------- */

static int
serve_delay(struct conn *c)
{
    BELAY_TRY(belay_sleep(c->number[0] * BELAY_MS(1)));
    BELAY_TRY(send_head(c, "200 OK", c->number[1], ""));
    return send_body(c, c->number[1]);
}

static int
serve_status(struct conn *c)
{
    long status = c->number[0] >= 200 && c->number[0] <= 999 ? c->number[0]
                                                             : 200;
    bool bare = status == 204 || status == 304;
    char line[32], after[64] = "";

    (void)snprintf(line, sizeof line, "%ld As Requested", status);
    if (c->number[1] > 0)
        (void)snprintf(after, sizeof after, "Retry-After: %ld\r\n",
            c->number[1]);
    return send_head(c, line, bare ? -1 : 0, after);
}

/* Fails so often, then is well. */
static int
serve_flaky(struct conn *c)
{
    unsigned long which = (unsigned long)c->number[1] % FLAKY;
    unsigned before = atomic_fetch_add(&c->d->flaky[which], 1);

    c->number[0] = before < (unsigned long)c->number[0] ? 503 : 200;
    c->number[1] = 0;
    return serve_status(c);
}

static int
serve_redirect(struct conn *c)
{
    char line[64] = "Location: /stats\r\n";

    if (c->number[0] > 1)
        (void)snprintf(line, sizeof line, "Location: /redirect/%ld\r\n",
            c->number[0] - 1);
    return send_head(c, "302 Found", 0, line);
}

static int
serve_to(struct conn *c)
{
    char line[HEAD_MAX + 16];

    (void)snprintf(line, sizeof line, "Location: %s\r\n",
        *c->rest == '/' ? c->rest + 1 : "/");
    return send_head(c, "302 Found", 0, line);
}

static int
serve_stats(struct conn *c)
{
    char text[128];
    int n = snprintf(text, sizeof text, "accepted %u\nopen %u\nrequests %u\n",
        atomic_load(&c->d->accepted), atomic_load(&c->d->open),
        atomic_load(&c->d->requests));

    return send_text(c, text, (size_t)n);
}

/* The addresses of so many pages, one a line. */
static int
serve_pages(struct conn *c)
{
    enum { LINE = 160 };
    long i, n = c->number[0] < 100000 ? c->number[0] : 100000;
    char *text = malloc((size_t)n * LINE + 1);
    size_t used = 0;
    int r;

    if (text == NULL)
        return -ENOMEM;
    for (i = 0; i < n; i++)
        used += (size_t)snprintf(text + used, LINE,
            "%s/page/%ld\n", c->d->url, i);
    r = send_text(c, text, used);
    free(text);
    return r;
}

/* ---- wrong ones --------------------------------------------------------- */

/* Sends what is there of a body, and nothing more, until the client goes. */
static int
serve_stall(struct conn *c)
{
    char none[64];
    ssize_t n;

    if (c->number[0] > 0) {
        BELAY_TRY(send_head(c, "200 OK", c->number[0] + 1, ""));
        BELAY_TRY(send_body(c, c->number[0]));
    }
    while ((n = belay_read(c->fd, none, sizeof none)) > 0)
        ;
    return n < 0 ? (int)n : CLOSE;
}

static int
serve_reset(struct conn *c)
{
    const struct linger now = {1, 0};

    if (c->number[0] > 0) {
        BELAY_TRY(send_head(c, "200 OK", c->number[0] + 1, ""));
        BELAY_TRY(send_body(c, c->number[0]));
    }
    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    return CLOSE;
}

static int
serve_lie(struct conn *c)
{
    BELAY_TRY(send_head(c, "200 OK", c->number[0], ""));
    BELAY_TRY(send_body(c, c->number[1]));
    return c->number[1] < c->number[0] ? CLOSE : KEEP;
}

static int
serve_drip(struct conn *c)
{
    long n = c->number[1] < BLOCK ? c->number[1] : BLOCK;

    BELAY_TRY(send_head(c, "200 OK", n, ""));
    if (c->head_only)
        return KEEP;
    return send_slowly(c, c->d->block, n, c->number[0]);
}

static int
serve_slow(struct conn *c)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    return send_slowly(c, head, sizeof head - 1, c->number[0]);
}

static int
serve_loop(struct conn *c)
{
    return send_head(c, "302 Found", 0, "Location: /loop\r\n");
}

static int
serve_garbage(struct conn *c)
{
    static const char text[] = "220 mail.example.org ESMTP\r\n";

    BELAY_TRY(send_bytes(c, text, sizeof text - 1));
    return CLOSE;
}

static int
serve_endless(struct conn *c)
{
    BELAY_TRY(send_head(c, "200 OK", -1, "Connection: close\r\n"));
    for (;;)
        BELAY_TRY(send_body(c, BLOCK));
}

/*
 * A gigabyte of zeros in a megabyte of gzip.  The code of its one block gives
 * the longest match, 258 bytes from one byte back, a single zero bit, and so
 * does that for the distance: a zero byte stands for four matches.
 */
static int
serve_bomb(struct conn *c)
{
    static const char zeros[BLOCK], begin[] =
        "\x1f\x8b\x08\0\0\0\0\0\0\x03" /* head of gzip */
        "\xed\xc0\x81\0\0\0\0\x80\xa0\xfd\xa9\x17\xa9\0"; /* code; a zero */
    static const char end[] =
        "\x06\x0b\x01\x40\x36\x09\x04\x80\x40"; /* check sum, size */
    enum { MIB = 1 << 20 };

    BELAY_TRY(send_head(c, "200 OK", sizeof begin - 1 + MIB + sizeof end - 1,
        "Content-Encoding: gzip\r\n"));
    if (c->head_only)
        return KEEP;
    BELAY_TRY(send_bytes(c, begin, sizeof begin - 1));
    for (int i = 0; i < MIB / BLOCK; i++)
        BELAY_TRY(send_bytes(c, zeros, BLOCK));
    return send_bytes(c, end, sizeof end - 1);
}

/* ---- pages, of which some are faulty ------------------------------------ */

static uint32_t
mix(uint32_t x)
{
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

/* Up to 64 KiB after up to 50 ms, small and quick ones more often. */
static int
serve_page(struct conn *c)
{
    static int (*const faults[])(struct conn *) = {serve_reset, serve_lie,
        serve_stall, serve_status, serve_garbage};
    uint32_t h = mix((uint32_t)c->number[0] + 1);

    c->number[0] = (h & 255) * (h >> 8 & 255) * 50 / 65025;
    c->number[1] = 500 + (h >> 16 & 255) * (h >> 24);
    h = mix(h);
    if (h % 100 >= (uint32_t)c->d->faulty)
        return serve_delay(c);
    BELAY_TRY(belay_sleep(c->number[0] * BELAY_MS(1)));
    h = h / 100 % 5;
    c->number[0] = faults[h] == serve_status ? 503 : 1000;
    c->number[1] = 0;
    return faults[h](c);
}

/* ---- paths -------------------------------------------------------------- */

static int serve_index(struct conn *c);

static const struct path {
    const char *name, *numbers, *what;
    int (*serve)(struct conn *c);
} paths[] = {
    {"", "", "this list", serve_index},
    {"/stats", "", "how many connections and requests there were", serve_stats},
    {"/delay", "/MS/SIZE", "SIZE bytes after a while", serve_delay},
    {"/status", "/N/AFTER", "that status, with Retry-After", serve_status},
    {"/flaky", "/N/KEY", "503 for the first N requests with this KEY",
        serve_flaky},
    {"/redirect", "/N", "so many redirects", serve_redirect},
    {"/to", "/URL", "a redirect to there", serve_to},
    {"/pages", "/N", "the addresses of N pages", serve_pages},
    {"/page", "/I", "page I, as large and as slow as always; or faulty",
        serve_page},
    {"/stall", "/SIZE", "SIZE bytes of a longer body, then silence",
        serve_stall},
    {"/reset", "/SIZE", "the same, then a reset", serve_reset},
    {"/lie", "/SAID/SENT", "a body of a wrong length", serve_lie},
    {"/drip", "/MS/SIZE", "SIZE bytes, one every MS", serve_drip},
    {"/slow", "/MS", "a head of which a byte comes every MS", serve_slow},
    {"/loop", "", "a redirect to itself", serve_loop},
    {"/garbage", "", "no HTTP at all", serve_garbage},
    {"/endless", "", "a body without an end", serve_endless},
    {"/bomb", "", "a gigabyte in a megabyte of gzip", serve_bomb},
};

enum { PATHS = sizeof paths / sizeof *paths };

size_t
answer_list(char *text, size_t size)
{
    size_t i, used = 0;

    for (i = 0; i < PATHS; i++) {
        char path[64];

        (void)snprintf(path, sizeof path, "%s%s",
            *paths[i].name != '\0' ? paths[i].name : "/", paths[i].numbers);
        used += (size_t)snprintf(text + used, size - used, "  %-18s %s\n",
            path, paths[i].what);
    }
    return used;
}

static int
serve_index(struct conn *c)
{
    char text[2048];

    return send_text(c, text, answer_list(text, sizeof text));
}

/* ---- the way to them ---------------------------------------------------- */

/* The numbers behind the name. */
static void
take_numbers(struct conn *c)
{
    const char *at = c->rest;

    for (size_t i = 0; i < 2; i++) {
        char *end = NULL;
        long n = *at == '/' ? strtol(at + 1, &end, 10) : 0;

        c->number[i] = n > 0 ? n : 0;
        at = end != NULL ? end : at;
    }
}

int
answer_bare(struct conn *c, const char *status)
{
    return send_head(c, status, 0, "");
}

int
answer(struct conn *c, const char *path)
{
    size_t i, n;

    if (*path != '/')
        return answer_bare(c, "400 Bad Request");
    n = strcspn(path + 1, "/?");
    n += n > 0; /* the first slash belongs to the name, unless it is all */
    c->rest = path + n;
    take_numbers(c);
    for (i = 0; i < PATHS; i++)
        if (strlen(paths[i].name) == n && memcmp(paths[i].name, path, n) == 0)
            return paths[i].serve(c);
    return answer_bare(c, "404 Not Found");
}
