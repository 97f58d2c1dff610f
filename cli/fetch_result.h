/* SPDX-License-Identifier: MIT */
/* What came of one URL, and how it is told. */
#ifndef CLI_FETCH_RESULT_H
#define CLI_FETCH_RESULT_H

#include "cli/digest.h"
#include "cli/text.h"

enum fetch_end {
    FETCH_OK,
    FETCH_FAILED,
    FETCH_SKIPPED, /* a duplicate */
    FETCH_CUT,     /* the run ended while it was under way */
};

struct fetch_result {
    uint64_t n;   /* its place in the input, from 1 */
    uint64_t seq; /* its place among the results, from 0 */
    char *url;    /* as given; len bytes, and a NUL */
    size_t len;
    enum fetch_end end;
    const char *kind, *phase; /* of the error, static; NULL: none */
    char *message;
    char *final_url, *path;
    int status; /* 0: no answer */
    unsigned attempts, redirects;
    int version;
    bool reused;
    char remote[64];
    /* Of the attempt that was answered, known if `timed'. */
    bool timed;
    belay_dur dns, connect, tls, first_byte;
    belay_dur queue; /* waited for slots */
    belay_dur total; /* but for that: all attempts, the pauses between them */
    uint64_t bytes, raw; /* decoded, as it came */
    char sha256[DIGEST_HEX];
    struct text body; /* for --body=inline */
    bool has_body;
};

struct fetch_result *result_new(uint64_t n, const char *url, size_t len);
void result_free(struct fetch_result *r);
/* Says how it failed; an earlier reason is forgotten. */
void result_fail(struct fetch_result *r, enum fetch_end end, const char *kind,
    const char *phase, const char *fmt, ...) BELAY_PRINTF_(5, 6);
/* As if no attempt had been made. */
void result_again(struct fetch_result *r);

/* Each appends a line. */
void result_json(const struct fetch_result *r, struct text *out);
void result_line(const struct fetch_result *r, bool colour, struct text *out);
/* What stderr says about one that is not FETCH_OK. */
void result_message(const struct fetch_result *r, bool colour,
    struct text *out);

#endif
