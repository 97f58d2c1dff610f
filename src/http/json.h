/* SPDX-License-Identifier: MIT */
/* JSON bodies, by jansson. */
#ifndef BLY_HTTP_JSON_H
#define BLY_HTTP_JSON_H

#include "http/exchange.h"

/* The text of a value; NULL: no memory, or it has none. */
struct bly_http_payload *bly_http_json_payload(const struct json_t *json)
    BLY_MUST_CHECK;

#endif
