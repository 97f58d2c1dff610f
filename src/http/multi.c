/* SPDX-License-Identifier: MIT */
/*
 * The driver: one task that has curl's multi handle, on a big stack of its
 * own, for TLS is deep.
 *
 * All of curl's sockets are in one epoll descriptor, so that the task waits
 * for three things, whatever the number of connections: that descriptor, the
 * time that curl named, and the port through which tasks ask.  Each turn takes
 * in what was asked, tells curl of time and events, ends what has ended, and
 * sleeps.  All but the sleep is under a no-wait block: curl must not be entered
 * again while it is in a callback, so no callback may ever switch tasks.
 *
 * What is known to go wrong with libcurl and is dealt with here:
 *
 * - A callback for a socket that returns an error leaves the transfer in
 *   limbo.  Ours never does: the transfer is marked, and ended in that turn.
 * - curl may close a socket, and open another one with the same number, while
 *   we still hold events of the first.  An event names a struct, which lives
 *   until the batch of events is done and knows that it has gone.
 * - A number may be in the epoll set when we think that it is not, and the
 *   other way round: EEXIST and ENOENT are answers, not failures.
 * - A paused transfer may leave its socket readable, and curl interested: the
 *   driver would then spin.  Turns that move nothing are counted, and after
 *   many the driver takes a nap.
 * - curl outwaits its own timeouts and counts the wait for a connection.  It
 *   has none: who waits for the exchange also watches the clock, and curl
 *   never has more transfers than may run (admit.h).
 *
 * A handle is used by one thread at a time, and curl's callbacks may use
 * thread-local state (OpenSSL's error queue); since a started task stays on
 * its worker, both are given.
 */
#include "http/multi.h"

#include <belay/io.h>

#include "base/alloc.h"
#include "base/time.h"

#include <errno.h>
#include <sys/epoll.h>

enum { MULTI_EVENTS = 64, MULTI_IDLE_TURNS = 512 };

static const belay_dur MULTI_NAP = BELAY_MS(2);

struct multi_socket {
    struct bly_link link; /* once it is gone */
    curl_socket_t fd;
    bool added;
    bool gone;
};

/* ---- sockets ------------------------------------------------------------- */

static void
multi_forget(struct bly_http_multi *m, struct multi_socket *s)
{
    (void)epoll_ctl(m->epfd, EPOLL_CTL_DEL, s->fd, NULL);
    s->gone = true;
    bly_list_push(&m->gone, &s->link);
}

static struct multi_socket *
multi_remember(struct bly_http_multi *m, curl_socket_t fd)
{
    struct multi_socket *s = bly_zalloc(sizeof *s);

    if (s == NULL)
        return NULL;
    s->fd = fd;
    if (curl_multi_assign(m->curl, fd, s) == CURLM_OK)
        return s;
    bly_free(s);
    return NULL;
}

static int
multi_watch(struct bly_http_multi *m, struct multi_socket *s, int what)
{
    struct epoll_event ev = {.data.ptr = s};
    int op = s->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, r;

    if ((what & CURL_POLL_IN) != 0)
        ev.events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0)
        ev.events |= EPOLLOUT;
    r = epoll_ctl(m->epfd, op, s->fd, &ev);
    if (r < 0 && (errno == ENOENT || errno == EEXIST)) {
        op = errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
        r = epoll_ctl(m->epfd, op, s->fd, &ev);
    }
    if (r < 0)
        return -errno;
    s->added = true;
    return 0;
}

static int
multi_socket(CURL *curl, curl_socket_t fd, int what, void *self, void *socket)
{
    struct bly_http_multi *m = self;
    struct multi_socket *s = socket;
    int r = -ENOMEM;

    m->moved = true;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL)
            multi_forget(m, s);
        return 0;
    }
    if (s == NULL)
        s = multi_remember(m, fd);
    if (s != NULL)
        r = multi_watch(m, s, what);
    if (r < 0)
        bly_http_easy_break(bly_http_easy_of(curl), r,
            "the socket cannot be watched");
    return 0;
}

