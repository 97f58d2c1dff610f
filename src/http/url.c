/* SPDX-License-Identifier: MIT */
/* URLs by libcurl's parser, which is a pure function. */
#include "http/url.h"

#include "base/alloc.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { URL_MAX = 8192 };

/* curl's text, copied into our memory. */
static int
url_part(CURLU *c, CURLUPart part, unsigned flags, char **out,
    CURLUcode *code)
{
    char *text;
    size_t n;

    *code = curl_url_get(c, part, &text, flags);
    if (*code != CURLUE_OK)
        return *code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
    n = strlen(text) + 1;
    *out = bly_alloc(n);
    if (*out != NULL)
        memcpy(*out, text, n);
    curl_free(text);
    return *out != NULL ? 0 : -ENOMEM;
}

static int
url_scheme(struct bly_http_url *u, CURLU *c, CURLUcode *code)
{
    char *scheme = NULL;
    int r = url_part(c, CURLUPART_SCHEME, 0, &scheme, code);

    if (r < 0)
        return r;
    u->tls = strcmp(scheme, "https") == 0;
    if (!u->tls && strcmp(scheme, "http") != 0) {
        *code = CURLUE_UNSUPPORTED_SCHEME;
        r = -EPROTONOSUPPORT;
    }
    bly_free(scheme);
    return r;
}

/* user:password, which then are not in the URL any more. */
static int
url_auth(struct bly_http_url *u, CURLU *c, CURLUcode *code)
{
    char *user = NULL, *password = NULL;
    size_t size;
    int r = url_part(c, CURLUPART_USER, CURLU_URLDECODE, &user, code);

    if (r < 0)
        return *code == CURLUE_NO_USER ? 0 : r;
    r = url_part(c, CURLUPART_PASSWORD, CURLU_URLDECODE, &password, code);
    if (r < 0 && *code != CURLUE_NO_PASSWORD)
        goto out;
    size = strlen(user) + 2 + (password != NULL ? strlen(password) : 0);
    u->auth = bly_alloc(size);
    r = u->auth != NULL ? 0 : -ENOMEM;
    if (u->auth != NULL)
        (void)snprintf(u->auth, size, "%s:%s", user,
            password != NULL ? password : "");
    (void)curl_url_set(c, CURLUPART_USER, NULL, 0);
    (void)curl_url_set(c, CURLUPART_PASSWORD, NULL, 0);
out:
    bly_free(user);
    bly_free(password);
    return r;
}

static int
url_host(struct bly_http_url *u, CURLU *c, CURLUcode *code)
{
    char *port = NULL;
    size_t n, size;
    int r = url_part(c, CURLUPART_HOST, CURLU_PUNYCODE, &u->host, code);

    if (r < 0)
        return r;
    if (curl_url_set(c, CURLUPART_HOST, u->host, 0) != CURLUE_OK)
        return -EINVAL;
    r = url_part(c, CURLUPART_PORT, CURLU_DEFAULT_PORT, &port, code);
    if (r < 0)
        return r;
    u->port = 0;
    for (n = 0; port[n] != '\0'; n++)
        u->port = u->port * 10 + (unsigned)(port[n] - '0');
    bly_free(port);
    size = strlen(u->host) + sizeof "https://:65535";
    u->key = bly_alloc(size);
    if (u->key == NULL)
        return -ENOMEM;
    (void)snprintf(u->key, size, "http%s://%s:%u", u->tls ? "s" : "", u->host,
        u->port);
    n = strlen(u->host);
    if (n > 2 && u->host[0] == '[') {
        memmove(u->host, u->host + 1, n - 2);
        u->host[n - 2] = '\0';
    }
    return 0;
}

static int
url_take_apart(struct bly_http_url *u, CURLU *c, CURLUcode *code)
{
    int r = url_scheme(u, c, code);

    if (r == 0)
        r = url_auth(u, c, code);
    if (r == 0)
        r = url_host(u, c, code);
    if (r == 0) {
        (void)curl_url_set(c, CURLUPART_FRAGMENT, NULL, 0);
        r = url_part(c, CURLUPART_URL, 0, &u->text, code);
    }
    return r;
}

int
bly_http_url_parse(struct bly_http_url *u, const char *base, const char *text,
    const char **why)
{
    enum { FLAGS = CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE };
    CURLU *c = curl_url();
    CURLUcode code = CURLUE_OK;
    int r = -EINVAL;

    memset(u, 0, sizeof *u);
    *why = "no memory";
    if (c == NULL)
        return -ENOMEM;
    if (strnlen(text, URL_MAX) == URL_MAX)
        code = CURLUE_MALFORMED_INPUT;
    if (code == CURLUE_OK && base != NULL)
        code = curl_url_set(c, CURLUPART_URL, base, FLAGS);
    if (code == CURLUE_OK)
        code = curl_url_set(c, CURLUPART_URL, text, FLAGS);
    if (code == CURLUE_OK)
        r = url_take_apart(u, c, &code);
    else if (code == CURLUE_OUT_OF_MEMORY)
        r = -ENOMEM;
    if (r != -ENOMEM)
        *why = code == CURLUE_BAD_SCHEME ? "no scheme such as http://"
                                         : curl_url_strerror(code);
    curl_url_cleanup(c);
    return r;
}

void
bly_http_url_free(struct bly_http_url *u)
{
    bly_free(u->text);
    bly_free(u->host);
    bly_free(u->key);
    bly_free(u->auth);
    memset(u, 0, sizeof *u);
}

char *
bly_http_url_authorization(const struct bly_http_url *u)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr"
                                 "stuvwxyz0123456789+/";
    static const char begin[] = "Authorization: Basic ";
    const unsigned char *from = (const unsigned char *)u->auth;
    size_t i, n = strlen(u->auth);
    char *text = bly_alloc(sizeof begin + (n + 2) / 3 * 4), *to;

    if (text == NULL)
        return NULL;
    memcpy(text, begin, sizeof begin);
    to = text + sizeof begin - 1;
    for (i = 0; i < n; i += 3) {
        unsigned a = from[i], b = i + 1 < n ? from[i + 1] : 0;
        unsigned c = i + 2 < n ? from[i + 2] : 0;

        *to++ = digits[a >> 2];
        *to++ = digits[(a & 3) << 4 | b >> 4];
        *to++ = i + 1 < n ? digits[(b & 15) << 2 | c >> 6] : '=';
        *to++ = i + 2 < n ? digits[c & 63] : '=';
    }
    *to = '\0';
    return text;
}
