/* SPDX-License-Identifier: MIT */
/* JSON bodies, by jansson. */
#include "http/json.h"

#include "base/alloc.h"

#include <errno.h>
#include <jansson.h>

struct bly_http_payload *
bly_http_json_payload(const struct json_t *json)
{
    enum { FLAGS = JSON_COMPACT | JSON_ENCODE_ANY };
    size_t n = json_dumpb(json, NULL, 0, FLAGS);
    struct bly_http_payload *p =
        n != 0 ? bly_alloc(sizeof *p + n) : NULL;

    if (p == NULL)
        return NULL;
    p->refs = 1;
    p->len = json_dumpb(json, p->data, n, FLAGS);
    return p;
}

int
belay_response_json(belay_response *rsp, struct json_t **out)
{
    belay_slice body = belay_response_body(rsp);
    json_error_t e;

    *out = json_loadb(body.len > 0 ? body.data : "", body.len,
        JSON_DECODE_ANY, &e);
    if (*out != NULL)
        return 0;
    if (json_error_code(&e) == json_error_out_of_memory)
        return -ENOMEM;
    return belay_fail_at(-EBADMSG, BELAY_SITE_("response_json"),
        "JSON of %.160s: line %d, column %d: %s", belay_response_url(rsp),
        e.line, e.column, e.text);
}