static int
multi_timer(CURLM *curl, long ms, void *self)
{
    struct bly_http_multi *m = self;

    (void)curl;
    m->due = ms < 0 ? BLY_NEVER
                    : bly_time_add(belay_now(), ms * BELAY_MS(1));
    return 0;
}

/* ---- a turn -------------------------------------------------------------- */

static void
multi_serve_port(struct bly_http_multi *m)
{
    struct bly_http_port *p = &m->h->port;
    struct bly_http_exchange *x;
    unsigned asked;

    belay_event_reset(&p->work);
    while ((x = bly_http_next_asked(p, &asked)) != NULL) {
        m->moved = true;
        if (asked == BLY_HTTP_ASK_START)
            bly_http_easy_start(m, x);
        else if ((asked & BLY_HTTP_ASK_START) != 0)
            bly_http_end(x); /* given up before it began */
        else if ((asked & BLY_HTTP_ASK_CANCEL) != 0)
            bly_http_easy_end(x->handle, CURLE_OK);
        else
            bly_http_easy_resume(x->handle, asked);
    }
}

static void
multi_act(struct bly_http_multi *m, curl_socket_t fd, int mask)
{
    int running;

    (void)curl_multi_socket_action(m->curl, fd, mask, &running);
}

static void
multi_tell_time(struct bly_http_multi *m)
{
    if (m->due > belay_now())
        return;
    m->due = BLY_NEVER;
    m->moved = true;
    multi_act(m, CURL_SOCKET_TIMEOUT, 0);
}

/* Tells curl of events; how many there were. */
static int
multi_tell_events(struct bly_http_multi *m)
{
    struct epoll_event events[MULTI_EVENTS];
    struct bly_link *l;
    int i, n = epoll_wait(m->epfd, events, MULTI_EVENTS, 0);

    for (i = 0; i < n; i++) {
        struct multi_socket *s = events[i].data.ptr;
        unsigned got = events[i].events;
        int mask = 0;

        if (s->gone)
            continue;
        if ((got & (EPOLLIN | EPOLLHUP)) != 0)
            mask |= CURL_CSELECT_IN;
        if ((got & EPOLLOUT) != 0)
            mask |= CURL_CSELECT_OUT;
        if ((got & EPOLLERR) != 0)
            mask |= CURL_CSELECT_ERR;
        multi_act(m, s->fd, mask);
    }
    while ((l = bly_list_pop(&m->gone)) != NULL)
        bly_free(BLY_CONTAINER(l, struct multi_socket, link));
    return n;
}

/* Ends what curl is done with, and what cannot go on. */
static void
multi_reap(struct bly_http_multi *m)
{
    struct bly_link *l, *next;
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(m->curl, &left)) != NULL)
        if (msg->msg == CURLMSG_DONE) {
            m->moved = true;
            bly_http_easy_end(bly_http_easy_of(msg->easy_handle),
                msg->data.result);
        }
    if (!m->broken)
        return;
    m->broken = false;
    for (l = bly_list_first(&m->active); l != NULL; l = next) {
        struct bly_http_easy *e =
            BLY_CONTAINER(l, struct bly_http_exchange, active)->handle;

        next = bly_list_next(&m->active, l);
        if (e->broken)
            bly_http_easy_end(e, CURLE_OK);
    }
}

/* How many events there were. */
static int
multi_turn(struct bly_http_multi *m)
{
    belay_block nowait;
    int n;

    belay_nowait_open(&nowait, m->h->site);
    m->moved = false;
    multi_serve_port(m);
    multi_tell_time(m);
    n = multi_tell_events(m);
    multi_reap(m);
    belay_block_close(&nowait);
    return n;
}

