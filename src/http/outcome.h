/* SPDX-License-Identifier: MIT */
/* What a failure of curl is in our terms. */
#ifndef BLY_HTTP_OUTCOME_H
#define BLY_HTTP_OUTCOME_H

#include "http/multi.h"

/* Notes in e->x why it has failed, unless that has been noted. */
void bly_http_outcome(struct bly_http_easy *e, CURLcode code);

#endif
