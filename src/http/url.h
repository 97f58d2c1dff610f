/* SPDX-License-Identifier: MIT */
/* URLs, as libcurl understands them, so that nobody else reads them in another
 * way. */
#ifndef BLY_HTTP_URL_H
#define BLY_HTTP_URL_H

#include "base/compiler.h"

#include <stdbool.h>

struct bly_http_url {
    char *text; /* without credentials and fragment */
    char *host; /* without brackets */
    char *key;  /* "https://host:443": what is one origin */
    char *auth; /* "user:password", or NULL */
    unsigned port;
    bool tls;
};

/*
 * Parses text, relative to base (or NULL).  *u is to be freed afterwards, in
 * any case.  Returns 0, -EINVAL, -EPROTONOSUPPORT or -ENOMEM; *why is a static
 * text then.
 */
int bly_http_url_parse(struct bly_http_url *u, const char *base,
    const char *text, const char **why) BLY_MUST_CHECK;
void bly_http_url_free(struct bly_http_url *u);

/* "Authorization: Basic ..." of u->auth; NULL: no memory. */
char *bly_http_url_authorization(const struct bly_http_url *u) BLY_MUST_CHECK;

#endif
