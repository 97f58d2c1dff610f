/* SPDX-License-Identifier: MIT */
/* Which host is connected to, the origin or a proxy, and where that is. */
#include "http/multi.h"

#include <string.h>
#include <strings.h>

/* ---- proxies ------------------------------------------------------------- */

/* Those that look up the origin's name themselves. */
bool
bly_http_proxy_ok(const char *proxy)
{
    static const char *const schemes[] = {"http://", "https://", "socks5h://",
        "socks4a://"};
    size_t i;

    if (strstr(proxy, "://") == NULL)
        return proxy[0] != '\0';
    for (i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncasecmp(proxy, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

/* Whether host is name or below it: "example.org", ".example.org". */
static bool
proxy_name_fits(const char *name, size_t n, const char *host)
{
    size_t len = strlen(host);

    if (n > 0 && *name == '.') {
        name++;
        n--;
    }
    if (n == 0 || n > len || strncasecmp(host + len - n, name, n) != 0)
        return false;
    return n == len || host[len - n - 1] == '.';
}

static bool
proxy_is_not_for(const char *list, const char *host)
{
    while (*list != '\0') {
        size_t n;

        list += strspn(list, ", \t");
        n = strcspn(list, ", \t");
        if ((n == 1 && *list == '*') || proxy_name_fits(list, n, host))
            return true;
        list += n;
    }
    return false;
}

const char *
bly_http_proxy_for(belay_http *h, const char *host)
{
    const belay_http_opts *o = &h->opts;

    if (o->proxy == NULL ||
        (o->no_proxy != NULL && proxy_is_not_for(o->no_proxy, host)))
        return "";
    return o->proxy;
}

/* ---- addresses ----------------------------------------------------------- */

int
bly_http_resolve(belay_http *h, const char *host, unsigned port, char **out)
{
    (void)h;
    (void)host;
    (void)port;
    *out = NULL; /* curl looks it up */
    return belay_checkpoint();
}
