/* SPDX-License-Identifier: MIT */
/* The parts of a URL.  See address.h. */
#include "cli/address.h"

#include <curl/curl.h>
#include <stddef.h>

void
address_take(struct address *a, const char *url)
{
    CURLU *parser = curl_url();

    *a = (struct address){NULL, NULL, NULL, NULL};
    if (parser != NULL &&
        curl_url_set(parser, CURLUPART_URL, url, 0) == CURLUE_OK) {
        (void)curl_url_get(parser, CURLUPART_HOST, &a->host, 0);
        (void)curl_url_get(parser, CURLUPART_PORT, &a->port,
            CURLU_DEFAULT_PORT);
        (void)curl_url_get(parser, CURLUPART_PATH, &a->path, 0);
        (void)curl_url_get(parser, CURLUPART_QUERY, &a->query, 0);
    }
    curl_url_cleanup(parser);
}

void
address_free(struct address *a)
{
    curl_free(a->host);
    curl_free(a->port);
    curl_free(a->path);
    curl_free(a->query);
}
