/* SPDX-License-Identifier: MIT */
/* A text that grows, for reports.  Without memory it ends early. */
#ifndef BLY_CORE_TEXT_H
#define BLY_CORE_TEXT_H

#include <belay/base.h>

#include "base/compiler.h"

struct bly_text {
    char *at; /* NULL: nothing yet */
    size_t used, room;
};

void bly_text_add(struct bly_text *x, const char *fmt, ...) BLY_PRINTF(2, 3);
/* 99998 as "99,998". */
void bly_text_number(struct bly_text *x, uint64_t n);
/* A length of time: "40 ms", "1.2 s", "3 min". */
void bly_text_ms(struct bly_text *x, uint32_t ms);
/* "<word> file:line", or nothing if it is not known. */
void bly_text_site(struct bly_text *x, const char *word,
    const belay_site *site);
/* Good until the next change; never NULL. */
const char *bly_text_get(const struct bly_text *x);
void bly_text_free(struct bly_text *x);

#endif
