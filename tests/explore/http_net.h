/* SPDX-License-Identifier: MIT */
/* What the tests of HTTP share: sessions on a network in memory. */
#ifndef EXPLORE_HTTP_NET_H
#define EXPLORE_HTTP_NET_H

#include <belay/http_test.h>
#include <belay/test.h>

#include <string.h>

/* A network that serves these routes from now on. */
#define SERVE(name, ...)                                                       \
    static const belay_http_route name##_routes[] = {__VA_ARGS__};             \
    belay_http_net name = {.routes = name##_routes,                            \
        .count = sizeof name##_routes / sizeof *name##_routes};                \
    belay_http_serve(&name)

/* A session in s, if the explorer lets it. */
#define OPEN(s, http, ...)                                                     \
    do {                                                                       \
        int open_ = belay_http_open((s), (http), ##__VA_ARGS__);               \
        BELAY_CHECK(open_ == 0 || belay_test_disturbed());                     \
    } while (0)

static inline bool
body_is(belay_response *rsp, const char *want)
{
    belay_slice body = belay_response_body(rsp);

    return body.len == strlen(want) && memcmp(body.data, want, body.len) == 0 &&
        body.data[body.len] == '\0';
}

/* Whether line is among the request's headers. */
static inline bool
has_header(const belay_http_seen *seen, const char *line)
{
    const char *const *h;

    for (h = seen->headers; *h != NULL; h++)
        if (strcmp(*h, line) == 0)
            return true;
    return false;
}

/* Whether the request has a header of that name. */
static inline bool
has_name(const belay_http_seen *seen, const char *name)
{
    size_t n = strlen(name);
    const char *const *h;

    for (h = seen->headers; *h != NULL; h++)
        if (strncmp(*h, name, n) == 0 && (*h)[n] == ':')
            return true;
    return false;
}

/* After the sessions have ended, nothing is left on the network. */
static inline void
net_is_quiet(const belay_http_net *net)
{
    BELAY_CHECK_EQ(net->active, 0);
    BELAY_CHECK_EQ(net->open, 0);
}

#endif
