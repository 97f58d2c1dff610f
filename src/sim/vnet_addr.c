/* SPDX-License-Identifier: MIT */
/* Addresses of the simulated kernel: all of them are this machine, but those
 * for documents. */
#include "sim/vnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static struct sockaddr_in *
addr_in(const struct bly_vnet_addr *a)
{
    return (struct sockaddr_in *)(uintptr_t)&a->sa;
}

static struct sockaddr_in6 *
addr_in6(const struct bly_vnet_addr *a)
{
    return (struct sockaddr_in6 *)(uintptr_t)&a->sa;
}

static const char *
addr_path(const struct bly_vnet_addr *a)
{
    return ((const struct sockaddr_un *)(const void *)&a->sa)->sun_path;
}

static size_t
addr_path_len(const struct bly_vnet_addr *a)
{
    return a->len - offsetof(struct sockaddr_un, sun_path);
}

/* ---- from and to programs ----------------------------------------------- */

static socklen_t
addr_len(int domain, const struct sockaddr *sa, socklen_t len)
{
    size_t head = offsetof(struct sockaddr_un, sun_path);
    const char *path = (const char *)sa + head;

    if (domain == AF_INET)
        return len < sizeof(struct sockaddr_in) ? 0
                                                : sizeof(struct sockaddr_in);
    if (domain == AF_INET6)
        return len < sizeof(struct sockaddr_in6) ? 0
                                                 : sizeof(struct sockaddr_in6);
    if (len > sizeof(struct sockaddr_un))
        return 0;
    if (len > head && path[0] != '\0') /* a path, and its end */
        return (socklen_t)(head + strnlen(path, len - head) + 1);
    return len;
}

int
bly_vnet_addr_set(struct bly_vnet_addr *a, int domain,
    const struct sockaddr *sa, socklen_t len)
{
    if (sa == NULL || len < sizeof(sa->sa_family))
        return -EINVAL;
    if (sa->sa_family != domain)
        return -EAFNOSUPPORT;
    memset(a, 0, sizeof(*a));
    a->len = addr_len(domain, sa, len);
    if (a->len == 0)
        return -EINVAL;
    memcpy(&a->sa, sa, a->len < len ? a->len : len);
    return 0;
}

void
bly_vnet_addr_get(const struct bly_vnet_addr *a, struct sockaddr *sa,
    socklen_t *len)
{
    if (sa == NULL || len == NULL)
        return;
    if (a->len > 0)
        memcpy(sa, &a->sa, a->len < *len ? a->len : *len);
    *len = a->len;
}

void
bly_vnet_addr_text(const struct bly_vnet_addr *a, char *buf, size_t size)
{
    char ip[INET6_ADDRSTRLEN];
    int n = (int)addr_path_len(a);

    if (a->len == 0)
        snprintf(buf, size, "without an address");
    else if (a->sa.ss_family == AF_INET)
        snprintf(buf, size, "%s:%u",
            inet_ntop(AF_INET, &addr_in(a)->sin_addr, ip, sizeof(ip)),
            ntohs(addr_in(a)->sin_port));
    else if (a->sa.ss_family == AF_INET6)
        snprintf(buf, size, "[%s]:%u",
            inet_ntop(AF_INET6, &addr_in6(a)->sin6_addr, ip, sizeof(ip)),
            ntohs(addr_in6(a)->sin6_port));
    else if (n <= 0)
        snprintf(buf, size, "without a name");
    else if (addr_path(a)[0] == '\0')
        snprintf(buf, size, "@%.*s", n - 1, addr_path(a) + 1);
    else
        snprintf(buf, size, "%.*s", n, addr_path(a));
}

/* One that is for documents, so that nothing has it: RFC 5737, RFC 3849. */
static bool
addr_is_example(const struct bly_vnet_addr *a)
{
    static const uint8_t v6[] = {0x20, 0x01, 0x0d, 0xb8};

    if (a->sa.ss_family == AF_INET)
        return ntohl(addr_in(a)->sin_addr.s_addr) >> 8 == 0xc00002;
    return a->sa.ss_family == AF_INET6 &&
        memcmp(&addr_in6(a)->sin6_addr, v6, sizeof v6) == 0;
}

int
bly_vnet_addr_nobody(const struct bly_vnet_addr *a)
{
    bool path = a->sa.ss_family == AF_UNIX && addr_path_len(a) > 0 &&
        addr_path(a)[0] != '\0';

    return path ? -ENOENT : addr_is_example(a) ? -ENETUNREACH : -ECONNREFUSED;
}

/* ---- numbers ------------------------------------------------------------ */

static uint16_t
addr_port(const struct bly_vnet_addr *a)
{
    return a->sa.ss_family == AF_INET ? addr_in(a)->sin_port
                                      : addr_in6(a)->sin6_port;
}

bool
bly_vnet_addr_portless(const struct bly_vnet_addr *a)
{
    return a->sa.ss_family == AF_UNIX ? addr_path_len(a) == 0
                                      : addr_port(a) == 0;
}

void
bly_vnet_addr_set_port(struct bly_vnet_addr *a, uint16_t port)
{
    if (a->sa.ss_family == AF_INET) {
        addr_in(a)->sin_port = htons(port);
    } else if (a->sa.ss_family == AF_INET6) {
        addr_in6(a)->sin6_port = htons(port);
    } else { /* as Linux does: a name of five digits that is no path */
        struct sockaddr_un *un = (void *)&a->sa;

        snprintf(un->sun_path + 1, sizeof(un->sun_path) - 1, "%05x", port);
        a->len = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 6;
    }
}

