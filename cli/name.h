/* SPDX-License-Identifier: MIT */
/*
 * File names from templates: "{host}/{path}".  What comes from a URL or a
 * server cannot lead out of the directory, nor to a hidden file, nor to a name
 * that is too long: see name_expand.
 */
#ifndef CLI_NAME_H
#define CLI_NAME_H

#include "cli/text.h"

/* The name by content: the first 2 digits / all 64. */
#define NAME_BY_CONTENT "{sha2}/{sha256}"

enum { NAME_PART = 200, NAME_WHOLE = 1000 };

struct name_facts {
    uint64_t n;          /* {n}: the place of the URL in the input, from 1 */
    const char *host;    /* {host} */
    unsigned port;       /* {port} */
    const char *path;    /* {path}; {file}: its last part, or "index" */
    const char *query;   /* {query}; NULL: none */
    int status;          /* {status} */
    const char *sha256;  /* {sha256}; {sha2}: its first two digits */
};

/* Returns 0, or -EINVAL with a text in why: an unknown word, a brace without
 * its other, an absolute name, a part "..". */
int name_check(const char *template, char *why, size_t size);
/* Does the name depend on what the server answers? */
bool name_by_answer(const char *template);

/*
 * Appends the name to *out.  Each part of it (between slashes) has 1 to
 * NAME_PART bytes; a longer one is cut and ends in ~ and 16 digits of its
 * SHA-256.  Control characters become _, and so do the first dot of a part
 * and a slash within a word other than {path}; a backslash too.  Returns 0, or
 * -ENAMETOOLONG for more than NAME_WHOLE bytes.  The template was checked.
 */
int name_expand(const char *template, const struct name_facts *facts,
    struct text *out);

#endif
