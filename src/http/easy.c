/* SPDX-License-Identifier: MIT */
/*
 * One transfer: what curl is told of a request, and what it tells.
 *
 * The callbacks copy and take notes; they never wait, call curl only for what
 * it allows there, and answer with a failure only after they have noted why.
 */
#include "http/multi.h"

#include "base/alloc.h"
#include "http/head.h"
#include "http/outcome.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* curl's own clocks are out of the way: 20 days. */
static const long EASY_NEVER_MS = 20L * 24 * 3600 * 1000;

struct bly_http_easy *
bly_http_easy_of(CURL *curl)
{
    char *e = NULL;

    (void)curl_easy_getinfo(curl, CURLINFO_PRIVATE, &e);
    return (struct bly_http_easy *)(void *)e;
}

void
bly_http_easy_break(struct bly_http_easy *e, int code, const char *why)
{
    if (e == NULL)
        return; /* one of curl's own, for closing connections */
    (void)bly_http_fail(e->x, BELAY_HTTP_INTERNAL, code, "%s: %s", why,
        belay_strerror(code));
    e->broken = true;
    e->m->broken = true;
}

/* ---- callbacks ----------------------------------------------------------- */

static uint64_t
easy_raw(const struct bly_http_easy *e)
{
    curl_off_t n = 0;

    (void)curl_easy_getinfo(e->curl, CURLINFO_SIZE_DOWNLOAD_T, &n);
    return n > 0 ? (uint64_t)n : 0;
}

static size_t
easy_write(char *data, size_t size, size_t n, void *self)
{
    struct bly_http_easy *e = self;
    int r;

    n *= size;
    e->m->moved = true;
    r = bly_http_body(e->x, data, n, easy_raw(e));
    if (r == BLY_HTTP_FULL) {
        e->recv_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    return r < 0 ? CURL_WRITEFUNC_ERROR : n;
}

static size_t
easy_header(char *line, size_t size, size_t n, void *self)
{
    struct bly_http_easy *e = self;
    size_t len = n *= size;

    e->m->moved = true;
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    return bly_http_head_line(e->x, line, len) < 0 ? n + 1 : n;
}

static size_t
easy_read(char *to, size_t size, size_t n, void *self)
{
    struct bly_http_easy *e = self;
    ssize_t got = bly_http_to_send(e->x, to, size * n);

    e->m->moved = true;
    if (got == -EAGAIN) {
        e->send_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    e->to_send -= e->to_send >= 0 ? got : 0;
    if (got == 0 || e->to_send == 0)
        bly_http_enter_phase(e->x, BELAY_HTTP_IN_FIRST_BYTE);
    return (size_t)got;
}

/* Connected; the handshake is next. */
static CURLcode
easy_tls(CURL *curl, void *context, void *self)
{
    struct bly_http_easy *e = self;

    (void)curl;
    (void)context;
    e->m->moved = true;
    bly_http_enter_phase(e->x, BELAY_HTTP_IN_TLS);
    return CURLE_OK;
}

/* Connected, by TLS too where that is wanted; the request goes out now. */
static int
easy_ready(void *self, char *remote, char *local, int port, int local_port)
{
    struct bly_http_easy *e = self;
    struct bly_http_exchange *x = e->x;
    bool v6 = strchr(remote, ':') != NULL;
    long opened = 0;

    (void)local;
    (void)local_port;
    e->m->moved = true;
    (void)curl_easy_getinfo(e->curl, CURLINFO_NUM_CONNECTS, &opened);
    bly_lock(&x->lock);
    x->reused = opened == 0;
    (void)snprintf(x->remote, sizeof x->remote, v6 ? "[%.46s]:%d" : "%.46s:%d",
        remote, port);
    bly_unlock(&x->lock);
    bly_http_enter_phase(x,
        e->to_send != 0 ? BELAY_HTTP_IN_SEND : BELAY_HTTP_IN_FIRST_BYTE);
    return CURL_PREREQFUNC_OK;
}

static curl_socket_t
easy_open_socket(void *self, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct bly_http_easy *e = self;
    int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);

    (void)purpose;
    /* Other failures are those of an address; there may be better ones. */
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                      errno == ENOMEM))
        (void)bly_http_fail(e->x, BELAY_HTTP_INTERNAL, -errno,
            "no socket: %s", belay_strerror(-errno));
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* ---- options ------------------------------------------------------------- */

static bool
easy_append(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (longer == NULL)
        return false;
    *list = longer;
    return true;
}

