/* SPDX-License-Identifier: MIT */
/* Socket addresses and their text. */
#include "io/net.h"

#include "os/sys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum { ADDR_PATH = sizeof((struct sockaddr_un *)0)->sun_path };

_Static_assert(sizeof "unix:" + ADDR_PATH <= BELAY_ADDR_TEXT, "ABI");

static struct sockaddr_in *
addr_v4(const belay_addr *a)
{
    return (struct sockaddr_in *)(uintptr_t)&a->sa;
}

static struct sockaddr_in6 *
addr_v6(const belay_addr *a)
{
    return (struct sockaddr_in6 *)(uintptr_t)&a->sa;
}

static struct sockaddr_un *
addr_un(const belay_addr *a)
{
    return (struct sockaddr_un *)(uintptr_t)&a->sa;
}

/* Bytes of the path, without the end. */
static size_t
addr_path_len(const belay_addr *a)
{
    size_t n = a->len - offsetof(struct sockaddr_un, sun_path);
    const char *path = addr_un(a)->sun_path;

    if (a->len <= offsetof(struct sockaddr_un, sun_path))
        return 0;
    return path[0] == '\0' ? n : strnlen(path, n);
}

const char *
bly_addr_path(const belay_addr *a)
{
    if (a->sa.ss_family != AF_UNIX || addr_path_len(a) == 0 ||
        addr_un(a)->sun_path[0] == '\0')
        return NULL;
    return addr_un(a)->sun_path;
}

/* ---- from text ---------------------------------------------------------- */

static int
addr_bad(const char *text, const char *why)
{
    return belay_fail_at(-EINVAL, NULL, "address '%s' %s", text, why);
}

/* path begins with '/', or with '@' for a name without a file. */
static int
addr_parse_unix(belay_addr *a, const char *path, const char *text)
{
    struct sockaddr_un *un = addr_un(a);
    size_t n = strlen(path), head = offsetof(struct sockaddr_un, sun_path);

    if (n == 0 || strcmp(path, "@") == 0)
        return addr_bad(text, "has no path");
    if (n >= ADDR_PATH)
        return belay_fail_at(-ENAMETOOLONG, NULL,
            "address '%s' is longer than %d bytes", text, ADDR_PATH - 1);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, n);
    if (path[0] == '@')
        un->sun_path[0] = '\0';
    a->len = (socklen_t)(head + n + (path[0] != '@'));
    return 0;
}

int
bly_addr_split(const char *text, char *host, size_t size, uint16_t *port)
{
    const char *colon = strrchr(text, ':'), *begin = text, *end = colon, *p;
    unsigned number = 0;

    if (colon == NULL)
        return addr_bad(text, "has no port");
    for (p = colon + 1; *p >= '0' && *p <= '9' && number <= UINT16_MAX; p++)
        number = number * 10 + (unsigned)(*p - '0');
    if (*p != '\0' || p == colon + 1 || number > UINT16_MAX)
        return addr_bad(text, "has no port between 0 and 65535");
    if (*text == '[') {
        begin++;
        end--;
        if (end <= begin || *end != ']')
            return addr_bad(text, "has a bracket too few");
    } else if (memchr(text, ':', (size_t)(colon - text)) != NULL) {
        return addr_bad(text, "has colons but no brackets");
    }
    if ((size_t)(end - begin) >= size)
        return belay_fail_at(-ENAMETOOLONG, NULL,
            "the name in address '%s' is longer than %zu bytes", text,
            size - 1);
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    *port = (uint16_t)number;
    return *text == '[';
}

/* "fe80::1%eth0" */
static bool
addr_parse_v6(belay_addr *a, char *host)
{
    struct sockaddr_in6 *in6 = addr_v6(a);
    char *scope = strchr(host, '%');

    if (scope != NULL)
        *scope++ = '\0';
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
        return false;
    in6->sin6_family = AF_INET6;
    a->len = sizeof *in6;
    if (scope == NULL)
        return true;
    in6->sin6_scope_id = if_nametoindex(scope);
    if (in6->sin6_scope_id == 0)
        in6->sin6_scope_id = (uint32_t)strtoul(scope, &scope, 10);
    return in6->sin6_scope_id != 0;
}

bool
bly_addr_number(belay_addr *a, const char *host, uint16_t port)
{
    char copy[BELAY_ADDR_TEXT];

    memset(a, 0, sizeof *a);
    if (strlen(host) >= sizeof copy)
        return false;
    memcpy(copy, host, strlen(host) + 1);
    if (*host == '\0' || strcmp(host, "*") == 0) {
        addr_v6(a)->sin6_family = AF_INET6;
        addr_v6(a)->sin6_addr = in6addr_any;
        a->len = sizeof(struct sockaddr_in6);
    } else if (inet_pton(AF_INET, host, &addr_v4(a)->sin_addr) == 1) {
        addr_v4(a)->sin_family = AF_INET;
        a->len = sizeof(struct sockaddr_in);
    } else if (!addr_parse_v6(a, copy)) {
        memset(a, 0, sizeof *a);
        return false;
    }
    bly_addr_set_port(a, port);
    return true;
}

bool
bly_addr_is_unix(const char *text)
{
    return *text == '@' || strncmp(text, "unix:", 5) == 0;
}