void
bly_vnet_addr_any(struct bly_vnet_addr *a, int domain)
{
    memset(a, 0, sizeof(*a));
    a->sa.ss_family = (sa_family_t)domain;
    a->len = domain == AF_INET ? sizeof(struct sockaddr_in)
        : domain == AF_INET6   ? sizeof(struct sockaddr_in6)
                               : sizeof(sa_family_t);
}

/* ---- hosts -------------------------------------------------------------- */

static bool
addr_is_any(const struct bly_vnet_addr *a)
{
    if (a->sa.ss_family == AF_INET)
        return addr_in(a)->sin_addr.s_addr == htonl(INADDR_ANY);
    return a->sa.ss_family == AF_INET6 &&
        IN6_IS_ADDR_UNSPECIFIED(&addr_in6(a)->sin6_addr);
}

void
bly_vnet_addr_here(struct bly_vnet_addr *a)
{
    if (!addr_is_any(a))
        return;
    if (a->sa.ss_family == AF_INET)
        addr_in(a)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        addr_in6(a)->sin6_addr = in6addr_loopback;
}

void
bly_vnet_addr_map(struct bly_vnet_addr *a, int domain)
{
    struct in_addr ip = addr_in(a)->sin_addr;
    in_port_t port = addr_in(a)->sin_port;
    uint8_t *to;

    if (domain != AF_INET6 || a->sa.ss_family != AF_INET)
        return;
    bly_vnet_addr_any(a, AF_INET6);
    addr_in6(a)->sin6_port = port;
    to = addr_in6(a)->sin6_addr.s6_addr;
    to[10] = to[11] = 0xff;
    memcpy(to + 12, &ip, sizeof(ip));
}

void
bly_vnet_addr_four(struct bly_vnet_addr *a)
{
    in_port_t port = addr_in6(a)->sin6_port;

    if (a->sa.ss_family != AF_INET6 || !addr_is_any(a))
        return;
    bly_vnet_addr_any(a, AF_INET);
    addr_in(a)->sin_port = port;
}

static void
addr_unmap(struct bly_vnet_addr *a)
{
    struct sockaddr_in6 six = *addr_in6(a);

    if (a->sa.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
        return;
    bly_vnet_addr_any(a, AF_INET);
    addr_in(a)->sin_port = six.sin6_port;
    memcpy(&addr_in(a)->sin_addr, six.sin6_addr.s6_addr + 12,
        sizeof(struct in_addr));
}

int
bly_vnet_addr_to(struct bly_vnet_addr *a, const struct bly_vnet_end *e,
    const struct sockaddr *sa, socklen_t len)
{
    bool both = e->domain == AF_INET6 && !e->v6only && sa != NULL &&
        len >= sizeof(sa->sa_family);
    bool four = both && sa->sa_family == AF_INET;
    int r = bly_vnet_addr_set(a, four ? AF_INET : e->domain, sa, len);

    if (r == 0 && both)
        addr_unmap(a);
    return r;
}

static bool
addr_same_host(const struct bly_vnet_addr *a, const struct bly_vnet_addr *b)
{
    if (a->sa.ss_family != b->sa.ss_family)
        return false;
    if (a->sa.ss_family == AF_INET)
        return addr_in(a)->sin_addr.s_addr == addr_in(b)->sin_addr.s_addr;
    return memcmp(&addr_in6(a)->sin6_addr, &addr_in6(b)->sin6_addr,
               sizeof(struct in6_addr)) == 0;
}

bool
bly_vnet_addr_covers(const struct bly_vnet_addr *bound,
    const struct bly_vnet_addr *to)
{
    struct bly_vnet_addr here = *to;

    if (bound->len == 0 || to->len == 0 ||
        (bound->sa.ss_family == AF_UNIX) != (to->sa.ss_family == AF_UNIX))
        return false;
    if (to->sa.ss_family == AF_UNIX)
        return addr_path_len(to) > 0 && bound->len == to->len &&
            memcmp(addr_path(bound), addr_path(to), addr_path_len(to)) == 0;
    if (addr_port(bound) != addr_port(to))
        return false;
    if (addr_is_any(bound)) /* that of AF_INET6 is for both */
        return bound->sa.ss_family == AF_INET6 ||
            to->sa.ss_family == AF_INET;
    bly_vnet_addr_here(&here);
    return addr_same_host(bound, &here);
}

int
bly_vnet_addr_says(const struct bly_vnet_addr *where,
    const struct bly_vnet_addr *a)
{
    if (a->len == 0 || a->sa.ss_family == AF_UNIX)
        return -1;
    if (where->len == 0)
        return 0;
    if (!addr_same_host(where, a))
        return -1;
    if (addr_port(where) == 0)
        return 1;
    return addr_port(where) == addr_port(a) ? 2 : -1;
}

/* ---- from text ---------------------------------------------------------- */

static bool
addr_host(struct bly_vnet_addr *a, const char *text)
{
    bly_vnet_addr_any(a, AF_INET);
    if (inet_pton(AF_INET, text, &addr_in(a)->sin_addr) == 1)
        return true;
    bly_vnet_addr_any(a, AF_INET6);
    return inet_pton(AF_INET6, text, &addr_in6(a)->sin6_addr) == 1;
}

bool
bly_vnet_addr_parse(struct bly_vnet_addr *a, const char *text)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr(text, ':');
    size_t len = strlen(text);
    char *end = NULL;
    unsigned long port = 0;

    memset(a, 0, sizeof(*a));
    if (strcmp(text, "*") == 0 || addr_host(a, text))
        return true;
    if (colon != NULL && colon[1] != '\0') {
        port = strtoul(colon + 1, &end, 10);
        len = (size_t)(colon - text);
    }
    if (end == NULL || *end != '\0' || port > UINT16_MAX ||
        len >= sizeof(host))
        return false;
    if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    if (!addr_host(a, host))
        return false;
    bly_vnet_addr_set_port(a, (uint16_t)port);
    return true;
}