static bool
easy_has_header(char *const *list, const char *name)
{
    size_t n = strlen(name);

    for (; *list != NULL; list++)
        if (strncasecmp(*list, name, n) == 0 && (*list)[n] == ':')
            return true;
    return false;
}

/* What is in the list, and nothing that curl would add by itself but what it
 * needs for the connection. */
static bool
easy_headers(struct bly_http_easy *e)
{
    static const char *const curls[] = {"Accept", "Expect"};
    char *const *line = e->x->headers;
    char none[32];
    size_t i;

    for (i = 0; i < sizeof curls / sizeof *curls; i++) {
        (void)snprintf(none, sizeof none, "%s:", curls[i]);
        if (!easy_has_header(line, curls[i]) &&
            !easy_append(&e->headers, none))
            return false;
    }
    for (; *line != NULL; line++)
        if (!easy_append(&e->headers, *line))
            return false;
    return true;
}

static bool
easy_addresses(struct bly_http_easy *e)
{
    struct bly_http_exchange *x = e->x;
    char *entry;
    size_t size;
    bool done;

    if (x->addresses == NULL)
        return true;
    /* +: it grows old as other entries do. */
    size = strlen(x->addresses) + 2;
    entry = bly_alloc(size);
    if (entry == NULL)
        return false;
    (void)snprintf(entry, size, "+%s", x->addresses);
    done = easy_append(&e->resolve, entry);
    bly_free(entry);
    return done;
}

#define EASY_SET(option, value)                                                \
    (r = r == CURLE_OK ? curl_easy_setopt(e->curl, (option), (value)) : r)

static CURLcode
easy_set_callbacks(struct bly_http_easy *e)
{
    CURLcode r = CURLE_OK;

    EASY_SET(CURLOPT_PRIVATE, e);
    EASY_SET(CURLOPT_ERRORBUFFER, e->error);
    EASY_SET(CURLOPT_WRITEFUNCTION, easy_write);
    EASY_SET(CURLOPT_WRITEDATA, e);
    EASY_SET(CURLOPT_HEADERFUNCTION, easy_header);
    EASY_SET(CURLOPT_HEADERDATA, e);
    EASY_SET(CURLOPT_READFUNCTION, easy_read);
    EASY_SET(CURLOPT_READDATA, e);
    EASY_SET(CURLOPT_PREREQFUNCTION, easy_ready);
    EASY_SET(CURLOPT_PREREQDATA, e);
    EASY_SET(CURLOPT_OPENSOCKETFUNCTION, easy_open_socket);
    EASY_SET(CURLOPT_OPENSOCKETDATA, e);
    return r;
}

static long
easy_version(const struct bly_http_exchange *x)
{
    if ((curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_HTTP2) ==
            0 || x->version == BELAY_HTTP_1)
        return CURL_HTTP_VERSION_1_1;
    return x->version == BELAY_HTTP_2 && !x->tls
        ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
        : CURL_HTTP_VERSION_2TLS;
}

static CURLcode
easy_set_request(struct bly_http_easy *e)
{
    struct bly_http_exchange *x = e->x;
    bool body = x->sends || x->payload != NULL;
    CURLcode r = CURLE_OK;

    EASY_SET(CURLOPT_URL, x->url);
    EASY_SET(CURLOPT_PROTOCOLS_STR, "http,https");
    EASY_SET(CURLOPT_HTTP_VERSION, easy_version(x));
    EASY_SET(CURLOPT_HTTPHEADER, e->headers);
    EASY_SET(CURLOPT_ACCEPT_ENCODING, "");
    EASY_SET(CURLOPT_RESOLVE, e->resolve);
    if (strcmp(x->method, "HEAD") == 0) {
        EASY_SET(CURLOPT_NOBODY, 1L);
        return r;
    }
    if (body || strcmp(x->method, "POST") == 0 ||
        strcmp(x->method, "PUT") == 0 || strcmp(x->method, "PATCH") == 0) {
        EASY_SET(CURLOPT_UPLOAD, 1L);
        EASY_SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)e->to_send);
    }
    EASY_SET(CURLOPT_CUSTOMREQUEST, x->method);
    return r;
}