int
belay_addr_parse(belay_addr *out, const char *text)
{
    char host[BELAY_ADDR_TEXT];
    belay_addr a;
    uint16_t port;
    int r, saved = errno;

    memset(&a, 0, sizeof a);
    if (bly_addr_is_unix(text)) {
        r = addr_parse_unix(&a, *text == '@' ? text : text + 5, text);
    } else {
        r = bly_addr_split(text, host, sizeof host, &port);
        if (r >= 0 && (!bly_addr_number(&a, host, port) ||
                          (r > 0 && a.sa.ss_family != AF_INET6)))
            r = addr_bad(text, "is not a number and a port");
        errno = saved;
    }
    if (r < 0)
        return r;
    *out = a;
    return 0;
}

/* ---- to text ------------------------------------------------------------ */

static void
addr_format_v6(const struct sockaddr_in6 *in6, char *buf, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?", name[IF_NAMESIZE];
    uint32_t scope = in6->sin6_scope_id;

    (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
    if (scope == 0)
        (void)snprintf(buf, size, "[%s]:%u", host, ntohs(in6->sin6_port));
    else if (if_indextoname(scope, name) != NULL)
        (void)snprintf(buf, size, "[%s%%%s]:%u", host, name,
            ntohs(in6->sin6_port));
    else
        (void)snprintf(buf, size, "[%s%%%u]:%u", host, scope,
            ntohs(in6->sin6_port));
}

static void
addr_format_un(const belay_addr *a, char *buf, size_t size)
{
    const char *path = addr_un(a)->sun_path;
    int n = (int)addr_path_len(a);

    if (n > 0 && path[0] == '\0')
        (void)snprintf(buf, size, "@%.*s", n - 1, path + 1);
    else
        (void)snprintf(buf, size, "unix:%.*s", n, path);
}

const char *
belay_addr_format(const belay_addr *a, char *buf, size_t size)
{
    char host[INET_ADDRSTRLEN] = "?";
    int saved = errno;

    switch (a->len == 0 ? AF_UNSPEC : a->sa.ss_family) {
    case AF_INET:
        (void)inet_ntop(AF_INET, &addr_v4(a)->sin_addr, host, sizeof host);
        (void)snprintf(buf, size, "%s:%u", host, ntohs(addr_v4(a)->sin_port));
        break;
    case AF_INET6:
        addr_format_v6(addr_v6(a), buf, size);
        break;
    case AF_UNIX:
        addr_format_un(a, buf, size);
        break;
    default:
        (void)snprintf(buf, size, "none");
        break;
    }
    errno = saved;
    return buf;
}

/* ---- parts -------------------------------------------------------------- */

int
belay_addr_port(const belay_addr *a)
{
    if (a->sa.ss_family == AF_INET)
        return ntohs(addr_v4(a)->sin_port);
    if (a->sa.ss_family == AF_INET6)
        return ntohs(addr_v6(a)->sin6_port);
    return -1;
}

void
bly_addr_set_port(belay_addr *a, uint16_t port)
{
    if (a->sa.ss_family == AF_INET)
        addr_v4(a)->sin_port = htons(port);
    else if (a->sa.ss_family == AF_INET6)
        addr_v6(a)->sin6_port = htons(port);
}

void
bly_addr_unmap(belay_addr *a)
{
    struct sockaddr_in6 six = *addr_v6(a);

    if (a->sa.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
        return;
    memset(a, 0, sizeof *a);
    addr_v4(a)->sin_family = AF_INET;
    addr_v4(a)->sin_port = six.sin6_port;
    memcpy(&addr_v4(a)->sin_addr, six.sin6_addr.s6_addr + 12,
        sizeof(struct in_addr));
    a->len = sizeof(struct sockaddr_in);
}

bool
belay_addr_equal(const belay_addr *a, const belay_addr *b)
{
    if (a->len == 0 || b->len == 0)
        return a->len == b->len;
    if (a->sa.ss_family != b->sa.ss_family ||
        belay_addr_port(a) != belay_addr_port(b))
        return false;
    switch (a->sa.ss_family) {
    case AF_INET:
        return addr_v4(a)->sin_addr.s_addr == addr_v4(b)->sin_addr.s_addr;
    case AF_INET6:
        return addr_v6(a)->sin6_scope_id == addr_v6(b)->sin6_scope_id &&
            memcmp(&addr_v6(a)->sin6_addr, &addr_v6(b)->sin6_addr,
                sizeof(struct in6_addr)) == 0;
    case AF_UNIX:
        return addr_path_len(a) == addr_path_len(b) &&
            memcmp(addr_un(a)->sun_path, addr_un(b)->sun_path,
                addr_path_len(a)) == 0;
    default:
        return false;
    }
}

/* ---- of sockets --------------------------------------------------------- */

int
bly_addr_of(int fd, bool peer, belay_addr *out)
{
    belay_addr a;
    int r;

    memset(&a, 0, sizeof a);
    a.len = sizeof a.sa;
    r = bly_sys_name(fd, peer, bly_addr_sa(&a), &a.len);
    if (r < 0)
        return r;
    if (a.len > sizeof a.sa)
        a.len = sizeof a.sa;
    *out = a;
    return 0;
}

static int
addr_of_stream(belay_stream *st, bool peer, belay_addr *out)
{
    int fd = belay_stream_fd(st);
    int r = fd < 0 ? -ENOTSOCK : bly_addr_of(fd, peer, out);

    if (r == 0)
        bly_addr_unmap(out);
    return r;
}

int
belay_stream_local(belay_stream *st, belay_addr *out)
{
    return addr_of_stream(st, false, out);
}

int
belay_stream_peer(belay_stream *st, belay_addr *out)
{
    return addr_of_stream(st, true, out);
}