static int
multi_sleep(struct bly_http_multi *m)
{
    belay_case cases[3];
    belay_case_room room[3];
    int r;

    cases[0] = belay_case_event(&m->h->port.work);
    cases[1] = belay_case_fd(m->epfd, BELAY_READABLE);
    cases[2] = belay_case_after(m->due - belay_now());
    r = belay_select_at(NULL, cases, room, m->due == BLY_NEVER ? 2 : 3,
        m->h->site);
    /* No descriptor or memory for the wait: there may be soon. */
    if (r < 0 && belay_cancelled() == 0)
        r = belay_sleep(MULTI_NAP);
    return r < 0 ? r : 0;
}

/* ---- the driver ---------------------------------------------------------- */

static void
multi_begin(struct bly_http_multi *m)
{
    CURLM *curl;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return;
    curl = curl_multi_init();
    if (curl == NULL) {
        curl_global_cleanup();
        return;
    }
    (void)curl_multi_setopt(curl, CURLMOPT_SOCKETFUNCTION, multi_socket);
    (void)curl_multi_setopt(curl, CURLMOPT_SOCKETDATA, m);
    (void)curl_multi_setopt(curl, CURLMOPT_TIMERFUNCTION, multi_timer);
    (void)curl_multi_setopt(curl, CURLMOPT_TIMERDATA, m);
    /* Those that are kept for later. */
    (void)curl_multi_setopt(curl, CURLMOPT_MAXCONNECTS,
        (long)m->h->opts.total);
    m->curl = curl;
}

static void
multi_finish(struct bly_http_multi *m)
{
    struct bly_link *l;

    while ((l = bly_list_first(&m->active)) != NULL) {
        struct bly_http_exchange *x =
            BLY_CONTAINER(l, struct bly_http_exchange, active);

        (void)bly_http_fail(x, BELAY_HTTP_CLOSED, BELAY_ECLOSED,
            "the session has ended");
        bly_http_easy_end(x->handle, CURLE_OK);
    }
    if (m->curl != NULL) {
        (void)curl_multi_cleanup(m->curl);
        curl_global_cleanup();
        m->curl = NULL;
    }
    while ((l = bly_list_pop(&m->gone)) != NULL)
        bly_free(BLY_CONTAINER(l, struct multi_socket, link));
    belay_fd_close_at(m->epfd, m->h->site);
    m->epfd = -1;
}

static void
multi_run(belay_http *h, void *self)
{
    struct bly_http_multi *m = self;
    int r = 0;

    multi_begin(m);
    while (r >= 0 && !bly_http_session_closing(h)) {
        int n;

        bly_http_count(h, &h->turns);
        n = multi_turn(m);
        m->idle_turns = m->moved || n <= 0 ? 0 : m->idle_turns + 1;
        if (m->idle_turns > MULTI_IDLE_TURNS)
            r = belay_sleep(MULTI_NAP);
        else
            r = n == MULTI_EVENTS ? belay_yield() : multi_sleep(m);
    }
    multi_finish(m);
}

static int
multi_open(belay_http *h, void **self)
{
    struct bly_http_multi *m;

    if (h->opts.proxy != NULL && !bly_http_proxy_ok(h->opts.proxy))
        return -EINVAL;
    m = bly_zalloc(sizeof *m);
    if (m == NULL)
        return -ENOMEM;
    m->h = h;
    m->due = BLY_NEVER;
    bly_list_init(&m->active);
    bly_list_init(&m->gone);
    m->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (m->epfd < 0) {
        int r = -errno;

        bly_free(m);
        return r;
    }
    *self = m;
    return 0;
}

static void
multi_close(void *self)
{
    struct bly_http_multi *m = self;

    belay_fd_close_at(m->epfd, NULL);
    bly_free(m);
}

const struct bly_http_transport bly_http_transport = {
    .open = multi_open,
    .run = multi_run,
    .close = multi_close,
    .resolve = bly_http_resolve,
};