static CURLcode
easy_set_connection(struct bly_http_easy *e)
{
    const belay_http_opts *o = &e->x->h->opts;
    CURLcode r = CURLE_OK;

    EASY_SET(CURLOPT_NOSIGNAL, 1L);
    EASY_SET(CURLOPT_QUICK_EXIT, 1L);
    EASY_SET(CURLOPT_CONNECTTIMEOUT_MS, EASY_NEVER_MS);
    EASY_SET(CURLOPT_TCP_KEEPALIVE, 1L);
    EASY_SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    /* Said in any case: else curl asks the environment. */
    EASY_SET(CURLOPT_PROXY, bly_http_proxy_for(e->x->h, e->x->host));
    EASY_SET(CURLOPT_NOPROXY, "");
    EASY_SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    /* Not every TLS library offers it; a handshake then counts as part of the
     * connecting. */
    (void)curl_easy_setopt(e->curl, CURLOPT_SSL_CTX_FUNCTION, easy_tls);
    (void)curl_easy_setopt(e->curl, CURLOPT_SSL_CTX_DATA, e);
    if (o->insecure) {
        EASY_SET(CURLOPT_SSL_VERIFYPEER, 0L);
        EASY_SET(CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (o->ca_file != NULL)
        EASY_SET(CURLOPT_CAINFO, o->ca_file);
    /* curl keeps what it has read of a file, but not if it has a directory
     * too. */
    if (o->ca_file != NULL ||
        curl_version_info(CURLVERSION_NOW)->cainfo != NULL)
        EASY_SET(CURLOPT_CAPATH, NULL);
    if (o->cert_file != NULL)
        EASY_SET(CURLOPT_SSLCERT, o->cert_file);
    if (o->key_file != NULL)
        EASY_SET(CURLOPT_SSLKEY, o->key_file);
    return r;
}

static bool
easy_set_up(struct bly_http_easy *e)
{
    return easy_headers(e) && easy_addresses(e) &&
        easy_set_callbacks(e) == CURLE_OK && easy_set_request(e) == CURLE_OK &&
        easy_set_connection(e) == CURLE_OK;
}

/* ---- life ---------------------------------------------------------------- */

static void
easy_free(struct bly_http_easy *e)
{
    curl_easy_cleanup(e->curl);
    curl_slist_free_all(e->headers);
    curl_slist_free_all(e->resolve);
    bly_free(e);
}

void
bly_http_easy_start(struct bly_http_multi *m, struct bly_http_exchange *x)
{
    struct bly_http_easy *e = bly_zalloc(sizeof *e);

    if (e == NULL || m->curl == NULL)
        goto fail;
    e->m = m;
    e->x = x;
    if (x->payload != NULL)
        e->to_send = (int64_t)x->payload->len;
    if (x->sends)
        e->to_send = x->send_size;
    e->curl = curl_easy_init();
    if (e->curl == NULL || !easy_set_up(e))
        goto fail_easy;
    x->handle = e;
    bly_list_push(&m->active, &x->active);
    bly_http_enter_phase(x, BELAY_HTTP_IN_CONNECT);
    if (curl_multi_add_handle(m->curl, e->curl) == CURLM_OK)
        return;
    bly_list_remove(&x->active);
fail_easy:
    easy_free(e);
    e = NULL;
fail:
    bly_free(e);
    (void)bly_http_fail(x, BELAY_HTTP_INTERNAL, -ENOMEM, "no memory");
    bly_http_end(x);
}

void
bly_http_easy_resume(struct bly_http_easy *e, unsigned asked)
{
    int mask;

    if ((asked & BLY_HTTP_ASK_RECV) != 0)
        e->recv_paused = false;
    if ((asked & BLY_HTTP_ASK_SEND) != 0)
        e->send_paused = false;
    mask = (e->recv_paused ? CURLPAUSE_RECV : 0) |
        (e->send_paused ? CURLPAUSE_SEND : 0);
    if (curl_easy_pause(e->curl, mask) != CURLE_OK)
        bly_http_easy_break(e, -EIO, "the transfer cannot go on");
}

/* What is known only now. */
static void
easy_note_figures(struct bly_http_easy *e)
{
    struct bly_http_exchange *x = e->x;
    uint64_t raw = easy_raw(e);
    long opened = 0;

    (void)curl_easy_getinfo(e->curl, CURLINFO_NUM_CONNECTS, &opened);
    for (; opened > 0; opened--)
        bly_http_count(x->h, &x->h->connections);
    bly_lock(&x->lock);
    x->raw = raw;
    bly_unlock(&x->lock);
}

void
bly_http_easy_end(struct bly_http_easy *e, CURLcode code)
{
    struct bly_http_exchange *x = e->x;

    easy_note_figures(e);
    if (code == CURLE_OK && !x->have_head)
        (void)bly_http_fail(x, BELAY_HTTP_PROTOCOL, -EPROTO, "no answer");
    if (code != CURLE_OK)
        bly_http_outcome(e, code);
    (void)curl_multi_remove_handle(e->m->curl, e->curl);
    bly_list_remove(&x->active);
    easy_free(e);
    bly_http_end(x);
}
