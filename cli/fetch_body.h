/* SPDX-License-Identifier: MIT */
/* Where the bytes of one body go. */
#ifndef CLI_FETCH_BODY_H
#define CLI_FETCH_BODY_H

#include "cli/fetch_state.h"

struct body {
    struct fetch *f;
    struct fetch_result *r;
    bool keeps;  /* it is wanted; else its bytes are only counted */
    bool gone;   /* some of it is on stdout and cannot be taken back */
    struct store_file file;
    struct digest *digest; /* NULL: nobody asks for it */
};

void body_open(struct body *b, struct fetch *f, struct fetch_result *r);
/*
 * Forgets what is there, for another attempt, whose bytes are wanted or not.
 * This and what follows returns 0, or a negative code and has told the result
 * why.
 */
int body_begin(struct body *b, bool keeps);
BELAY_WAITS int body_add(struct body *b, const void *data, size_t n);
/* It is whole. */
BELAY_WAITS int body_end(struct body *b);
void body_close(struct body *b);

#endif
